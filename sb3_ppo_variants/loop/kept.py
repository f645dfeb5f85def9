"""What is kept of every minibatch until the end of a pass or an update.

It is written into memory that is there already. Small tensors that each minibatch left behind would lie between its
large temporary ones, and the memory of these could not be used again.
"""

from __future__ import annotations

from collections import defaultdict

import torch as th

from sb3_ppo_variants.kl import Direction, Distributions
from sb3_ppo_variants.minibatch import Minibatch


class Rows:
    """The rows of tensors, one after the other."""

    def __init__(self) -> None:
        self._rows: th.Tensor | None = None
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
    """The minibatches of an update, without their graph and their distributions.

    :ivar lengths: number of samples of each
    """

    def __init__(self) -> None:
        self.lengths: list[int] = []
        self._columns = Rows()
        self._prepared: defaultdict[str, Rows] = defaultdict(Rows)
        self._kl: defaultdict[Direction, Rows] = defaultdict(Rows)

    def append(self, minibatch: Minibatch) -> None:
        """Keep a minibatch.

        :param minibatch: detached, with the same tensors each time
        """
        self.lengths.append(minibatch.ratio.shape[0])
        # Side by side, because three copies of small tensors take longer than one.
        self._columns.append(th.stack((minibatch.advantages, minibatch.log_ratio, minibatch.ratio), dim=1))
        for name, tensor in minibatch.prepared.items():
            self._prepared[name].append(tensor)
        for direction, kl in minibatch.computed_kl.items():
            self._kl[direction].append(kl)

    def all(self) -> Minibatch:
        """All samples as one minibatch; at least one was kept."""
        advantages, log_ratio, ratio = self._columns.all().unbind(dim=1)
        prepared = {name: rows.all() for name, rows in self._prepared.items()}
        kl = {direction: rows.all() for direction, rows in self._kl.items()}
        return Minibatch.from_tensors(advantages, log_ratio, ratio, prepared, kl)
