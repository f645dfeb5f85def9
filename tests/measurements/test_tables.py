"""The mark of a row whose wall and CPU time differ, and the share that is its limit."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.measurements import cells, tables
from benchmarks.measurements.ratios import speeds
from tests.measurements.times import times


@pytest.fixture
def found() -> dict[str, Any]:
    """Stock with as much CPU as wall time, a compiled one that is twice as fast, SBX on more than one CPU."""
    sides = speeds(
        {
            "stock": times(wall=[4.0, 4.0, 5.0], cpu=[4.0, 4.0, 5.0]),
            "compiled": times(wall=[2.0, 2.0, 2.0], cpu=[1.91, 1.91, 1.91]),
            "compiled_envpool": times(wall=[1.0, 1.0, 1.0], cpu=[1.0, 1.0, 1.0]),
            "sbx": times(wall=[2.0, 2.0, 2.0], cpu=[2.12, 2.12, 2.12]),
            "limit": times(wall=[1.0, 1.5, 1.5], cpu=[1.0, 1.5, 1.5]),
            "limit_envpool": times(wall=[0.5, 0.9, 0.9], cpu=[0.5, 0.9, 0.9]),
        }
    )
    return {"ratios": {"A": {"setting": "a task, in a way", "steps": 8, "left_out": {}, "sides": sides}}}


def test_the_share_of_the_limit_is_the_median_over_the_repetitions(found: dict[str, Any]) -> None:
    (measured,) = found["ratios"].values()
    # 1/4, 1.5/4 and 1.5/5; 1/2, 1.5/2 and 1.5/2.
    assert cells.share(measured, "stock", "update") == "30 %"
    assert cells.share(measured, "compiled", "update") == "75 %"
    # With EnvPool the limit is that of EnvPool: 0.5, 0.9 and 0.9.
    assert cells.share(measured, "compiled_envpool", "update") == "90 %"
    assert cells.share(measured, "limit", "update") == "100 %"
    del measured["sides"]["limit"]
    assert cells.share(measured, "compiled", "update") == "-"


def test_a_row_is_marked_beyond_five_percent_to_either_side(found: dict[str, Any]) -> None:
    (measured,) = found["ratios"].values()
    sides = measured["sides"]
    assert {side: cells.marked(found, of) for side, of in sides.items() if side in ("stock", "compiled", "sbx")} == {
        "stock": "",
        "compiled": "",  # 0.955
        "sbx": " †",  # 1.06
    }
    sides["compiled"]["cpu_seconds"]["rollout"] = [1.88, 1.88, 1.88]  # 0.94 in one phase
    assert cells.marked(found, sides["compiled"]) == " †"
    assert cells.busy(sides["compiled"]) == pytest.approx(0.94)
    # A process that waits for a GPU is not one that cheats, and the first measurements have no CPU time.
    assert cells.marked(found | {"gpu": "a GPU"}, sides["sbx"]) == ""
    del sides["sbx"]["cpu_seconds"]
    assert cells.marked(found, sides["sbx"]) == ""


def test_a_setting_is_explained_once(found: dict[str, Any]) -> None:
    found["ratios"] = {name: found["ratios"]["A"] for name in "ABJ"}
    assert tables.settings(found).splitlines()[2:] == [
        "| HalfCheetah-v5, 1 environment, SB3's defaults | 2048 x 1 | 64 | 10 | Mlp 64 64 |",
        "| CartPole-v1, RL Zoo's arguments | 32 x 8 | 256 | 20 | Mlp 64 64 |",
        "| CartPole-v1, LSTM, 1 environment | 2048 x 1 | 128 | 10 | MlpLstm 64 64 |",
    ]


def test_the_tables_explain_the_mark_where_there_is_one(found: dict[str, Any]) -> None:
    rows = tables.summary(found).splitlines()
    assert rows[0] == "| implementation | a task |"
    assert rows[2:6] == [
        "| stock PPO | 1.00 |",
        "| VariantPPO, compiled | 2.00 |",
        "| VariantPPO, compiled, EnvPool | 4.00 |",
        "| SBX | 2.00 † |",
    ]
    explanation = (
        "† Wall and CPU time differ by more than 5 % in a phase: the process worked on more than one CPU, or it waited."
    )
    assert rows[-1] == explanation
    where = tables.where(found).splitlines()
    cells = "2000.0 | 75 % | 2000.0 | 75 % | 2000.0 | 75 % | 1.06"
    assert f"| a task, in a way | SBX † | {cells} |" in where
    assert where[-1] == explanation
    del found["ratios"]["A"]["sides"]["sbx"]
    assert "†" not in tables.summary(found) + tables.ratios(found) + tables.where(found)
