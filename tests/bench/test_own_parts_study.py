"""The study of docs/own_term.md with a term, a rule and a stop of a user's own, through the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

from sb3_ppo_variants.bench.cli import main
from tests.pages import DOCS, blocks

pytestmark = pytest.mark.processes

PAGE = DOCS / "own_term.md"
SHORT = {
    "total_timesteps": 64,
    "seeds": 1,
    "evaluation": {"every": 64, "episodes": 1, "last": 1},
    "environments": ["CartPole-v1"],
    "arguments": {"device": "cpu", "n_steps": 32, "batch_size": 32, "n_epochs": 2},
}


def test_it_can_be_copied_and_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (module,) = [block.code for block in blocks(PAGE, "python") if block.code.startswith("# my_parts.py")]
    (study,) = [block.code for block in blocks(PAGE, "yaml") if block.code.startswith("name: parts")]
    (tmp_path / "my_parts.py").write_text(module)
    (tmp_path / "parts.yaml").write_text(yaml.safe_dump(yaml.safe_load(study) | SHORT))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert main(["plan", "parts.yaml", "--no-calibration"]) == 0
    assert main(["run", "parts.yaml", "--workers", "1"]) == 0
    for arm, part in (("term", "log_square"), ("rule", "halve"), ("stop", "worst_ratio")):
        (record,) = Path(f"results/parts/{arm}").glob("*/run.json")
        assert set(json.loads(record.read_text())["provenance"]["sources"]) == {f"my_parts.{part}"}
    assert "| term | VariantPPO |" in Path("results/parts/report.md").read_text()
