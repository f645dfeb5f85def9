"""Where things lie below ``<results>/<study>/``, and the one rename that makes a run finished."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from sb3_ppo_variants.bench.run import Run, sync

RESERVED = ("failed", "figures")


@dataclass(frozen=True)
class Folders:
    """The folders of one study.

    :param root: ``<results>/<study name>``
    """

    root: Path

    def finished(self, run: Run) -> Path:
        """Folder of a finished run; it exists only when the run is whole."""
        return self.root / run.arm / run.folder_name

    def failed(self, run: Run) -> Path:
        """Folder of a run that raised, with ``traceback.txt``."""
        return self.root / "failed" / f"{run.arm}-{run.folder_name}"

    def partial(self, run: Run) -> Path:
        """Folder in which this process makes a run."""
        return self._partials / f"{run.arm}-{run.folder_name}{_process_mark(os.getpid())}"

    @property
    def _partials(self) -> Path:
        return self.root / ".partial"

    def start(self, run: Run) -> Path:
        """Make a fresh partial folder for a run and return it."""
        folder = self.partial(run)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def publish(self, run: Run, partial: Path) -> None:
        """Make a complete partial folder the finished one. When another process was first, drop this one."""
        sync(partial)
        final = self.finished(run)
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.rename(partial, final)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            shutil.rmtree(partial)
        shutil.rmtree(self.failed(run), ignore_errors=True)
        with contextlib.suppress(OSError):
            self.failed(run).parent.rmdir()

    def fail(self, run: Run, message: str) -> None:
        """Keep what a failed run left, with the reason in ``traceback.txt``.

        :param run: the run
        :param message: traceback or other reason
        """
        folder = self.failed(run)
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        left = [path for path in self.partials(run) if not _alive(path) or path == self.partial(run)]
        if left:
            os.rename(left[0], folder)
        folder.mkdir(exist_ok=True)
        (folder / "traceback.txt").write_text(message)

    def partials(self, run: Run) -> list[Path]:
        """Partial folders of a run, of any process."""
        name = f"{run.arm}-{run.folder_name}@"
        return sorted(path for path in _entries(self._partials) if path.name.startswith(name))

    def clean(self) -> None:
        """Remove the partial folders of this machine's dead processes."""
        for path in _entries(self._partials):
            if not _alive(path):
                shutil.rmtree(path, ignore_errors=True)
        if not _entries(self._partials):
            shutil.rmtree(self._partials, ignore_errors=True)

    def heartbeat(self, run: Run) -> int:
        """Environment steps so far of a run that is being made; 0 when it has not said any yet."""
        steps = [0]
        for folder in self.partials(run):
            try:
                steps.append(int((folder / "heartbeat").read_text()))
            except (OSError, ValueError):
                continue
        return max(steps)


def _process_mark(pid: int) -> str:
    return f"@{socket.gethostname()}-{pid}"


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _alive(partial: Path) -> bool:
    """Whether the process that made a partial folder may still be at work; another machine's always may."""
    host, _, pid = partial.name.rpartition("@")[2].rpartition("-")
    if host != socket.gethostname() or not pid.isdigit():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
