"""Where things lie below ``<results>/<study>/``, who makes which run, and the one rename that makes a run finished."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import hashlib
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sb3_ppo_variants.bench.runs import heartbeat
from sb3_ppo_variants.bench.runs.record import CHECKPOINT, RECORD, NotWhole, read_record
from sb3_ppo_variants.bench.study.run import Run

# What is no fault of a run, such as a full disk; the last one is what the end of an environment's process leaves.
OUTSIDE = (OSError, ImportError, MemoryError, EOFError)
REASON_FILE = "traceback.txt"
TRACEBACK = "Traceback (most recent call last):"


@dataclass(frozen=True)
class Folders:
    """The folders of one study.

    A process makes a run in a partial folder whose name carries its mark. That folder is its claim to the run: it holds
    while the process lives and its heartbeat is younger than five minutes.

    :param root: ``<results>/<study name>``
    """

    root: Path

    def finished(self, run: Run) -> Path:
        """Folder of a finished run; it exists only when the run is whole."""
        return self.root / run.arm / run.folder_name

    def failed(self, run: Run) -> Path:
        """Folder of a failed run, with ``traceback.txt``."""
        return self.root / "failed" / label(run)

    def is_finished(self, run: Run) -> bool:
        """Whether a run is finished."""
        return self.finished(run).is_dir()

    def is_finished_elsewhere(self, run: Run) -> bool:
        """Whether a run is finished that another machine may have finished just now.

        A network file system remembers for a while that a name was not there, but not once its folder is listed.
        """
        finished = self.finished(run)
        return self.is_finished(run) or finished in listed(finished.parent)

    def is_failed(self, run: Run) -> bool:
        """Whether a run failed and has not been finished since."""
        return self.failed(run).is_dir() and not self.is_finished(run)

    def reason(self, run: Run) -> str:
        """The traceback of a failed run, or another reason why it failed."""
        try:
            text = (self.failed(run) / REASON_FILE).read_text("utf-8", errors="replace").strip()
        except OSError:
            text = ""
        return text or "no traceback was written"

    def partial(self, run: Run, pid: int | None = None) -> Path:
        """Folder in which a process of this machine, by default this one, makes a run."""
        return self.partial_named(label(run), pid)

    def partial_named(self, name: str, pid: int | None = None) -> Path:
        """The same by the :func:`label` of a run."""
        return self._partials / f"{name}@{machine()}-{os.getpid() if pid is None else pid}"

    @property
    def _partials(self) -> Path:
        return self.root / ".partial"

    def claim(self, run: Run) -> Path | None:
        """Make a partial folder for a run and return it; what dead processes left of the run is removed.

        The last checkpoint that they left is in the new folder, and nothing else: the run goes on from there. A whole
        run that they left is made the finished one.

        Of two processes that claim a run at once at most one gets it, because each shows its own claim before it looks
        for others. None when another process has the claim, or when the run is finished.
        """
        mine = self.partial(run)
        _make(mine)
        others = [path for path in self.partials(run) if path != mine]
        now = self._now()
        held = any(alive(path, now) for path in others)
        if held or self.is_finished(run) or self._publish_left(run, [mine, *others, self.failed(run)]):
            shutil.rmtree(mine, ignore_errors=True)
            return None
        # A process with the same number may have left it, as in a container that is started again.
        for path in listed(mine):
            if path.name != CHECKPOINT:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        _take_over_checkpoint([*others, self.failed(run), mine], mine)
        for path in others:
            shutil.rmtree(path, ignore_errors=True)
        return mine

    def claimed(self, run: Run) -> bool:
        """Whether a living process is making a run."""
        partials = self.partials(run)
        return bool(partials) and any(alive(path, self._now()) for path in partials)

    def publish(self, run: Run, partial: Path) -> None:
        """Make a complete partial folder the finished one. When another process was first, drop this one.

        :raises NotWhole: when the folder lacks a file of the run. SB3 makes a folder that was taken away anew, when it
            saves a model
        """
        read_record(run, partial)
        sync(partial)
        # Before the rename, after which nothing may be left to do.
        if partial != self.failed(run):
            shutil.rmtree(self.failed(run), ignore_errors=True)
        with contextlib.suppress(OSError):
            self.failed(run).parent.rmdir()
        self.finished(run).parent.mkdir(parents=True, exist_ok=True)
        # A run that is killed before goes on from it, and one that is killed after is whole.
        (partial / CHECKPOINT).unlink(missing_ok=True)
        move_into_place(partial, self.finished(run))

    def _publish_left(self, run: Run, folders: Sequence[Path]) -> bool:
        """Publish a run that a process left whole, when it was killed before the rename; whether there was one."""
        for folder in folders:
            with contextlib.suppress(NotWhole):
                read_record(run, folder, thorough=True)
                self.publish(run, folder)
                return True
        return False

    def fail(self, run: Run, message: str, left: Path | None = None) -> None:
        """Keep what a failed run left, with the reason in ``traceback.txt``.

        A run that could not begin leaves nothing, and keeps what an earlier failure left: its last checkpoint too.

        :param left: its partial folder; without it, one that a dead process left
        """
        folder = self.failed(run)
        folder.parent.mkdir(parents=True, exist_ok=True)
        now = self._now()
        for path in self.partials(run):
            if path == left or (left is None and not alive(path, now)):
                shutil.rmtree(folder, ignore_errors=True)
                os.rename(path, folder)
                break
        folder.mkdir(exist_ok=True)
        (folder / REASON_FILE).write_text(message, "utf-8")

    def partials(self, run: Run) -> list[Path]:
        """Partial folders of a run, of any process."""
        name = f"{label(run)}@"
        return [path for path in self.all_partials() if path.name.startswith(name)]

    def all_partials(self) -> list[Path]:
        """Partial folders of all runs, of any process; the name of each begins with the :func:`label` of its run."""
        return listed(self._partials)

    def clean(self) -> None:
        """Remove the partial folders that no living process has, but for those that :meth:`claim` goes on from."""
        now = self._now()
        for path in self.all_partials():
            left = (path / CHECKPOINT).exists() or (path / RECORD).exists()
            goes_on = left and not self._is_of_a_finished_run(path)
            if not goes_on and not alive(path, now):
                shutil.rmtree(path, ignore_errors=True)
        # Only when it is empty.
        with contextlib.suppress(OSError):
            self._partials.rmdir()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Wait until no other process has the lock of the study, and hold it; it goes with the process that dies.

        Two runners that end at once write their reports one after the other. Without a folder, or on a file system
        without locks, there is no lock.
        """
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):
                descriptor = os.open(self.root, os.O_RDONLY)
                stack.callback(os.close, descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield

    def steps(self) -> dict[str, int]:
        """Environment steps so far of the runs that are being made, by :func:`label`."""
        found: dict[str, int] = {}
        for path in self.all_partials():
            run = path.name.rpartition("@")[0]
            found[run] = max(heartbeat.steps(path), found.get(run, 0))
        return found

    def _is_of_a_finished_run(self, partial: Path) -> bool:
        # The name of an arm may have a hyphen, too.
        words = partial.name.rpartition("@")[0].split("-")
        splits = (("-".join(words[:at]), "-".join(words[at:])) for at in range(1, len(words)))
        return any((self.root / arm / folder_name).is_dir() for arm, folder_name in splits)

    def _now(self) -> float:
        return heartbeat.file_system_time(self._partials)


def label(run: Run) -> str:
    """The name of a run among all runs of its study."""
    return f"{run.arm}-{run.folder_name}"


def move_into_place(partial: Path, final: Path) -> None:
    """Rename a complete folder; when another process was first, drop this one."""
    final.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.rename(partial, final)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        shutil.rmtree(partial)


def listed(folder: Path) -> list[Path]:
    """What lies in a folder, sorted; nothing where there is no folder."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _take_over_checkpoint(folders: Sequence[Path], mine: Path) -> None:
    """Move the last checkpoint in some folders, if there is one, by one rename."""
    found = [path for path in (folder / CHECKPOINT for folder in folders) if path.exists()]
    if found:
        os.replace(max(found, key=lambda path: path.stat().st_mtime), mine / CHECKPOINT)


def _make(folder: Path) -> None:
    """Make a folder and its parents; another process may be removing an empty parent meanwhile."""
    while True:
        with contextlib.suppress(FileNotFoundError):
            return folder.mkdir(parents=True, exist_ok=True)


def raised(reason: str) -> str:
    """The class and the first line of the message of what was raised; a reason without a traceback is its first line.

    :param reason: from :meth:`Folders.reason`
    """
    lines = reason.strip().splitlines()
    begin = max((number for number, line in enumerate(lines) if line == TRACEBACK), default=-1)
    # Frames and the lines that they show are indented.
    return next((line for line in lines[begin + 1 :] if line and not line[0].isspace()), lines[-1])


@functools.cache
def machine() -> str:
    """Name of what gives processes their numbers: the host since it was started, and the container."""
    sources: tuple[Callable[[], str], ...] = (
        lambda: Path("/proc/sys/kernel/random/boot_id").read_text(),
        lambda: os.readlink("/proc/self/ns/pid"),
    )
    parts = []
    for read in sources:
        with contextlib.suppress(OSError):
            parts.append(read())
    return f"{socket.gethostname()}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:8]}"


def alive(partial: Path, now: float) -> bool:
    """Whether the process that made a partial folder is still at work in it.

    :param now: from :func:`.heartbeat.file_system_time`
    """
    origin, pid = maker(partial)
    if origin == machine() and pid.isdecimal() and not _exists(int(pid)):
        return False
    return heartbeat.has_recent_heartbeat(partial, now)


def maker(partial: Path) -> tuple[str, str]:
    """Who made a partial folder: :func:`machine` of the process, and its number."""
    origin, _, pid = partial.name.rpartition("@")[2].rpartition("-")
    return origin, pid


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # A killed process keeps its number until its parent waits for it, which in some containers never happens.
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def sync(folder: Path) -> None:
    """Flush every file of a folder to the disk, so that a later rename never shows a folder with holes."""
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
