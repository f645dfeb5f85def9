"""The script that times a report still finds the parts that it times."""

import sys

import pytest

from benchmarks import report_speed


def test_that_each_part_of_a_report_is_timed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["report_speed", "--arms", "2", "--environments", "1", "--seeds", "2"])
    report_speed.main()
    printed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert set(printed) == {*report_speed.PARTS, "drawing", "all"}
