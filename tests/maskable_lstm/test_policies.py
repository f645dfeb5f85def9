"""LSTM policies with action masks: what is masked, what is left as it was."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.utils import ConstantSchedule

from sb3_ppo_variants.kl import distributions_of
from sb3_ppo_variants.maskable_lstm import MlpLstmPolicy
from tests.environments import ACTION_SPACES, OBSERVATION_SPACES

# One row of masks, the probabilities that equal logits then have, and an action that is allowed.
CASES: dict[str, tuple[list[int], list[list[float]], list[int]]] = {
    "discrete": ([1, 0, 1, 0], [[0.5, 0.0, 0.5, 0.0]], [2]),
    "multidiscrete": ([0, 1, 1, 1, 0, 0, 0, 0, 1], [[0, 0.5, 0.5], [1, 0], [0, 0, 0, 1]], [1, 0, 3]),
    "multibinary": ([1, 1, 0, 1, 1, 0], [[0.5, 0.5], [0, 1], [1, 0]], [0, 1, 0]),
}
ROWS = 3


def policy_of(action: str, cls: Any = MlpLstmPolicy) -> Any:
    """With a last layer of zeros, so that all logits are equal."""
    th.manual_seed(0)
    policy = cls(
        OBSERVATION_SPACES["vector"], ACTION_SPACES[action], ConstantSchedule(0.1), lstm_hidden_size=4, net_arch=[8]
    )
    for parameter in policy.action_net.parameters():
        th.nn.init.zeros_(parameter)
    return policy


def inputs() -> tuple[th.Tensor, RNNStates, th.Tensor]:
    states = (th.zeros(1, ROWS, 4), th.zeros(1, ROWS, 4))
    return th.rand(ROWS, 4), RNNStates(states, states), th.ones(ROWS)


def rows_of(masks: list[int]) -> np.ndarray:
    return np.tile(np.array(masks, dtype=bool), (ROWS, 1))


def probabilities(distribution: Any) -> list[list[float]]:
    """Of the first row."""
    return [tensor.exp()[0].tolist() for tensor in distributions_of(distribution).tensors]


@pytest.mark.parametrize("action", CASES)
def test_every_method_is_masked(action: str) -> None:
    masks, expected, allowed = CASES[action]
    policy = policy_of(action)
    observations, states, starts = inputs()
    approximately = [pytest.approx(part) for part in expected]
    distribution, _ = policy.get_distribution(observations, states.pi, starts, action_masks=rows_of(masks))
    assert probabilities(distribution) == approximately
    policy.forward(observations, states, starts, action_masks=rows_of(masks))
    assert probabilities(policy.action_dist) == approximately
    actions = th.tensor([allowed] * ROWS).squeeze(-1)
    _, log_prob, entropy = policy.evaluate_actions(observations, actions, states, starts, action_masks=rows_of(masks))
    halves = sum(0.5 in part for part in expected)  # choices between two
    assert log_prob.tolist() == pytest.approx([-halves * np.log(2)] * ROWS)
    assert entropy.tolist() == pytest.approx([halves * np.log(2)] * ROWS)
    for _ in range(20):
        for deterministic in (False, True):
            chosen, state = policy.predict(
                observations.numpy(), deterministic=deterministic, action_masks=rows_of(masks)
            )
            chosen = chosen.reshape(ROWS, -1)
            assert all(part[choice] > 0 for row in chosen for part, choice in zip(expected, row, strict=True))
            assert state[0].shape == (1, ROWS, 4)


@pytest.mark.parametrize("action", CASES)
def test_masked_logits_have_no_gradient(action: str) -> None:
    masks, _, allowed = CASES[action]
    policy = policy_of(action)
    observations, states, starts = inputs()
    logits: list[th.Tensor] = []

    def keep(_: Any, __: Any, output: th.Tensor) -> None:
        output.retain_grad()
        logits.append(output)

    policy.action_net.register_forward_hook(keep)
    actions = th.tensor([allowed] * ROWS).squeeze(-1)
    _, log_prob, entropy = policy.evaluate_actions(observations, actions, states, starts, action_masks=rows_of(masks))
    (log_prob + entropy).sum().backward()
    (logit,) = logits
    assert logit.grad is not None
    assert logit.grad[~th.as_tensor(rows_of(masks))].abs().max() < 1e-6
    assert logit.grad[th.as_tensor(rows_of(masks))].abs().max() > 0.1


def test_one_action_left() -> None:
    policy = policy_of("discrete")
    observations, states, starts = inputs()
    masks = np.eye(4, dtype=bool)[:ROWS]
    actions, _, log_prob, _ = policy.forward(observations, states, starts, action_masks=masks)
    assert actions.tolist() == [0, 1, 2]
    assert log_prob.tolist() == [0.0, 0.0, 0.0]
    _, log_prob, entropy = policy.evaluate_actions(observations, actions, states, starts, action_masks=masks)
    assert entropy.tolist() == [0.0, 0.0, 0.0]
    (log_prob + entropy).sum().backward()
    assert all(parameter.grad.abs().max() < 1e-6 for parameter in policy.action_net.parameters())


@pytest.mark.parametrize("action", ["discrete", "multidiscrete"])
def test_without_masks_it_is_contribs_policy_bit_for_bit(action: str) -> None:
    mine, theirs = policy_of(action), policy_of(action, RecurrentActorCriticPolicy)
    observations, states, starts = inputs()
    for policy in (mine, theirs):
        th.manual_seed(1)
        th.nn.init.normal_(policy.action_net.weight)
    mine.predict(observations.numpy(), action_masks=np.ones((ROWS, mine.action_net.out_features)))
    th.manual_seed(2)
    ours = mine.forward(observations, states, starts)
    th.manual_seed(2)
    stock = theirs.forward(observations, states, starts)
    assert all(th.equal(one, other) for one, other in zip(ours[:3], stock[:3], strict=True))
    assert type(mine.action_dist) is type(theirs.action_dist)


def test_a_single_observation() -> None:
    action, _ = policy_of("discrete").predict(np.zeros(4), action_masks=np.array([False, False, False, True]))
    assert action == 3
    assert action.shape == ()


def test_blocks_of_masks_nest_and_end() -> None:
    policy = policy_of("discrete")
    with policy.masked_by(rows_of([1, 0, 0, 0])):
        with policy.masked_by(rows_of([0, 1, 0, 0])):
            assert policy.predict(np.zeros((ROWS, 4)))[0].tolist() == [1, 1, 1]
        with policy.masked_by(None):
            assert policy.predict(np.zeros((ROWS, 4)))[0].tolist() == [0, 0, 0]
    with pytest.raises(RuntimeError, match="invalid for input of size"):
        policy.predict(np.zeros((ROWS, 4)), action_masks=rows_of([1, 0]))
    assert {int(policy.predict(np.zeros(4))[0]) for _ in range(100)} == {0, 1, 2, 3}


def test_copies_and_pickles() -> None:
    policy = policy_of("discrete")
    policy.predict(np.zeros(4), action_masks=np.array([False, True, False, False]))
    for other in (copy.deepcopy(policy), pickle.loads(pickle.dumps(policy))):
        action, _ = other.predict(np.zeros(4), action_masks=np.array([False, False, True, False]))
        assert action == 2
        assert {int(other.predict(np.zeros(4))[0]) for _ in range(100)} == {0, 1, 2, 3}


def test_multibinary_has_two_logits_for_each_action() -> None:
    policy = policy_of("multibinary")
    assert isinstance(policy.action_space, spaces.MultiBinary)
    assert policy.action_net.out_features == 6
