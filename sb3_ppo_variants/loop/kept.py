"""What is kept of every minibatch until the end of a pass or an update.

It is written into memory that is there already. Small tensors that each minibatch left behind would lie between its
large temporary ones, and the memory of these could not be used again.
"""

from __future__ import annotations

import torch as th

from sb3_ppo_variants.kl import Distributions
from sb3_ppo_variants.minibatch import Minibatch


class Rows:
    """The rows of tensors, one after the other."""

    def __init__(self) -> None:
        self._rows: th.Tensor | None = None
        self.lengths: list[int] = []
        self._number = 0

    def append(self, tensor: th.Tensor) -> None:
        """Keep a tensor.

        :param tensor: shape ``(n, ...)``, with the same ``...`` each time
        """
        number = tensor.shape[0]  # `len` of a tensor is Python code
        start, end = self._number, self._number + number
        if self._rows is None or end > self._rows.shape[0]:
            larger = tensor.new_empty((max(2 * end, 4096), *tensor.shape[1:]))
            if self._rows is not None:
                larger[:start] = self._rows[:start]
            self._rows = larger
        self._rows.narrow(0, start, number).copy_(tensor)  # faster than an assignment to a slice
        self._number = end
        self.lengths.append(number)

    def all(self) -> th.Tensor:
        """All rows; at least one tensor was kept."""
        assert self._rows is not None
        return self._rows[: self._number]


class KeptDistributions:
    """Action distributions, minibatch after minibatch."""

    def __init__(self) -> None:
        self._parts: list[Rows] = []
        self._like: Distributions | None = None

    def append(self, distributions: Distributions) -> None:
        """Keep those of a minibatch.

        :param distributions: of the same family each time
        """
        if self._like is None:
            self._like = distributions
            self._parts = [Rows() for _ in distributions.tensors]
        for rows, tensor in zip(self._parts, distributions.tensors, strict=True):
            rows.append(tensor)

    def all(self) -> Distributions:
        """All of them; at least one minibatch was kept."""
        assert self._like is not None
        return Distributions(self._like.family, tuple(rows.all() for rows in self._parts))


class KeptMinibatches:
    """The minibatches of an update, without their graph and their distributions."""

    def __init__(self) -> None:
        self._columns: dict[str, Rows] = {}
        self._named: dict[str, dict[str, Rows]] = {"prepared": {}, "kl": {}}

    @property
    def lengths(self) -> list[int]:
        """Number of samples of each."""
        return self._columns["ratio"].lengths if self._columns else []

    def append(self, minibatch: Minibatch) -> None:
        """Keep a minibatch.

        :param minibatch: detached, with the same tensors each time
        """
        for name, part in minibatch.tensors().items():
            columns, tensors = (self._named[name], part) if name in self._named else (self._columns, {name: part})
            for key, tensor in tensors.items():
                columns.setdefault(key, Rows()).append(tensor)

    def all(self) -> Minibatch:
        """All samples as one minibatch; at least one was kept."""
        columns = {name: rows.all() for name, rows in self._columns.items()}
        named = {name: {key: rows.all() for key, rows in part.items()} for name, part in self._named.items()}
        return Minibatch.from_tensors(**columns, **named)  # type: ignore[arg-type]
