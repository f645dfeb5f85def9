"""The runs of docs/troubleshooting.md: `python -m benchmarks.symptoms` writes published/symptoms/symptoms.json.

Each run shows one symptom, or a remedy, on CartPole-v1 with the arguments of the quickstart study. `make fill` makes
the table of the page from the JSON.
"""

from __future__ import annotations

import json
from pathlib import Path
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
PUBLISHED = Path(__file__).parent / "published/symptoms/symptoms.json"


class Updates(KVWriter):
    """What is logged of each update."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def write(self, key_values: dict[str, Any], key_excluded: Any, step: int = 0) -> None:
        """Keep the values of a dump that has an update's."""
        if "train/kl" in key_values:
            self.rows.append(dict(key_values))

    def close(self) -> None:
        """Nothing to close."""

    def of(self, key: str) -> np.ndarray:
        """The values of all updates of a key without its ``train/``."""
        return np.array([row[f"train/{key}"] for row in self.rows])


def run(arguments: dict[str, Any]) -> Updates:
    """Train once and keep the log.

    :param arguments: in addition to the usual ones, or in place of them
    """
    updates = Updates()
    env = make_vec_env("CartPole-v1", n_envs=8, seed=0)
    model = VariantPPO("MlpPolicy", env, seed=0, device="cpu", log_kl=True, **(USUAL | arguments))
    model.set_logger(Logger(None, [updates]))
    model.learn(STEPS)
    model.logger.dump()
    return updates


def summary(updates: Updates) -> dict[str, Any]:
    """The numbers of one run; ``dual_clip`` counts the updates in which its bound acts."""
    kl = updates.of("kl")
    numbers = {
        "updates": len(kl),
        "median_kl": float(np.median(kl)),
        "largest_kl": float(kl.max()),
        "largest_ratio": float(updates.of("ratio_max").max()),
        "clip_fraction": float(updates.of("clip_fraction").mean()),
    }
    if "train/dual_clip_fraction" in updates.rows[0]:
        numbers["dual_clip"] = int((updates.of("dual_clip_fraction") > 0).sum())
    return numbers


def main() -> None:
    """Make all runs and write their numbers."""
    th.set_num_threads(1)
    runs = {name: summary(run(arguments)) for name, arguments in RUNS.items()}
    PUBLISHED.parent.mkdir(exist_ok=True)
    PUBLISHED.write_text(json.dumps(runs, indent=1) + "\n")


if __name__ == "__main__":
    main()
