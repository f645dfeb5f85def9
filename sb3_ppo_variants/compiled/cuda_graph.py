"""Native code on a GPU as a CUDA graph: one launch for a whole call, in place of one for each kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch as th


class CudaGraph:
    """A native function on a GPU, recorded when it is first called and then played again.

    A graph reads and writes where it did when it was recorded. The first inputs, those that the function may change,
    are used where they are, and it is recorded anew when they have moved; the others are copied.
    Draws continue torch's generator of the device, as torch has it for graphs.

    :param run: the native function
    :param fixed: number of inputs, from the first, that are used where they are
    """

    def __init__(self, run: Callable[[Sequence[th.Tensor]], Sequence[th.Tensor]], fixed: int) -> None:
        self._run, self._fixed = run, fixed
        self._addresses: list[int] = []
        self._inputs: list[th.Tensor] = []
        self._outputs: Sequence[th.Tensor] = ()

    def __call__(self, inputs: Sequence[th.Tensor]) -> list[th.Tensor]:
        """As the native function.

        :param inputs: of the shapes that it was made for
        """
        self.place(inputs)
        self._graph.replay()
        return [output.clone() for output in self._outputs]

    def place(self, inputs: Sequence[th.Tensor]) -> list[th.Tensor]:
        """Copy inputs to where the graph reads them.

        :param inputs: as in a call
        :return: the graph's own; given to calls, in part or whole, they need no copy
        """
        addresses = [tensor.data_ptr() for tensor in inputs[: self._fixed]]
        if addresses != self._addresses or not self._inputs:
            self._record(inputs)
            self._addresses = addresses
        for own, given in zip(self._inputs[self._fixed :], inputs[self._fixed :], strict=True):
            if own is not given:
                own.copy_(given)
        return list(self._inputs)

    def _record(self, inputs: Sequence[th.Tensor]) -> None:
        self._inputs = [*inputs[: self._fixed], *(tensor.clone() for tensor in inputs[self._fixed :])]
        device = self._inputs[0].device
        with th.random.fork_rng(devices=[device]):
            self._run([tensor.clone() for tensor in self._inputs])  # the first call loads kernels, which no graph can
        th.cuda.synchronize(device)
        self._graph = th.cuda.CUDAGraph()
        with th.cuda.graph(self._graph):
            self._outputs = self._run(self._inputs)
