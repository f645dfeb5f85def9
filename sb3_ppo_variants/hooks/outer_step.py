"""A step of another length along what the update found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch as th

from sb3_ppo_variants.coefficients import Number
from sb3_ppo_variants.loop.hook import UpdateHook

MOMENTUM = "outer_momentum"


class OuterStep(UpdateHook):
    r"""Outer PPO: the update gives a direction, and an outer step goes along it.

    .. math::

        m \leftarrow \mu\, m + (\theta - \theta_k), \qquad \theta_{k+1} = \theta_k + s\, m

    where :math:`\theta_k` are the weights before the update and :math:`\theta` those after its last step. With
    :math:`s = 1` and :math:`\mu = 0` it is not used. The exact KL, so ``train/kl`` and the rules that follow it, is
    measured after the outer step; stops and all other statistics measure the steps before it. Adam keeps the moments of
    the inner steps, and buffers such as those of batch normalisation are not moved. A little above 1 is a start for
    :math:`s`; momentum lengthens updates in the same direction up to :math:`1 / (1 - \mu)` times.

    Tan et al., "Beyond the Boundaries of Proximal Policy Optimization", 2024, arXiv 2411.00666, which allows any
    optimiser in place of the step and the momentum.
    """

    arguments = (
        Number("outer_step", default=1.0, low=0.0, above_low=True, finite=True),
        Number("outer_momentum", default=0.0, low=0.0, high=0.999),
    )

    @contextmanager
    def around_update(self, model: Any, update: Any) -> Iterator[None]:
        """Take the outer step at the end of the block.

        :param model: about to be updated
        :param update: about to begin
        """
        parameters = {name: p for name, p in model.policy.named_parameters() if p.requires_grad}
        before = {name: parameter.detach().clone() for name, parameter in parameters.items()}
        yield
        momentum, kept = model.hook_state.get(MOMENTUM, {}), {}
        with th.no_grad():
            for name, parameter in parameters.items():
                moved = parameter - before[name]
                if model.outer_momentum:
                    earlier = momentum.get(name, th.zeros(()))
                    moved = moved + model.outer_momentum * earlier.to(parameter.device)
                    kept[name] = moved.cpu()  # a zip with tensors of a GPU loses them where there is none
                parameter.copy_(before[name] + model.outer_step * moved)
        model.hook_state.pop(MOMENTUM, None)
        if kept:
            model.hook_state[MOMENTUM] = kept
