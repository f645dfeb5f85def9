"""Speed of the eager loop as ratios to stock PPO: `python benchmarks/speed.py [--repetitions 15] [--json FILE]`.

All classes are timed in one process, one after the other within each repetition and in an order that rotates, with one
torch thread; the table gives the median over repetitions of stock's time divided by the class's, above 1 for faster,
and the quartiles. "update" is one `train()` on a rollout already collected, "learn" is rollout and update together.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

from sb3_ppo_variants import AdaptiveClipPPO, DualClipPPO, KLPenaltyPPO, VariantPPO

SETTINGS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "CartPole-v1, SB3's defaults": ("CartPole-v1", 1, {}),
    "CartPole-v1, RL Zoo's arguments": ("CartPole-v1", 8, {"n_steps": 32, "batch_size": 256, "n_epochs": 20}),
    "Pendulum-v1, SB3's defaults": ("Pendulum-v1", 1, {}),
}
CLASSES: dict[str, Callable[..., PPO]] = {
    "PPO": PPO,
    "VariantPPO": VariantPPO,
    "VariantPPO, log_kl": lambda *args, **kwargs: VariantPPO(*args, log_kl=True, **kwargs),
    "DualClipPPO": DualClipPPO,
    "AdaptiveClipPPO": AdaptiveClipPPO,
    "KLPenaltyPPO": KLPenaltyPPO,
}


def seconds(function: Callable[[], Any]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def measure(setting: str, repetitions: int) -> list[dict[str, Any]]:
    """One row per class and phase."""
    environment, n_envs, arguments = SETTINGS[setting]
    models = {}
    for name, cls in CLASSES.items():
        env = make_vec_env(environment, n_envs=n_envs, seed=0)
        models[name] = cls("MlpPolicy", env, seed=0, device="cpu", **arguments)
        models[name].learn(models[name].n_steps * n_envs)  # warm, with a full rollout buffer and a logger
    names = list(models)
    times: dict[tuple[str, str], list[float]] = {(name, phase): [] for name in names for phase in ("update", "learn")}
    for repetition in range(repetitions):
        shift = repetition % len(names)
        for name in names[shift:] + names[:shift]:
            model = models[name]
            steps = model.n_steps * n_envs
            updates = max(1, 2048 // steps)  # the same number of samples in every setting
            times[name, "update"].append(seconds(lambda m=model, n=updates: [m.train() for _ in range(n)]))  # type: ignore[misc]
            times[name, "learn"].append(
                seconds(lambda m=model, n=updates * steps: m.learn(n, reset_num_timesteps=False))  # type: ignore[misc]
            )
    rows = []
    for (name, phase), measured in times.items():
        ratios = np.array(times["PPO", phase]) / np.array(measured)
        low, median, high = np.quantile(ratios, [0.25, 0.5, 0.75])
        rows.append({"setting": setting, "class": name, "phase": phase, "median": median, "low": low, "high": high})
    return rows


def main() -> None:
    """Measure every setting, print a table, write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    th.set_num_threads(1)
    rows = []
    for setting in SETTINGS:
        print(f"\n{setting}\n{'':22}{'update':>24}{'learn':>24}")
        measured = measure(setting, options.repetitions)
        rows += measured
        for name in CLASSES:
            cells = [r for r in measured if r["class"] == name]
            print(f"{name:22}" + "".join(f"{r['median']:10.2f} ({r['low']:.2f} to {r['high']:.2f})" for r in cells))
    if options.json:
        versions = {"python": platform.python_version(), "torch": th.__version__}
        options.json.write_text(json.dumps({"versions": versions, "ratios": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
