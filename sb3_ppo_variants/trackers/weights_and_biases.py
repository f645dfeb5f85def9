"""Weights & Biases: its callback for SB3 with the variant of the model."""

from __future__ import annotations

import wandb
from wandb.integration.sb3 import WandbCallback

from sb3_ppo_variants.algorithm import VariantAlgorithm


class WandbVariantCallback(WandbCallback):  # type: ignore[misc]
    """W&B's ``WandbCallback`` that also writes the variant into the run's configuration and summary.

    The configuration gets the result of the model's ``describe()`` under ``variant``. Every key
    under ``train/`` is drawn over environment steps, and the table of runs shows its minimum, maximum, mean and last
    value: a run whose ``dual_clip_fraction`` has a maximum of 0 is plain PPO. As with W&B's callback, call
    ``wandb.init`` first with ``sync_tensorboard=True``, and give the model ``tensorboard_log``. Offline mode needs no
    network.

    Takes the arguments of ``WandbCallback``.

    :raises wandb.Error: without a run of W&B
    :raises TypeError: for a model that is not a variant of this package
    """

    def _init_callback(self) -> None:
        if not isinstance(self.model, VariantAlgorithm):
            raise TypeError(f"WandbVariantCallback: {type(self.model).__name__} is not a variant of sb3_ppo_variants")
        super()._init_callback()
        wandb.run.config.update({"variant": self.model.describe()}, allow_val_change=True)
        wandb.run.define_metric("train/*", step_metric="global_step", summary="min,max,mean,last")
