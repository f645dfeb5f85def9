"""Masks from the environment to the update, on the class without variants and on the host of the loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch as th
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.wrappers import ActionMasker
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

from sb3_ppo_variants import MaskableRecurrentVariantPPO, RecurrentVariantPPO
from sb3_ppo_variants.kl import distributions_of
from sb3_ppo_variants.maskable_lstm import MaskableRecurrentPPO, MlpLstmPolicy
from tests.environments import SpacesEnv
from tests.models import same_weights

KINDS = ["discrete", "multidiscrete", "multibinary"]
CLASSES = [MaskableRecurrentPPO, MaskableRecurrentVariantPPO]
POLICIES = {"vector": "MlpLstmPolicy", "dict": "MultiInputLstmPolicy", "image": "CnnLstmPolicy"}
each_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
each_kind = pytest.mark.parametrize("action", KINDS)


class Strict(SpacesEnv):
    """Refuses an action that its own masks exclude."""

    def step(self, action: Any) -> Any:
        masks = self.action_masks()
        sizes = [masks.size] if self.action_space.shape == () else getattr(self.action_space, "nvec", [2] * 3)
        starts = np.cumsum([0, *sizes[:-1]])
        assert masks[starts + action].all(), f"{action} is not allowed"
        return super().step(action)


def allow_all(env: Any) -> np.ndarray:
    return np.ones_like(env.unwrapped.action_masks())


def make(cls: Any, action: str = "discrete", env: Any = Strict, observation: str = "vector", **arguments: Any) -> Any:
    settings = {"action": action, "observation": observation}
    venv = make_vec_env(env, n_envs=2, seed=5, env_kwargs=settings, **arguments.pop("vector", {}))
    return cls(
        POLICIES[observation],
        venv,
        **{
            "n_steps": 32,
            "batch_size": 20,  # no factor of the rollout: sequences are cut and padded
            "n_epochs": 2,
            "learning_rate": 3e-3,
            "seed": 3,
            "device": "cpu",
            "policy_kwargs": {"lstm_hidden_size": 8, "net_arch": [8]},
        }
        | arguments,
    )


@each_kind
@each_class
def test_no_masked_action_is_taken(cls: Any, action: str) -> None:
    model = make(cls, action).learn(256)
    assert model.num_timesteps == 256
    with pytest.raises(AssertionError, match="is not allowed"):
        make(cls, action).learn(256, use_masking=False)


@each_kind
def test_updates_are_masked_as_the_rollout_was(action: str) -> None:
    """With a policy that stands still, every action has the log-probability of the rollout, and no masked choice any.

    The environment leaves out another choice at every step, so that a row with the masks of another one is noticed.
    """
    model = make(MaskableRecurrentPPO, action, learning_rate=0.0)
    th.nn.init.normal_(model.policy.action_net.weight)
    model.learn(64)
    seen = 0
    for samples in model.rollout_buffer.get(20):
        valid, masks = samples.mask > 0, samples.action_masks.bool()
        actions = samples.actions.long().squeeze(-1) if action == "discrete" else samples.actions
        _, log_prob, _ = model.policy.evaluate_actions(
            samples.observations, actions, samples.lstm_states, samples.episode_starts, action_masks=masks
        )
        assert th.allclose(log_prob[valid], samples.old_log_prob[valid], atol=1e-5)
        probabilities = th.cat([part.exp() for part in distributions_of(model.policy.action_dist).tensors], dim=1)
        assert (probabilities[~masks] == 0).all()
        assert (~masks[valid]).sum(dim=1).tolist() == [1] * int(valid.sum())
        assert masks[~valid].all()
        seen += int(valid.sum())
    assert seen == 64


@each_kind
@each_class
def test_the_update_gives_masked_logits_no_gradient(cls: Any, action: str) -> None:
    model = make(cls, action, ent_coef=0.1)
    if cls is MaskableRecurrentVariantPPO:
        model = make(cls, action, ent_coef=0.1, objective=["clip", "kl_penalty"], kl_coef=1.0, log_kl=True)
    largest: list[tuple[float, float]] = []

    def watch(_: Any, __: Any, output: th.Tensor) -> None:
        if output.requires_grad:
            masks = th.as_tensor(model.policy._action_masks).bool()
            output.register_hook(  # type: ignore[no-untyped-call]
                lambda grad: largest.append((grad[~masks].abs().max().item(), grad[masks].abs().max().item()))
            )

    model.policy.action_net.register_forward_hook(watch)
    model.learn(128)
    assert len(largest) == 16
    assert max(masked for masked, _ in largest) < 1e-6
    assert min(allowed for _, allowed in largest) > 1e-4


@pytest.mark.parametrize("observation", POLICIES)
@pytest.mark.parametrize("action", ["discrete", "multidiscrete"])
def test_without_masking_it_is_the_recurrent_host_bit_for_bit(action: str, observation: str) -> None:
    ours = make(MaskableRecurrentVariantPPO, action, SpacesEnv, observation, log_kl=True).learn(128, use_masking=False)
    theirs = make(RecurrentVariantPPO, action, SpacesEnv, observation, log_kl=True).learn(128)
    for mine, other in zip(ours.policy.parameters(), theirs.policy.parameters(), strict=True):
        assert th.equal(mine, other)
    assert ours.logger.name_to_value["train/kl"] == theirs.logger.name_to_value["train/kl"]


@pytest.mark.parametrize("action", ["discrete", "multidiscrete"])
def test_with_all_actions_allowed_it_is_the_recurrent_host(action: str) -> None:
    wrapped = {"wrapper_class": ActionMasker, "wrapper_kwargs": {"action_mask_fn": allow_all}}
    ours = make(MaskableRecurrentVariantPPO, action, SpacesEnv, vector=wrapped).learn(64)
    theirs = make(RecurrentVariantPPO, action, SpacesEnv, vector=wrapped).learn(64)
    assert np.array_equal(ours.rollout_buffer.actions, theirs.rollout_buffer.actions)
    assert ours.rollout_buffer.has_masks
    for mine, other in zip(ours.policy.parameters(), theirs.policy.parameters(), strict=True):
        assert th.allclose(mine, other, rtol=0, atol=1e-6)


class Asks(BaseCallback):
    """Calls the policy itself: at the start, and in a step, when the environments are one step further."""

    def _on_rollout_start(self) -> None:
        model: Any = self.model
        state = th.get_rng_state()
        model.policy(th.as_tensor(model._last_obs), model._last_lstm_states, th.zeros(2))
        th.set_rng_state(state)

    def _on_step(self) -> bool:
        model: Any = self.model
        state = th.get_rng_state()
        masks = model.rollout_buffer.masks_of_step
        model.policy(th.as_tensor(self.locals["new_obs"]), self.locals["lstm_states"], th.zeros(2), deterministic=True)
        model.predict(self.locals["new_obs"])
        th.set_rng_state(state)
        assert model.rollout_buffer.masks_of_step is masks
        assert masks.shape == (2, 4)
        return True


@each_class
def test_a_callback_that_asks_the_policy_changes_nothing(cls: Any) -> None:
    alone, asked = make(cls).learn(128), make(cls).learn(128, callback=Asks())
    assert same_weights(alone, asked)


@each_class
def test_nothing_is_left_behind_by_an_error(cls: Any) -> None:
    class Fails(BaseCallback):
        def _on_step(self) -> bool:
            raise KeyError("mine")

    model = make(cls)
    with pytest.raises(KeyError, match="mine"):
        model.learn(64, callback=Fails())
    assert not model.policy._forward_pre_hooks
    model.policy.evaluate_actions = None
    with pytest.raises(TypeError):
        model.learn(64)
    del model.policy.evaluate_actions
    assert model.policy._action_masks is None
    assert "get" not in vars(model.rollout_buffer)
    assert model.learn(64).num_timesteps == 64


@each_class
def test_a_rollout_whose_masks_are_asked_for_needs_them(cls: Any) -> None:
    model = cls("MlpLstmPolicy", "CartPole-v1", n_steps=8, batch_size=8, device="cpu")
    with pytest.raises(ValueError, match="has no action masks: wrap it in sb3_contrib's ActionMasker"):
        model.learn(8)
    assert model.learn(8, use_masking=False).num_timesteps == 8


@each_class
def test_continuous_actions_are_refused(cls: Any) -> None:
    with pytest.raises(AssertionError, match=r"only supports .*MultiBinary.* but Box\(-1.0"):
        cls("MlpLstmPolicy", SpacesEnv(action="box"))


@each_class
def test_another_policy_is_refused(cls: Any) -> None:
    policy = RecurrentPPO.policy_aliases["MlpLstmPolicy"]
    with pytest.raises(ValueError, match="RecurrentActorCriticPolicy takes no action masks"):
        cls(policy, SpacesEnv(action="discrete"))
    assert issubclass(MlpLstmPolicy, policy)
