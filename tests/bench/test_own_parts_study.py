"""The study of docs/own_term.md with a term, a rule and a stop of a user's own, through the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

from sb3_ppo_variants.bench import load_results
from sb3_ppo_variants.bench.cli import main
from sb3_ppo_variants.bench.validation import StudyMistakes
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


PRICED = """
from sb3_ppo_variants import Term

priced = Term("priced", lambda surrogate, minibatch: surrogate, version=2)
"""


def test_results_are_loaded_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version of a part belongs to its runs, so its module is looked for beside the study, or missed aloud."""
    arms = {"mine": {"algorithm": "sb3_ppo_variants.VariantPPO", "arguments": {"objective": ["clip", "priced.priced"]}}}
    (tmp_path / "priced.py").write_text(PRICED)
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"name": "own", "arms": arms} | SHORT))
    monkeypatch.setattr(sys, "path", list(sys.path))
    study, results = str(tmp_path / "own.yaml"), str(tmp_path / "results")
    assert main(["run", study, "--results", results, "--workers", "1"]) == 0
    elsewhere = [entry for entry in sys.path if entry != str(tmp_path)]

    monkeypatch.setattr(sys, "path", list(elsewhere))
    sys.modules.pop("priced", None)
    assert set(load_results(study, results).runs["arm"]) == {"ppo", "mine"}

    (tmp_path / "priced.py").unlink()
    sys.modules.pop("priced")
    monkeypatch.setattr(sys, "path", list(elsewhere))
    with pytest.warns(UserWarning, match="own/mine: cannot be imported, so its version is not known"):
        assert set(load_results(study, results).runs["arm"]) == {"ppo"}
    assert main(["report", study, "--results", results]) == 0
    assert "own/mine: cannot be imported" in Path(results, "own/report.md").read_text()


def test_a_folder_whose_study_names_other_files_says_what_to_give(tmp_path: Path) -> None:
    arms = {"tuned": {"algorithm": "stable_baselines3.PPO", "hyperparams": "mine.yml"}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({"name": "own", "arms": arms} | SHORT))
    with pytest.raises(StudyMistakes, match="mine.yml: No such file or directory\nfiles that a study names are found"):
        load_results(tmp_path)
