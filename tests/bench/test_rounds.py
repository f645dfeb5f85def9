"""Studies whose seeds are added until it is decided which arms differ."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sb3_ppo_variants.bench import status
from sb3_ppo_variants.bench.cli import main
from sb3_ppo_variants.bench.plan import make_plan, plan_lines
from sb3_ppo_variants.bench.report.report import make_report
from sb3_ppo_variants.bench.report.sections.decisions import outcome
from sb3_ppo_variants.bench.rounds import decision_lines, read_decisions, rounds, wanted_runs
from sb3_ppo_variants.bench.runs.executors import shard
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.provenance import provenance
from sb3_ppo_variants.bench.snapshots import Watcher
from sb3_ppo_variants.bench.statistics.decisions import Decision
from sb3_ppo_variants.bench.statistics.summary import summarise
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.files import write
from sb3_ppo_variants.bench.table.stored import all_tables
from tests.bench.conftest import WriteStudy
from tests.bench.statistics.numbers import RESULTS, make_study

SEEDS = {"from": 2, "to": 6, "step": 2, "until": "decided"}
TEXT = """
    name: rounds
    total_timesteps: 64
    seeds: {from: 2, to: 6, step: 2, until: decided}
    evaluation: {every: 64, episodes: 1, last: 1}
    arguments: {device: cpu, n_steps: 64, n_epochs: 1}
    environments: [CartPole-v1]
    baseline: worse
    arms: {worse: {algorithm: stub.Worse}, better: {algorithm: stub.Better}}
"""
# Better pushes the cart to the side to which the pole falls, Worse always to the left.
STUB = """
from stable_baselines3 import PPO

class Better(PPO):
    def predict(self, observation, *args, **kwargs):
        return (observation[:, 2] + observation[:, 3] > 0).astype(int), None

class Worse(PPO):
    def predict(self, observation, *args, **kwargs):
        return (observation[:, 0] > 9).astype(int), None
"""


@pytest.fixture
def study() -> Study:
    algorithm = {"algorithm": "stable_baselines3.PPO"}
    return Study.model_validate(
        {
            "name": "rounds",
            "total_timesteps": 200,
            "seeds": SEEDS,
            "evaluation": {"every": 100, "last": 1},
            "environments": ["CartPole-v1"],
            "arms": {"up": algorithm, "same": algorithm},
        }
    )


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "rounds")


def finish(folders: Folders, run: Run) -> None:
    """Leave what a run leaves: the arm called up scores higher than all others, which are equal."""
    folder = folders.finished(run)
    folder.mkdir(parents=True)
    returns = np.full((2, 1), 100.0 + run.seed if run.arm == "up" else 7.0)
    np.savez(folder / "evaluations.npz", timesteps=[100, 200], results=returns, ep_lengths=returns.astype(int))
    (folder / "progress.csv").write_text("time/total_timesteps,train/loss\n200,0.1\n")
    record: dict[str, Any] = {"identity": run.identity, "configuration": asdict(run), "wall_seconds": 10.0}
    record |= {"provenance": provenance("ppo-bench run"), "started": "", "finished": ""}
    (folder / "run.json").write_text(json.dumps(record))


def labels(runs: list[Run]) -> list[tuple[str, int]]:
    return [(run.arm, run.seed) for run in runs]


def make(study: Study, folders: Folders, share: list[Run], most: int = 99) -> list[list[tuple[str, int]]]:
    """Make the rounds of a share, at most so many, and return what was made in each."""
    made = []
    for _, missing in rounds(study, share, folders):
        for run in missing:
            finish(folders, run)
        made.append(labels(missing))
        if len(made) == most:
            break
    return made


FIRST = [("ppo", 0), ("up", 0), ("same", 0), ("ppo", 1), ("up", 1), ("same", 1)]
SECOND = [("ppo", 2), ("up", 2), ("ppo", 3), ("up", 3)]
THIRD = [("ppo", 4), ("up", 4), ("ppo", 5), ("up", 5)]
# Of the looks at 2 and 4 seeds no p-value is as small as 2/216, and the factor for the first of two arms is 2. Equal
# scores are given up at once: of half of the comparisons, with 2 trials, the interval ends at 0.91, and 7 of 8 at both
# looks that are left have a p-value of 6/36.
LINES = [
    "up: differs, decided with 6 seeds (p 0.0093, 0.019 after Holm)",
    "same: undecided with 2 seeds, more are unlikely to decide it (p 1, 1 after Holm)",
]


def test_the_rounds_of_a_study(study: Study, folders: Folders) -> None:
    assert make(study, folders, study.runs) == [FIRST, SECOND, THIRD]
    assert list(decision_lines(read_decisions(study, folders))) == LINES
    # Nothing is left to do.
    assert make(study, folders, study.runs) == [[]]


def test_an_interrupted_study_goes_on_where_it_was(study: Study, folders: Folders) -> None:
    make(study, folders, study.runs, most=1)
    assert make(study, folders, study.runs, most=1) == [SECOND]
    left = study.run("up", "CartPole-v1", 4)
    finish(folders, left)
    assert make(study, folders, study.runs) == [[label for label in THIRD if label != ("up", 4)]]
    assert list(decision_lines(read_decisions(study, folders))) == LINES


def test_tables_are_as_good_as_folders(study: Study, folders: Folders, tmp_path: Path) -> None:
    make(study, folders, study.runs, most=2)
    write(all_tables(study.runs, folders), tmp_path / "rounds")
    for arm in study.arms:
        shutil.rmtree(folders.root / arm)
    assert make(study, folders, study.runs) == [THIRD]


def test_a_failed_run_keeps_its_arm_open_and_no_other(study: Study, folders: Folders) -> None:
    tried = []
    for _, missing in rounds(study, study.runs, folders):
        tried.append(labels(missing))
        for run in missing:
            if (run.arm, run.seed) == ("same", 1):
                folders.fail(run, "RuntimeError: no luck")
            else:
                finish(folders, run)
    assert tried == [FIRST, SECOND, THIRD]
    lines = [LINES[0], "same: open, next look at 2 seeds (p 1, 1 after Holm)"]
    assert list(decision_lines(read_decisions(study, folders))) == lines
    assert status.status(study, folders, 80)[1] == ["same on CartPole-v1, seed 1: RuntimeError: no luck", *lines]
    # The next command tries it again.
    assert make(study, folders, study.runs) == [[("same", 1)]]
    assert list(decision_lines(read_decisions(study, folders))) == LINES


def test_a_share_waits_for_the_others(study: Study, folders: Folders) -> None:
    shares = [shard(study.runs, index, 2) for index in (1, 2)]
    first, second = make(study, folders, shares[0]), make(study, folders, shares[1])
    assert sorted([*first[0], *second[0]]) == sorted(FIRST)
    # The share that came last knows what was decided, and makes its part of the next round.
    assert (len(first), len(second)) == (1, 2)
    assert make(study, folders, shares[0])[0] == [label for label in SECOND if label not in second[1]]


def test_a_fixed_number_of_seeds_is_one_round(study: Study, folders: Folders) -> None:
    fixed = study.model_copy(update={"written_seeds": (0, 1)})
    assert read_decisions(fixed, folders) is None
    assert list(decision_lines(None)) == []
    assert wanted_runs(fixed, None) == fixed.runs
    assert make(fixed, folders, fixed.runs) == [FIRST]
    assert make(fixed, folders, fixed.runs) == [[]]


def test_what_an_arm_is_said_to_be(study: Study, folders: Folders) -> None:
    make(study, folders, study.runs, most=1)
    lines = list(decision_lines(read_decisions(study, folders)))
    # 2/6 at the first of three looks is 1 for all of them.
    assert lines[0] == "up: open, next look at 4 seeds (p 1, 1 after Holm)"
    decisions = read_decisions(study, folders)
    assert decisions is not None
    limit = Decision("undecided", 6, 0.2, 0.4)
    assert outcome(limit, decisions) == "undecided with 6 seeds, the limit"


def test_plan_says_the_least_and_the_most(study: Study, folders: Folders) -> None:
    plan = make_plan(study, folders, calibration=False)
    assert list(plan_lines(study, plan, 1))[:3] == [
        "3 arms x 1 environment x 2 to 6 seeds = at most 18 runs, 0 finished, 6 to make.",
        "Time: not known without calibration, no run of some configuration is finished.",
        "That is the least. If nothing is decided before the last look, 12 runs more.",
    ]
    make(study, folders, study.runs, most=1)
    plan = make_plan(study, folders, calibration=False)
    lines = list(plan_lines(study, plan, 1))
    # The equal arm is given up; of the others two rounds are left, of 4 runs of 10 seconds each.
    assert lines[0] == "3 arms x 1 environment x 2 to 6 seeds = at most 14 runs, 6 finished, 4 to make."
    assert lines[1].startswith("Time: about 40 s ")
    assert lines[3] == "That is the least. If nothing is decided before the last look, 4 runs more: about 1 min in all."
    assert lines[-1] == "  That is the test of 6 seeds without a look before; the looks cost a little of it."
    make(study, folders, study.runs)
    lines = list(plan_lines(study, make_plan(study, folders, calibration=False), 1))
    assert lines[:2] == [
        "3 arms x 1 environment x 2 to 6 seeds = 14 runs, 14 finished, 0 to make.",
        "Time: none, everything is finished.",
    ]


def test_watch_goes_on_to_the_next_round(study: Study, folders: Folders) -> None:
    watcher = Watcher(study, folders)
    first = watcher.snapshot()
    assert (first.finished, first.missing, first.total_timesteps, first.ended) == (0, 6, 1200, False)
    make(study, folders, study.runs, most=1)
    second = watcher.snapshot()
    assert (second.finished, second.missing, second.steps, second.total_timesteps) == (6, 4, 1200, 2000)
    make(study, folders, study.runs)
    last = watcher.snapshot()
    assert (last.finished, last.missing, last.ended) == (14, 0, True)


def test_a_report_says_what_was_decided_when(study: Study, folders: Folders) -> None:
    make(study, folders, study.runs)
    # A run that nobody asked for counts in all other numbers.
    finish(folders, study.run("same", "CartPole-v1", 5))
    report = make_report(study, "name: rounds", folders).path.read_text()
    assert "15 of 15 runs finished, 3 arms, 1 environment, 2 to 6 seeds, until decided" in report
    assert "> **Seeds until decided.** Seeds were added until it was decided which arms differ." in report
    assert "| arm | P(beats PPO) | p | p after Holm | decision | seeds |" in report
    # Wilson's of 6 trials at 1 - 0.05 / 3: 6 / (6 + 2.39398**2).
    assert "| up | 1.00 [0.51, 1.00] | 0.0093 | 0.019 | differs, decided with 6 seeds | 6 |" in report
    assert "| same | 0.50 [0.07, 0.93] | 1 | 1 | undecided with 2 seeds, more are unlikely to decide it | 2 |" in report
    assert "looks at 2, 4, 6 seeds of the arm and of stock PPO" in report
    assert "Missing runs" not in report
    assert "What these seeds can show" not in report


def test_a_summary_by_hand() -> None:
    study = make_study(seeds={"from": 2, "to": 4, "step": 2, "until": "decided"})
    summary = summarise(RESULTS, study)
    found = summary.comparisons["mine"]
    # 4 and 3 of 4 comparisons are won: 3 of 36 relabellings, twice, and as much again for the second look.
    assert (found.p_value, found.adjusted_p_value) == pytest.approx((1 / 3, 1 / 3))
    assert (found.improvement.value, found.environments) == (0.875, ["Known-v0", "Range-v0"])
    assert summary.detectable == {}
    assert [(lack.arm, lack.environment, lack.missing) for lack in summary.shortfalls] == [
        ("ppo", "Known-v0", (2, 3)),
        ("ppo", "Range-v0", (2, 3)),
        ("mine", "Known-v0", (2, 3)),
        ("mine", "Range-v0", (2, 3)),
    ]


@pytest.mark.processes
def test_the_command_makes_rounds(
    write_study: WriteStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_study(TEXT)
    (tmp_path / "stub.py").write_text(STUB)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert main(["run", str(path), "--workers", "2"]) == 0
    shown = capsys.readouterr().out
    for line in (
        "rounds: 4 runs, 0 finished before, 4 to make",
        "rounds: 8 runs, 4 finished before, 4 to make",
        "rounds: 12 runs, 8 finished before, 4 to make",
        "better: differs, decided with 6 seeds (p 0.0093, 0.0093 after Holm)",
    ):
        assert line in shown
    assert main(["run", str(path), "--workers", "2"]) == 0
    assert "rounds: 12 runs, 12 finished before, 0 to make" in capsys.readouterr().out
