"""The policy's forward pass in native code: actions, values and log-probabilities of a rollout.

Actions are drawn from torch's generator as in eager mode: the same seed gives the same actions, within rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch as th
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from sb3_ppo_variants.compiled.native import Function, in_place_of, native

# What `reset_noise` of state-dependent exploration draws.
NOISE = ("exploration_mat", "exploration_matrices")


class _Forward(NamedTuple):
    """Native code, and the structure of what it returns; ``None`` for a flat tuple."""

    run: Function
    structure: Any


class CompiledActor:
    """A policy's ``forward`` in native code, made when it is first called with arguments of these shapes.

    :param policy: of an SB3 or sb3-contrib algorithm
    :param compile_or_warn: takes what is to be made and a function that makes it; gives ``None`` when that fails
    """

    def __init__(self, policy: Any, compile_or_warn: Callable[[str, Callable[[], _Forward]], _Forward | None]) -> None:
        self._policy, self._compile_or_warn = policy, compile_or_warn
        self._known: dict[Any, _Forward | None] = {}
        self._names: list[str] = []
        self._weights: list[th.Tensor] = []

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Let the policy act in native code within the block, in which its weights stay as they are."""
        named = [*self._policy.named_parameters(), *self._policy.named_buffers()]
        self._names = [name for name, _ in named]
        self._weights = [tensor.detach() for _, tensor in named]
        self._policy.forward = self
        try:
            yield
        finally:
            del self._policy.forward  # the class's own again

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As the policy's ``forward``.

        :param args: of it
        :param kwargs: of it
        """
        tensors = [self._as_tensor(leaf) for leaf in tree_leaves((args, kwargs))]
        if not all(isinstance(tensor, th.Tensor) for tensor in tensors):
            return self._eager(*args, **kwargs)  # a callback's own call, with `deterministic` say
        noise = self._noise()
        inputs = [*self._weights, *noise.values(), *tensors]
        shapes = ((tensor.shape, tensor.dtype, tensor.device) for tensor in inputs[len(self._weights) :])
        key = (*kwargs, *shapes)
        if key not in self._known:
            spec = tree_flatten((args, kwargs))[1]
            self._known[key] = self._compile_or_warn("the rollout", lambda: self._native(inputs, list(noise), spec))
        native_forward = self._known[key]
        if native_forward is None:
            return self._eager(*args, **kwargs)
        outputs = native_forward.run(inputs)
        structure = native_forward.structure
        return tuple(outputs) if structure is None else tree_unflatten(list(outputs), structure)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copied or pickled with its policy, by a callback in the middle of a rollout say, it is the class's own."""
        return getattr, (self._policy, "forward")

    def _eager(self, *args: Any, **kwargs: Any) -> Any:
        return type(self._policy).forward(self._policy, *args, **kwargs)

    def _as_tensor(self, argument: Any) -> Any:
        # The masks of sb3-contrib's MaskablePPO are an array. The policy itself looks for its device at every call.
        return th.as_tensor(argument, device=self._weights[0].device) if isinstance(argument, np.ndarray) else argument

    def _noise(self) -> dict[str, th.Tensor]:
        own = vars(self._policy.action_dist)
        return {name: own[name] for name in NOISE if name in own}

    def _native(self, inputs: Sequence[th.Tensor], noise: Sequence[str], spec: Any) -> _Forward:
        """Native code for arguments like these."""
        names, forward = self._names, type(self._policy).forward

        def function(tensors: Sequence[th.Tensor]) -> tuple[list[th.Tensor], Any]:
            weights, rest = tensors[: len(names)], tensors[len(names) :]
            args, kwargs = tree_unflatten(list(rest[len(noise) :]), spec)
            drawn = dict(zip(noise, rest, strict=False))
            with th.no_grad(), in_place_of(self._policy, dict(zip(names, weights, strict=True))), self._with(drawn):
                return tree_flatten(forward(self._policy, *args, **kwargs))

        run, structure = native(function, inputs, self._policy, fixed=len(names))
        flat = tree_flatten(tuple(range(structure.num_leaves)))[1]
        return _Forward(run, None if structure == flat else structure)

    @contextmanager
    def _with(self, noise: Mapping[str, th.Tensor]) -> Iterator[None]:
        """Trace with some noise, and leave the distribution as it was."""
        own = vars(self._policy.action_dist)
        before = own.copy()
        own.update(noise)
        try:
            yield
        finally:
            own.clear()
            own.update(before)
