"""Bad arguments raise an error that names them, before any environment step."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch as th
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.type_aliases import RolloutBufferSamples

from sb3_ppo_variants import AdaptiveClipPPO, Coefficient, DualClipPPO, KLPenaltyPPO, Minibatch, Term, VariantPPO
from tests.environments import SpacesEnv
from tests.models import BAND, SMALL, logged, slow_down


class NeverSteps(SpacesEnv):
    """Bad arguments must be refused before any environment step."""

    def step(self, action: Any) -> Any:
        raise AssertionError("an environment step was taken")


def gamma_term(surrogate: th.Tensor, minibatch: Minibatch, *, gamma: float = 0.5) -> th.Tensor:
    return surrogate * gamma


def policy_term(surrogate: th.Tensor, minibatch: Minibatch, *, rollout_buffer: float = 0.5) -> th.Tensor:
    return surrogate * rollout_buffer


def needy_term(surrogate: th.Tensor, minibatch: Minibatch, *, needed_coef: float) -> th.Tensor:
    return surrogate * needed_coef


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"objective": "clpi"}, ValueError, "objective='clpi'.*Did you mean 'clip'"),
        ({"objective": ["kl_penalty", "clip"]}, ValueError, "cannot come after"),
        ({"dual_clip": 3.0}, TypeError, "dual_clip=3.0 belongs to the term 'dual_clip', which is not in the objective"),
        ({"n_stepz": 3}, TypeError, "argument='n_stepz'.*Did you mean 'n_steps'"),
        ({"objective": "dual_clip", "dual_clip": 1.0}, ValueError, r"dual_clip=1.0 is not allowed.*\(1.0, inf\)"),
        ({"objective": "dual_clip", "dual_clip": "lin_3"}, ValueError, "dual_clip='lin_3' reaches"),
        ({"objective": "dual_clip", "dual_clip": None}, TypeError, "dual_clip"),
        ({"ent_coef": float("inf")}, ValueError, "ent_coef=inf is not allowed: a finite number"),
        (
            {"objective": "kl_penalty", "kl_coef": float("inf")},
            ValueError,
            "kl_coef=inf is not allowed: a finite number",
        ),
        ({"learning_rate": "lin_inf"}, ValueError, "learning_rate=.* reaches inf"),
        ({"clip_range": -0.1}, ValueError, "clip_range=-0.1 is not allowed"),
        ({"objective": "kl_penalty", "kl_coef": float("nan")}, ValueError, "kl_coef=nan"),
        ({"objective": "kl_penalty", "kl_direction": "up"}, ValueError, "kl_direction='up'.*'forward', 'reverse'"),
        ({"adapt": {"clip_range": BAND | {"rule": "bang"}}}, ValueError, r"\['rule'\]='bang'.*'band'"),
        ({"adapt": {"kl_coef": BAND}}, ValueError, "adapt='kl_coef'"),
        ({"objective": "kl_penalty", "kl_coef": 0.0, "adapt": {"kl_coef": BAND}}, ValueError, "kl_coef starts at 0"),
        ({"objective": ["clip", gamma_term]}, ValueError, "'gamma' is taken by VariantPPO"),
        ({"objective": ["clip", policy_term]}, ValueError, "'rollout_buffer' is taken by VariantPPO"),
        ({"objective": ["clip", needy_term]}, TypeError, "needed_coef is needed"),
        ({"learning_rate": "fast"}, ValueError, "learning_rate='fast'"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        VariantPPO("MlpPolicy", NeverSteps(), **arguments).learn(1)


@pytest.mark.parametrize(
    ("cls", "arguments", "message"),
    [
        (DualClipPPO, {"dual_clip": 0.9}, "dual_clip=0.9"),
        (KLPenaltyPPO, {"desired_kl": 0.0}, "desired_kl=0.0"),
        (KLPenaltyPPO, {"kl_coef_bounds": (0.0, 1.0)}, r"kl_coef_bounds=\(0.0, 1.0\)"),
        (KLPenaltyPPO, {"kl_coef_bounds": (1.0,)}, r"kl_coef_bounds=\(1.0,\).*a pair"),
        (KLPenaltyPPO, {"kl_estimator": "k9"}, "kl_estimator='k9'"),
        (AdaptiveClipPPO, {"desired_kl": None}, "desired_kl=None"),
        (AdaptiveClipPPO, {"clip_range": 0.9}, "clip_range starts at 0.9, outside"),
        (AdaptiveClipPPO, {"clip_range_bounds": (0.4, 0.05)}, "clip_range starts at 0.2, outside low=0.4"),
    ],
)
def test_bad_arguments_of_named_classes(cls: type[VariantPPO], arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cls("MlpPolicy", NeverSteps(), **arguments).learn(1)


def test_target_kl_and_a_rule_on_the_kl_draw_a_warning() -> None:
    with pytest.warns(UserWarning, match="target_kl=0.01 stops an update before"):
        KLPenaltyPPO("MlpPolicy", SpacesEnv(), target_kl=0.01, **SMALL)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DualClipPPO("MlpPolicy", SpacesEnv(), target_kl=0.01, **SMALL)


class OwnBuffer(RolloutBuffer):
    """Makes its minibatches in its own way."""

    _get_samples = property()

    def get(self, batch_size: int | None = None) -> Any:
        flat = [self.swap_and_flatten(getattr(self, name)) for name in ("observations", "actions")]
        rest = [
            self.swap_and_flatten(getattr(self, name)).flatten()
            for name in ("values", "log_probs", "advantages", "returns")
        ]
        yield self.samples(*map(self.to_torch, [*flat, *rest]))

    @staticmethod
    def samples(*tensors: th.Tensor) -> Any:
        return RolloutBufferSamples(*tensors)


def test_a_buffer_without_indices_trains_but_is_refused_where_the_kl_is_needed() -> None:
    VariantPPO("MlpPolicy", SpacesEnv(), rollout_buffer_class=OwnBuffer, **SMALL).learn(64)
    with pytest.raises(ValueError, match="rollout_buffer_class=OwnBuffer"):
        KLPenaltyPPO("MlpPolicy", NeverSteps(), rollout_buffer_class=OwnBuffer, **SMALL).learn(1)


def test_a_record_of_ones_own() -> None:
    record = Term(
        "slow", slow_down, stage="penalty", coefficients=(Coefficient("slow_coef", 0.1, low=0.0, tighter="up"),)
    )
    model = VariantPPO("MlpPolicy", SpacesEnv(), objective=["clip", record], adapt={"slow_coef": BAND}, **SMALL).learn(
        32
    )
    assert logged(model)["train/slow_coef"] == 0.1
    with pytest.raises(ValueError, match="slow_coef=-1.0"):
        VariantPPO("MlpPolicy", NeverSteps(), objective=["clip", record], slow_coef=-1.0)
