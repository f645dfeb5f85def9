"""Cost of a run's checkpoints: `python -m benchmarks.checkpoint_cost [--repetitions 20] [--json FILE]`.

Each run of :data:`RUNS` saves a checkpoint before each of so many rollouts, as a study does, and the seconds of each
save are taken, with its flush to the disk. The share is that of a run's time at the default interval: one checkpoint a
minute, or less often where saving would take more than 1 %. It needs a core that nobody else uses.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import gymnasium as gym

from benchmarks import markdown
from sb3_ppo_variants.bench.runs import train
from sb3_ppo_variants.bench.runs.checkpoint import SHARE, RunCheckpoint
from sb3_ppo_variants.bench.runs.provenance import cpu, versions
from sb3_ppo_variants.bench.runs.record import LAST_STATE
from sb3_ppo_variants.bench.study.keys import EVERY_MINUTE, Checkpoint
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import STOCK, Study

PUBLISHED = Path(__file__).parent / "published/checkpoint_cost/checkpoint_cost.json"
# Images of 84 x 84 pixels, and nothing that takes time.
IMAGES = "Images-v0"
RUNS: dict[str, dict[str, Any]] = {
    "CartPole-v1, 8 environments, MlpPolicy": {"environments": ["CartPole-v1"], "n_envs": 8},
    "HalfCheetah-v5, 1 environment, MlpPolicy, VecNormalize": {"environments": ["HalfCheetah-v5"], "normalize": True},
    "images of 84 x 84 pixels, 8 environments, CnnPolicy": {
        "environments": {IMAGES: {"policy": "CnnPolicy", "env_kwargs": {"max_episode_steps": 16}}},
        "n_envs": 8,
    },
}
STEPS = 16


class Measured(RunCheckpoint):
    """A checkpoint that remembers what saving took."""

    saves: list[tuple[float, int]]

    def _save(self) -> None:
        super()._save()
        self.saves.append((self.took, self.path.stat().st_size))


def measure(settings: dict[str, Any], repetitions: int) -> dict[str, Any]:
    """Seconds and sizes of the checkpoints of one run.

    :param settings: keys of its study
    :param repetitions: checkpoints
    """
    n_envs = settings.get("n_envs", 1)
    # A checkpoint before each rollout but the first.
    timesteps = (repetitions + 1) * STEPS * n_envs
    written = {
        "name": "cost",
        "seeds": 1,
        "total_timesteps": timesteps,
        "evaluation": {"every": timesteps // 2, "episodes": 1, "last": 1},
        "arguments": {"n_steps": STEPS, "batch_size": STEPS * n_envs, "n_epochs": 1, "device": "cpu"},
        **settings,
    }
    study = Study.model_validate(written)
    (environment,) = study.environments
    run = study.run(STOCK, environment, 0)
    with tempfile.TemporaryDirectory() as folder:
        saves, last = _save_often(run, Path(folder))
    seconds = statistics.median(took for took, _ in saves)
    assert EVERY_MINUTE.minutes is not None
    return {
        "seconds": round(seconds, 4),
        "megabytes": round(saves[-1][1] / 1e6, 2),
        "megabytes_last_state": round(last / 1e6, 2),
        "share": round(seconds / max(60 * EVERY_MINUTE.minutes, seconds / SHARE), 6),
        "repetitions": len(saves),
    }


def _save_often(run: Run, folder: Path) -> tuple[list[tuple[float, int]], int]:
    """Make a run, and return what each checkpoint took and how large it was, and the bytes of the last state."""
    Measured.saves = []
    with mock.patch.object(train, "RunCheckpoint", Measured):
        train.execute(run, folder, "", Checkpoint(every=1))
    return Measured.saves, (folder / LAST_STATE).stat().st_size


def table(runs: dict[str, dict[str, Any]]) -> str:
    """The table of the docs, a row for each run.

    :param runs: name to what was measured
    """
    rows = (
        [
            name,
            f"{1000 * run['seconds']:.0f} ms",
            f"{run['megabytes']:.1f} MB",
            f"{100 * run['share']:.2g} %",
            f"{run['megabytes_last_state']:.2g} MB",
        ]
        for name, run in runs.items()
    )
    return markdown.table(
        ["run", "time of a checkpoint", "size", "share of a run's time", "size of the last state"], rows
    )


def main() -> None:
    """Measure, print the table, write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    gym.register(IMAGES, entry_point="stable_baselines3.common.envs:FakeImageEnv")
    runs = {name: measure(settings, options.repetitions) for name, settings in RUNS.items()}
    print(table(runs))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({"cpu": cpu(), "versions": versions(), "runs": runs}, indent=2) + "\n")


if __name__ == "__main__":
    main()
