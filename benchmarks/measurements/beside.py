"""The time of an update's work besides its gradient steps, which the ratios do not show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.measurements.ratios import turns
from benchmarks.measurements.runner import running
from benchmarks.measurements.settings import Setting, setting
from benchmarks.measurements.stable_baselines import StableBaselines
from sb3_ppo_variants import VariantPPO

PARTS = ("copy", "tensors", "pass_for_kl")


class Trainer(StableBaselines):
    """VariantPPO, and the parts of its update one by one.

    :param chosen: the setting
    :param device: of torch
    """

    def __init__(self, chosen: Setting, device: str) -> None:
        arguments: dict[str, Any] = {"seed": 0, "device": device} | chosen.arguments
        super().__init__(VariantPPO(chosen.policy, chosen.vec_env(), **arguments))

    def copy(self) -> None:
        """Of the weights and the optimiser's state, for an update that fails."""
        with self._model._backup.restored_on_error(self._model.policy):
            pass

    def tensors(self) -> None:
        """Of the whole rollout."""
        self._model._whole_rollout()

    def pass_for_kl(self) -> None:
        """The distributions of the whole rollout; an exact KL needs one pass before and one after the update."""
        self._model._rollout_distributions()


def measure(settings: Sequence[str], repetitions: int) -> list[dict[str, Any]]:
    """One row for each setting, medians over the repetitions.

    :param settings: names of them
    :param repetitions: how often
    """
    rows = []
    for chosen in settings:
        with running("beside", chosen) as runner:
            found = turns({"beside": runner}, ["update", *PARTS], repetitions, setting(chosen).iterations)["beside"]
        rows.append(
            {"setting": setting(chosen).title}
            | {f"{part}_seconds": float(np.median(seconds)) for part, seconds in found.items()}
        )
    return rows
