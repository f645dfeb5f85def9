"""What a command measures, and that what it has is not measured again."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks import speed
from benchmarks.measurements import plan
from benchmarks.measurements.progress import Step


def options(**given: Any) -> argparse.Namespace:
    usual = {"parts": ["ratios"], "sides": None, "device": "cpu", "other": None, "quick": False}
    return argparse.Namespace(**{**usual, "processes": 2, "repetitions": 4, **given})


def test_sides_are_those_of_the_setting_with_stock_first_and_others_where_there_is_their_interpreter() -> None:
    assert plan.sides_of("E", options()) == [
        *("stock", "stock_subprocess", "compiled", "compiled_envpool", "limit", "limit_envpool")
    ]
    assert plan.sides_of("E", options(other="python", sides=["compiled"])) == ["stock", "compiled", "sbx"]
    assert plan.sides_of("A", options(other="python"))[-3:] == ["sbx", "tianshou", "rlox"]
    assert "limit" not in plan.sides_of("A", options(device="cuda"))


def test_every_compiled_side_is_measured_with_a_filled_cache(tmp_path: Path) -> None:
    (task,) = plan.tasks(options(), ["I"], tmp_path)
    assert Counter(step.name for step in task.steps)["compilation of compiled_in_part"] == 1


def test_steps_of_a_setting(tmp_path: Path) -> None:
    (task,) = plan.tasks(options(sides=["compiled", "limit"]), ["B"], tmp_path)
    assert Counter(step.name for step in task.steps) == {
        "compilation of compiled": 1,
        "start of stock": 2,
        "start of compiled": 2,
        "start of limit": 2,
        "repetition": 8,
    }
    (task,) = plan.tasks(options(sides=["compiled"]), ["F"], tmp_path)
    assert Counter(step.name for step in task.steps)["start of stock"] == 1
    (task,) = plan.tasks(options(sides=["compiled", "limit"]), ["B"], tmp_path)
    # 3 sides, rollout and update and both, 8 iterations of 0.04 s.
    assert task.steps[-1] == pytest.approx(Step("repetition", 1.92))


def test_settings_of_many_environments_are_for_ratios_only(tmp_path: Path) -> None:
    planned = plan.tasks(options(parts=["ratios", "beside", "threads"]), ["D", "E"], tmp_path)
    assert [task.title for task in planned] == ["ratios D", "ratios E", "beside D", "threads D"]


@pytest.mark.skipif(sys.platform != "linux", reason="has no affinity")
def test_a_task_has_one_cpu_unless_it_is_about_more() -> None:
    def cpus(_: Any) -> dict[str, Any]:
        return {"cpus": len(os.sched_getaffinity(0))}

    assert plan.Task("ratios", "A", [], cpus).measure(bool) == {"cpus": 1}
    assert plan.Task("threads", "A", [], cpus).measure(bool) == {"cpus": len(os.sched_getaffinity(0))}


def test_a_failure_is_said_and_the_rest_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_: Any) -> dict[str, Any]:
        raise RuntimeError("no such environment")

    planned = [plan.Task("ratios", "A", [], fail), plan.Task("ratios", "B", [], lambda _: {"steps": 8})]
    path = tmp_path / "speed.json"
    assert speed.measure(planned, {"ratios": {"C": {}}}, path, 1.0) == ["ratios A: no such environment"]
    assert json.loads(path.read_text()) == {"ratios": {"C": {}, "B": {"steps": 8}}}
    assert "ratios A: FAILED, no such environment" in capsys.readouterr().out
