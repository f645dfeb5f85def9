"""The script that times a report still finds the parts that it times."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import report_speed


def test_that_each_part_of_a_report_is_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        sys, "argv", ["report_speed", "--arms", "2", "--environments", "1", "--seeds", "2", "--publish"]
    )
    monkeypatch.setattr(report_speed, "PUBLISHED", tmp_path / "new" / "report_speed.json")
    report_speed.main()
    heading, _, row = capsys.readouterr().out.strip().splitlines()
    assert heading.split(" | ")[1:3] == ["reading the runs", "writing the tables"]
    cells = row.strip("| ").split(" | ")
    assert cells[0] == "2 x 1 x 2"
    *parts, together, _ = map(float, cells[1:])
    assert sum(parts) == pytest.approx(together, abs=0.4)
    published = json.loads(report_speed.PUBLISHED.read_text())
    assert published["2 x 1 x 2"]["all"] == together
