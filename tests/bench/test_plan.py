from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sb3_ppo_variants.bench.cli import main
from sb3_ppo_variants.bench.plan import Planned, _effect, make_plan, plan_lines, seeds_for, seeds_line, total_seconds
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.statistics.power import detectable_effect
from tests.bench.conftest import Finished, WriteStudy
from tests.bench.run_folders import leave_tables
from tests.bench.statistics.numbers import make_study


@pytest.mark.parametrize(
    ("seeds", "environments", "arms", "shown"),
    [
        (3, 1, "1 arm", "does not find a difference with a probability of 80 %, whatever its size."),
        (10, 1, "4 arms", "finds a difference with a probability of 80 % when it is 1.7 {deviations}."),
        (
            5,
            2,
            "24 arms",
            "finds a difference with a probability of 80 % when it is 2.3 {deviations} in every environment; one in a "
            "single environment is missed.",
        ),
        (
            20,
            2,
            "1 arm",
            "finds a difference with a probability of 80 % when it is 0.7 {deviations} in every environment, or 1.4 in "
            "a single one.",
        ),
    ],
)
def test_what_the_seeds_can_show_is_said(seeds: int, environments: int, arms: str, shown: str) -> None:
    (sentence,) = _effect(seeds, environments, int(arms.split()[0]), "stock PPO")
    said = sentence.replace(" (permutation test at 5 % after Holm's correction)", "")
    expected = shown.format(deviations="standard deviations of a run's score")
    assert said == f"With {seeds} seeds an arm, the comparison of {arms} with stock PPO {expected}"


@pytest.mark.parametrize(("environments", "tests"), [(1, 1), (2, 3)])
def test_seeds_for_an_effect_are_the_least_that_find_it(environments: int, tests: int) -> None:
    seeds = seeds_for(1.5, environments, tests)
    assert seeds is not None
    found = [detectable_effect([(n, n)] * environments, tests) <= 1.5 for n in (seeds - 1, seeds)]
    assert found == [False, True]


def test_seeds_for_an_effect_are_said() -> None:
    # As in the sentence on 10 seeds above, where 1.7 standard deviations are found.
    study = make_study(arms={name: {"algorithm": "stable_baselines3.PPO"} for name in "abcd"}, environments=["A-v0"])
    said = seeds_line(study, 1.71)
    assert said == (
        "A difference of 1.71 times the standard deviation of a run's score is found with a probability of 80 % with "
        "10 seeds an arm; this study has 2."
    )
    assert seeds_line(study, 0.001).endswith("needs more than the 1000 seeds that a study may have.")
    assert seeds_line(make_study(arms={}), 1.0) == "There is no arm to compare with the baseline."


def test_without_an_arm_to_compare_nothing_is_said() -> None:
    assert list(_effect(5, 2, 0, "stock PPO")) == []


def test_finished_runs_tell_the_time(finished: Finished, half: Path) -> None:
    folders = Folders(half / "tiny")
    plan = make_plan(finished.study, folders, calibration=False)
    cell = plan["ppo", "CartPole-v1"]
    assert [run.seed for run in cell.runs] == [0, 1]
    assert [run.seed for run in cell.missing] == [1]
    assert cell.seconds == 90.0
    assert plan["narrow", "Pendulum-v1"].missing == []
    lines = list(plan_lines(finished.study, plan, workers=1))
    assert lines[0] == "2 arms x 2 environments x 2 seeds = 8 runs, 6 finished, 2 to make."
    # Two runs of 90 seconds, one after the other.
    assert lines[1].startswith("Time: about 3 min with one run at a time, ")
    assert lines[2] == ("  the times that finished runs of the same configuration took, for 2 of the runs to make;")
    assert lines[3].startswith("With 2 seeds an arm, the comparison of 1 arm with stock PPO does not find a difference")
    assert len(lines) == 4


def test_runs_that_only_tables_have_tell_the_time(finished: Finished, half: Path) -> None:
    folders = Folders(half / "tiny")
    leave_tables(finished.study, folders)
    plan = make_plan(finished.study, folders, calibration=False)
    assert [cell.seconds for cell in plan.values()] == [90.0] * 4
    lines = list(plan_lines(finished.study, plan, workers=1))
    assert lines[0] == "2 arms x 2 environments x 2 seeds = 8 runs, 6 finished, 2 to make."
    assert lines[1].startswith("Time: about 3 min with one run at a time, ")


def test_workers_share_the_work_but_not_a_run(finished: Finished) -> None:
    run = finished.study.run("ppo", "CartPole-v1", 0)
    cells = [Planned([run] * 3, [run] * 3, 100.0), Planned([run], [], None), Planned([run], [run], 500.0)]
    assert total_seconds(cells, 1) == 800.0
    assert total_seconds(cells, 2) == 500.0
    assert total_seconds([Planned([run], [run], None)], 1) is None
    assert total_seconds([Planned([run], [], None)], 1) == 0.0


def test_the_command(finished: Finished, half: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["plan", str(finished.path), "--results", str(half), "--workers", "2"]
    assert main([*call, "--no-calibration"]) == 0
    shown = capsys.readouterr().out
    row = next(line for line in shown.splitlines() if "narrow" in line)
    # Seed 0 has no time, its other seed has.
    assert row.split() == ["narrow", "1", "x", "2", "min", "finished"]
    assert "8 runs, 6 finished, 2 to make" in shown
    shutil.rmtree(half / "tiny")
    assert main([*call, "--no-calibration"]) == 0
    assert "Time: not known without calibration" in capsys.readouterr().out
    assert main(call) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Time: about " in shown
    assert (
        "a trial on this machine, one run at a time, of at least 1000 steps and an episode of evaluation, for 8;"
        in shown
    )
    assert "finished runs of the same" not in shown
    # Nothing was run, nothing was written.
    assert not (half / "tiny").exists()


def test_a_run_that_fails_fails_in_its_trial(
    write_study: WriteStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_study("""
        name: infinite
        total_timesteps: 256
        seeds: 1
        evaluation: {every: 64}
        arguments: {device: cpu, n_steps: 32, batch_size: 32}
        environments: [CartPole-v1]
        arms:
          infinite: {algorithm: sb3_ppo_variants.VariantPPO, arguments: {learning_rate: 1.0e+38}}
    """)
    assert main(["plan", str(path), "--results", str(tmp_path)]) == 1
    error = " ".join(capsys.readouterr().err.split())
    assert error.startswith("A trial failed, and the run would too: infinite on CartPole-v1: ")


def test_a_finished_study_has_nothing_left(finished: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(finished.path), "--results", str(finished.folders.root.parent)]) == 0
    assert "Time: none, everything is finished." in capsys.readouterr().out


def test_only_the_steps_that_are_added_take_time(finished: Finished) -> None:
    runs = finished.study.runs_of("ppo", "CartPole-v1")
    begun = {runs[0].identity: runs[0].total_timesteps // 4}
    planned = Planned(runs[:2], runs[:2], 100.0, begun=begun)
    assert planned.seconds_of_missing == [75.0, 100.0]
    assert total_seconds([planned], 1) == 175.0
