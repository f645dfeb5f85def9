"""Adam's number of steps, counted from the beginning of each update."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch as th

from sb3_ppo_variants.coefficients import Flag
from sb3_ppo_variants.loop.hook import UpdateHook


class ResetAdamStep(UpdateHook):
    r"""Adam-Rel: Adam's :math:`t` starts at 0 in each update, its moments go on.

    The step is :math:`\alpha\, \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t}` times the moments' ratio. With torch's
    defaults the factor is 0.32, 0.15, 0.31 and 0.52 at :math:`t` = 1, 10, 100 and 320: part of the effect is a lower
    rate, which a comparison needs an arm for. A saved model holds the small counts.

    Ellis et al., "Adam on Local Time: Addressing Nonstationarity in RL with Relative Adam Timesteps", 2024,
    arXiv 2412.17113.
    """

    arguments = (Flag("reset_adam_step"),)

    def check(self, model: Any) -> None:
        """Refuse an optimiser that is no Adam.

        :param model: that is set up
        :raises ValueError: naming the optimiser
        """
        if "betas" not in model.policy.optimizer.defaults:
            kind = type(model.policy.optimizer).__name__
            raise ValueError(f"reset_adam_step=True needs an optimiser of Adam's family, not {kind}")

    @contextmanager
    def around_update(self, model: Any, update: Any) -> Iterator[None]:
        """Set the numbers of steps to 0.

        :param model: about to be updated
        :param update: about to begin
        """
        for state in model.policy.optimizer.state.values():
            if isinstance(state.get("step"), th.Tensor):
                state["step"].zero_()
            elif "step" in state:  # optimisers of others count in a plain number
                state["step"] = 0
            if "mu_product" in state:  # NAdam's other function of the count
                state["mu_product"].fill_(1.0)
        yield
