"""The runs behind docs/troubleshooting.md: ``python docs/symptoms.py`` prints its table.

Each run shows one symptom, or what was done about it, on CartPole-v1 with the arguments of the quickstart study.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import KVWriter, Logger

from sb3_ppo_variants import VariantPPO

STEPS = 16_384  # 32 updates
USUAL: dict[str, Any] = {"n_steps": 64, "batch_size": 64, "n_epochs": 10, "gamma": 0.98, "learning_rate": 0.001}
FAST: dict[str, Any] = {"learning_rate": 0.01}
FOLLOWING: dict[str, Any] = {
    "rule": "band", "follow": "kl", "target": 0.01, "width": 2, "factor": 1.5, "low": 1e-5, "high": 0.01,
}  # fmt: skip
DUAL = ["clip", "dual_clip"]
RUNS: dict[str, dict[str, Any]] = {
    "usual": {},
    "no limit": {"objective": []},
    "learning rate 0.01": FAST,
    "learning rate 0.01, `target_kl=0.02`": {**FAST, "target_kl": 0.02},
    'learning rate 0.01, `stop={"kl": 0.02}`': {**FAST, "stop": {"kl": 0.02}},
    "learning rate 0.01 that follows the KL": {**FAST, "adapt": {"learning_rate": FOLLOWING}},
    "learning rate 0.00001": {"learning_rate": 1e-5},
    "one epoch of one minibatch": {"n_epochs": 1, "batch_size": 512},
    "dual clip": {"objective": DUAL},
    "dual clip, learning rate 0.01": {**FAST, "objective": DUAL},
    "dual clip, 60 epochs": {"n_epochs": 60, "objective": DUAL},
}
HEADING = (
    "run", "median `kl`", "largest `kl`", "largest `ratio_max`", "mean `clip_fraction`", "updates with dual clip",
)  # fmt: skip


class Updates(KVWriter):
    """What is logged of each update."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def write(self, key_values: dict[str, Any], key_excluded: Any, step: int = 0) -> None:
        """Keep the values of one dump, where it has an update's.

        :param key_values: as logged
        :param key_excluded: not looked at
        :param step: not looked at
        """
        if "train/kl" in key_values:
            self.rows.append(dict(key_values))

    def close(self) -> None:
        """Nothing to close."""

    def of(self, key: str) -> np.ndarray:
        """The values of all updates.

        :param key: without ``train/``
        """
        return np.array([row[f"train/{key}"] for row in self.rows])


def run(arguments: dict[str, Any]) -> Updates:
    """Train once and keep the log.

    :param arguments: beside the usual ones
    """
    updates = Updates()
    env = make_vec_env("CartPole-v1", n_envs=8, seed=0)
    model = VariantPPO("MlpPolicy", env, seed=0, device="cpu", log_kl=True, **(USUAL | arguments))
    model.set_logger(Logger(None, [updates]))
    model.learn(STEPS)
    model.logger.dump()
    return updates


def row(name: str, updates: Updates) -> list[str]:
    """One row of the table.

    :param name: of the run
    :param updates: its log
    """
    kl = updates.of("kl")
    has_dual_clip = "train/dual_clip_fraction" in updates.rows[0]
    return [
        name,
        f"{np.median(kl):.2g}",
        f"{kl.max():.2g}",
        f"{updates.of('ratio_max').max():.3g}",
        f"{updates.of('clip_fraction').mean():.2g}",
        f"{(updates.of('dual_clip_fraction') > 0).sum()} of {len(kl)}" if has_dual_clip else "-",
    ]


def table() -> list[list[str]]:
    """All rows, the heading first."""
    return [list(HEADING), ["---"] * len(HEADING), *(row(name, run(arguments)) for name, arguments in RUNS.items())]


if __name__ == "__main__":
    th.set_num_threads(1)
    for cells in table():
        print(f"| {' | '.join(cells)} |")
