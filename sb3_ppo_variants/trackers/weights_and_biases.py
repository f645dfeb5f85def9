"""Weights & Biases: its own callback for SB3, and what it does not know of a variant."""

from __future__ import annotations

from typing import Any

import wandb
from wandb.integration.sb3 import WandbCallback

from sb3_ppo_variants.algorithm import VariantAlgorithm


class WandbVariantCallback(WandbCallback):  # type: ignore[misc]
    """W&B's ``WandbCallback`` that also keeps the variant in the run's configuration and summary.

    Under ``variant`` the configuration gets what :func:`variant` says. Every key under ``train/`` is drawn over
    environment steps, and the table of runs shows its least, greatest, mean and last value: a ``dual_clip_fraction``
    whose greatest value is 0 belongs to a run that was plain PPO. As with W&B's callback, ``wandb.init`` comes first,
    with ``sync_tensorboard=True``, and the model has ``tensorboard_log``. Nothing here needs a network in offline mode.

    Takes the arguments of ``WandbCallback``.

    :raises wandb.Error: without a run of W&B
    :raises TypeError: for a model that is not a variant of this package
    """

    def _init_callback(self) -> None:
        if not isinstance(self.model, VariantAlgorithm):
            raise TypeError(f"WandbVariantCallback: {type(self.model).__name__} is not a variant of sb3_ppo_variants")
        super()._init_callback()
        wandb.run.config.update({"variant": variant(self.model)}, allow_val_change=True)
        wandb.run.define_metric("train/*", step_metric="global_step", summary="min,max,mean,last")


def variant(model: VariantAlgorithm) -> dict[str, Any]:
    """What makes a model the variant that it is, as JSON: objective, coefficients, options, rules and stops.

    :param model: of any host
    :return: ``coefficients`` has a number for each constant, ``{"start": ..., "end": ...}`` for each schedule
    """
    starts, ends = model._scheduled_values(1.0), model._scheduled_values(0.0)
    return {
        "objective": [term.name for term in model._chain.terms],
        "coefficients": {
            name: start if start == ends[name] else {"start": start, "end": ends[name]}
            for name, start in starts.items()
        },
        "options": model._options(),
        "adapt": {name: dict(rule) for name, rule in (model.adapt or {}).items()},
        "stop": dict(model.stop or {}),
    }
