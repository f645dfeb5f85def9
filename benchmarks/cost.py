"""What each variant costs beside clipping: `python benchmarks/cost.py [--repetitions 15] [--json FILE]`.

The time of one `train()` on the same full rollout, with one torch thread, divided by that of `objective="clip"`: 1 is
the same, above 1 is slower. Every variant is timed in one process, turn by turn. Stops are given limits that they never
reach, so that what is timed is the check and not the steps left out.
"""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium as gym
import stable_baselines3
import torch as th
from stable_baselines3.common.monitor import Monitor
from timing import interleaved, ratio

from sb3_ppo_variants import VariantPPO

ENVIRONMENTS = ("CartPole-v1", "Pendulum-v1")
KL_BAND = {"rule": "band", "follow": "kl", "target": 0.01, "low": 1e-4, "high": 1e4}
CLIP_BOUNDS = {"low": 0.05, "high": 0.4}

VARIANTS: dict[str, dict[str, Any]] = {
    "clip": {},
    "no_limit": {"objective": []},
    "asymmetric_clip": {"objective": "asymmetric_clip"},
    "dual_clip": {"objective": ["clip", "dual_clip"]},
    "rollback": {"objective": "rollback"},
    "trust_region": {"objective": "trust_region"},
    "trust_region_penalty": {"objective": "trust_region_penalty"},
    "trust_region_clip": {"objective": "trust_region_clip"},
    "spo": {"objective": "spo"},
    "drift": {"objective": "drift"},
    "soft_clip": {"objective": "soft_clip"},
    "kl_penalty": {"objective": "kl_penalty"},
    "kl_penalty_k3": {"objective": "kl_penalty", "kl_estimator": "k3"},
    "kl_hinge": {"objective": ["kl_penalty", "kl_hinge"]},
    "linear_clip": {"clip_range": "lin_0.2"},
    "exponential_clip": {"clip_range": "exp_0.2"},
    "band_kl": {"adapt": {"clip_range": KL_BAND | CLIP_BOUNDS}},
    "band_clip_fraction": {"adapt": {"clip_range": KL_BAND | CLIP_BOUNDS | {"follow": "clip_fraction"}}},
    "proportional": {"objective": "kl_penalty", "adapt": {"kl_coef": KL_BAND | {"rule": "proportional"}}},
    "bandit": {"adapt": {"clip_range": {"rule": "bandit", "follow": "episode_return"} | CLIP_BOUNDS}},
    "ratio_deviation": {"stop": {"ratio_deviation": 1e6}},
    "kl_stop": {"stop": {"kl": 1e6}},
    "learning_rate": {"adapt": {"learning_rate": KL_BAND | {"low": 1e-6}}},
    "log_kl": {"log_kl": True},
}


def costs(environment: str, repetitions: int) -> list[dict[str, Any]]:
    """One row per variant."""
    models = {}
    for name, arguments in VARIANTS.items():
        # A small learning rate: what is timed is hundreds of updates on one rollout, which must not diverge.
        own: dict[str, Any] = {"learning_rate": 1e-6, "seed": 0, "device": "cpu"} | arguments
        models[name] = VariantPPO("MlpPolicy", Monitor(gym.make(environment)), **own)
        models[name].learn(models[name].n_steps)  # warm, with a full rollout buffer and a logger
    times = interleaved({name: model.train for name, model in models.items()}, repetitions)
    return [
        {"variant": name, "environment": environment, **asdict(ratio(times[name], times["clip"]))} for name in VARIANTS
    ]


def main() -> None:
    """Measure, print a table, write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    th.set_num_threads(1)
    rows = [row for environment in ENVIRONMENTS for row in costs(environment, options.repetitions)]
    for row in rows:
        spread = f"({row['low']:.2f} to {row['high']:.2f})"
        print(f"{row['environment']:14}{row['variant']:24}{row['median']:6.2f} {spread}")
    if options.json:
        versions = {
            "python": platform.python_version(),
            "torch": th.__version__,
            "stable_baselines3": stable_baselines3.__version__,
        }
        found = {"versions": versions, "repetitions": options.repetitions, "update_time_over_clip": rows}
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
