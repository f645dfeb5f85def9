from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sb3_ppo_variants.bench.report.document import Panel
from sb3_ppo_variants.bench.report.figures.tuning import best_so_far, trial_scores
from sb3_ppo_variants.bench.report.report import Report, make_report
from sb3_ppo_variants.bench.report.sections.tuning import tuning
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.tuning.numbers import SearchNumbers, numbers_of
from sb3_ppo_variants.bench.tuning.rounds import tuned
from sb3_ppo_variants.bench.tuning.search import Search, Trial, searches
from sb3_ppo_variants.bench.tuning.table import write_searches
from tests.bench.tuning.trials import finish, make_study

PANEL = Panel("name", "title", "", "")
BEST = {"learning_rate": 0.012345678, "n_steps": 64, "kl_coef": 2.0}
SCORES = {"ppo": (10.0, 40.0, math.nan, 20.0, 50.0), "kl": (30.0, 30.0, 20.0, 60.0, 40.0)}


def tried(study: Study) -> list[Search]:
    """Every trial has the same arguments but for the number of steps, 64 in the best one."""
    return [
        replace(
            search,
            trials=tuple(
                Trial(number, {**{name: BEST[name] for name in search.space}, "n_steps": steps}, (score, score))
                for number, (score, steps) in enumerate(zip(SCORES[search.arm], (128, 128, 128, 64, 64), strict=True))
            ),
        )
        for search in searches(study)
    ]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """A study whose trials and runs are all made."""
    folders, study = Folders(tmp_path_factory.mktemp("results") / "tuned"), make_study()
    write_searches(tried(study), folders)
    for run in tuned(study, folders).runs:
        finish(folders, run)
    return folders


@pytest.fixture(scope="module")
def report(folders: Folders) -> Report:
    return make_report(tuned(make_study(), folders), "name: tuned", folders)


def numbers(study: Study) -> list[SearchNumbers]:
    return [numbers_of(search) for search in tried(study)]


def test_the_section_of_a_report(report: Report) -> None:
    text = report.path.read_text()
    section = text[text.index("## Tuning") : text.index("## KL and coefficients")]
    # Five trials of two runs of 200 steps; scores of 10, 10, 20, 40, 50 and 20, 30, 30, 40, 60. The way is that from
    # the worst trial of both, 10: (20 - 10) / (50 - 10) and (30 - 10) / (60 - 10).
    assert "| ppo | CartPole-v1 | 5 (1 failed) | 10 | 2000 | 50.00 | 20.00 | 10.00 to 40.00 | 25 % |" in section
    assert "| kl | CartPole-v1 | 5 | 10 | 2000 | 60.00 | 30.00 | 30.00 to 40.00 | 40 % |" in section
    assert "every arm had 5 trials in every environment, with the same number of steps" in section
    assert "2 trials at a time). A trial is the mean over 2 runs, with the seeds 1000000 to 1000001, of" in section
    assert "| kl | CartPole-v1 | learning_rate 0.0123, n_steps 64, kl_coef 2 |" in section
    assert "![Best trial so far](figures/tuning.svg)" in section
    assert "![Scores of all trials](figures/tuning-scores.svg)" in section
    assert "### Importance of arguments" in section
    assert "Tuning" in report.page.read_text()


def test_tables_make_the_report_again(report: Report, folders: Folders, tmp_path: Path) -> None:
    tables = Folders(tmp_path / "tuned")
    tables.root.mkdir()
    for path in folders.root.iterdir():
        if path.is_file():
            shutil.copy(path, tables.root)
    again = make_report(tuned(make_study(), tables), "name: tuned", tables)
    assert (tables.root / "results.csv").read_bytes() == (folders.root / "results.csv").read_bytes()
    old, new = (made.path.read_text().partition("## Tuning")[2].partition("## ")[0] for made in (report, again))
    assert new == old


def test_the_random_score_is_where_the_way_begins(report: Report) -> None:
    study = make_study(environments={"CartPole-v1": {"random_score": 0.0, "reference_score": 100.0}})
    section = next(iter(tuning(numbers(study), report.summary, {})))
    assert section.table is not None
    # 20 of 50 and 30 of 60.
    assert [row[-1].text for row in section.table.rows] == ["40 %", "50 %"]


def test_figures_show_the_best_so_far_and_all_scores(report: Report) -> None:
    found = numbers(make_study())
    best = best_so_far(found, report.summary).data
    assert best[best["arm"] == "kl"]["best_so_far"].tolist() == [30.0, 30.0, 30.0, 60.0, 60.0]
    assert best["trial"].tolist() == [1, 2, 3, 4, 5] * 2
    scores = trial_scores(found, report.summary).data
    assert scores[scores["arm"] == "ppo"]["score"].tolist() == [10.0, 10.0, 20.0, 40.0, 50.0]


def test_without_optuna_no_importance_is_known(report: Report) -> None:
    found = [replace(each, importances=None) for each in numbers(make_study())]
    panels = dict.fromkeys(("tuning", "tuning-scores"), PANEL)
    *_, section = tuning(found, report.summary, panels)
    assert section.table is None
    assert section.notes == ["Not known: all trials are equally good, or Optuna is not installed here."]
