"""A step of an LSTM policy as native code sees it: a flat list of tensors, and cells without a call of a library."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch as th
from sb3_contrib.common.recurrent.type_aliases import RNNStates

from sb3_ppo_variants.compiled.unsupported import Unsupported
from sb3_ppo_variants.loop.sequences import sequences_by

STATES = ("hidden_pi", "cell_pi", "hidden_vf", "cell_vf")
States = tuple[th.Tensor, th.Tensor]


def flat_states(lstm_states: RNNStates) -> dict[str, th.Tensor]:
    """The states of both LSTMs by name.

    :param lstm_states: hidden and cell state of each, shape ``(layers, n_envs, width)``
    """
    return dict(zip(STATES, (*lstm_states.pi, *lstm_states.vf), strict=True))


def arguments_of_policy(others: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a policy from those that native code has, the states in the shape of sb3-contrib.

    :param others: arguments besides the observations, with :func:`flat_states` for a recurrent policy
    """
    if STATES[0] not in others:
        return dict(others)
    hidden_pi, cell_pi, hidden_vf, cell_vf = (others[name] for name in STATES)
    rest = {name: value for name, value in others.items() if name not in STATES}
    return {"lstm_states": RNNStates((hidden_pi, cell_pi), (hidden_vf, cell_vf)), **rest}


def single_steps(policy: Any) -> AbstractContextManager[None]:
    """A block in which a policy's LSTMs take single steps, in operations that can be traced.

    :param policy: as in :func:`.sequences_by`
    """
    return sequences_by(policy, _step)


def _step(
    features: th.Tensor, lstm_states: States, episode_starts: th.Tensor, lstm: th.nn.Module
) -> tuple[th.Tensor, States]:
    """What ``RecurrentActorCriticPolicy._process_sequence`` does with sequences of one step each."""
    if type(lstm) is not th.nn.LSTM or lstm.bidirectional or lstm.proj_size:
        raise Unsupported(f"the policy has a {type(lstm).__name__} that is not a plain LSTM in place of its own")
    goes_on = (1.0 - episode_starts).unsqueeze(1)
    output, after = features, []
    for layer, states in enumerate(zip(*lstm_states, strict=True)):
        output, cell = _cell(lstm, layer, output, *(goes_on * state for state in states))
        after.append((output, cell))
    hidden, cells = (th.stack(column) for column in zip(*after, strict=True))
    return output, (hidden, cells)


def _cell(
    lstm: th.nn.LSTM, layer: int, features: th.Tensor, hidden: th.Tensor, cell: th.Tensor
) -> tuple[th.Tensor, th.Tensor]:
    """The hidden and the cell state after a step, as torch computes them."""
    names = ("weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if lstm.bias else ()))
    of_input, of_hidden, *biases = (getattr(lstm, f"{name}_l{layer}") for name in names)
    first, second = biases or (None, None)
    gates = th.nn.functional.linear(features, of_input, first) + th.nn.functional.linear(hidden, of_hidden, second)
    enter, keep, new, leave = gates.chunk(4, dim=1)
    cell = keep.sigmoid() * cell + enter.sigmoid() * new.tanh()
    return leave.sigmoid() * cell.tanh(), cell
