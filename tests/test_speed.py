"""The measurement of speed: what it starts, what it calculates, and that the pages say what was published."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.measurements import runner, scaling, study, tables
from benchmarks.measurements.limits import products
from benchmarks.measurements.processor import Spent
from benchmarks.measurements.publish import page
from benchmarks.measurements.ratios import pooled, speeds, turns
from benchmarks.measurements.settings import ImageEnv, Setting, setting
from benchmarks.measurements.sides import STOCK
from benchmarks.speed import kept
from docs.fill import BLOCK
from tests.measurements.times import times
from tests.pages import DOCS, ROOT

NUMBER_OF_A_MEASUREMENT = re.compile(
    r"\d[\d,.]*\s?(?:x|%|times|ms|us|s|seconds|minutes|MiB|MB|GB|steps)\b", re.IGNORECASE
)


def speed(value: float) -> dict[str, float]:
    return {"median": value, "low": value - 0.1, "high": value + 0.1}


def side(seconds: float, first: float, peak: float) -> dict[str, Any]:
    phases = ("rollout", "update", "end_to_end")
    return {
        "start": {"first": [first, 0.5, 0.4], "peak_mib": peak},
        "seconds": {phase: [seconds] * 3 for phase in phases},
        "cpu_seconds": {phase: [seconds] * 3 for phase in phases},
        "speed": {phase: speed(1.0 / seconds) for phase in phases},
    }


@pytest.fixture
def found() -> dict[str, Any]:
    compiled = side(0.25, 1.4, 500.0) | {"empty_cache": {"first": [20.4, 0.5, 0.4], "peak_mib": 900.0}}
    sides = {"stock": side(1.0, 1.0, 200.0), "eager": side(0.8, 1.0, 230.0), "compiled": compiled}
    sides |= {"kl_penalty": side(0.96, 1.0, 210.0), "limit": side(0.1, 1.0, 150.0)}
    measured = {
        "setting": "a setting",
        "steps": 2048,
        "repetitions": 3,
        "left_out": {"sbx": "no module"},
        "sides": sides,
    }
    return {"versions": {"torch": "2"}, "cpu": "a CPU", "pinned": True, "ratios": {"A": measured}}


@pytest.mark.parametrize("name", ["speed", "compiled", "profile"])
def test_documentation_has_no_other_measured_number(name: str) -> None:
    prose = re.sub(r"```.*?```", "", BLOCK.sub("", (DOCS / f"{name}.md").read_text()), flags=re.DOTALL)
    assert NUMBER_OF_A_MEASUREMENT.findall("it is 3.5 times as fast, 20 ms") == ["3.5 times", "20 ms"]
    assert NUMBER_OF_A_MEASUREMENT.findall(prose) == []


def test_a_table_of_a_part_that_was_not_measured_says_so(found: dict[str, Any]) -> None:
    assert tables.render("memory", found).splitlines()[0] == "| setting | implementation | peak, MiB | over stock PPO |"
    assert "| a setting | VariantPPO | 230 | 1.15 |" in tables.render("memory", found)
    assert tables.render("memory", {}) == "Not measured yet."


def test_compilation_is_paid_back_by_the_time_saved(found: dict[str, Any]) -> None:
    # 20 s for a cold cache and 1 s for a warm one, 0.75 s saved in each 2048 steps.
    assert "| a setting | empty | 20.0 | 54,613 |" in tables.compilation(found)
    assert "| a setting | filled | 1.0 | 2,731 |" in tables.compilation(found)
    found["ratios"]["A"]["sides"]["stock"] = side(0.2, 1.0, 200.0)
    assert "| never |" in tables.compilation(found)


def test_what_compiled_code_gains_is_a_row_for_each_setting(found: dict[str, Any]) -> None:
    # A quarter of stock PPO's time, a tenth of it for the limit, 500 MiB beside 200.
    assert tables.compiled(found).splitlines()[2:] == ["| a setting | Gymnasium | 4.00 | 4.00 | 4.00 | 40 % | 2.50 |"]


def test_the_time_of_a_phase_stands_beside_its_limit(found: dict[str, Any]) -> None:
    assert tables.leading(found).splitlines()[2:] == [
        "| a setting | stock PPO | 1000.0 | 1000.0 | 1000.0 |",
        "| a setting | VariantPPO, compiled | 250.0 | 250.0 | 250.0 |",
        "| a setting | environment and matrix products alone | 100.0 | 100.0 | 100.0 |",
    ]


def test_the_page_says_what_was_left_out_and_shows_only_what_was_measured(found: dict[str, Any]) -> None:
    text = page(found)
    assert "Left out: sbx: no module" in text
    assert "a CPU, one thread, every process on the same CPU. torch 2." in text
    assert "| a setting | VariantPPO, compiled | 250.0 | 40 % | 250.0 | 40 % | 250.0 | 40 % | 1.00 |" in text
    assert "## Environment steps" not in text
    del found["ratios"]
    assert "##" not in page(found)


def test_scaling_is_drawn_the_same_again(found: dict[str, Any], tmp_path: Path) -> None:
    measured = found["ratios"]["A"]
    at = {"wide": {"environments": 8, "width": 512}, "8": {"environments": 8, "width": 64}}
    many = measured | {"environments": 64}
    everything = {"scaling": {name: point | measured for name, point in at.items()}, "ratios": {"F": many, "A": many}}
    rows = scaling.rows(everything)
    assert [(row["environments"], row["width"]) for row in rows] == [(8, 64), (64, 64), (8, 512)]
    scaling.draw(rows, tmp_path / "a.svg")
    scaling.draw(rows, tmp_path / "b.svg")
    drawn = (tmp_path / "a.svg").read_text()
    assert drawn == (tmp_path / "b.svg").read_text()
    # 2048 steps in a second, in a quarter and in a tenth.
    assert "| 8 | 512 | 2,048 | 8,192 | 20,480 |" in tables.scaling(everything)
    assert scaling.per_second(rows[0], "compiled") == [8192.0] * 3
    assert scaling.milliseconds(rows[0], "compiled") == [250.0] * 3


def test_points_with_fewer_repetitions_are_drawn(found: dict[str, Any], tmp_path: Path) -> None:
    few = copy.deepcopy(found["ratios"]["A"])
    for side in few["sides"].values():
        side["seconds"] = {"end_to_end": side["seconds"]["end_to_end"][:2]}
    rows = [
        found["ratios"]["A"] | {"environments": 1, "width": 64},
        few | {"environments": 2, "width": 64},
    ]
    scaling.draw(rows, tmp_path / "a.svg")
    assert (tmp_path / "a.svg").exists()


def test_points_lie_on_two_axes_that_cross_once() -> None:
    points = [tuple(point.split(",")[1:]) for point in scaling.points(quick=False)]
    assert points[:5] == [("1", "64"), ("2", "64"), ("4", "64"), ("8", "64"), ("16", "64")]
    assert points[5:] == [("8", "128"), ("8", "256"), ("8", "512")]
    assert scaling.sides("CartPole-v1,8,64") == scaling.OVER_NUMBERS
    assert scaling.sides("CartPole-v1,8,512") == scaling.OVER_WIDTHS


class Recorded:
    """A runner that notes its turns."""

    def __init__(self, name: str, turns: list[str]) -> None:
        self._name, self._turns = name, turns

    def __call__(self, phase: str) -> Spent:
        self._turns.append(f"{self._name} {phase}")
        return Spent(float(len(self._turns)), 0.5)


def test_turns_rotate() -> None:
    taken: list[str] = []
    runners: Any = {name: Recorded(name, taken) for name in "ab"}
    ticks: list[str] = []

    def tick(name: str) -> bool:
        ticks.append(name)
        return True

    found = turns(runners, ["rollout", "update"], 2, tick)
    first = ["a rollout", "b rollout", "a update", "b update"]
    assert taken == [*first, "b rollout", "a rollout", "b update", "a update"]
    assert found["a"] == {"rollout": [(1.0, 0.5), (6.0, 0.5)], "update": [(3.0, 0.5), (8.0, 0.5)]}
    assert ticks == ["repetition", "repetition"]
    assert len(turns(runners, ["update"], 2, lambda name: False)["a"]["update"]) == 1  # no time for another


def test_ratios_are_those_of_all_processes() -> None:
    first = {"stock": times([4.0], [4.0], ["update"]), "eager": times([2.0], [1.5], ["update"])}
    second = {"stock": times([3.0, 3.0], [3.0, 3.0], ["update"]), "eager": times([3.0, 1.0], [3.0, 0.5], ["update"])}
    found = speeds(pooled([first, second]))
    assert found["eager"]["seconds"]["update"] == [2.0, 3.0, 1.0]
    assert found["eager"]["cpu_seconds"]["update"] == [1.5, 3.0, 0.5]
    assert found["eager"]["speed"]["update"] == {"median": 2.0, "low": 1.5, "high": 2.5}
    assert found["stock"]["speed"]["update"]["median"] == 1.0


def test_products_of_a_minibatch() -> None:
    """Two networks of two hidden layers and their heads: forward and weights for all six, inputs but for the first."""
    assert len(products(STOCK.model(setting("B")))) == 6 * 2 + 4
    images = Setting("images", ImageEnv, 1, {"n_steps": 8, "batch_size": 8}, "CnnPolicy")
    # Three convolutions of one product each way, the features, and two heads.
    assert len(products(STOCK.model(images))) == 3 * 2 + 3 * 3


def test_a_runner_answers_and_says_why_it_cannot() -> None:
    with runner.running("limit", "CartPole-v1,2,8") as started:
        assert len(started.start["first"]) == 3
        assert started.start["peak_mib"] > 50
        wall, cpu = started("rollout")
        assert 0.0 < cpu <= 1.5 * wall
    with pytest.raises(RuntimeError, match="KeyError: 'nobody'"):
        runner.Runner("nobody", "B")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_runner_keeps_its_memory_unless_it_is_told_otherwise() -> None:
    for given, kept_back in (({}, True), (dict.fromkeys(runner.KEPT_MEMORY), False)):
        with runner.running("stock", "CartPole-v1,2,8", environment=given) as started:
            variables = Path(f"/proc/{started._process.pid}/environ").read_bytes()
        assert (b"MALLOC_MMAP_MAX_=0" in variables) == kept_back
        assert b"OMP_NUM_THREADS=1" in variables


def test_a_study_is_compared_with_plain_scripts() -> None:
    sides = {"scripts": ([90.0, 110.0, 100.0], 1.0), "harness": ([20.0, 22.0, 30.0], 4.5)}
    measured = {side: {"seconds": seconds, "speed": {"median": speed}} for side, (seconds, speed) in sides.items()}
    entry = {"runs": 16, "steps": 20480, "sides": measured}
    assert tables.study({"study": {"CartPole-v1": entry}}).splitlines() == [
        "| 16 runs of 20,480 steps, two at a time | seconds | speed |",
        "| --- | --- | --- |",
        "| a script of SB3's PPO per run | 100 | 1.0 |",
        "| `ppo-bench run`, the same runs | 22 | 4.5 |",
    ]


def test_a_failed_run_of_a_study_says_why() -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        study.run([sys.executable, "-c", "1 / 0"], {})


@pytest.mark.slow
def test_smoke(tmp_path: Path) -> None:
    """The cheapest part, from the command line to the page."""
    arguments = ["--quick", "--parts", "ratios", "--settings", "B", "--sides", "eager", "limit", "--output"]
    command = [sys.executable, "-m", "benchmarks.speed", *arguments, str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    measured = json.loads((tmp_path / "speed.json").read_text())
    assert list(measured["ratios"]["B"]["sides"]) == ["stock", "eager", "limit"]
    assert measured["pinned"] == (sys.platform == "linux")
    assert "| VariantPPO |" in (tmp_path / "README.md").read_text()


def test_parts_are_kept_where_the_machine_and_the_versions_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "speed.json"
    assert kept(path, {"cpu": "a CPU", "versions": {"torch": "2"}}) == {}
    path.write_text(json.dumps({"cpu": "a CPU", "versions": {"torch": "2"}, "threads": {"A": 1}}))
    assert kept(path, {"cpu": "a CPU", "versions": {"torch": "2"}})["threads"] == {"A": 1}
    assert kept(path, {"cpu": "a CPU", "versions": {"torch": "2", "jax": "1"}})["threads"] == {"A": 1}
    assert kept(path, {"cpu": "a CPU", "versions": {"torch": "2"}, "pinned": True}) == {}
    assert kept(path, {"cpu": "a CPU", "versions": {"torch": "3"}}) == {}
    assert kept(path, {"cpu": "another CPU", "versions": {"torch": "2"}}) == {}
