"""A sign of life that every run writes: it shows how far the run is, and that its process still works on it."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType

from stable_baselines3.common.callbacks import BaseCallback

FILE_NAME = "heartbeat"
BEAT_SECONDS = 2.0
STALE_SECONDS = 300.0


class Heartbeat(BaseCallback):
    """Write the number of steps so far every two seconds, from a thread, so that a long update is no silence.

    The file exists while the object is entered.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / FILE_NAME
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Heartbeat:
        self.path.write_text("0")
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self.thread.join()
        self.path.unlink(missing_ok=True)

    def _on_step(self) -> bool:
        return True

    def _beat(self) -> None:
        while not self.ended.wait(BEAT_SECONDS):
            # On a full disk the run ends by itself; one whose folder was taken away fails when it is published.
            with contextlib.suppress(OSError):
                self.path.write_text(str(self.num_timesteps))


def steps(folder: Path) -> int:
    """Environment steps of the run that is made in a folder; 0 when it has not said any yet."""
    try:
        return int((folder / FILE_NAME).read_text())
    except (OSError, ValueError):
        return 0


def has_recent_heartbeat(folder: Path, now: float) -> bool:
    """Whether a folder gave a sign of life within five minutes.

    A sign of more than five minutes in the future is none: the clock has been set back since.

    :param now: from :func:`file_system_time`
    """
    signs = []
    for path in (folder, folder / FILE_NAME):
        with contextlib.suppress(OSError):
            signs.append(path.stat().st_mtime)
    return any(abs(now - sign) < STALE_SECONDS for sign in signs)


def file_system_time(folder: Path) -> float:
    """Tell the time by the clock that stamps the files of a folder: on a shared file system, not this machine's."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()
