"""An update that does not come to its end leaves the model as it was before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest
from typing import Any

import torch as th

# What a logger holds back until its next dump.
LOGGER_STATE = ("name_to_value", "name_to_count", "name_to_excluded")


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
        self._copy = _copied([policy.state_dict(), policy.optimizer.state_dict()], self._copy)
        training, updates, returns = policy.training, model._n_updates, model._finished_returns
        dictionaries = [model.adaptive_state, model.hook_state, *(getattr(model.logger, name) for name in LOGGER_STATE)]
        entries = [dict(dictionary) for dictionary in dictionaries]
        try:
            yield
        except BaseException:
            weights, optimizer_state = self._copy
            self._copy = []  # the optimiser takes these very tensors
            policy.load_state_dict(weights)
            policy.optimizer.load_state_dict(optimizer_state)
            policy.set_training_mode(training)
            model._n_updates, model._finished_returns = updates, returns
            for dictionary, before in zip(dictionaries, entries, strict=True):
                dictionary.clear()
                dictionary.update(before)
            raise


def _copied(state: Any, earlier: Any) -> Any:
    """A copy of a state dictionary, written over an earlier one as far as they are alike."""
    if isinstance(state, th.Tensor):
        alike = isinstance(earlier, th.Tensor) and _kind(earlier) == _kind(state)
        return earlier.copy_(state) if alike else state.clone()
    if isinstance(state, dict):
        named = earlier if isinstance(earlier, dict) else {}
        return {name: _copied(part, named.get(name)) for name, part in state.items()}
    if isinstance(state, list):
        listed = earlier if isinstance(earlier, list) else []
        return [_copied(part, before) for part, before in zip_longest(state, listed[: len(state)])]
    return state


def _kind(tensor: th.Tensor) -> tuple[Any, ...]:
    return tensor.shape, tensor.dtype, tensor.device
