"""Success and other numbers of infos: recorded in every run, shown if the study says so, no part of an identity."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from sb3_ppo_variants.bench.report.drawings import drawings
from sb3_ppo_variants.bench.report.report import make_report
from sb3_ppo_variants.bench.report.sections.cautions import shortfalls
from sb3_ppo_variants.bench.results import results_of
from sb3_ppo_variants.bench.runs.evaluation import INFOS_FILE, numbers
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.train import execute
from sb3_ppo_variants.bench.statistics.summary import decisions_of, summarise
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.table import RESULT_COLUMNS, collect
from tests.bench.statistics.numbers import make_study, rows

GOAL = {
    "name": "goal",
    "total_timesteps": 64,
    "seeds": 2,
    "evaluation": {"every": 32, "episodes": 2, "last": 1},
    "arguments": {"device": "cpu", "n_steps": 32, "batch_size": 16, "n_epochs": 1},
    "environments": ["Goal-v0", "CartPole-v1"],
    "arms": {"mine": {"algorithm": "stable_baselines3.PPO"}},
}


class Goal(gym.Env[np.ndarray, np.int64]):
    """Every second episode succeeds, at a distance of 3 in its last step."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self) -> None:
        self.steps = self.episodes = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps, self.episodes = 0, self.episodes + 1
        return np.zeros(2, np.float32), {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        info = {"is_success": self.episodes % 2 == 0, "distance": self.steps, "name": "goal"}
        return np.zeros(2, np.float32), 1.0, self.steps == 3, False, info


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folders]:
    folders = Folders(tmp_path_factory.mktemp("made") / "goal")
    gym.register("Goal-v0", entry_point=lambda **kwargs: Goal())
    for run in Study.model_validate(GOAL).runs:
        partial = folders.claim(run)
        assert partial is not None
        execute(run, partial, "")
        folders.publish(run, partial)
    yield folders
    del gym.registry["Goal-v0"]


def test_numbers_of_infos_are_kept_without_being_asked_for(made: Folders) -> None:
    study = Study.model_validate(GOAL)
    infos = pd.read_csv(made.finished(study.run("ppo", "Goal-v0", 0)) / INFOS_FILE)
    assert infos.to_numpy().tolist() == [[32, "distance", 3.0, 2], [64, "distance", 3.0, 2]]
    assert not (made.finished(study.run("ppo", "CartPole-v1", 0)) / INFOS_FILE).exists()


def test_the_results_have_the_metrics_of_the_study(made: Folders) -> None:
    study = Study.model_validate({**GOAL, "metrics": ["return", "distance"]})
    assert [run.identity for run in study.runs] == [run.identity for run in Study.model_validate(GOAL).runs]
    results = collect(study.runs, made, study.metrics).results.set_index("environment")
    assert list(results.columns[-2:]) == ["success", "distance"]
    assert results.loc["Goal-v0", ["success", "distance"]].drop_duplicates().to_numpy().tolist() == [[0.5, 3.0]]
    assert results.loc["CartPole-v1", ["success", "distance"]].isna().to_numpy().all()
    assert "distance" not in collect(study.runs, made).results


def test_environments_without_success_have_the_columns_that_they_had(made: Folders) -> None:
    study = Study.model_validate({**GOAL, "environments": ["CartPole-v1"]})
    assert list(collect(study.runs, made, ("return", "success", "distance")).results) == RESULT_COLUMNS


def test_a_report_shows_further_metrics_of_the_environments_that_have_them(made: Folders) -> None:
    study = Study.model_validate({**GOAL, "metrics": ["return", "success"]})
    text = make_report(study, "", made).path.read_text()
    section = text.partition("## Success rate")[2].partition("\n## ")[0]
    assert "| arm | Goal-v0 | IQM | P(beats PPO) | seeds |" in section
    assert "| ppo | 0.500 [0.500, 0.500] | 0.50 [0.50, 0.50] | baseline | 2 |" in section
    assert "### Against stock PPO: Success rate" in section
    assert "![Learning curves, success](figures/curves-success.svg)" in section
    assert "| arm | Goal-v0 | CartPole-v1 | IQM |" in text


def test_the_first_metric_is_that_of_the_whole_report(made: Folders) -> None:
    study = Study.model_validate({**GOAL, "metrics": ["success"]})
    text = make_report(study, "", made).path.read_text()
    assert "| ppo | 0.500 [0.500, 0.500] |" in text
    assert "A run's score is its mean share of successes over its last 1 evaluations" in text
    assert "## Stability" not in text


def test_a_metric_that_no_run_recorded_is_named_with_those_that_are(made: Folders) -> None:
    study = Study.model_validate({**GOAL, "metrics": ["return", "distanz", "success"]})
    with pytest.raises(FileNotFoundError) as caught:
        make_report(study, "", made)
    assert str(caught.value) == (
        "metrics: no finished run has recorded distanz (did you mean distance?). The infos at the end of episodes had "
        "the number distance. Correct metrics in the study file, and ppo-bench report makes the report; the runs stay "
        "as they are."
    )
    with pytest.raises(FileNotFoundError, match=r"recorded success\. success is the share .* had no numbers\."):
        results_of(Study.model_validate({**GOAL, "environments": ["CartPole-v1"], "metrics": ["success"]}), made, False)


def test_a_key_success_is_not_what_sb3_calls_success(made: Folders, tmp_path: Path) -> None:
    study = Study.model_validate({**GOAL, "environments": ["CartPole-v1"], "metrics": ["success"]})
    folders = Folders(tmp_path / "goal")
    shutil.copytree(made.root, folders.root)
    infos = folders.finished(study.run("ppo", "CartPole-v1", 0)) / INFOS_FILE
    infos.write_text("timesteps,key,mean,episodes\n64,success,1.0,2\n")
    with pytest.raises(FileNotFoundError) as caught:
        results_of(study, folders, False)
    assert str(caught.value) == (
        "metrics: no finished run has recorded success. success is the share of episodes whose last info has a true "
        "is_success. The infos at the end of episodes had the number success. Correct metrics in the study file, and "
        "ppo-bench report makes the report; the runs stay as they are."
    )


def test_a_score_needs_the_metric_in_the_last_evaluations() -> None:
    """Else a policy that forgot everything would keep the number of its best time."""
    study = make_study(metrics=["return", "distance"], environments={"Known-v0": {}})
    speeds = {("ppo", 0): [6.0, 6.0, np.nan], ("ppo", 1): [np.nan, 2.0, 4.0], ("mine", 0): [1.0, 2.0, 3.0]}
    found = [row for arm, seed in speeds for row in rows(arm, "Known-v0", seed, [0.0, 0.0, 0.0])]
    results = pd.DataFrame(found).assign(distance=[speed for of_run in speeds.values() for speed in of_run])
    summary = summarise(results, study, metric="distance")
    assert np.isnan(summary.returns["ppo", "Known-v0"].value)
    # The mean of the last two evaluations.
    assert summary.returns["mine", "Known-v0"].value == 2.5
    assert list(shortfalls(summary)) == [
        "Known-v0, ppo: no distance in the last evaluations of seed 0",
        "Known-v0, mine: no finished run with distance of seed 1",
    ]


def test_arms_without_the_metric_have_no_figure_of_it() -> None:
    study = make_study(metrics=["return", "distance"], environments={"Known-v0": {}})
    of_arms = {"ppo": 1.0, "mine": np.nan}
    made = [{**row, "distance": of_arms[arm]} for arm in of_arms for row in rows(arm, "Known-v0", 0, [0.0, 0.0, 0.0])]
    results, changes = pd.DataFrame(made), pd.DataFrame(columns=["environment"])
    summaries = [summarise(results, study, metric=metric) for metric in study.metrics]
    assert {"curves", "curves-distance"} <= set(drawings(study, results, changes, summaries, []))
    chosen = [replace(summary, labels={"mine": "mine"}) for summary in summaries]
    assert "curves-distance" not in drawings(study, results, changes, chosen, [])


def test_an_environment_without_the_metric_decides_nothing() -> None:
    """Its runs would be waited for for ever."""
    until = {"from": 5, "to": 15, "step": 5, "until": "decided"}
    places: dict[str, Any] = {"Known-v0": {}, "Range-v0": {}}
    study = make_study(metrics=["distance"], environments=places, seeds=until)
    distances = {"ppo": 0.0, "mine": 100.0}
    made = [
        {**row, "distance": distances[arm] + seed if name == "Known-v0" else np.nan}
        for arm in distances
        for name in places
        for seed in range(5)
        for row in rows(arm, name, seed, [0.0, 0.0, 0.0])
    ]
    found = decisions_of(pd.DataFrame(made), study)
    assert found is not None
    # 2 of 252 relabellings, as with Known-v0 alone.
    assert found.arms["mine"].state == "differs"
    assert found.arms["mine"].adjusted_p_value == pytest.approx(6 / 252)
    # A later run that records it elsewhere revokes nothing.
    later = [{**row, "distance": 1.0} for row in rows("ppo", "Range-v0", 5, [0.0, 0.0, 0.0])]
    together = pd.DataFrame([*made, *later])
    assert decisions_of(together, study) == found
    compared = summarise(together, study, metric="distance").comparisons["mine"]
    assert (compared.environments, compared.excluded) == (["Known-v0"], ["Range-v0"])
    # While a run of the first look is missing, it might be one with the metric.
    found = decisions_of(pd.DataFrame(made[:-3]), study)
    assert found is not None
    assert (found.arms["mine"].state, found.arms["mine"].seeds) == ("open", 0)


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (["return", "return"], "a metric is in the list more than once"),
        (["seed"], "seed: is a column of the results that is no metric; say return or success"),
        ([], "at least 1 item"),
    ],
)
def test_metrics_that_cannot_be_shown_are_refused(metrics: list[str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Study.model_validate({**GOAL, "metrics": metrics})


def test_only_numbers_are_kept() -> None:
    info = {
        "a": 1,
        "b": True,
        "c": np.float32(0.5),
        "d": "text",
        "e": [1],
        "is_success": True,
        "TimeLimit.truncated": True,
    }
    assert numbers(info) == {"a": 1.0, "b": 1.0, "c": 0.5}
