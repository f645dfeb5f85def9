"""An update that does not come to its end leaves the model as it was before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest
from typing import Any

import torch as th

# What a logger holds back until its next dump.
LOGGER_STATE = ("name_to_value", "name_to_count", "name_to_excluded")


def held_back(logger: Any) -> dict[str, dict[str, Any]]:
    """What a logger holds back; nothing in one of a user's class that holds back in another way.

    :param logger: of the model
    """
    return {name: getattr(logger, name, {}) for name in LOGGER_STATE}


class Backup:
    """A model as it was before an update: weights, optimiser, counters, what the rules have learned, the log.

    The memory of the weights is used again at every update: to be given fresh pages takes longer than the copy.
    """

    def __init__(self) -> None:
        self._copy: list[Any] = []

    @contextmanager
    def restored_on_error(self, model: Any) -> Iterator[None]:
        """Put everything back when an error leaves the block, or an interrupt: Ctrl-C is often followed by a save.

        :param model: about to be updated
        """
        policy = model.policy
        # Not its `state_dict`, which may leave a part out.
        weights = {**dict(policy.named_parameters()), **dict(policy.named_buffers())}
        self._copy = _copied([weights, policy.optimizer.state_dict()], self._copy)
        training, updates, returns = policy.training, model._n_updates, model._finished_returns
        dictionaries = [model.adaptive_state, model.hook_state, *held_back(model.logger).values()]
        entries = [dict(dictionary) for dictionary in dictionaries]
        try:
            yield
        except BaseException:
            before, optimizer_state = self._copy
            self._copy = []  # the optimiser takes these very tensors
            with th.no_grad():
                for name, tensor in weights.items():
                    tensor.copy_(before[name])
            policy.optimizer.load_state_dict(optimizer_state)
            policy.set_training_mode(training)
            model._n_updates, model._finished_returns = updates, returns
            for dictionary, own in zip(dictionaries, entries, strict=True):
                dictionary.clear()
                dictionary.update(own)
            raise


def _copied(state: Any, earlier: Any) -> Any:
    """A copy of a state dictionary, written over an earlier one as far as they are alike."""
    if isinstance(state, th.Tensor):
        alike = isinstance(earlier, th.Tensor) and _kind(earlier) == _kind(state)
        return earlier.copy_(state.detach()) if alike else state.detach().clone()
    if isinstance(state, dict):
        named = earlier if isinstance(earlier, dict) else {}
        return {name: _copied(part, named.get(name)) for name, part in state.items()}
    if isinstance(state, list):
        listed = earlier if isinstance(earlier, list) else []
        return [_copied(part, before) for part, before in zip_longest(state, listed[: len(state)])]
    return state


def _kind(tensor: th.Tensor) -> tuple[Any, ...]:
    return tensor.shape, tensor.dtype, tensor.device
