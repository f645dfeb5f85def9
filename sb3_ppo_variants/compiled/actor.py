"""The policy's forward pass in native code: actions, values and log-probabilities of a rollout.

Actions are drawn from torch's generator as in eager mode: the same seed gives the same actions, within rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch as th
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from sb3_ppo_variants.compiled.buffer import Outputs
from sb3_ppo_variants.compiled.check import CheckTimes, Quantity, copies, difference, draw_again, draws_of, write_back
from sb3_ppo_variants.compiled.contents import of_distribution
from sb3_ppo_variants.compiled.native import Function, in_place_of, native
from sb3_ppo_variants.compiled.part import Part
from sb3_ppo_variants.compiled.recurrent import arguments_of_policy, single_steps
from sb3_ppo_variants.compiled.snapshot import policy_roots
from sb3_ppo_variants.compiled.unsupported import (
    Ended,
    Unsupported,
    refuse_hooks,
    refuse_other_rollout,
    refuse_replaced_forward,
)

# What `reset_noise` of state-dependent exploration draws.
NOISE = ("exploration_mat", "exploration_matrices")
# What SB3's policies return.
OUTPUTS = ("the actions", "the values", "the log-probabilities")
# Keys of the observations, ``None`` for a tensor, and names of the other arguments.
Spec = tuple[tuple[str, ...] | None, tuple[str, ...]]


@dataclass
class _Forward:
    """Native code, and the structure of what it returns; ``None`` for a flat tuple."""

    run: Function
    structure: Any
    times: CheckTimes = field(default_factory=CheckTimes)

    def __call__(self, inputs: Sequence[th.Tensor], outputs: Outputs | None) -> Any:
        returned = self.run(inputs)
        if outputs is not None:
            return outputs
        return tuple(returned) if self.structure is None else tree_unflatten(list(returned), self.structure)


class CompiledActor:
    """A policy's ``forward`` in native code, made when it is first called with arguments of these shapes.

    What a trace takes for granted is looked at in the first call of each rollout; it stays as it is until the last.

    :param part: the traces, and what is said of the rollout
    """

    def __init__(self, part: Part) -> None:
        self._part = part
        self._policy: Any = None
        self._state: Any = None
        self._names: list[str] = []
        self._weights: list[th.Tensor] = []
        self._buffers: list[th.Tensor] = []
        self._forwards: dict[Any, _Forward] = {}

    def begin(self, policy: Any, stock: Any) -> bool:
        """Begin a rollout.

        :param policy: of an SB3 or sb3-contrib algorithm
        :param stock: the ``collect_rollouts`` that would be called in eager mode
        :return: whether there may be native code for it
        """
        self._policy, self._state, self._forwards = policy, None, {}
        try:
            refuse_other_rollout(stock)
            refuse_replaced_forward(policy)
        except Exception as error:
            self._part.leave(error)
            return False
        return not self._part.ended

    def __call__(self, observations: Any, others: Mapping[str, Any], outputs: Outputs | None = None) -> Any:
        """What the policy returns, without a gradient.

        :param observations: a tensor or a dictionary of tensors
        :param others: further arguments of the policy, arrays or tensors: the masks of sb3-contrib's MaskablePPO, or
            the states of its LSTMs as :func:`.recurrent.flat_states` gives them
        :param outputs: tensors that native code writes to and returns; ``None`` for its own. Eager code returns its own
        """
        # A callback may leave the policy in training mode.
        if self._part.ended or self._policy.training:
            return self._eager(observations, others)
        try:
            if self._state is None:
                self._look()
            spec, tensors = self._flat(observations, others)
            noise = self._noise()
            rest = [*noise.values(), *tensors]
            inputs = [*self._weights, *rest, *(outputs or ())]
            key = (spec, tuple(noise), outputs is None, *((tensor.shape, tensor.dtype) for tensor in rest))
            is_first = key not in self._forwards
            if is_first:
                make = partial(self._native, inputs, spec, list(noise))
                self._forwards[key] = self._part.trace((self._state, key), make)
        except Exception as error:
            self._part.leave(error)
            return self._eager(observations, others)
        forward = self._forwards[key]
        if is_first and forward.times.due():
            return self._checked(forward, inputs, outputs, observations, others)
        return forward(inputs, outputs)

    def _look(self) -> None:
        """Look at everything that a trace takes for granted, and at the weights, which a callback may have replaced."""
        parameters, buffers = list(self._policy.named_parameters()), list(self._policy.named_buffers())
        named = [*parameters, *buffers]
        self._names = [name for name, _ in named]
        self._weights = [tensor.detach() for _, tensor in named]
        self._buffers = self._weights[len(parameters) :]
        kinds = tuple((tensor.shape, tensor.stride(), tensor.dtype, tensor.device) for tensor in self._weights)
        self._state = (self._part.state(policy_roots(self._policy)), kinds)

    @th.no_grad()
    def _eager(self, observations: Any, others: Mapping[str, Any]) -> Any:
        return self._policy(observations, **arguments_of_policy(others))

    def _checked(
        self,
        forward: _Forward,
        inputs: Sequence[th.Tensor],
        outputs: Outputs | None,
        observations: Any,
        others: Mapping[str, Any],
    ) -> Any:
        """Act in both ways, and compare them; the eager one counts where they differ."""
        device = self._weights[0].device
        draws_before, buffers_before = draws_of(device), copies(self._buffers)
        eager = self._eager(observations, others)
        draws, buffers = draws_of(device), copies(self._buffers)
        draw_again(device, draws_before)
        write_back(self._buffers, buffers_before)
        try:
            returned = forward(inputs, outputs)
            quantities = _quantities(tree_leaves(returned), tree_leaves(eager))
            found = difference([*quantities, *self._moved(buffers)])
            reason = None if found is None else f"{found} from eager mode, which is more than rounding"
        except Exception as error:
            reason = f"the library fails when it runs: {error}"
        if reason is None:
            return returned
        draw_again(device, draws)
        write_back(self._buffers, buffers)
        self._part.leave(Ended(reason))
        return eager

    def _moved(self, buffers: Sequence[th.Tensor]) -> Iterator[Quantity]:
        """The buffers, which a policy may change when it acts."""
        names = self._names[len(self._names) - len(buffers) :]
        for name, mine, theirs in zip(names, self._buffers, buffers, strict=True):
            yield Quantity(f"the buffer {name}", mine, theirs, scale=0.01)

    def _flat(self, observations: Any, others: Mapping[str, Any]) -> tuple[Spec, list[th.Tensor]]:
        """The names of the arguments, and their tensors, which native code takes to be contiguous."""
        keys, own = (
            (tuple(observations), observations.values()) if isinstance(observations, dict) else (None, [observations])
        )
        # Masks are an array. The policy itself looks for its device at every call.
        tensors = [*own, *(th.as_tensor(array, device=self._weights[0].device) for array in others.values())]
        return (keys, tuple(others)), [tensor.contiguous() for tensor in tensors]

    def _noise(self) -> dict[str, th.Tensor]:
        own = of_distribution(self._policy)
        return {name: own[name].detach() for name in NOISE if name in own}

    def _native(self, inputs: Sequence[th.Tensor], spec: Spec, noise: Sequence[str]) -> _Forward:
        """Native code for arguments like these."""
        policy, names = self._policy, self._names
        forward = type(policy).forward
        refuse_hooks(policy)

        def function(tensors: Sequence[th.Tensor]) -> tuple[list[th.Tensor], Any]:
            weights, rest = tensors[: len(names)], tensors[len(names) :]
            observations, others, outputs = _arguments(spec, rest[len(noise) :])
            of_distribution(policy).update(zip(noise, rest, strict=False))  # put back after the trace, as all else
            with th.no_grad(), in_place_of(policy, dict(zip(names, weights, strict=True))), single_steps(policy):
                returned = tree_flatten(forward(policy, observations, **arguments_of_policy(others)))
            return _written(returned, outputs) if outputs else returned

        run, structure = native(function, inputs, policy_roots(policy), fixed=len(names))
        flat = tree_flatten(tuple(range(structure.num_leaves)))[1]
        return _Forward(run, None if structure == flat else structure)


def _arguments(spec: Spec, tensors: Sequence[th.Tensor]) -> tuple[Any, dict[str, th.Tensor], Sequence[th.Tensor]]:
    """What ``_flat`` has made flat, and the outputs after it."""
    keys, names = spec
    first = 1 if keys is None else len(keys)
    last = first + len(names)
    observations = tensors[0] if keys is None else dict(zip(keys, tensors, strict=False))
    return observations, dict(zip(names, tensors[first:last], strict=True)), tensors[last:]


def _written(returned: tuple[list[th.Tensor], Any], outputs: Sequence[th.Tensor]) -> tuple[list[th.Tensor], Any]:
    """Write what the policy returns to the outputs, and return nothing."""
    for tensor, output in zip(returned[0], outputs, strict=True):
        if (tensor.shape, tensor.dtype) != (output.shape, output.dtype):
            raise Unsupported(f"the policy returns {tensor.dtype} of shape {tuple(tensor.shape)}, SB3's does not")
        output.copy_(tensor)
    return tree_flatten(())


def _quantities(native: Sequence[th.Tensor], eager: Sequence[th.Tensor]) -> Iterator[Quantity]:
    usual = len(native) == len(OUTPUTS)
    for index, (mine, theirs) in enumerate(zip(native, eager, strict=True)):
        yield Quantity(OUTPUTS[index] if usual else f"output {index}", mine, theirs)
