from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from sb3_ppo_variants.bench import trials
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.trials import calibrate, estimated_seconds, measured_seconds
from tests.bench.conftest import Finished


def test_finished_runs_tell_the_time(finished: Finished, tmp_path: Path) -> None:
    runs = finished.study.runs_of("ppo", "CartPole-v1")
    records = [json.loads((finished.folders.finished(run) / "run.json").read_text()) for run in runs]
    seconds = [record["wall_seconds"] for record in records]
    assert measured_seconds(runs, finished.folders) == {("ppo", "CartPole-v1"): (seconds[0] + seconds[1]) / 2}
    assert measured_seconds(runs, Folders(tmp_path)) == {}


def test_a_trial_of_every_configuration_once(finished: Finished) -> None:
    runs = [finished.study.run(arm, "CartPole-v1", 0) for arm in ("ppo", "narrow")]
    tried: list[Run] = []
    found = calibrate([*runs, replace(runs[0], arm="twin")], tried.append)
    assert set(found) == {run.identity for run in runs}
    assert len(tried) == 2
    assert all(seconds > 0 for seconds in found.values())


def test_an_estimate_grows_with_the_run(finished: Finished) -> None:
    run = replace(finished.study.run("ppo", "Pendulum-v1", 0), total_timesteps=1000, evaluation_every=1000)
    longer = replace(run, total_timesteps=1_000_000)
    evaluated = replace(run, evaluation_every=1, evaluation_episodes=10)
    # By a factor of 1000 and of 10 000 evaluated episodes of 200 steps: no noise of the clock hides that.
    assert estimated_seconds(longer) > 50 * estimated_seconds(run)
    assert estimated_seconds(evaluated) > 50 * estimated_seconds(run)


@pytest.mark.parametrize("compile", [True, False])
def test_native_code_is_made_before_the_clock_runs(
    compile: bool, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first training takes an hour, any other a second, and an evaluation no time."""
    clock = SimpleNamespace(now=0.0, first=True)

    def learn(steps: int) -> None:
        clock.now += 3600.0 if clock.first else 1.0
        clock.first = False

    model = SimpleNamespace(learn=learn, set_logger=lambda _: None, num_timesteps=1000)
    monkeypatch.setattr(trials, "make_model", lambda run, env: model)
    monkeypatch.setattr(trials, "evaluator", lambda _: lambda *args, **kwargs: ([0.0], [1]))
    monkeypatch.setattr(trials, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    run = replace(finished.study.run("ppo", "CartPole-v1", 0), total_timesteps=2000, arguments={"compile": compile})
    assert estimated_seconds(run) == (2.0 if compile else 7200.0)
