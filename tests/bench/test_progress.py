from __future__ import annotations

import io
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from sb3_ppo_variants.bench.progress import Progress
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.worker import Outcome
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study
from tests.bench.run_folders import fill


@pytest.fixture
def runs() -> list[Run]:
    """Four runs of 1000 steps."""
    return Study.model_validate(
        {
            "name": "watched",
            "total_timesteps": 1000,
            "seeds": 4,
            "evaluation": {"every": 100},
            "environments": ["CartPole-v1"],
        }
    ).runs


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which stands still."""
    moment = [time.time()]
    monkeypatch.setattr(time, "time", lambda: moment[0])
    return moment


def test_a_line_for_every_run_outside_of_a_terminal(runs: list[Run], tmp_path: Path, clock: list[float]) -> None:
    file = io.StringIO()
    with Progress(runs, Folders(tmp_path), Console(file=file, width=40)) as progress:
        progress.add(Outcome(runs[0], started=clock[0] - 100.0))
        progress.add(Outcome(runs[1], error="Traceback (most recent call last):\nValueError: [no] luck\n"))
        progress.add(Outcome(runs[2], elsewhere=True))
        progress.add(Outcome(runs[3], started=clock[0] - 50.0))
    # 1000 steps in 100 seconds, then 2000; the runs that failed or were made elsewhere are not waited for.
    assert file.getvalue().splitlines() == [
        "[1/4] ppo on CartPole-v1, seed 0: finished (10 steps/s, 5 min left)",
        "[2/4] ppo on CartPole-v1, seed 1: FAILED: ValueError: [no] luck (1 failed, 10 steps/s, 3 min left)",
        "[3/4] ppo on CartPole-v1, seed 2: finished by another process (1 failed, 10 steps/s, 2 min left)",
        "[4/4] ppo on CartPole-v1, seed 3: finished (1 failed, 20 steps/s, 0 s left)",
    ]
    assert progress.failed == 1


def test_steps_of_another_process_before_the_first_training_make_no_rate(
    runs: list[Run], tmp_path: Path, clock: list[float]
) -> None:
    file, folders = io.StringIO(), Folders(tmp_path)
    progress = Progress(runs, folders, Console(file=file, width=40))
    folder = folders.claim(runs[1])
    assert folder is not None
    (folder / "heartbeat").write_text("500")
    progress.add(Outcome(runs[0], elsewhere=True))
    clock[0] += 10.0
    (folder / "heartbeat").write_text("600")
    progress.add(Outcome(runs[2], elsewhere=True))
    # 100 steps in ten seconds; 400 and 1000 are left.
    assert file.getvalue().splitlines() == [
        "[1/4] ppo on CartPole-v1, seed 0: finished by another process (0 steps/s, ? left)",
        "[2/4] ppo on CartPole-v1, seed 2: finished by another process (10 steps/s, 2 min left)",
    ]


def test_a_run_that_a_callback_ended(runs: list[Run], tmp_path: Path, clock: list[float]) -> None:
    file, folders = io.StringIO(), Folders(tmp_path)
    ended = replace(runs[0], callbacks=[{"a.Stop": {}}])
    folders.finished(ended).mkdir(parents=True)
    fill(ended, folders.finished(ended))
    path = folders.finished(ended) / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "ended": {"timesteps": 250, "callback": "a.Stop"}}))
    with Progress([ended, runs[1]], folders, Console(file=file, width=40)) as progress:
        progress.add(Outcome(ended, started=clock[0] - 25.0))
    # 250 steps in 25 seconds, and 1000 to make.
    assert file.getvalue().splitlines() == [
        "[1/2] ppo on CartPole-v1, seed 0: ended by a callback at 250 of 1000 steps (10 steps/s, 2 min left)"
    ]


def test_heartbeats_count_in_a_terminal(runs: list[Run], tmp_path: Path, clock: list[float]) -> None:
    folders = Folders(tmp_path)
    progress = Progress(runs, folders, Console(file=io.StringIO(), force_terminal=True, width=100))

    def shown() -> str:
        with progress.console.capture() as capture:
            progress.console.print(*progress.get_renderables())
        return capture.get()

    # No run is being made yet, so no clock runs.
    assert "0/4 runs  0 steps/s, ? left" in shown()
    folder = folders.claim(runs[0])
    assert folder is not None
    shown()
    (folder / "heartbeat").write_text("500")
    clock[0] += 10.0
    assert "0/4 runs  50 steps/s, 1 min left" in shown()


def test_a_line_lists_the_folders_once_however_many_runs_are_missing(
    runs: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listings = []
    look = Folders.all_partials

    def all_partials(self: Folders) -> list[Path]:
        listings.append(self)
        return look(self)

    monkeypatch.setattr(Folders, "all_partials", all_partials)
    progress = Progress(runs, Folders(tmp_path), Console(file=io.StringIO()))
    listings.clear()
    progress.add(Outcome(runs[0], started=1.0))
    assert len(listings) == 1


def test_steps_from_before_a_kill_do_not_count_for_the_rate(
    runs: list[Run], tmp_path: Path, clock: list[float]
) -> None:
    file, folders = io.StringIO(), Folders(tmp_path)
    for run, steps in ((runs[0], 800), (runs[1], 600), (runs[2], 500)):
        folder = folders.claim(run)
        assert folder is not None
        (folder / "heartbeat").write_text(str(steps))
    progress = Progress(runs, folders, Console(file=file, width=40))
    progress.add(Outcome(runs[0], started=clock[0] - 20.0))
    progress.add(Outcome(runs[1], error="ValueError: no luck\n"))
    # 200 steps in 20 seconds; 500 and 1000 are left when the second one has failed.
    assert file.getvalue().splitlines() == [
        "[1/4] ppo on CartPole-v1, seed 0: finished (10 steps/s, 3 min left)",
        "[2/4] ppo on CartPole-v1, seed 1: FAILED: ValueError: no luck (1 failed, 10 steps/s, 2 min left)",
    ]
