"""The examples of the page on what can be changed do what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch as th
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from sb3_ppo_variants import VariantPPO
from tests.pages import DOCS, blocks


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """The names that its blocks define; nothing is trained."""
    names: dict[str, Any] = {"__name__": "page"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OnPolicyAlgorithm, "learn", lambda model, *args, **kwargs: model)
        for block in blocks(DOCS / "changing.md", "python"):
            exec(compile(block.code, str(block), "exec"), names)
    return names


def filled(buffer_class: Any) -> Any:
    """Two steps of one environment with rewards 1 and 2 and values 3 and 4, whose episode goes on with the value 5."""
    model = VariantPPO("MlpPolicy", "CartPole-v1", n_steps=2, batch_size=2, rollout_buffer_class=buffer_class)
    buffer = model.rollout_buffer
    for reward, value in ((1.0, 3.0), (2.0, 4.0)):
        start = np.zeros(1)
        tensors = th.tensor([value]), th.zeros(1)
        buffer.add(np.zeros((1, 4)), np.zeros((1, 1)), np.array([reward]), start, *tensors)
    buffer.compute_returns_and_advantage(th.tensor([5.0]), np.zeros(1))
    return buffer


def test_one_step_targets(page: dict[str, Any]) -> None:
    # 1 + 0.99 * 4 and 2 + 0.99 * 5
    np.testing.assert_allclose(filled(page["OneStepTargets"]).returns[:, 0], [4.96, 6.95], rtol=1e-6)


def test_bounded_advantages(page: dict[str, Any]) -> None:
    buffer = filled(page["BoundedAdvantages"])
    buffer.advantages[:, 0] = (-7.0, 3.0)
    (samples,) = buffer.get(2)
    assert sorted(samples.advantages.tolist()) == [-5.0, 3.0]


def test_a_bounded_mean(page: dict[str, Any]) -> None:
    distribution = page["BoundedMean"](1).proba_distribution(th.tensor([[1.0]]), th.zeros(1))
    assert distribution.mode().item() == pytest.approx(0.761594, abs=1e-6)  # tanh(1)


def test_the_optimiser(page: dict[str, Any]) -> None:
    policy = {"optimizer_class": th.optim.AdamW, "optimizer_kwargs": {"weight_decay": 1e-3}}
    model = VariantPPO("MlpPolicy", "CartPole-v1", policy_kwargs=policy)
    assert isinstance(model.policy.optimizer, th.optim.AdamW)


def test_the_value_loss_and_the_auxiliary_loss(page: dict[str, Any]) -> None:
    model = page["HuberPPO"]("MlpPolicy", "CartPole-v1", regularizers=page["small_features"])
    # Huber's loss of errors 0.5 and 3: 0.5 * 0.5 ** 2 and 3 - 0.5
    assert model.value_loss(th.tensor([1.0, 5.0]), th.tensor([1.5, 2.0])).item() == pytest.approx((0.125 + 2.5) / 2)
    assert model.describe()["regularizers"] == ["small_features"]
