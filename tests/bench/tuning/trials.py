"""What the tests of tuning share: a study, and runs of trials that are finished without training."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.provenance import provenance
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study

# Return of each evaluation of a run.
Returns = Callable[[Run], list[float]]


def make_study(**overrides: Any) -> Study:
    """Two arms in one environment, with five trials of two seeds each, two at a time."""
    return Study.model_validate(
        {
            "name": "tuned",
            "total_timesteps": 200,
            "seeds": 2,
            "evaluation": {"every": 100, "last": 1},
            "environments": ["CartPole-v1"],
            "arguments": {"learning_rate": 0.5, "device": "cpu"},
            "tune": {
                "trials": 5,
                "seeds": 2,
                "batch": 2,
                "space": {"learning_rate": {"low": 0.0001, "high": 0.1, "log": True}, "n_steps": [64, 128]},
            },
            "arms": {
                "kl": {
                    "algorithm": "sb3_ppo_variants.KLPenaltyPPO",
                    "space": {"kl_coef": {"low": 0.1, "high": 10.0, "log": True}},
                }
            },
            **overrides,
        }
    )


def learning_rate(run: Run) -> list[float]:
    """The greater the learning rate, the better; seeds differ."""
    return [0.0, 1000.0 * run.arguments["learning_rate"] + run.seed % 10]


def finish(folders: Folders, run: Run, returns: Returns = learning_rate) -> None:
    """Leave what a finished run leaves."""
    values = np.array(returns(run))[:, None]
    folder = folders.finished(run)
    folder.mkdir(parents=True)
    np.savez(folder / "evaluations.npz", timesteps=[100, 200], results=values, ep_lengths=np.ones((2, 1), int))
    (folder / "progress.csv").write_text("time/total_timesteps,train/loss\n200,0.1\n")
    record: dict[str, Any] = {"identity": run.identity, "configuration": asdict(run), "wall_seconds": 10.0}
    record |= {"provenance": provenance("ppo-bench run"), "started": "", "finished": ""}
    (folder / "run.json").write_text(json.dumps(record))
