"""TensorBoard: a layout of a variant's log keys for the dashboard "Custom Scalars"."""

from __future__ import annotations

import re

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import TensorBoardOutputFormat

from sb3_ppo_variants.algorithm import VariantAlgorithm
from sb3_ppo_variants.trackers.dashboard import dashboard


class TensorBoardDashboard(BaseCallback):
    """Writes the layout of :func:`.dashboard.dashboard` into the event file that SB3 writes the scalars to.

    The layout is written once, after the first update, when the keys of the model are known. TensorBoard shows it under
    "Custom Scalars", for all runs of a folder at once. The callback does not change the logs or the training.

    :raises TypeError: for a model that is not a variant of this package
    :raises ValueError: for a model without ``tensorboard_log``
    """

    def __init__(self) -> None:
        super().__init__()
        self._is_written = False

    def _on_training_start(self) -> None:
        if not isinstance(self.model, VariantAlgorithm):
            raise TypeError(f"TensorBoardDashboard: {type(self.model).__name__} is not a variant of sb3_ppo_variants")
        if not self._outputs():
            raise ValueError("TensorBoardDashboard: give the model tensorboard_log, the folder of the event files")
        self._is_written = False  # another `learn` writes another file

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        self._write()

    def _on_training_end(self) -> None:
        self._write()

    def _outputs(self) -> list[TensorBoardOutputFormat]:
        return [output for output in self.logger.output_formats if isinstance(output, TensorBoardOutputFormat)]

    def _write(self) -> None:
        # An update leaves its values in the logger until the next rollout is over.
        excluded = self.logger.name_to_excluded
        logged = [key for key in self.logger.name_to_value if "tensorboard" not in (excluded[key] or ())]
        if self._is_written or not any(key.startswith("train/") for key in logged):
            return
        assert isinstance(self.model, VariantAlgorithm)
        layout = {
            category: {title: ["Multiline", [_pattern(key) for key in keys]] for title, keys in charts.items()}
            for category, charts in dashboard(self.model, logged).items()
        }
        for output in self._outputs():
            output.writer.add_custom_scalars(layout)
            output.writer.flush()  # at the end of the training SB3 does not
        self._is_written = True


def _pattern(key: str) -> str:
    """A key as a regular expression, as TensorBoard reads it: ``train/kl`` alone would also match ``train/kl_coef``.

    :param key: of the log
    """
    return f"^{re.escape(key)}$"
