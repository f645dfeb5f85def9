from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch as th

from sb3_ppo_variants import RecurrentVariantPPO, UpdateHook, VariantPPO
from tests.environments import SpacesEnv
from tests.models import SMALL, logged

HOSTS: list[tuple[Any, str]] = [(VariantPPO, "MlpPolicy"), (RecurrentVariantPPO, "MlpLstmPolicy")]


class Looks(UpdateHook):
    """Keeps the means of one observation as the update sees them, and as evaluation does."""

    def before_epoch(self, model: Any, update: Any, epoch: int) -> None:
        means = [model.policy.get_distribution(th.zeros(1000, 4)).distribution.mean for _ in range(2)]
        model.policy.set_training_mode(False)
        still = [model.policy.get_distribution(th.zeros(1000, 4)).distribution.mean for _ in range(2)]
        model.policy.set_training_mode(True)
        self.noise = (means[0] - still[0]).detach()
        self.other = (means[1] - still[0]).detach()
        self.without = th.equal(*still)


def test_the_update_sees_uniform_noise_that_is_drawn_anew() -> None:
    looks = Looks()
    VariantPPO("MlpPolicy", SpacesEnv(), rpo_noise=0.5, hooks=[looks], **SMALL).learn(32)
    assert looks.without
    assert not th.equal(looks.noise, looks.other)
    assert looks.noise.abs().max() <= 0.5 + 1e-6
    # Of 3000 draws: the standard deviation of U(-1/2, 1/2) is 1 / sqrt(12) = 0.2887.
    assert float(looks.noise.std()) == pytest.approx(0.2887, rel=0.05)
    assert float(looks.noise.mean()) == pytest.approx(0.0, abs=0.03)


@pytest.mark.parametrize(("cls", "policy"), HOSTS)
def test_the_ratio_sees_it_and_the_exact_kl_does_not(cls: Any, policy: str) -> None:
    model = cls(policy, SpacesEnv(), rpo_noise=0.5, learning_rate=0.0, log_kl=True, **SMALL).learn(32)
    assert logged(model)["train/kl"] == 0.0
    assert logged(model)["train/approx_kl"] > 0.01
    assert "proba_distribution" not in vars(model.policy.action_dist)
    observation = np.zeros(4, dtype=np.float32)
    first, second = (model.predict(observation, deterministic=True)[0] for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("arguments", [{"action": "discrete"}, {"use_sde": True}, {"action": "multibinary"}])
def test_anything_but_a_gaussian_is_refused(arguments: dict[str, Any]) -> None:
    env = SpacesEnv(action=arguments.pop("action", "box"))
    with pytest.raises(ValueError, match="rpo_noise=0.5 needs a Gaussian policy"):
        VariantPPO("MlpPolicy", env, rpo_noise=0.5, **SMALL, **arguments)


@pytest.mark.parametrize("noise", [-0.1, float("inf"), "some"])
def test_bad_values_are_named(noise: Any) -> None:
    with pytest.raises(ValueError, match=f"rpo_noise={noise!r} is not allowed"):
        VariantPPO("MlpPolicy", SpacesEnv(), rpo_noise=noise, **SMALL)
