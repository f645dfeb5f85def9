"""What an update costs with each variant: `python -m benchmarks.cost [--repetitions 15]`.

The time of one `train()` on the same full rollout, with one torch thread, divided by that of `objective="clip"`: 1 is
the same, above 1 is slower. Every variant is timed in one process, turn by turn. Stops get limits that they never
reach, so that the check is timed and not the steps left out. The numbers are written to published/cost/cost.json, from
which `make fill` takes those of the gallery; the machine should do nothing else.
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

from benchmarks.timing import interleaved, ratio
from sb3_ppo_variants import VariantPPO
from sb3_ppo_variants.feedback import Rule
from sb3_ppo_variants.regularizers import REGULARIZERS
from sb3_ppo_variants.rules import RULES
from sb3_ppo_variants.stops import STOPS
from sb3_ppo_variants.terms import TERMS

PUBLISHED = Path(__file__).parent / "published/cost/cost.json"
ENVIRONMENTS = ("CartPole-v1", "Pendulum-v1")
TARGET = {"follow": "kl", "target": 0.01}
CLIP_BOUNDS = {"low": 0.05, "high": 0.4}
UNREACHED = 1e6


def of_rule(rule: Rule) -> dict[str, Any]:
    """A clip range that a rule adapts.

    :param rule: of the package
    """
    targeted = any(number.name == "target" for number in rule.arguments)
    follow = TARGET if targeted else {"follow": rule.follows[0]}
    return {"adapt": {"clip_range": {"rule": rule.name} | follow | CLIP_BOUNDS}}


# Of each term, rule, stop, regularizer and hook by its name, and of what is compared with them.
VARIANTS: dict[str, dict[str, Any]] = {
    **{name: {"objective": ["clip", name] if term.stage == "bound" else name} for name, term in TERMS.items()},
    **{name: of_rule(rule) for name, rule in RULES.items() if rule.follows},
    **{name: {"stop": {name: UNREACHED}} for name in STOPS},
    **{name: {"regularizers": name} for name in REGULARIZERS},
    "outer_step": {"outer_step": 1.1, "outer_momentum": 0.1},
    "reset_adam_step": {"reset_adam_step": True},
    "vf_learning_rate": {"vf_learning_rate": 1e-6},
    "recompute_advantages": {"recompute_advantages": True},
    "rescale": {
        "regularizers": "churn",
        "adapt": {"churn_coef": {"rule": "rescale", "follow": "churn_share", "target": 0.1, "low": 1e-2, "high": 1e6}},
    },
    # These two go with a KL penalty.
    "kl_hinge": {"objective": ["kl_penalty", "kl_hinge"]},
    "proportional": {
        "objective": "kl_penalty",
        "adapt": {"kl_coef": {"rule": "proportional", "low": 1e-4, "high": 1e4} | TARGET},
    },
    "no_limit": {"objective": []},
    "kl_penalty_k3": {"objective": "kl_penalty", "kl_estimator": "k3"},
    "schedules": {"clip_range": "lin_0.2"},
    "exponential_clip": {"clip_range": "exp_0.2"},
    "band_clip_fraction": {
        "adapt": {"clip_range": {"rule": "band", "follow": "clip_fraction", "target": 0.01} | CLIP_BOUNDS}
    },
    "adaptive_learning_rate": {"adapt": {"learning_rate": {"rule": "band", "low": 1e-6, "high": 1e4} | TARGET}},
    "log_kl": {"log_kl": True},
    "rpo_noise": {"rpo_noise": 0.1},
    "binned": {"policy": "BinnedMlpPolicy"},
}
# Where a variant has no meaning: CartPole's actions are no Box.
NOT_ON = {"binned": "CartPole-v1", "rpo_noise": "CartPole-v1"}


def costs(environment: str, repetitions: int) -> list[dict[str, Any]]:
    """One row per variant."""
    models = {}
    for name in [name for name in VARIANTS if NOT_ON.get(name) != environment]:
        # A small learning rate: what is timed is hundreds of updates on one rollout, which must not diverge.
        usual: dict[str, Any] = {"policy": "MlpPolicy", "learning_rate": 1e-6, "seed": 0, "device": "cpu"}
        models[name] = VariantPPO(env=Monitor(gym.make(environment)), **(usual | VARIANTS[name]))
        models[name].learn(models[name].n_steps)  # warm, with a full rollout buffer and a logger
    times = interleaved({name: model.train for name, model in models.items()}, repetitions)
    return [
        {"variant": name, "environment": environment, **asdict(ratio(times[name], times["clip"]))} for name in models
    ]


def main() -> None:
    """Measure, print a table and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--output", type=Path, default=PUBLISHED, help="the JSON")
    options = parser.parse_args()
    th.set_num_threads(1)
    rows = [row for environment in ENVIRONMENTS for row in costs(environment, options.repetitions)]
    for row in rows:
        spread = f"({row['low']:.2f} to {row['high']:.2f})"
        print(f"{row['environment']:14}{row['variant']:24}{row['median']:6.2f} {spread}")
    versions = {
        "python": platform.python_version(),
        "torch": th.__version__,
        "stable_baselines3": stable_baselines3.__version__,
    }
    found = {"versions": versions, "repetitions": options.repetitions, "update_time_over_clip": rows}
    options.output.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
