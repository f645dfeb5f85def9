"""Weights & Biases: its callback for SB3 with the variant of the model."""

from __future__ import annotations

from typing import Any

import wandb
from wandb.integration.sb3 import WandbCallback

from sb3_ppo_variants.algorithm import VariantAlgorithm


class WandbVariantCallback(WandbCallback):  # type: ignore[misc]
    """W&B's ``WandbCallback`` that also writes the variant into the run's configuration and summary.

    The configuration gets the result of :func:`variant` under ``variant``. Every key under ``train/`` is drawn over
    environment steps, and the table of runs shows its minimum, maximum, mean and last value: a run whose
    ``dual_clip_fraction`` has a maximum of 0 is plain PPO. As with W&B's callback, call ``wandb.init`` first with
    ``sync_tensorboard=True``, and give the model ``tensorboard_log``. Offline mode needs no network.

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
    """The variant of a model as JSON: objective, coefficients, options, rules and stops.

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
