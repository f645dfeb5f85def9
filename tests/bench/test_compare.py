"""``ppo-bench compare``: any two arms, with the statistics of a report."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from sb3_ppo_variants.bench.cli import main
from sb3_ppo_variants.bench.compare import SINGLE, compare_arms, pair_lines
from sb3_ppo_variants.bench.report.numbers import interval, small
from sb3_ppo_variants.bench.statistics.summary import summarise
from tests.bench.conftest import Finished
from tests.bench.statistics.numbers import RESULTS, make_study, rows

PUBLISHED = Path(__file__).parents[2] / "benchmarks/published/ablation"


def lines(results: pd.DataFrame, arm: str = "mine", other: str = "ppo") -> list[str]:
    study = make_study()
    return list(pair_lines(study, compare_arms(study, results, arm, other)))


def test_a_pair_has_the_numbers_of_the_report() -> None:
    found = summarise(RESULTS, make_study()).comparisons["mine"]
    improvement, meaning, nothing, single = lines(RESULTS)
    assert improvement.startswith(f"P(mine beats ppo): {interval(found.improvement)}, p {small(found.p_value)}. ")
    assert meaning == (
        "P is the share of pairs, a run of mine and one of ppo in the same environment, in which that of mine has the "
        "higher score; equal scores count as half a pair, and each environment counts the same."
    )
    assert nothing.startswith("No difference is shown between mine and ppo, which proves no equality: with these ")
    assert single == SINGLE


def test_the_better_arm_is_named_whichever_comes_first() -> None:
    high = [row for seed in range(4) for row in rows("mine", "Known-v0", seed, [90.0, 90.0 + seed, 91.0])]
    low = [row for seed in range(4) for row in rows("ppo", "Known-v0", seed, [10.0, 20.0 + seed, 21.0])]
    results = pd.DataFrame([*high, *low])
    sentence = "mine is better than ppo: P(mine beats ppo) is 1.00."
    meaning = (
        "P is the share of pairs, a run of mine and one of ppo, in which that of mine has the higher score; equal "
        "scores count as half a pair."
    )
    assert lines(results)[1:4] == [meaning, "Without Range-v0, where one of both has no finished run.", sentence]
    assert lines(results, "ppo", "mine")[3] == sentence


def test_nothing_to_compare_is_said() -> None:
    assert any(line.startswith("There is nothing to compare") for line in lines(RESULTS[RESULTS["arm"] == "ppo"]))


def test_a_score_that_is_not_finite_is_named() -> None:
    broken = RESULTS.assign(
        mean_return=RESULTS["mean_return"].where((RESULTS["arm"] != "ppo") | (RESULTS["seed"] != 1), float("inf"))
    )
    (sentence,) = [line for line in lines(broken) if line.startswith("There is nothing to compare")]
    assert sentence == (
        "There is nothing to compare: a run of ppo in Known-v0, ppo in Range-v0 has a score that is no finite number."
    )


def test_the_command_compares_arms_of_tables_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(PUBLISHED, tmp_path / "ablation")
    call = ["compare", str(PUBLISHED / "study.yaml"), "--results", str(tmp_path), "--allow-mixed-versions"]
    assert main([*call, "limits", "limits-base"]) == 0
    shown = capsys.readouterr().out
    # The difference of the means 500 and 278.
    assert "222 [91, 329]" in shown
    assert "P(limits beats limits-base): 0.95 [0.66, 0.99], p 0.00012." in shown


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        (["ppo", "narow"], "the study has no arm narow; did you mean narrow?; it has ppo, narrow"),
        (["ppo", "ppo"], "ppo is given twice, give two of ppo, narrow"),
    ],
)
def test_two_arms_of_the_study_are_needed(
    finished: Finished, arms: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(finished.path), *arms]) == 2
    assert capsys.readouterr().err.strip() == message
