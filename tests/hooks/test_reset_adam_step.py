from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch as th

from sb3_ppo_variants import UpdateHook, VariantPPO
from tests.environments import SpacesEnv
from tests.models import SMALL, same_weights


def steps(model: VariantPPO) -> set[float]:
    return {float(state["step"]) for state in model.policy.optimizer.state.values()}


def test_the_count_begins_anew_in_each_update() -> None:
    # Two epochs of two minibatches an update.
    assert steps(VariantPPO("MlpPolicy", SpacesEnv(), **SMALL).learn(96)) == {12.0}
    assert steps(VariantPPO("MlpPolicy", SpacesEnv(), reset_adam_step=True, **SMALL).learn(96)) == {4.0}


def test_the_first_update_is_that_without_it() -> None:
    model = VariantPPO("MlpPolicy", SpacesEnv(), reset_adam_step=True, **SMALL).learn(32)
    assert same_weights(model, VariantPPO("MlpPolicy", SpacesEnv(), **SMALL).learn(32))


def moments(model: VariantPPO) -> list[th.Tensor]:
    return [
        state[name].clone() for state in model.policy.optimizer.state.values() for name in ("exp_avg", "exp_avg_sq")
    ]


class Looks(UpdateHook):
    """Keeps the moments with which an update begins: own hooks begin after those of the package."""

    @contextmanager
    def around_update(self, model: VariantPPO, update: Any) -> Iterator[None]:
        self.begin = moments(model)
        yield


def test_the_moments_go_on() -> None:
    looks = Looks()
    model = VariantPPO("MlpPolicy", SpacesEnv(), reset_adam_step=True, hooks=[looks], **SMALL).learn(32)
    end = moments(model)
    model.learn(32, reset_num_timesteps=False)
    assert any(moment.any() for moment in end)
    assert all(th.equal(*pair) for pair in zip(end, looks.begin, strict=True))


class CountsInPlainNumbers(th.optim.Adam):
    """As optimisers outside torch often do."""

    def step(self, closure: Any = None) -> Any:
        for state in self.state.values():
            state["step"] = th.tensor(float(state["step"]))
        result = super().step(closure)
        for state in self.state.values():
            state["step"] = int(state["step"])
        return result


def test_a_count_in_a_plain_number_begins_anew_too() -> None:
    kwargs = {"optimizer_class": CountsInPlainNumbers}
    model = VariantPPO("MlpPolicy", SpacesEnv(), reset_adam_step=True, policy_kwargs=kwargs, **SMALL).learn(96)
    assert steps(model) == {4.0}
    assert isinstance(next(iter(model.policy.optimizer.state.values()))["step"], int)


def test_only_adam_counts() -> None:
    with pytest.raises(ValueError, match="reset_adam_step=True needs an optimiser of Adam's family, not RMSprop"):
        VariantPPO(
            "MlpPolicy",
            SpacesEnv(),
            reset_adam_step=True,
            policy_kwargs={"optimizer_class": th.optim.RMSprop, "optimizer_kwargs": {}},
            **SMALL,
        )
    with pytest.raises(ValueError, match="reset_adam_step='yes' is not known"):
        VariantPPO("MlpPolicy", SpacesEnv(), reset_adam_step="yes", **SMALL)


def test_the_products_of_nadam_begin_anew_too() -> None:
    policy_kwargs = {"optimizer_class": th.optim.NAdam}
    products = []
    for updates in (1, 3):
        model = VariantPPO("MlpPolicy", SpacesEnv(), reset_adam_step=True, policy_kwargs=policy_kwargs, **SMALL)
        model.learn(32 * updates)
        products.append({float(state["mu_product"]) for state in model.policy.optimizer.state.values()})
    assert products[0] == products[1]
