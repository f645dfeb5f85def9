"""A run with more steps begins where a shorter one ended, and ends as if it had begun anew."""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stable_baselines3.common.callbacks import BaseCallback

from sb3_ppo_variants.bench.runs import checkpoint, worker
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.longer import Shorter, begin_with, shorter_runs
from sb3_ppo_variants.bench.runs.worker import Job, _attempt
from sb3_ppo_variants.bench.study.keys import Checkpoint
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.resume.file import saved_timesteps, write_members
from tests.bench.runs.test_checkpoint import EVERY_ROLLOUT, LONGER, RUNS, Killed, killed_at, made
from tests.slow import slow_where

__all__ = ["killed_at"]
# 100 steps are four rollouts of 32 steps.
SHORT = replace(LONGER, total_timesteps=100)


class Ending(BaseCallback):
    """Looks at how much of the training is left."""

    def _on_step(self) -> bool:
        return self.model._current_progress_remaining >= -1.0


def make(run: Run, results: Path, every: Checkpoint | None = EVERY_ROLLOUT) -> dict[str, Any]:
    """Make a run as a worker does, and return its record."""
    folders = Folders(results)
    shorter = shorter_runs([run], folders).get(run.identity)
    outcome = _attempt(Job(run, folders, "", checkpoint=every, shorter=shorter))
    assert outcome.error is None, outcome.error
    record: dict[str, Any] = json.loads((folders.finished(run) / "run.json").read_text())
    return record


def lengthened(run: Run, folder: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """All numbers of a longer run that began at a shorter one, those of one that began anew, and the first's record."""
    short = make(replace(run, total_timesteps=100), folder / "longer")
    record = make(run, folder / "longer")
    assert make(run, folder / "anew").get("continued") is None
    assert record["continued"]["from"] == short["identity"] != record["identity"]
    assert record["continued"]["timesteps"] == 128
    longer, anew = (made(run, Folders(folder / name).finished(run)) for name in ("longer", "anew"))
    return longer, anew, record


@pytest.mark.parametrize(
    "name", slow_where(lambda name: name != "variant", [name for name in RUNS if name != "masked"])
)
def test_a_longer_run_equals_one_that_began_anew(name: str, tmp_path: Path) -> None:
    longer, anew, record = lengthened(RUNS[name], tmp_path)
    assert longer == anew
    assert record["continued"]["differs"] is None
    assert "resumed" not in record
    folder = Folders(tmp_path / "longer").finished(RUNS[name])
    assert "n_timesteps: 320" in (folder / "CartPole-v1" / "args.yml").read_text()
    assert not (folder / "checkpoint.zip").exists()


@pytest.mark.slow
@pytest.mark.processes
def test_environments_in_processes(tmp_path: Path) -> None:
    longer, anew, record = lengthened(replace(LONGER, vec_env="subproc"), tmp_path)
    assert longer == anew
    assert record["continued"]["differs"] is None


def test_the_first_update_is_in_no_line_of_the_log_yet(tmp_path: Path) -> None:
    make(replace(LONGER, total_timesteps=32, evaluation_every=16), tmp_path / "longer")
    run = replace(LONGER, evaluation_every=16)
    record = make(run, tmp_path / "longer")
    make(run, tmp_path / "anew")
    assert record["continued"]["timesteps"] == 32
    longer, anew = (made(run, Folders(tmp_path / name).finished(run)) for name in ("longer", "anew"))
    assert longer == anew


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        pytest.param(
            replace(LONGER, arguments={**LONGER.arguments, "learning_rate": "lin_0.001", "clip_range": "lin_0.2"}),
            "clip_range follows a schedule over the whole run; learning_rate follows a schedule over the whole run",
            id="schedules",
        ),
        pytest.param(
            replace(
                LONGER,
                algorithm="sb3_ppo_variants.VariantPPO",
                arguments={**LONGER.arguments, "objective": "kl_penalty", "kl_coef": "exp_0.2"},
            ),
            "kl_coef follows a schedule over the whole run",
            id="coefficient",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            replace(LONGER, callbacks=[{"tests.bench.runs.test_longer.Ending": {}}]),
            "Ending looks at the end of training",
            id="callback",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_depends_on_the_end_is_said(run: Run, reason: str, tmp_path: Path) -> None:
    _, _, record = lengthened(run, tmp_path)
    assert record["continued"]["differs"] == reason


def test_the_longest_one_is_taken_and_what_it_differed_in_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sb3_ppo_variants.bench.runs.checkpoint.cpu", lambda: "Abacus")
    make(replace(LONGER, total_timesteps=64), tmp_path)
    monkeypatch.setattr("sb3_ppo_variants.bench.runs.checkpoint.cpu", lambda: "Loom")
    second = make(SHORT, tmp_path)
    assert second["continued"]["differs"] == "processor Abacus, now Loom"
    record = make(LONGER, tmp_path)
    assert record["continued"] == {
        "from": SHORT.identity,
        "timesteps": 128,
        "differs": "processor Abacus, now Loom",
    }
    assert Folders(tmp_path).is_finished(SHORT)


def test_a_longer_run_that_was_killed_goes_on(tmp_path: Path, killed_at: Callable[[int | None], None]) -> None:
    make(SHORT, tmp_path / "longer")
    folders = Folders(tmp_path / "longer")
    for step in (130, 200):
        # The first has no checkpoint of its own yet.
        killed_at(step)
        with pytest.raises(Killed):
            make(LONGER, tmp_path / "longer")
        # That of a process which is no more.
        folders.partial(LONGER).rename(folders.partial(LONGER, 10**9))
    killed_at(None)
    record = make(LONGER, tmp_path / "longer")
    make(LONGER, tmp_path / "anew")
    assert record["continued"] == {"from": SHORT.identity, "timesteps": 128, "differs": None}
    assert record["resumed"] == [{"timesteps": 192, "differs": None}]
    longer, anew = (made(LONGER, Folders(tmp_path / name).finished(LONGER)) for name in ("longer", "anew"))
    assert longer == anew


@pytest.mark.parametrize(
    ("error", "kept"),
    [(OSError(errno.ENOSPC, "no space left"), True), (MemoryError(), True), (ValueError("bad"), False)],
)
def test_a_checkpoint_is_kept_where_the_run_is_not_at_fault(
    error: Exception, kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk took the checkpoints of all runs."""

    def fails(run: Run, folder: Path, *arguments: object) -> None:
        (folder / "checkpoint.zip").touch()
        raise error

    monkeypatch.setattr(worker, "execute", fails)
    left = _attempt(Job(SHORT, Folders(tmp_path), "")).left
    assert left is not None
    assert (left / "checkpoint.zip").exists() is kept


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "no space left"), MemoryError()])
def test_a_checkpoint_that_cannot_be_read_now_is_not_dropped(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "checkpoint.zip").touch()

    def fails(path: Path) -> dict[str, bytes]:
        raise error

    monkeypatch.setattr(checkpoint, "read_members", fails)
    with pytest.raises(type(error)):
        checkpoint.resumed(SHORT, tmp_path)
    assert (tmp_path / "checkpoint.zip").exists()


def test_whatever_a_damaged_state_raises_it_begins_nothing(tmp_path: Path) -> None:
    """One flipped bit can raise zlib.error or NotImplementedError, which ended every command of the study."""
    path = tmp_path / "last_state.zip"
    write_members(path, {"about.json": b'{"num_timesteps": 128}', "state.pt": bytes(10)})
    whole, readable = path.read_bytes(), 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with contextlib.suppress(OSError, ValueError):
            readable += saved_timesteps(path) == 128
    assert 0 < readable < len(whole)


def remove_state(folder: Path) -> None:
    (folder / "last_state.zip").unlink()


def damage_state(folder: Path) -> None:
    (folder / "last_state.zip").write_bytes(b"PK\x03\x04 no zip")


def damage_model(folder: Path) -> None:
    path = folder / "CartPole-v1.zip"
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def other_versions(folder: Path) -> None:
    record = json.loads((folder / "run.json").read_text())
    record["provenance"]["versions"]["torch"] = "1.0"
    (folder / "run.json").write_text(json.dumps(record))


def other_arm(folder: Path) -> None:
    shutil.move(folder.parent, folder.parent.with_name("renamed"))


CHANGES = [remove_state, damage_state, damage_model, other_versions, other_arm]


@pytest.mark.parametrize(
    "change",
    slow_where(lambda change: change not in (damage_state, other_versions), CHANGES, lambda change: change.__name__),
)
def test_without_a_fitting_shorter_run_it_begins_anew(change: Callable[[Path], None], tmp_path: Path) -> None:
    make(SHORT, tmp_path)
    change(Folders(tmp_path).finished(SHORT))
    assert "continued" not in make(LONGER, tmp_path)


def test_why_a_run_begins_anew_is_in_its_output(tmp_path: Path) -> None:
    make(SHORT, tmp_path)
    damage_model(Folders(tmp_path).finished(SHORT))
    shorter = Shorter(SHORT, Folders(tmp_path).finished(SHORT), 128, ())
    begin_with(shorter, tmp_path)
    assert (tmp_path / "output.txt").read_text() == (
        f"The run begins anew, because the last state of {shorter.folder} cannot be read: "
        "CartPole-v1.zip is not as the run left it\n"
    )


def test_another_configuration_is_no_shorter_run(tmp_path: Path) -> None:
    make(SHORT, tmp_path)
    other = replace(LONGER, arguments={**LONGER.arguments, "gamma": 0.5})
    as_long = replace(LONGER, total_timesteps=128)
    assert list(shorter_runs([LONGER, other, as_long], Folders(tmp_path))) == [LONGER.identity]


def test_without_checkpoints_no_state_is_kept_or_used(tmp_path: Path) -> None:
    make(replace(LONGER, total_timesteps=64), tmp_path, every=None)
    assert not (Folders(tmp_path).finished(replace(LONGER, total_timesteps=64)) / "last_state.zip").exists()
    make(SHORT, tmp_path)
    assert "continued" not in make(LONGER, tmp_path, every=None)


def test_the_last_state_has_neither_the_model_nor_the_files(tmp_path: Path) -> None:
    make(SHORT, tmp_path)
    folder = Folders(tmp_path).finished(SHORT)
    assert (folder / "last_state.zip").stat().st_size < (folder / "CartPole-v1.zip").stat().st_size
    assert "last_state.zip" not in json.loads((folder / "run.json").read_text())["files"]
