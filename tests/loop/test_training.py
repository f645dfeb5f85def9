"""The old policy, kept as a few tensors: aligned with every minibatch, on every host."""

from __future__ import annotations

import inspect
import textwrap
from typing import Any, cast

import numpy as np
import pytest
import torch as th
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from torch.distributions import Bernoulli, Categorical, Independent, Normal
from torch.nn.utils import clip_grad_norm_

from sb3_ppo_variants import (
    KLPenaltyPPO,
    MaskableRecurrentVariantPPO,
    MaskableVariantPPO,
    Minibatch,
    RecurrentVariantPPO,
    Term,
    VariantPPO,
)
from sb3_ppo_variants.kl import Distributions, distributions_of, kl_divergence
from sb3_ppo_variants.loop import training
from sb3_ppo_variants.loop.rollout import draw_minibatches
from tests.environments import SpacesEnv
from tests.models import SMALL, same_weights

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
    "masked_recurrent": (MaskableRecurrentVariantPPO, "MlpLstmPolicy", "discrete", LSTM),
    "masked_recurrent_multidiscrete": (MaskableRecurrentVariantPPO, "MlpLstmPolicy", "multidiscrete", LSTM),
    "masked_recurrent_multibinary": (MaskableRecurrentVariantPPO, "MlpLstmPolicy", "multibinary", LSTM),
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
    # Three trials while the chain is built, then 2 epochs of 96 samples, without padding.
    assert sizes[3:] == [20, 20, 20, 20, 16] * 2
    assert seen[3] < 1e-5
    assert min(seen[4:]) > 1e-5


def log_prob(old: Distributions, actions: th.Tensor) -> th.Tensor:
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

    def prepare(old: Distributions, actions: th.Tensor) -> dict[str, th.Tensor]:
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
    new = model._rollout_distributions()
    model.policy.load_state_dict(kept["weights"])
    kl = kl_divergence(model._rollout_distributions(), new)
    assert kl.shape == (96,)
    assert kl.mean() > 1e-5
    assert model.logger.name_to_value["train/kl"] == pytest.approx(kl.mean().item(), rel=1e-3)
    assert model.logger.name_to_value["train/kl_max"] == pytest.approx(kl.max().item(), rel=1e-3)


def test_storage_order_is_that_of_the_buffer() -> None:
    model = make("plain")
    model.learn(96)
    flat = model.rollout_buffer.to_torch(model.rollout_buffer.observations)
    direct = distributions_of(model.policy.get_distribution(flat))
    for mine, theirs in zip(model._rollout_distributions().tensors, direct.tensors, strict=True):
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
    mean, std = model._rollout_distributions().tensors
    buffer = model.rollout_buffer
    actions = th.as_tensor(buffer.actions)
    distribution: Any = th.distributions.Normal(mean, std)
    log_prob = distribution.log_prob(actions).sum(dim=-1)
    assert np.allclose(log_prob.numpy(), buffer.log_probs.flatten(), atol=1e-5)


NAMES = {
    "Minibatch": Minibatch,
    "clip_grad_norm_": clip_grad_norm_,
    "draw_minibatches": draw_minibatches,
    "kl_divergence": kl_divergence,
}


class InOnePiece(BaseCallback):
    """Lets the model train by the code in the docstring of the module."""

    def _init_callback(self) -> None:
        block = inspect.cleandoc(training.__doc__ or "").split(".. code-block:: python\n")[1]
        code = compile(textwrap.dedent(block), "training.py", "exec")
        self.model.train = lambda: exec(code, {**NAMES, "model": self.model})  # type: ignore[attr-defined]

    def _on_step(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("cls", "environment", "arguments"),
    [
        (VariantPPO, "CartPole-v1", {"objective": ["clip", "kl_penalty"], "kl_coef": 0.5, "learning_rate": 0.01}),
        (KLPenaltyPPO, "Pendulum-v1", {"ent_coef": 0.01, "desired_kl": 0.003, "learning_rate": 0.01}),
    ],
)
def test_the_loop_in_one_piece(cls: Any, environment: str, arguments: dict[str, Any]) -> None:
    def trained(callback: BaseCallback | None) -> Any:
        # The random generators are global: a model is made right before it learns.
        model = cls("MlpPolicy", environment, n_steps=64, batch_size=32, n_epochs=3, seed=1, **arguments)
        return model.learn(256, callback=callback)

    whole, piece = trained(None), trained(InOnePiece())
    assert same_weights(whole, piece)
    assert whole._n_updates == piece._n_updates == 12
    assert whole.adaptive_state == piece.adaptive_state
    assert cls is VariantPPO or whole.adaptive_state["kl_coef"]["multiplier"] != 1.0
