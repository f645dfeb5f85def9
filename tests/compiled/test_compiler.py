"""A compiled model goes wherever an eager one goes."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import pytest
import torch as th
from stable_baselines3.common.policies import ActorCriticPolicy

from sb3_ppo_variants import VariantPPO
from sb3_ppo_variants.compiled.unsupported import Unsupported
from tests.compiled.conftest import Traces
from tests.compiled.policies import Recurs, assert_alike, learn
from tests.environments import SpacesEnv
from tests.models import SMALL, same_weights

COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "cloudpickle": lambda model: cloudpickle.loads(cloudpickle.dumps(model)),
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_goes_on_as_the_model_does(traces: Traces, how: str) -> None:
    model = learn("strict")
    copied = COPIES[how](model)
    for one in (model, copied):
        one.set_random_seed(0)
        one.learn(64)
    assert copied._execution._algorithm is copied
    assert same_weights(model, copied)


def test_another_policy_is_compiled_as_well(traces: Traces) -> None:
    models = [learn(compile) for compile in ("strict", False)]
    for model in models:
        model.policy = learn(False, seed=1, updates=1).policy
        model.learn(64, reset_num_timesteps=False)
    assert_alike(*models)


def replace_by_compiled_module(model: Any) -> None:
    model.policy = th.compile(model.policy, backend="eager")


def replace_forward(model: Any) -> None:
    model.policy.forward = type(model.policy).forward.__get__(model.policy)


@pytest.mark.parametrize("replace", [replace_by_compiled_module, replace_forward])
def test_a_replaced_forward_is_left_in_its_place(traces: Traces, replace: Callable[[Any], None]) -> None:
    def learn(compile: bool | str, replace: Callable[[Any], None] | None) -> Any:
        model = VariantPPO("MlpPolicy", SpacesEnv(), compile=compile, **SMALL)
        if replace is not None:
            replace(model)
        return model.learn(64)

    message = "something else has taken the place of the policy's forward"
    with pytest.warns(UserWarning, match=f"runs in eager mode the rollout: {message}"):
        model = learn(True, replace)
    own = dict(learn(False, None).policy.named_parameters())
    for name, parameter in model.policy.named_parameters():
        assert th.allclose(parameter, own[name.removeprefix("_orig_mod.")], rtol=1e-4, atol=2e-5), name
    with pytest.raises(Unsupported, match=message):
        learn("strict", replace)


def test_an_lstm_in_the_extractor_runs_in_eager_mode(traces: Traces) -> None:
    """It keeps a list of its weights, and renews the list when others are in their place."""
    with pytest.warns(UserWarning, match="runs in eager mode the rollout: the forward pass changes policy.*lstm"):
        model = learn(True, Recurs)
    assert same_weights(model, learn(False, Recurs))


class StateStd(ActorCriticPolicy):
    """The standard deviation is a function of the state; `log_std`, the first parameter, is not used."""

    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)
        self.std_net = th.nn.Linear(64, 1)
        self.optimizer = th.optim.Adam(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)

    def _get_action_dist_from_latent(self, latent_pi: th.Tensor) -> Any:
        log_std: Any = self.std_net(latent_pi).clamp(-5, 1)
        return self.action_dist.proba_distribution(self.action_net(latent_pi), log_std)


class WithoutDistribution(ActorCriticPolicy):
    """Keeps no distribution of SB3's, and makes those of torch, which check their arguments."""

    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)
        del self.action_dist

    def _of(self, obs: th.Tensor) -> tuple[Any, th.Tensor]:
        latent_pi, latent_vf = self.mlp_extractor(self.extract_features(obs))
        return th.distributions.Categorical(logits=self.action_net(latent_pi)), self.value_net(latent_vf)

    def forward(self, obs: th.Tensor, deterministic: bool = False) -> Any:
        distribution, values = self._of(obs)
        actions = distribution.sample()
        return actions, values, distribution.log_prob(actions)

    def evaluate_actions(self, obs: Any, actions: th.Tensor) -> Any:
        distribution, values = self._of(obs)
        return values, distribution.log_prob(actions), distribution.entropy()

    def predict_values(self, obs: Any) -> th.Tensor:
        return self._of(obs)[1]


def test_a_policy_that_keeps_no_distribution_runs_in_eager_mode(traces: Traces) -> None:
    def learn(compile: bool) -> Any:
        return VariantPPO(WithoutDistribution, SpacesEnv(action="discrete"), compile=compile, **SMALL).learn(64)

    with pytest.warns(UserWarning, match="runs in eager mode .*: it branches .* distributions of torch that check"):
        model = learn(True)
    assert same_weights(model, learn(False))


def test_parameters_without_a_gradient_have_no_state(traces: Traces) -> None:
    arguments: dict[str, Any] = {"n_steps": 160, "batch_size": 64, "n_epochs": 3, "seed": 0, "device": "cpu"}
    model = VariantPPO(StateStd, "Pendulum-v1", compile=True, **arguments)
    model.learn(480)
    states = model.policy.optimizer.state
    assert {float(state["step"]) for state in states.values()} == {27.0}
    assert len(states) == 14
    assert model.policy.log_std not in states


def test_the_state_of_an_eager_model_goes_on(traces: Traces) -> None:
    arguments: dict[str, Any] = SMALL | {"policy_kwargs": {"net_arch": [64]}}
    eager = VariantPPO(StateStd, "Pendulum-v1", **arguments).learn(64)
    compiled: Any = VariantPPO(StateStd, "Pendulum-v1", compile="strict", **arguments)
    compiled.set_parameters(copy.deepcopy(eager.get_parameters()))
    for model in (eager, compiled):
        model.set_random_seed(0)
        model.learn(64)
    assert_alike(compiled, eager)
    states = [model.policy.optimizer.state_dict()["state"] for model in (compiled, eager)]
    assert {key: state["step"] for key, state in states[0].items()} == {
        key: state["step"] for key, state in states[1].items()
    }


def test_no_gradient_is_left_after_an_update(traces: Traces) -> None:
    model = learn("strict", updates=1)
    assert all(parameter.grad is None for parameter in model.policy.parameters())
