"""The losses of one minibatch, worked by hand: two samples with advantages 1 and -2 and ratios 2 and 1/2."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch as th
from stable_baselines3.common.callbacks import CallbackList

from sb3_ppo_variants import VariantPPO
from tests.environments import SpacesEnv
from tests.models import logged


class KnownPPO(VariantPPO):
    """Knows what its policy says of the two samples: values 1 and 3, entropies 0.25 and 0.75."""

    has_entropy = True

    def _evaluate_actions(self, samples: Any) -> tuple[th.Tensor, th.Tensor, th.Tensor | None]:
        graph = 0.0 * self.policy.value_net.bias.sum()
        first = samples.returns == 10.0
        log_prob = samples.old_log_prob + th.where(first, math.log(2.0), -math.log(2.0))
        entropy = th.where(first, 0.25, 0.75) if self.has_entropy else None
        return th.where(first, 11.0, 17.0).unsqueeze(1) + graph, log_prob + graph, entropy


def losses(
    has_entropy: bool = True, objective: Any = "clip", advantages: tuple[float, float] = (1.0, -2.0), **arguments: Any
) -> dict[str, float]:
    settings: dict[str, Any] = {"n_steps": 2, "batch_size": 2, "n_epochs": 1, "ent_coef": 0.1, "device": "cpu"}
    model: Any = KnownPPO("MlpPolicy", SpacesEnv(), objective=objective, normalize_advantage=False, **settings)
    for name, value in arguments.items():
        setattr(model, name, value)
    model.has_entropy = has_entropy
    callback = CallbackList([])
    _, callback = model._setup_learn(2, callback)
    model.collect_rollouts(model.env, callback, model.rollout_buffer, 2)
    for name, both in {"advantages": advantages, "returns": (10.0, 14.0), "values": (10.0, 14.0)}.items():
        getattr(model.rollout_buffer, name)[:, 0] = both
    model.rollout_buffer.log_probs[:] = -1.0
    model.train()
    return {name.removeprefix("train/"): value for name, value in logged(model).items()}


def test_the_parts_and_their_sum() -> None:
    found = losses()
    # min(2 * 1, 1.2 * 1) and min(0.5 * -2, 0.8 * -2)
    assert found["policy_gradient_loss"] == pytest.approx(-(1.2 - 1.6) / 2)
    # 11 - 10 and 17 - 14
    assert found["value_loss"] == pytest.approx((1.0 + 9.0) / 2)
    assert found["entropy_loss"] == pytest.approx(-0.5)
    assert found["loss"] == pytest.approx(0.2 + 0.1 * -0.5 + 0.5 * 5.0)


def test_normalized_advantages() -> None:
    # (1, -2) less the mean -0.5, over the standard deviation 3 / sqrt(2): (1, -1) / sqrt(2)
    found = losses(normalize_advantage=True)
    assert found["policy_gradient_loss"] == pytest.approx(-(1.2 - 0.8) / math.sqrt(2) / 2)


def test_advantages_that_hardly_differ_are_not_blown_up() -> None:
    # 1e-8 / (sqrt(2) * 1e-8 + 1e-8) = 0.4142136, and as much below 0.
    found = losses(normalize_advantage=True, advantages=(1e-8, -1e-8))
    assert found["policy_gradient_loss"] == pytest.approx(-(1.2 - 0.8) * 0.4142136 / 2, rel=1e-3)
    alone = th.tensor([3.0])
    assert KnownPPO("MlpPolicy", SpacesEnv(), device="cpu")._normalized(alone) is alone


def test_the_divergence_is_that_of_the_samples_where_they_were_evaluated_elsewhere() -> None:
    # The policy has not changed, so the penalty is 0: 2 * 1 and 0.5 * -2 remain.
    assert losses(objective=["kl_penalty"])["policy_gradient_loss"] == pytest.approx(-(2.0 - 1.0) / 2, abs=1e-6)


def test_without_a_divergence_no_distribution_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KnownPPO, "_get_distribution", None)
    assert losses()["policy_gradient_loss"] == pytest.approx(0.2)


@pytest.mark.parametrize(("action", "expected"), [("discrete", [1, 0]), ("box", [[1.0], [0.0]])])
def test_actions_as_the_policy_takes_them(action: Any, expected: list[Any]) -> None:
    model = VariantPPO("MlpPolicy", SpacesEnv(action=action), device="cpu")
    found = model._actions(SimpleNamespace(actions=th.tensor([[1.0], [0.0]])))
    assert found.tolist() == expected
    assert found.dtype == (th.int64 if action == "discrete" else th.float32)


def test_clipped_values() -> None:
    # At most 2 from them: 11 stays, 17 becomes 16.
    assert losses(clip_range_vf=lambda progress: 2.0)["value_loss"] == pytest.approx((1.0 + 4.0) / 2)
    # At most 0.5 from the old values, which are the returns.
    assert losses(clip_range_vf=lambda progress: 0.5)["value_loss"] == pytest.approx(0.25)


def test_values_move_no_further_than_the_range() -> None:
    update: Any = SimpleNamespace(clip_range_vf=2.0)
    values, old_values = th.tensor([11.0, 17.0, 2.0]), th.tensor([10.0, 14.0, 10.0])
    assert VariantPPO._clipped(values, old_values, update).tolist() == [11.0, 16.0, 8.0]


def test_without_a_closed_form_the_entropy_is_that_of_the_actions_taken() -> None:
    # log-probabilities -1 + log 2 and -1 - log 2
    assert losses(has_entropy=False)["entropy_loss"] == pytest.approx(-1.0)


class AbsoluteValuePPO(KnownPPO):
    """Its critic has the mean absolute error as its loss."""

    def value_loss(self, returns: th.Tensor, values: th.Tensor) -> th.Tensor:
        return th.nn.functional.l1_loss(values, returns)


def test_the_value_loss_of_a_subclass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.KnownPPO", AbsoluteValuePPO)
    # |11 - 10| and |17 - 14|
    assert losses()["value_loss"] == pytest.approx((1.0 + 3.0) / 2)
