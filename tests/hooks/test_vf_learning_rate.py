from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.policies import ActorCriticPolicy

from sb3_ppo_variants import MaskableVariantPPO, RecurrentVariantPPO, UpdateHook, VariantPPO
from sb3_ppo_variants.hooks.vf_learning_rate import critic_parameters
from tests.environments import SpacesEnv
from tests.models import BAND, SMALL, logged, same_weights

# The actor's and the shared layers, by the beginning of their names.
ACTORS = ("log_std", "action_net", "mlp_extractor.policy_net", "features_extractor", "pi_features", "lstm_actor")


class Watch(UpdateHook):
    """Keeps the rates of the optimiser's groups in each epoch."""

    def __init__(self) -> None:
        self.rates: list[list[float]] = []

    def before_epoch(self, model: Any, update: Any, epoch: int) -> None:
        self.rates.append([group["lr"] for group in model.policy.optimizer.param_groups])


def moved(cls: Any, policy: str, observation: str, **arguments: Any) -> set[str]:
    action = "discrete" if cls is MaskableVariantPPO else "box"
    model = cls(policy, SpacesEnv(observation, action), **SMALL, **arguments)
    before = {name: parameter.detach().clone() for name, parameter in model.policy.named_parameters()}
    model.learn(32)
    return {name for name, parameter in model.policy.named_parameters() if not th.equal(parameter, before[name])}


HOSTS: list[tuple[Any, str, str, dict[str, Any]]] = [
    (VariantPPO, "MlpPolicy", "vector", {}),
    (VariantPPO, "CnnPolicy", "image", {}),
    (VariantPPO, "CnnPolicy", "image", {"policy_kwargs": {"share_features_extractor": False}}),
    (MaskableVariantPPO, "MlpPolicy", "vector", {}),
    (RecurrentVariantPPO, "MlpLstmPolicy", "vector", {}),
    (RecurrentVariantPPO, "MlpLstmPolicy", "vector", {"policy_kwargs": {"enable_critic_lstm": False}}),
]


@pytest.mark.parametrize(("cls", "policy", "observation", "arguments"), HOSTS)
def test_one_rate_of_0_stands_still(cls: Any, policy: str, observation: str, arguments: dict[str, Any]) -> None:
    critic = moved(cls, policy, observation, learning_rate=0.0, vf_learning_rate=0.01, **arguments)
    actor = moved(cls, policy, observation, learning_rate=0.01, vf_learning_rate=0.0, **arguments)
    both = moved(cls, policy, observation, learning_rate=0.01, **arguments)
    assert critic
    assert not any(name.startswith(ACTORS) for name in critic)
    assert all(name.startswith(ACTORS) for name in actor)
    assert critic | actor == both


def test_the_same_rate_is_the_plain_run_bit_for_bit() -> None:
    extras: list[dict[str, Any]] = [{}, {"vf_learning_rate": 3e-4}]
    assert same_weights(*(VariantPPO("MlpPolicy", SpacesEnv(), **SMALL, **extra).learn(64) for extra in extras))


def test_a_schedule_and_a_rule_each_move_their_own() -> None:
    watch = Watch()
    model = VariantPPO(
        "MlpPolicy",
        SpacesEnv(),
        vf_learning_rate="lin_0.02",
        adapt={"learning_rate": BAND | {"target": 1e-6, "low": 1e-6, "high": 1.0}},
        hooks=[watch],
        **SMALL,
    ).learn(64)
    # Progress is 1/2 and 0 at the two updates; the divergence is above the target, so the actor's rate is halved.
    assert watch.rates == [pytest.approx(rates) for rates in ([3e-4, 0.01],) * 2 + ([1.5e-4, 0.0],) * 2]
    assert logged(model)["train/vf_learning_rate"] == 0.0
    assert logged(model)["train/learning_rate"] == pytest.approx(1.5e-4)
    assert len(model.policy.optimizer.param_groups) == 1


def test_zips_go_both_ways(tmp_path: Path) -> None:
    VariantPPO("MlpPolicy", SpacesEnv(), vf_learning_rate=0.01, **SMALL).learn(32).save(tmp_path / "ours")
    stock = PPO.load(tmp_path / "ours", SpacesEnv()).learn(32)
    stock.save(tmp_path / "stock")
    model = VariantPPO.load(tmp_path / "stock", SpacesEnv(), vf_learning_rate=0.01)
    assert model.learn(32).vf_learning_rate == 0.01


class Fails(UpdateHook):
    def before_epoch(self, model: Any, update: Any, epoch: int) -> None:
        raise RuntimeError("in the middle")


def test_an_update_left_in_the_middle_has_one_group_again() -> None:
    model = VariantPPO("MlpPolicy", SpacesEnv(), vf_learning_rate=0.01, hooks=[Fails()], **SMALL)
    groups = model.policy.optimizer.param_groups
    with pytest.raises(RuntimeError, match="in the middle"):
        model.learn(32)
    assert [len(group["params"]) for group in model.policy.optimizer.param_groups] == [len(groups[0]["params"])]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vf_learning_rate": -1.0}, "vf_learning_rate=-1.0 is not allowed"),
        ({"vf_learning_rate": "fast"}, "vf_learning_rate='fast'"),
        (
            {"adapt": {"vf_learning_rate": BAND}},
            r"adapt\['vf_learning_rate'\]: vf_learning_rate is None; give it a value",
        ),
    ],
)
def test_bad_values_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VariantPPO("MlpPolicy", SpacesEnv(), **SMALL, **arguments)


class SharedFirst(th.nn.Module):
    """Actor and critic share a layer, which is found below the critic's name first."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.latent_dim_pi = self.latent_dim_vf = 8
        shared = th.nn.Linear(inputs, 8)
        self.value_net, self.policy_net = th.nn.Sequential(shared, th.nn.Tanh()), th.nn.Sequential(shared, th.nn.Tanh())

    def forward(self, features: th.Tensor) -> tuple[th.Tensor, th.Tensor]:
        return self.forward_actor(features), self.forward_critic(features)

    def forward_actor(self, features: th.Tensor) -> Any:
        return self.policy_net(features)

    def forward_critic(self, features: th.Tensor) -> Any:
        return self.value_net(features)


class SharingPolicy(ActorCriticPolicy):
    """With this extractor."""

    def _build_mlp_extractor(self) -> None:
        self.mlp_extractor = SharedFirst(self.features_dim)  # type: ignore[assignment]


def test_a_layer_that_actor_and_critic_share_goes_with_the_actor() -> None:
    model = VariantPPO(SharingPolicy, SpacesEnv("vector", "box"), vf_learning_rate=0.0, **SMALL)
    assert critic_parameters(model.policy) == [*model.policy.value_net.parameters()]
