from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_ppo_variants import Minibatch, RecurrentVariantPPO, VariantPPO
from sb3_ppo_variants.loop.features import find_last_hidden_layer
from sb3_ppo_variants.regularizers.feature_drift import feature_drift
from tests.environments import SpacesEnv
from tests.models import SMALL


def test_the_mean_of_squares_over_the_layer() -> None:
    now, before = th.tensor([[1.0, 3.0], [0.0, -1.0]], requires_grad=True), th.tensor([[0.0, 1.0], [0.0, 1.0]])
    loss = feature_drift(Minibatch(th.zeros(2), th.zeros(2), features=(now, before)), feature_drift_coef=2.0)
    assert loss.tolist() == [5.0, 4.0]  # 2 (1 + 4) / 2 and 2 (0 + 4) / 2
    loss.sum().backward()  # type: ignore[no-untyped-call]
    assert now.grad is not None
    assert now.grad.tolist() == [[2.0, 4.0], [0.0, -4.0]]


def test_the_layer_before_the_last_activation() -> None:
    policy = VariantPPO("MlpPolicy", SpacesEnv(), policy_kwargs={"net_arch": [8, 6]}, **SMALL).policy
    assert find_last_hidden_layer(policy) is policy.mlp_extractor.policy_net[2]
    images = VariantPPO("CnnPolicy", SpacesEnv("image"), **SMALL).policy
    assert find_last_hidden_layer(images) is images.features_extractor.linear[0]


def test_a_normalised_layer_is_watched_behind_its_normalisation() -> None:
    """A change of the linear layer alone would be normalised away, and one of the normalisation would not be seen."""
    for kwargs in ({"layer_norm": True}, {"residual_actor": True}):
        policy = VariantPPO("RegularizedMlpPolicy", SpacesEnv(), policy_kwargs=kwargs, **SMALL).policy
        norms = [part for part in policy.mlp_extractor.policy_net.modules() if isinstance(part, th.nn.LayerNorm)]
        assert find_last_hidden_layer(policy) is norms[-1]


@pytest.mark.parametrize(("cls", "policy"), [(VariantPPO, "MlpPolicy"), (RecurrentVariantPPO, "MlpLstmPolicy")])
def test_a_policy_without_hidden_layers_is_refused(cls: Any, policy: str) -> None:
    with pytest.raises(ValueError, match=r"regularizers: .* has no hidden linear layer"):
        cls(policy, SpacesEnv(), regularizers="feature_drift", policy_kwargs={"net_arch": []}, **SMALL)
    cls(policy, SpacesEnv(), regularizers="feature_drift", feature_drift_coef=0.0, policy_kwargs={"net_arch": []})


def test_a_large_weight_holds_the_layer_where_it_was() -> None:
    def drift(**arguments: Any) -> float:
        model = VariantPPO(
            "MlpPolicy", SpacesEnv(), regularizers="feature_drift", learning_rate=0.01, **SMALL, **arguments
        )
        layer = find_last_hidden_layer(model.policy)
        assert isinstance(layer, th.nn.Linear)
        before = layer.weight.detach().clone()
        model.learn(32)
        return float((layer.weight.detach() - before).square().mean())

    assert drift(feature_drift_coef=1e4) < 0.5 * drift(feature_drift_coef=1e-9)


def test_several_networks_of_a_dictionary_without_a_layer_over_them_are_refused() -> None:
    image = gym.spaces.Box(0, 255, (36, 36, 3), np.uint8)
    space = gym.spaces.Dict({"left": image, "right": image})

    class Eyes(gym.Env[Any, Any]):
        observation_space, action_space = space, gym.spaces.Discrete(2)

    model = PPO("MultiInputPolicy", DummyVecEnv([Eyes]), policy_kwargs={"net_arch": []}, device="cpu")
    with pytest.raises(ValueError, match="the features of MultiInputActorCriticPolicy are not known"):
        find_last_hidden_layer(model.policy)
