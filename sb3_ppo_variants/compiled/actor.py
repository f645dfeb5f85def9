"""The policy's forward pass in native code: actions, values and log-probabilities of a rollout.

Actions are drawn from torch's generator as in eager mode: the same seed gives the same actions, within rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch as th
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from sb3_ppo_variants.compiled.check import CheckTimes, Quantity, difference, draw_again, draws_of
from sb3_ppo_variants.compiled.native import Function, in_place_of, native
from sb3_ppo_variants.compiled.part import Part
from sb3_ppo_variants.compiled.snapshot import policy_roots
from sb3_ppo_variants.compiled.unsupported import Ended, refuse_hooks, refuse_replaced_forward

# What `reset_noise` of state-dependent exploration draws.
NOISE = ("exploration_mat", "exploration_matrices")
# What SB3's policies return.
OUTPUTS = ("the actions", "the values", "the log-probabilities")


@dataclass
class _Forward:
    """Native code, and the structure of what it returns; ``None`` for a flat tuple.

    ``rollout`` is the number of the last rollout in which it was used.
    """

    run: Function
    structure: Any
    times: CheckTimes = field(default_factory=CheckTimes)
    rollout: int = -1

    def __call__(self, inputs: Sequence[th.Tensor]) -> Any:
        outputs = self.run(inputs)
        return tuple(outputs) if self.structure is None else tree_unflatten(list(outputs), self.structure)


class CompiledActor:
    """A policy's ``forward`` in native code, made when it is first called with arguments of these shapes.

    What a trace takes for granted is looked at in the first call of each rollout; it stays as it is until the last.

    :param part: the traces, and what is said of the rollout
    """

    def __init__(self, part: Part) -> None:
        self._part = part
        self._policy: Any = None
        self._rollout = 0
        self._state: Any = None
        self._names: list[str] = []
        self._weights: list[th.Tensor] = []

    @contextmanager
    def acting(self, policy: Any) -> Iterator[None]:
        """Let a policy act in native code within the block.

        :param policy: of an SB3 or sb3-contrib algorithm
        """
        try:
            refuse_replaced_forward(policy)
        except Exception as error:
            self._part.leave(error)
            yield
            return
        self._policy, self._state = policy, None
        self._rollout += 1
        policy.forward = self
        try:
            yield
        finally:
            del policy.forward  # the class's own again
            self._weights = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Take the place of the policy's ``forward``."""
        # A callback's own call may ask for a gradient, for training mode, or with an argument that is no tensor.
        if self._part.ended or th.is_grad_enabled() or self._policy.training:
            return self._eager(*args, **kwargs)
        try:
            if self._state is None:
                self._begin()
            tensors = [self._as_tensor(leaf) for leaf in tree_leaves((args, kwargs))]
            if not all(isinstance(tensor, th.Tensor) for tensor in tensors):
                return self._eager(*args, **kwargs)
            noise = self._noise()
            inputs = [*self._weights, *noise.values(), *tensors]
            shapes = tuple((tensor.shape, tensor.dtype, tensor.device) for tensor in inputs[len(self._weights) :])
            key = (self._state, tuple(kwargs), tuple(noise), shapes)
            forward = self._part.trace(key, lambda: self._native(inputs, list(noise), tree_flatten((args, kwargs))[1]))
        except Exception as error:
            self._part.leave(error)
            return self._eager(*args, **kwargs)
        if forward.rollout != self._rollout:
            forward.rollout = self._rollout
            if forward.times.due():
                return self._checked(forward, inputs, args, kwargs)
        return forward(inputs)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copied or pickled with its policy, by a callback in the middle of a rollout say, it is the class's own."""
        return getattr, (self._policy, "forward")

    def _begin(self) -> None:
        """Look at everything that a trace takes for granted, and at the weights, which a callback may have replaced."""
        named = [*self._policy.named_parameters(), *self._policy.named_buffers()]
        self._names = [name for name, _ in named]
        self._weights = [tensor.detach() for _, tensor in named]
        kinds = tuple((tensor.shape, tensor.stride(), tensor.dtype, tensor.device) for tensor in self._weights)
        self._state = (self._part.state(policy_roots(self._policy)), kinds)

    def _eager(self, *args: Any, **kwargs: Any) -> Any:
        return type(self._policy).forward(self._policy, *args, **kwargs)

    def _checked(self, forward: _Forward, inputs: Sequence[th.Tensor], args: Any, kwargs: Any) -> Any:
        """Act in both ways, and compare them; the eager one counts where they differ."""
        device = self._weights[0].device
        draws_before = draws_of(device)
        eager = self._eager(*args, **kwargs)
        draws = draws_of(device)
        draw_again(device, draws_before)
        try:
            outputs = forward(inputs)
            found = difference(_quantities(tree_leaves(outputs), tree_leaves(eager)))
            reason = None if found is None else f"{found} from eager mode, which is more than rounding"
        except Exception as error:
            reason = f"the library fails when it runs: {error}"
        if reason is None:
            return outputs
        draw_again(device, draws)
        self._part.leave(Ended(reason))
        return eager

    def _as_tensor(self, argument: Any) -> Any:
        # The masks of sb3-contrib's MaskablePPO are an array. The policy itself looks for its device at every call.
        return th.as_tensor(argument, device=self._weights[0].device) if isinstance(argument, np.ndarray) else argument

    def _noise(self) -> dict[str, th.Tensor]:
        own = vars(self._policy.action_dist)
        return {name: own[name] for name in NOISE if name in own}

    def _native(self, inputs: Sequence[th.Tensor], noise: Sequence[str], spec: Any) -> _Forward:
        """Native code for arguments like these."""
        policy, names = self._policy, self._names
        forward = type(policy).forward
        refuse_hooks(policy)

        def function(tensors: Sequence[th.Tensor]) -> tuple[list[th.Tensor], Any]:
            weights, rest = tensors[: len(names)], tensors[len(names) :]
            args, kwargs = tree_unflatten(list(rest[len(noise) :]), spec)
            vars(policy.action_dist).update(zip(noise, rest, strict=False))  # put back after the trace, as all else
            with th.no_grad(), in_place_of(policy, dict(zip(names, weights, strict=True))):
                return tree_flatten(forward(policy, *args, **kwargs))

        run, structure = native(function, inputs, policy_roots(policy), fixed=len(names))
        flat = tree_flatten(tuple(range(structure.num_leaves)))[1]
        return _Forward(run, None if structure == flat else structure)


def _quantities(native: Sequence[th.Tensor], eager: Sequence[th.Tensor]) -> Iterator[Quantity]:
    usual = len(native) == len(OUTPUTS)
    for index, (mine, theirs) in enumerate(zip(native, eager, strict=True)):
        yield Quantity(OUTPUTS[index] if usual else f"output {index}", mine, theirs)
