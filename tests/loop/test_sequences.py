"""LSTMs over whole sequences: the numbers of sb3-contrib, and its own way where they could be others."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch as th
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3.common.env_util import make_vec_env

from sb3_ppo_variants import Minibatch, RecurrentKLPenaltyPPO, RecurrentVariantPPO
from sb3_ppo_variants.loop import sequences
from sb3_ppo_variants.loop.sequences import Group, groups_of, process_sequence, whole_sequences
from tests.environments import SpacesEnv
from tests.models import SMALL, logged

stock: Any = RecurrentActorCriticPolicy._process_sequence
LSTM = {"policy_kwargs": {"lstm_hidden_size": 8, "net_arch": [8]}}
pytestmark = pytest.mark.filterwarnings("ignore:compile=True runs in eager mode")


def inputs(starts: list[list[float]], layers: int = 1) -> tuple[Any, ...]:
    th.manual_seed(0)
    flags = th.tensor(starts)
    states = tuple(th.randn(layers, len(starts), 4) for _ in range(2))
    return th.randn(flags.numel(), 3), states, flags.flatten()


def assert_alike(mine: Any, theirs: Any) -> None:
    assert th.allclose(mine[0], theirs[0], atol=1e-6)
    assert all(th.allclose(one, other, atol=1e-6) for one, other in zip(mine[1], theirs[1], strict=True))


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("starts", [[[1.0, 0, 0], [0, 0, 0]], [[0.0, 0, 0], [0, 0, 0]], [[1.0], [0.0]]])
def test_the_outputs_and_states_of_sb3_contrib(starts: list[list[float]], layers: int) -> None:
    lstm = th.nn.LSTM(3, 4, layers)
    given = inputs(starts, layers)
    features, states, flags = given
    assert_alike(process_sequence(features, states, flags, lstm), stock(*given, lstm))


@pytest.mark.parametrize("layers", [1, 2])
def test_groups_give_what_all_sequences_give_together(layers: int) -> None:
    lstm = th.nn.LSTM(3, 4, layers)
    features, before, starts = inputs([[1.0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0]], layers)
    groups = [Group([2, 0], 4), Group([3, 1], 1)]
    outputs, states = process_sequence(features, before, starts, lstm, groups)
    expected, _ = process_sequence(features, before, starts, lstm)
    assert th.allclose(outputs.reshape(4, 3, 4)[[0, 2]], expected.reshape(4, 3, 4)[[0, 2]], atol=1e-6)
    assert th.allclose(outputs.reshape(4, 3, 4)[[1, 3], 0], expected.reshape(4, 3, 4)[[1, 3], 0], atol=1e-6)
    assert (outputs.reshape(4, 3, 4)[[1, 3], 1:] == 0).all()
    # The state after a group's last step is the output of its last layer there.
    assert th.equal(states[0][-1, 3], outputs.reshape(4, 3, 4)[3, 0])
    alone, _ = process_sequence(features, before, starts, lstm, [Group([0, 1, 2, 3], 4)])
    assert th.allclose(alone, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("lengths", "groups"),
    [
        ([7], [([0], 8)]),
        # Apart 120 + 64 x (6 + 2) + 8 x (6 + 2) = 696, together 60 + 64 x (6 + 4) = 700; with 56 steps 632 and 620.
        ([3, 64, 61, 4], [([1, 2], 64), ([0, 3], 8)]),
        ([3, 56, 53, 4], [([1, 2, 0, 3], 56)]),
    ],
)
def test_long_and_short_sequences_run_apart_where_that_takes_less_time(lengths: list[int], groups: Any) -> None:
    assert groups_of(lengths) == groups


def test_a_start_sets_the_state_to_zero() -> None:
    lstm = th.nn.LSTM(3, 4)
    features, states, starts = inputs([[1.0, 0, 0]])
    zero = tuple(th.zeros(1, 1, 4) for _ in range(2))
    assert th.allclose(process_sequence(features, states, starts, lstm)[0], lstm(features[:, None], zero)[0][:, 0])


@pytest.mark.parametrize(
    ("lstm", "starts"),
    [
        (th.nn.LSTM(3, 4), [[0.0, 1, 0], [0, 0, 0]]),
        (th.nn.LSTM(3, 4, 2, dropout=0.5), [[1.0, 0, 0]]),
        (th.nn.LSTM(3, 4, 1, bidirectional=True), [[0.0, 0, 0]]),
    ],
)
def test_what_does_not_run_in_one_call_runs_as_in_sb3_contrib(lstm: th.nn.LSTM, starts: list[list[float]]) -> None:
    features, states, flags = inputs(starts, layers=lstm.num_layers * (2 if lstm.bidirectional else 1))
    results = []
    for function in (process_sequence, stock):
        th.manual_seed(1)
        results.append(function(features, states, flags, lstm))
    assert th.equal(results[0][0], results[1][0])


def model(compile: bool, cls: Any = RecurrentVariantPPO, **arguments: Any) -> Any:
    env = make_vec_env(SpacesEnv, n_envs=2, seed=0)
    return cls("MlpLstmPolicy", env, compile=compile, **{**SMALL, **LSTM, **arguments})


@pytest.mark.parametrize("cls", [RecurrentVariantPPO, RecurrentKLPenaltyPPO])
@pytest.mark.usefixtures("eager_rollouts")
def test_an_update_equals_that_of_eager_mode(monkeypatch: pytest.MonkeyPatch, cls: Any) -> None:
    monkeypatch.setattr(sequences, "SECOND_CALL", -100)  # long and short sequences apart in every minibatch
    eager, fast = (model(compile, cls, log_kl=True).learn(128) for compile in (False, True))
    for mine, theirs in zip(fast.policy.parameters(), eager.policy.parameters(), strict=True):
        assert th.allclose(mine, theirs, rtol=1e-5, atol=1e-5)
    assert logged(fast)["train/clip_fraction"] == logged(eager)["train/clip_fraction"]
    assert np.isclose(logged(fast)["train/kl"], logged(eager)["train/kl"], rtol=1e-3)


@pytest.mark.usefixtures("eager_rollouts")
def test_only_compiled_updates_run_over_whole_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return process_sequence(*args, **kwargs)

    monkeypatch.setattr(sequences, "process_sequence", counted)
    model(compile=False).learn(64)
    assert not calls
    trained = model(compile=True).learn(64)
    assert len(calls) == 2 * 2 * 64 // 16  # both LSTMs, in two epochs
    assert "_process_sequence" not in vars(trained.policy)


@pytest.mark.usefixtures("eager_rollouts")
def test_padding_counts_in_batch_norm(monkeypatch: pytest.MonkeyPatch) -> None:
    """So all sequences run together, as in sb3-contrib."""
    monkeypatch.setattr(sequences, "SECOND_CALL", -100)
    norms = {"policy_kwargs": LSTM["policy_kwargs"] | {"activation_fn": lambda: th.nn.BatchNorm1d(8)}}
    eager, fast = (model(compile, **norms).learn(128) for compile in (False, True))
    for mine, theirs in zip(fast.policy.buffers(), eager.policy.buffers(), strict=True):
        assert th.allclose(mine, theirs, rtol=1e-3, atol=1e-4)


def fails_later(surrogate: th.Tensor, minibatch: Minibatch) -> th.Tensor:
    return surrogate if minibatch.ratio.eq(1.0).all() else surrogate * th.nan


@pytest.mark.usefixtures("eager_rollouts")
@pytest.mark.parametrize("objective", ["clip", fails_later])
def test_the_optimiser_is_fused_within_the_update_alone(monkeypatch: pytest.MonkeyPatch, objective: Any) -> None:
    seen = []
    step = th.optim.Adam.step

    def watched(optimizer: th.optim.Adam, *args: Any) -> Any:
        seen.append(optimizer.param_groups[0]["fused"])
        return step(optimizer, *args)

    monkeypatch.setattr(th.optim.Adam, "step", watched)
    trained = model(compile=True, objective=objective)
    with nullcontext() if objective == "clip" else pytest.raises(FloatingPointError):
        trained.learn(64)
    assert set(seen) == {True}
    assert trained.policy.optimizer.param_groups[0]["fused"] is None
    seen.clear()
    model(compile=False).learn(64)
    assert set(seen) == {None}


class OwnPolicy(RecurrentActorCriticPolicy):
    @staticmethod
    def _process_sequence(features: Any, lstm_states: Any, episode_starts: Any, lstm: Any) -> Any:
        return stock(features, lstm_states, episode_starts, lstm)


def test_a_policy_with_sequences_of_its_own_keeps_them() -> None:
    env = make_vec_env(SpacesEnv, n_envs=2)
    policy = RecurrentVariantPPO(OwnPolicy, env, **SMALL, **LSTM).policy  # type: ignore[arg-type]
    with whole_sequences(policy):
        assert "_process_sequence" not in vars(policy)
