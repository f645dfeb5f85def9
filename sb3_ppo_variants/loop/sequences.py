"""The LSTM of sb3-contrib's policies over whole sequences: the same numbers within rounding, in a fraction of the time.

sb3-contrib takes one step after the other wherever an episode starts. Its buffers cut their sequences at the starts of
episodes, so a start can only be at the first step of a sequence, where it sets the state to zero. They pad every
sequence to the length of the longest; here the short ones run apart where that takes less time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch as th
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy

States = tuple[th.Tensor, th.Tensor]
# What an LSTM's time consists of on a CPU: a part of every step, one of every sequence in it, and one of a second call.
# They are in units of the second; measured with 256 units and one thread.
STEP, SECOND_CALL = 6, 60
# Lengths are multiples: oneDNN makes code for every shape of an LSTM's input and keeps it.
MULTIPLE = 8


class Group(NamedTuple):
    """Sequences that run together.

    :param rows: which ones, of all sequences
    :param length: of each; what a sequence does not have of it is padding
    """

    rows: list[int]
    length: int


def whole_sequences(policy: Any, groups: Sequence[Group] = ()) -> AbstractContextManager[None]:
    """A block in which a policy's LSTMs run over whole sequences.

    :param policy: as in :func:`sequences_by`
    :param groups: of the sequences of the minibatch, as in :func:`process_sequence`
    """
    return sequences_by(policy, partial(process_sequence, groups=groups))


def groups_of(lengths: Sequence[int]) -> list[Group]:
    """All sequences, or the long and the short ones apart, whichever takes less time.

    :param lengths: without padding
    """
    padded = [math.ceil(length / MULTIPLE) * MULTIPLE for length in lengths]
    rows = sorted(range(len(padded)), key=padded.__getitem__, reverse=True)

    def time(groups: list[list[int]]) -> int:
        return sum(padded[group[0]] * (STEP + len(group)) for group in groups) + SECOND_CALL * len(groups)

    ways = [[rows], *([rows[:first], rows[first:]] for first in range(1, len(rows)))]
    return [Group(group, padded[group[0]]) for group in min(ways, key=time)]


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
    features: th.Tensor,
    lstm_states: States,
    episode_starts: th.Tensor,
    lstm: th.nn.LSTM,
    groups: Sequence[Group] = (),
) -> tuple[th.Tensor, States]:
    """What ``RecurrentActorCriticPolicy._process_sequence`` does with the same arguments.

    :param features: sequence after sequence, all of the same length, shape ``(n_seq * length, features)``
    :param lstm_states: hidden and cell state before each sequence, shapes ``(layers, n_seq, width)``
    :param episode_starts: 1 where an episode starts, shape ``(n_seq * length,)``
    :param lstm: another cell, or one whose steps may not be taken together, runs as in sb3-contrib
    :param groups: of the sequences; with several, outputs in the padding after a group are zero, and the states are
        those after the group
    :return: the outputs, shape ``(n_seq * length, width)``, and the states after each sequence
    """
    starts = episode_starts.reshape(lstm_states[0].shape[1], -1)
    if not _runs_in_one_call(lstm) or bool(starts[:, 1:].any()):
        return RecurrentActorCriticPolicy._process_sequence(features, lstm_states, episode_starts, lstm)  # type: ignore[return-value]
    sequences = features.reshape(*starts.shape, lstm.input_size).transpose(0, 1)
    goes_on = (1.0 - starts[:, 0]).view(1, -1, 1)
    states = (goes_on * lstm_states[0], goes_on * lstm_states[1])
    outputs, states = _in_groups(sequences, states, lstm, groups) if groups else lstm(sequences, states)
    return outputs.transpose(0, 1).flatten(end_dim=1), states


def _in_groups(
    sequences: th.Tensor, states: States, lstm: th.nn.LSTM, groups: Sequence[Group]
) -> tuple[th.Tensor, States]:
    """Run an LSTM over one group after the other.

    :param sequences: shape ``(length, n_seq, features)``
    :return: the outputs, shape ``(length, n_seq, width)``, and the states
    """
    if len(groups) == 1:
        outputs, states = lstm(_of_length(sequences, groups[0].length), states)
        return outputs[: len(sequences)], states
    parts = []
    for rows, length in groups:
        outputs, after = lstm(_of_length(sequences[:, rows], length), (states[0][:, rows], states[1][:, rows]))
        parts.append((_of_length(outputs, len(sequences)), *after))
    back = th.tensor([row for group in groups for row in group.rows], device=sequences.device).argsort()
    outputs, hidden, cell = (th.cat(column, dim=1).index_select(1, back) for column in zip(*parts, strict=True))
    return outputs, (hidden, cell)


def _of_length(sequences: th.Tensor, length: int) -> th.Tensor:
    """Sequences that are cut or padded with zeros at their end."""
    return th.nn.functional.pad(sequences, (0, 0, 0, 0, 0, length - len(sequences)))


def _runs_in_one_call(lstm: th.nn.Module) -> bool:
    """Whether a call gives what a call for each step gives: no random draws, and no look at the steps to come."""
    return type(lstm) is th.nn.LSTM and not lstm.bidirectional and (lstm.dropout == 0 or not lstm.training)
