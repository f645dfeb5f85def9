"""The old policy, kept as a few tensors: aligned with every minibatch, on every host."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch as th
from stable_baselines3.common.env_util import make_vec_env
from torch.distributions import Bernoulli, Categorical, Independent, Normal

from sb3_ppo_variants import MaskableVariantPPO, Minibatch, RecurrentVariantPPO, Term, VariantPPO
from sb3_ppo_variants.kl import Parameters, kl_divergence, parameters_of
from tests.environments import SpacesEnv
from tests.models import SMALL

LSTM = {"policy_kwargs": {"lstm_hidden_size": 8, "net_arch": [8]}}
# Several environments and a batch size that is no factor of the rollout, so that nothing is aligned by luck.
HOSTS: dict[str, tuple[Any, str, str, dict[str, Any]]] = {
    "plain": (VariantPPO, "MlpPolicy", "box", {}),
    "gsde": (VariantPPO, "MlpPolicy", "box", {"use_sde": True}),
    "squashed": (VariantPPO, "MlpPolicy", "box", {"use_sde": True, "policy_kwargs": {"squash_output": True}}),
    "multibinary": (VariantPPO, "MlpPolicy", "multibinary", {}),
    "masked": (MaskableVariantPPO, "MlpPolicy", "discrete", {}),
    "masked_multidiscrete": (MaskableVariantPPO, "MlpPolicy", "multidiscrete", {}),
    "masked_multibinary": (MaskableVariantPPO, "MlpPolicy", "multibinary", {}),
    "recurrent": (RecurrentVariantPPO, "MlpLstmPolicy", "box", LSTM),
    "recurrent_multidiscrete": (RecurrentVariantPPO, "MlpLstmPolicy", "multidiscrete", LSTM),
    "recurrent_multibinary": (RecurrentVariantPPO, "MlpLstmPolicy", "multibinary", LSTM),
}
pytestmark = pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")


def make(host: str, **arguments: Any) -> Any:
    cls, policy, action, own = HOSTS[host]
    env = make_vec_env(SpacesEnv, n_envs=3, seed=0, env_kwargs={"action": action})
    return cls(policy, env, **(SMALL | {"batch_size": 20, "learning_rate": 3e-3} | own | arguments))


@pytest.mark.parametrize("host", HOSTS)
def test_each_sample_sees_its_own_old_distribution(host: str) -> None:
    """At the first minibatch the policy has not moved: with rows aligned every divergence is zero, later it is not."""
    seen: list[float] = []
    sizes: list[int] = []

    def spy(surrogate: th.Tensor, minibatch: Minibatch) -> th.Tensor:
        seen.append(minibatch.kl().abs().max().item())
        sizes.append(len(surrogate))
        return surrogate

    make(host, objective=["clip", spy]).learn(96)
    # Two trials while the chain is built, then 2 epochs of 96 samples, without padding.
    assert sizes[2:] == [20, 20, 20, 20, 16] * 2
    assert seen[2] < 1e-5
    assert min(seen[3:]) > 1e-5


def log_prob(old: Parameters, actions: th.Tensor) -> th.Tensor:
    """Log-probabilities of actions, before squashing, in the words of torch.distributions."""
    policies: list[Any]
    if old.family == "normal":
        policies = [Independent(Normal(old.tensors[0], old.tensors[1]), 1)]
        return cast(th.Tensor, policies[0].log_prob(actions))
    if old.family == "bernoulli":
        policies = [Bernoulli(logits=logits) for logits in old.tensors[0].unbind(-1)]
    else:
        policies = [Categorical(logits=logits) for logits in old.tensors]
    return th.stack([policy.log_prob(actions[:, i].float()) for i, policy in enumerate(policies)]).sum(dim=0)


@pytest.mark.parametrize("host", HOSTS)
def test_terms_prepare_from_the_actions_that_the_old_policy_took(host: str) -> None:
    """Their log-probabilities are those that the rollout kept."""
    seen: list[th.Tensor] = []

    def prepare(old: Parameters, actions: th.Tensor) -> dict[str, th.Tensor]:
        seen.append(log_prob(old, actions))
        return {}

    model = make(host, objective=[Term("spy", lambda surrogate, minibatch: surrogate, prepare=prepare)]).learn(96)
    kept = th.as_tensor(model.rollout_buffer.log_probs).flatten()
    if host == "squashed":
        kept = kept + th.as_tensor(model.rollout_buffer.actions).square().neg().add(1 + 1e-6).log().sum(-1).flatten()
    assert len(seen[-1]) == 96
    assert th.allclose(seen[-1].sort().values, kept.sort().values, atol=0.01)


@pytest.mark.parametrize("host", HOSTS)
def test_the_logged_kl_is_that_of_a_kept_copy(host: str) -> None:
    """Against the weights from before the update, loaded again, on the same rollout."""
    model = make(host, log_kl=True)
    kept: dict[str, Any] = {}

    def keep(variables: dict[str, Any], _: Any) -> bool:
        kept["weights"] = {name: tensor.clone() for name, tensor in model.policy.state_dict().items()}
        return True

    model.learn(96, callback=keep)
    new = model._policy_parameters()
    model.policy.load_state_dict(kept["weights"])
    kl = kl_divergence(model._policy_parameters(), new)
    assert kl.shape == (96,)
    assert kl.mean() > 1e-5
    assert model.logger.name_to_value["train/kl"] == pytest.approx(kl.mean().item(), rel=1e-3)
    assert model.logger.name_to_value["train/kl_max"] == pytest.approx(kl.max().item(), rel=1e-3)


def test_storage_order_is_that_of_the_buffer() -> None:
    model = make("plain")
    model.learn(96)
    flat = model.rollout_buffer.to_torch(model.rollout_buffer.observations)
    direct = parameters_of(model.policy.get_distribution(flat))
    for mine, theirs in zip(model._policy_parameters().tensors, direct.tensors, strict=True):
        assert th.allclose(mine, theirs, atol=1e-6)


def test_recurrent_pass_reproduces_the_log_probabilities_of_the_rollout() -> None:
    """Hidden states, episode starts and environments are where they were: the policy says what it said then."""
    model = make("recurrent")

    class Once(Exception):
        pass

    def stop_before_training() -> None:
        raise Once

    model.train = stop_before_training
    with pytest.raises(Once):
        model.learn(96)
    mean, std = model._policy_parameters().tensors
    buffer = model.rollout_buffer
    actions = th.as_tensor(buffer.actions)
    distribution: Any = th.distributions.Normal(mean, std)
    log_prob = distribution.log_prob(actions).sum(dim=-1)
    assert np.allclose(log_prob.numpy(), buffer.log_probs.flatten(), atol=1e-5)
