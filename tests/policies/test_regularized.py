"""Layer normalisation and the residual actor, against numbers worked by hand and against SB3's policies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch as th
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from stable_baselines3 import PPO
from torch.nn import LayerNorm, Linear, Tanh

from sb3_ppo_variants import MaskableVariantPPO, RegularizedMlpPolicy, VariantPPO
from sb3_ppo_variants.policies import RegularizedNetworks
from sb3_ppo_variants.policies.regularized import ResidualBlock
from tests.contract.classes import assert_finite, learn
from tests.environments import SpacesEnv
from tests.models import SMALL, same_weights


def make(policy: Any = "RegularizedMlpPolicy", cls: Any = VariantPPO, env: Any = None, **policy_kwargs: Any) -> Any:
    return cls(policy, SpacesEnv() if env is None else env, policy_kwargs=policy_kwargs, **SMALL)


def kinds(network: th.nn.Sequential) -> list[type]:
    return [type(layer) for layer in network]


def test_without_its_arguments_it_is_the_policy_of_sb3() -> None:
    assert same_weights(make().learn(64), make("MlpPolicy", PPO).learn(64))


def test_layer_normalisation_comes_before_each_activation() -> None:
    networks = make(layer_norm=True, net_arch={"pi": [8, 6], "vf": [5]}).policy.mlp_extractor
    assert kinds(networks.policy_net) == [Linear, LayerNorm, Tanh, Linear, LayerNorm, Tanh]
    assert kinds(networks.value_net) == [Linear, LayerNorm, Tanh]
    assert [layer.normalized_shape for layer in networks.policy_net if isinstance(layer, LayerNorm)] == [(8,), (6,)]


def test_a_residual_actor_and_a_plain_critic() -> None:
    policy = make(residual_actor=True, net_arch={"pi": [8, 8], "vf": [5]}).policy
    networks = policy.mlp_extractor
    assert kinds(networks.policy_net) == [Linear, ResidualBlock, ResidualBlock, LayerNorm]
    assert kinds(networks.value_net) == [Linear, Tanh]
    sizes = [layer.weight.shape for layer in networks.policy_net.modules() if isinstance(layer, Linear)]
    assert sizes == [(8, 4), (32, 8), (8, 32), (32, 8), (8, 32)]
    # SB3's own start of a network: orthogonal weights with a gain of sqrt(2).
    projection = networks.policy_net[0].weight
    assert th.allclose(projection.t() @ projection, 2 * th.eye(4), atol=1e-5)


def test_both_together() -> None:
    networks = make(residual_actor=True, layer_norm=True, net_arch={"pi": [8], "vf": [5]}).policy.mlp_extractor
    assert kinds(networks.policy_net) == [Linear, ResidualBlock, LayerNorm]
    assert kinds(networks.value_net) == [Linear, LayerNorm, Tanh]


def test_a_block_by_hand() -> None:
    block = ResidualBlock(2)
    up: Any = block.layers[1]
    down: Any = block.layers[3]
    with th.no_grad():
        for parameter in (up.weight, up.bias, down.weight, down.bias):
            parameter.zero_()
        up.weight[:2] = th.eye(2)
        down.weight[0, 1] = 5.0
        down.weight[1, 0] = 7.0
    # (1, 3) is normalised to (-1, 1) but for 1e-5 in the variance; of these the first is cut off by relu.
    assert block(th.tensor([[1.0, 3.0]]))[0].tolist() == pytest.approx([1.0 + 5.0 * 0.999995, 3.0], rel=1e-7)


@pytest.mark.parametrize("widths", [[], [8, 4]])
def test_a_residual_actor_has_layers_of_one_width(widths: list[int]) -> None:
    with pytest.raises(ValueError, match=rf"residual_actor=True with net_arch\['pi'\]=\{str(widths)[:-1]}\]: .*same"):
        make(residual_actor=True, net_arch=widths)


@pytest.mark.parametrize("policy", ["RegularizedCnnPolicy", "BinnedCnnPolicy"])
def test_layer_normalisation_needs_a_hidden_layer(policy: str) -> None:
    with pytest.warns(UserWarning, match=rf"net_arch=\[\] does nothing: policy={policy} has no hidden layer"):
        VariantPPO(policy, SpacesEnv("image"), policy_kwargs={"layer_norm": True}, **SMALL)


@pytest.mark.parametrize("action", ["box", "discrete"])
@pytest.mark.parametrize(("policy", "observation"), [("Mlp", "vector"), ("Cnn", "image"), ("MultiInput", "dict")])
def test_it_trains(policy: str, observation: str, action: str) -> None:
    options: dict[str, Any] = {"layer_norm": True, "residual_actor": True, "net_arch": [8]}
    assert_finite(learn(make(f"Regularized{policy}Policy", env=SpacesEnv(observation, action), **options), updates=1))


def test_saved_and_loaded(tmp_path: Path) -> None:
    model = make(layer_norm=True, residual_actor=True)
    model.save(tmp_path / "model.zip")
    assert same_weights(PPO.load(tmp_path / "model.zip", device="cpu"), model)
    model.policy.save(tmp_path / "policy.pth")
    policy = RegularizedMlpPolicy.load(str(tmp_path / "policy.pth"), device="cpu")
    observation = np.ones(4, np.float32)
    action, theirs = (each.predict(observation, deterministic=True)[0] for each in (policy, model))
    assert np.array_equal(action, theirs)


class OfMasks(RegularizedNetworks, MaskableActorCriticPolicy):
    """A policy of another host with these networks."""


def test_other_hosts_by_a_class_of_ones_own() -> None:
    model = make(OfMasks, MaskableVariantPPO, SpacesEnv(action="discrete"), residual_actor=True, net_arch=[8])
    assert_finite(learn(model, updates=1))
    assert kinds(model.policy.mlp_extractor.policy_net) == [Linear, ResidualBlock, LayerNorm]


def test_observations_in_a_dictionary_need_the_other_policy() -> None:
    with pytest.raises(ValueError, match="policy=RegularizedMlpPolicy takes no Dict observations; a MultiInputPolicy"):
        make(env=SpacesEnv("dict"))
