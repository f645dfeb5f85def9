"""The trials of a study, made by a stub, undisturbed and killed."""

from __future__ import annotations

import csv
import math
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.snapshots import Watcher
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.tuning.rounds import folders_of_trials, open_batches, tuned, tuning_rounds
from sb3_ppo_variants.bench.tuning.search import Trial
from sb3_ppo_variants.bench.tuning.table import NotTuned, read_searches
from tests.bench.tuning.trials import Returns, finish, learning_rate, make_study


class Killed(Exception):
    pass


@pytest.fixture
def study() -> Study:
    return make_study()


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "tuned")


def make(
    study: Study,
    folders: Folders,
    returns: Returns = learning_rate,
    lives: int = 10**9,
    reason: str = "RuntimeError: no luck",
) -> list[int]:
    """Make the trials that are missing, until so many runs are made; return how many were missing in each round.

    :param reason: of the runs that fail
    """
    counts = []
    for _, missing in tuning_rounds(study, folders):
        counts.append(len(missing))
        for run in missing:
            if lives == 0:
                raise Killed
            lives -= 1
            try:
                finish(folders_of_trials(folders), run, returns)
            except RuntimeError:
                folders_of_trials(folders).fail(run, reason)
    return counts


def table(folders: Folders) -> bytes:
    return (folders.root / "trials.csv").read_bytes()


def of(study: Study, folders: Folders, arm: str) -> tuple[Trial, ...]:
    (search,) = (each for each in read_searches(study, folders) if each.arm == arm)
    return search.trials


def test_the_rounds_of_a_tuning(study: Study, folders: Folders) -> None:
    # Two arms, two trials at a time and one that is left, two seeds.
    assert make(study, folders) == [8, 8, 4]
    assert make(study, folders) == []
    rows = list(csv.DictReader(table(folders).decode().splitlines()))
    assert [(row["arm"], int(row["trial"])) for row in rows] == [
        *(("kl", n) for n in range(5)),
        *(("ppo", n) for n in range(5)),
    ]
    for trial in of(study, folders, "ppo"):
        # The seeds 1000000 and 1000001.
        rate = 1000 * trial.arguments["learning_rate"]
        assert trial.scores == pytest.approx((rate, rate + 1))


def test_the_study_has_the_best_arguments(study: Study, folders: Folders) -> None:
    with pytest.raises(NotTuned, match="tuned is not tuned yet: 0 of 10 trials are known. ppo-bench run goes on"):
        tuned(study, folders)
    make(study, folders)
    found = tuned(study, folders)
    assert len(found.runs) == 4
    for arm in study.arms:
        best = max(of(study, folders, arm), key=lambda trial: trial.score)
        for run in found.runs_of(arm, "CartPole-v1"):
            assert best.arguments.items() <= run.arguments.items()
            assert run.arguments["device"] == "cpu"
    assert [run.seed for run in found.runs_of("kl", "CartPole-v1")] == [0, 1]
    # What was resolved before is as the file says.
    assert study.runs[0].arguments["learning_rate"] == 0.5
    # The tables alone are enough.
    shutil.rmtree(folders.root / "tuning")
    assert [run.identity for run in tuned(study, folders).runs] == [run.identity for run in found.runs]


@pytest.mark.parametrize("seed", range(5))
def test_kills_at_any_moment_change_nothing(study: Study, folders: Folders, tmp_path: Path, seed: int) -> None:
    other = Folders(tmp_path / "killed")
    make(study, folders)
    draw, kills = random.Random(seed), 0
    while True:
        try:
            make(study, other, lives=draw.randrange(6))
            break
        except Killed:
            kills += 1
    assert kills >= 3
    assert table(other) == table(folders)
    assert {path.name for path in (other.root / "tuning").rglob("CartPole*")} == {
        path.name for path in (folders.root / "tuning").rglob("CartPole*")
    }


def test_more_trials_go_on(study: Study, folders: Folders, tmp_path: Path) -> None:
    assert study.tune is not None
    longer = make_study(tune={**study.tune.model_dump(), "trials": 8})
    make(study, folders)
    before = table(folders).splitlines()
    # The second trial of the third batch, and the fourth batch.
    assert make(longer, folders) == [4, 8]
    assert set(before) < set(table(folders).splitlines())
    make(longer, Folders(tmp_path / "at once"))
    assert table(Folders(tmp_path / "at once")) == table(folders)


def test_a_run_that_fails_is_made_once_more(study: Study, folders: Folders, tmp_path: Path) -> None:
    unlucky: set[str] = set()

    def once(run: Run) -> list[float]:
        if run.seed == 1_000_001 and run.identity not in unlucky:
            unlucky.add(run.identity)
            raise RuntimeError
        return learning_rate(run)

    assert make(study, folders, once) == [8, 4, 8, 4, 4, 2]
    make(study, Folders(tmp_path / "lucky"))
    assert table(folders) == table(Folders(tmp_path / "lucky"))


def test_a_trial_with_a_failed_run_is_the_worst(study: Study, folders: Folders) -> None:
    def returns(run: Run) -> list[float]:
        if run.arguments["n_steps"] == 64 and run.seed == 1_000_001:
            raise RuntimeError
        return learning_rate(run)

    make(study, folders, returns)
    trials = of(study, folders, "ppo")
    assert {trial.failed for trial in trials} == {True, False}
    for trial in trials:
        assert trial.failed == (trial.arguments["n_steps"] == 64)
        assert [math.isnan(score) for score in trial.scores] == [False, trial.failed]
    assert tuned(study, folders).run("ppo", "CartPole-v1", 0).arguments["n_steps"] == 128


@pytest.mark.parametrize("value", [math.nan, 1e300])
def test_a_score_without_a_finite_square_is_that_of_a_failed_run(study: Study, folders: Folders, value: float) -> None:
    make(study, folders, lambda run: [0.0, value if run.arm == "kl" and run.seed == 1_000_000 else 1.0])
    assert all(trial.failed for trial in of(study, folders, "kl"))
    with pytest.raises(NotTuned, match=r"All trials of kl on CartPole-v1 failed, see .*/tuning/failed: change what"):
        tuned(study, folders)


def test_a_round_in_which_all_fails_says_nothing(study: Study, folders: Folders) -> None:
    with pytest.raises(NotTuned, match="All 8 runs of the round failed, .* ppo on CartPole-v1: RuntimeError: no luck"):
        make(study, folders, broken)
    assert not (folders.root / "trials.csv").exists()
    assert make(study, folders) == [8, 8, 4]


def broken(run: Run) -> list[float]:
    raise RuntimeError


@pytest.fixture
def one_by_one() -> Study:
    """Three trials of two seeds, each drawn after the one before."""
    space = {"learning_rate": {"low": 0.0001, "high": 0.1}}
    return make_study(arms={}, tune={"trials": 3, "seeds": 2, "batch": 1, "space": space})


def test_a_round_that_raises_for_a_second_command_has_failed_trials(one_by_one: Study, folders: Folders) -> None:
    for trials in range(3):
        with pytest.raises(NotTuned, match="All 2 runs of the round failed"):
            make(one_by_one, folders, broken)
        # Each command ends the round in which the last one failed, and fails in the next.
        assert [trial.failed for trial in of(one_by_one, folders, "ppo")] == [True] * trials
    assert make(one_by_one, folders, broken) == [2, 2]
    assert [trial.failed for trial in of(one_by_one, folders, "ppo")] == [True] * 3


def test_a_round_that_raises_after_one_that_did_not_has_failed_trials(one_by_one: Study, folders: Folders) -> None:
    made: list[str] = []

    def first(run: Run) -> list[float]:
        if len(made) == 2:
            raise RuntimeError
        made.append(run.identity)
        return learning_rate(run)

    with pytest.raises(NotTuned, match="All 2 runs of the round failed"):
        make(one_by_one, folders, first)
    # The third one fails after one in which nothing was made.
    assert [trial.failed for trial in of(one_by_one, folders, "ppo")] == [False, True]


@pytest.mark.parametrize(
    "reason",
    [
        "The process of the run was killed, or ran out of memory.",
        "The run was ended at its time limit of 5 minutes.",
        "Traceback (most recent call last):\n  here\nPermissionError: [Errno 13] Permission denied: 'x'",
        "Traceback (most recent call last):\n  here\nModuleNotFoundError: No module named 'x'",
        "MemoryError",
        "",
    ],
)
def test_what_is_no_fault_of_arguments_fails_no_trial(one_by_one: Study, folders: Folders, reason: str) -> None:
    for _ in range(3):
        with pytest.raises(NotTuned, match="All 2 runs of the round failed"):
            make(one_by_one, folders, broken, reason=reason)
    assert not (folders.root / "trials.csv").exists()


def test_trials_wait_for_their_runs(study: Study, folders: Folders) -> None:
    for _, missing in (rounds := tuning_rounds(study, folders)):
        for run in missing[1:]:
            if not folders_of_trials(folders).is_finished(run):
                finish(folders_of_trials(folders), run)
        if len(missing) == 1:
            break
    with pytest.raises(NotTuned, match="1 run could not be made, so that no trial of this round counts"):
        next(rounds)


def test_a_damaged_run_is_no_failure_of_its_trial(study: Study, folders: Folders) -> None:
    rounds = tuning_rounds(study, folders)
    _, missing = next(rounds)
    for run in missing:
        finish(folders_of_trials(folders), run)
    (folders_of_trials(folders).finished(missing[0]) / "run.json").write_text("{")
    with pytest.raises(NotTuned, match=r"run\.json is not JSON\. Remove the folder; the same command makes"):
        next(rounds)
    assert not (folders.root / "trials.csv").exists()


def test_the_area_is_the_mean_of_all_evaluations(folders: Folders) -> None:
    written = make_study().tune
    assert written is not None
    study = make_study(tune={**written.model_dump(), "metric": "area"})
    make(study, folders, lambda run: [4.0, 8.0])
    assert {trial.score for trial in of(study, folders, "ppo")} == {6.0}


def test_trials_with_equal_arguments_share_their_runs(folders: Folders) -> None:
    study = make_study(
        tune={"trials": 6, "seeds": 1, "batch": 6, "space": {"n_steps": [64, 128]}, "sampler": "random"}, arms={}
    )
    assert make(study, folders, lambda run: [0.0, float(run.arguments["n_steps"])]) == [2]
    assert {trial.score for trial in of(study, folders, "ppo")} == {64.0, 128.0}


def test_trials_are_watched_round_by_round(study: Study, folders: Folders) -> None:
    watcher, seen = Watcher(study, folders), []
    for _, missing in tuning_rounds(study, folders):
        seen.append(watcher.snapshot())
        for run in missing:
            finish(folders_of_trials(folders), run)
        seen.append(watcher.snapshot())
    seen.append(watcher.snapshot())
    assert [(each.tuning, each.finished, each.missing) for each in seen] == [
        ("0 of 10 trials", 0, 8),
        ("0 of 10 trials", 8, 0),
        ("4 of 10 trials", 0, 8),
        ("4 of 10 trials", 8, 0),
        ("8 of 10 trials", 0, 4),
        ("8 of 10 trials", 4, 0),
        ("", 0, 4),
    ]
    assert not any(each.ended for each in seen)


def test_draws_of_open_batches_need_no_runs(study: Study, folders: Folders) -> None:
    first, second = open_batches(study, folders)
    assert (first.search.arm, second.search.arm) == ("ppo", "kl")
    assert len(first.runs) == 4
    assert np.isclose(first.runs[0].arguments["learning_rate"], first.arguments[0]["learning_rate"])
