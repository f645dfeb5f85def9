"""The log of a run in TensorBoard and Weights & Biases, beside its ``progress.csv``, when a study asks for it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import KVWriter, make_output_format

from sb3_ppo_variants.algorithm import VariantAlgorithm
from sb3_ppo_variants.bench.study.run import Run

TENSORBOARD, WANDB = "tensorboard", "wandb"


@dataclass(frozen=True)
class Tracking:
    """Where the logs of a study go.

    :param trackers: ``tensorboard``, ``wandb``, both or none
    :param study: its name, the project in W&B
    :param folder: of its results; W&B keeps its files there, in ``wandb``
    """

    trackers: tuple[str, ...] = ()
    study: str = ""
    folder: Path = Path()

    @contextlib.contextmanager
    def opened(self, run: Run) -> Iterator[list[KVWriter]]:
        """A run of W&B, when there is to be one; it is the same one when the run goes on in another process.

        :param run: the run
        :raises wandb.Error: when W&B cannot be reached and is not in offline mode
        """
        if WANDB not in self.trackers:
            yield []
            return
        import wandb

        tracked = wandb.init(
            project=self.study,
            group=run.arm,
            name=f"{run.arm} {run.environment} {run.seed}",
            # Two arms may have one configuration.
            id=hashlib.sha256(f"{run.arm} {run.identity}".encode()).hexdigest()[:16],
            config={"study": self.study, "identity": run.identity, **asdict(run)},
            dir=str(self.folder),
            resume="allow",
        )
        try:
            yield [WandbWriter(tracked)]
        finally:
            with _without_failing():
                tracked.finish()

    def files(self, folder: Path) -> list[KVWriter]:
        """The event file of TensorBoard in the folder of a run, when there is to be one; each process has its own."""
        return [make_output_format(TENSORBOARD, str(folder / TENSORBOARD))] if TENSORBOARD in self.trackers else []

    def callbacks(self, model: BaseAlgorithm) -> list[BaseCallback]:
        """The layout of TensorBoard's dashboard, for a variant."""
        if TENSORBOARD not in self.trackers or not isinstance(model, VariantAlgorithm):
            return []
        # Not on top, because stable_baselines3 does without TensorBoard.
        from sb3_ppo_variants.trackers.tensorboard import TensorBoardDashboard

        return [TensorBoardDashboard()]


@contextlib.contextmanager
def _without_failing() -> Iterator[None]:
    """Say what W&B raises in the output of the run, which is not worth less without its dashboard."""
    try:
        yield
    except Exception as error:
        print(f"Weights & Biases lacks something of this run: {type(error).__name__}: {error}")


class WandbWriter(KVWriter):
    """Writes the numbers of SB3's logger to a run of W&B, with the steps as ``global_step``.

    :param tracked: the run
    """

    def __init__(self, tracked: Any) -> None:
        self.tracked = tracked
        tracked.define_metric("*", step_metric="global_step")

    def write(self, key_values: dict[str, Any], key_excluded: Mapping[str, tuple[str, ...]], step: int = 0) -> None:
        """Write what is a number and is not kept from TensorBoard."""
        numbers = {
            name: value
            for name, value in key_values.items()
            if isinstance(value, (int, float, np.number)) and TENSORBOARD not in (key_excluded.get(name) or ())
        }
        with _without_failing():
            self.tracked.log({"global_step": step, **numbers})

    def close(self) -> None:
        """Do nothing: the run ends later."""
