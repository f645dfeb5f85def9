"""What a model refuses in its constructor, where SB3 or an earlier version failed at the first update."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch as th
from stable_baselines3 import PPO

from sb3_ppo_variants import (
    Coefficient,
    RecurrentVariantPPO,
    Regularizer,
    Term,
    UpdateHook,
    VariantPPO,
)
from tests.environments import SpacesEnv
from tests.models import SMALL, same_weights


def model(**arguments: Any) -> VariantPPO:
    return VariantPPO("MlpPolicy", SpacesEnv(), **{**SMALL, **arguments})


def without_the_record_s_word(minibatch: Any) -> th.Tensor:
    now, before = minibatch.features
    loss: th.Tensor = (now - before).square().mean(dim=1)
    return loss


NAMED_ALIKE = Term("own", lambda s, m, kl_penalty: s, coefficients=(Coefficient("kl_penalty", 1.0),))


class NoManager(UpdateHook):
    def around_update(self, model: Any, update: Any) -> Iterator[None]:  # type: ignore[override]
        yield


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"objective": Term("own", lambda s, m: s.sum())}, ValueError, r"objective: own must return one value per"),
        ({"objective": Term("own", lambda s, m: m)}, ValueError, "objective: own must return .*, not Minibatch"),
        (
            {"regularizers": Regularizer("own", lambda m: m.ratio.mean())},
            ValueError,
            r"regularizers: own must return one value per sample, shape \(batch,\), not \(\)",
        ),
        (
            {"regularizers": Regularizer("own", without_the_record_s_word)},
            ValueError,
            "regularizers: own: features are not known here: .* has to say needs_features=True",
        ),
        (
            {
                "objective": [
                    "clip",
                    "kl_penalty",
                    Term("own", lambda s, m, kl_penalty: s, None, (Coefficient("kl_penalty", 1.0),)),
                ],
            },
            ValueError,
            "objective: kl_penalty logs 'kl_penalty', which is logged already",
        ),
        ({"hooks": NoManager()}, TypeError, "hooks: around_update of NoManager must be a contextlib.contextmanager"),
        ({"n_epochs": 2.5}, ValueError, r"n_epochs=2.5 is not allowed: a whole number in \[1, inf\)"),
        ({"target_kl": "a"}, ValueError, "target_kl='a' is not allowed: a number"),
        ({"max_grad_norm": None}, ValueError, "max_grad_norm=None is not allowed: a number"),
        (
            {"clip_range_vf": lambda progress: -0.2},
            ValueError,
            "clip_range_vf=.* reaches -0.2, .* a number in",
        ),
        ({"clip_range": [0.2]}, TypeError, r"clip_range=\[0.2\]: a coefficient is a number, a schedule or"),
        (
            {"regularizers": Regularizer("own", lambda m, gamma: m.ratio, (Coefficient("gamma", 1.0),))},
            ValueError,
            "regularizers: 'gamma' is taken by VariantPPO; rename the coefficient",
        ),
        (
            {"regularizers": Regularizer("own", lambda m, rpo_noise: m.ratio, (Coefficient("rpo_noise", 1.0),))},
            ValueError,
            "regularizers: 'rpo_noise' is an argument of a hook",
        ),
    ],
)
def test_mistakes_are_named_before_training(arguments: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        model(**arguments)


@pytest.mark.parametrize(("name", "value"), [("n_epochs", 0), ("target_kl", "a"), ("clip_range_vf", -0.2)])
def test_a_value_that_is_assigned_is_checked_before_the_next_rollout(name: str, value: Any) -> None:
    trained = model(clip_range_vf=0.2)
    setattr(trained, name, value)
    with pytest.raises(ValueError, match=f"{name}="):
        trained.learn(SMALL["n_steps"])
    assert trained.num_timesteps == 0


@pytest.mark.parametrize("cls", [VariantPPO, RecurrentVariantPPO])
def test_whole_epochs_as_a_float_are_whole_epochs(cls: Any) -> None:
    policy = "MlpLstmPolicy" if cls is RecurrentVariantPPO else "MlpPolicy"
    assert cls(policy, "CartPole-v1", n_epochs=2.0, n_steps=16, batch_size=16).learn(16).n_epochs == 2


@pytest.mark.parametrize("name", ["learning_rate", "clip_range", "clip_range_vf"])
def test_a_number_of_numpy_is_a_number(name: str) -> None:
    given = model(**{name: np.float64(0.01)}).learn(SMALL["n_steps"])
    assert same_weights(given, model(**{name: 0.01}).learn(SMALL["n_steps"]))


def test_the_stock_numbers_are_those_of_the_stock_class() -> None:
    """What is converted or checked stays as SB3 has it, in a zip too."""
    stock, ours = PPO("MlpPolicy", SpacesEnv(), **SMALL), model()
    for name in ("learning_rate", "n_epochs", "target_kl", "max_grad_norm", "clip_range_vf"):
        assert getattr(ours, name) == getattr(stock, name)
        assert type(getattr(ours, name)) is type(getattr(stock, name))


class Counted:
    """Functions of a schedule that count their calls."""

    def __init__(self) -> None:
        self.calls = 0

    def function(self) -> Any:
        def schedule(progress: float) -> float:
            self.calls += 1
            return 0.2

        return schedule


def test_a_range_is_checked_once_and_not_before_each_rollout() -> None:
    ours, of_stock = Counted(), Counted()
    trained = model(clip_range_vf=ours.function()).learn(32)
    stock: Any = PPO("MlpPolicy", SpacesEnv(), **SMALL, clip_range_vf=of_stock.function()).learn(32)
    ours.calls = of_stock.calls = 0
    trained.learn(96, reset_num_timesteps=False)
    stock.learn(96, reset_num_timesteps=False)
    assert ours.calls == of_stock.calls == 3


def test_a_description_is_standard_json() -> None:
    described = model(objective=["clip", "dual_clip"], dual_clip=float("inf"), rpo_noise=np.float32(0.5)).describe()
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    assert described["coefficients"]["dual_clip"] == "inf"
    assert described["options"]["rpo_noise"] == 0.5


@pytest.mark.parametrize("tighter", ["up", "down"])
def test_a_description_says_which_way_is_tighter(tighter: str) -> None:
    rule = {"rule": "band", "follow": "approx_kl", "target": 0.1, "low": 0.001, "high": 1.0, "tighter": tighter}
    described = model(ent_coef=0.01, adapt={"ent_coef": rule}).describe()
    assert described["adapt"]["ent_coef"]["tighter"] == tighter
