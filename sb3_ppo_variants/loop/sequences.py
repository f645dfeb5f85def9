"""The LSTM of sb3-contrib's policies over whole sequences: the same numbers within rounding, in a fraction of the time.

sb3-contrib takes one step after the other wherever an episode starts. Its buffers cut their sequences at the starts of
episodes, so a start can only be at the first step of a sequence, where it sets the state to zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch as th
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy

States = tuple[th.Tensor, th.Tensor]


def whole_sequences(policy: Any) -> AbstractContextManager[None]:
    """A block in which a policy's LSTMs run over whole sequences.

    :param policy: as in :func:`sequences_by`
    """
    return sequences_by(policy, process_sequence)


@contextmanager
def sequences_by(policy: Any, function: Callable[..., Any]) -> Iterator[None]:
    """Let a function run a policy's LSTMs within the block.

    :param policy: a user's class with a ``_process_sequence`` of its own is left as it is
    :param function: with the arguments of ``_process_sequence``
    """
    stock: Any = RecurrentActorCriticPolicy._process_sequence
    if getattr(type(policy), "_process_sequence", None) is not stock or "_process_sequence" in vars(policy):
        yield
        return
    policy._process_sequence = function
    try:
        yield
    finally:
        del policy._process_sequence


def process_sequence(
    features: th.Tensor, lstm_states: States, episode_starts: th.Tensor, lstm: th.nn.LSTM
) -> tuple[th.Tensor, States]:
    """What ``RecurrentActorCriticPolicy._process_sequence`` does with the same arguments.

    :param features: sequence after sequence, all of the same length, shape ``(n_seq * length, features)``
    :param lstm_states: hidden and cell state before each sequence, shapes ``(layers, n_seq, width)``
    :param episode_starts: 1 where an episode starts, shape ``(n_seq * length,)``
    :param lstm: another cell, or one whose steps may not be taken together, runs as in sb3-contrib
    :return: the outputs, shape ``(n_seq * length, width)``, and the states after each sequence
    """
    starts = episode_starts.reshape(lstm_states[0].shape[1], -1)
    if not _runs_in_one_call(lstm) or bool(starts[:, 1:].any()):
        return RecurrentActorCriticPolicy._process_sequence(features, lstm_states, episode_starts, lstm)  # type: ignore[return-value]
    sequences = features.reshape(*starts.shape, lstm.input_size).transpose(0, 1)
    goes_on = (1.0 - starts[:, 0]).view(1, -1, 1)
    outputs, states = lstm(sequences, (goes_on * lstm_states[0], goes_on * lstm_states[1]))
    return outputs.transpose(0, 1).flatten(end_dim=1), states


def _runs_in_one_call(lstm: th.nn.Module) -> bool:
    """Whether a call gives what a call for each step gives: no random draws, and no look at the steps to come."""
    return type(lstm) is th.nn.LSTM and not lstm.bidirectional and (lstm.dropout == 0 or not lstm.training)
