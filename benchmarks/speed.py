"""Speed of the eager loop as ratios to stock PPO: `python benchmarks/speed.py [--repetitions 15] [--json FILE]`.

All classes are timed in one process, one after the other within each repetition and in an order that rotates, with one
torch thread; the table gives the median over repetitions of stock's time divided by the class's, above 1 for faster,
and the quartiles. "update" is one `train()` on a rollout already collected, "learn" is rollout and update together.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from timing import interleaved, ratio

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


def update(model: PPO, updates: int) -> None:
    """Some updates on the rollout already collected."""
    for _ in range(updates):
        model.train()


def learn(model: PPO, updates: int) -> None:
    """Some rollouts and updates."""
    model.learn(updates * model.n_steps * model.n_envs, reset_num_timesteps=False)


def measure(setting: str, repetitions: int) -> list[dict[str, Any]]:
    """One row per class and phase."""
    environment, n_envs, arguments = SETTINGS[setting]
    models = {}
    for name, cls in CLASSES.items():
        env = make_vec_env(environment, n_envs=n_envs, seed=0)
        models[name] = cls("MlpPolicy", env, seed=0, device="cpu", **arguments)
        models[name].learn(models[name].n_steps * n_envs)  # warm, with a full rollout buffer and a logger
    rows = []
    for phase, run in (("update", update), ("learn", learn)):
        # The same number of samples in every setting.
        updates = max(1, 2048 // (models["PPO"].n_steps * n_envs))
        functions = {name: partial(run, model, updates) for name, model in models.items()}
        times = interleaved(functions, repetitions)
        for name in models:
            rows.append({"setting": setting, "class": name, "phase": phase} | asdict(ratio(times["PPO"], times[name])))
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
