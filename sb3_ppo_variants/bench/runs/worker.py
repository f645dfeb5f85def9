"""One job in a worker of any executor: the run in its own process, watched from outside."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path

from sb3_ppo_variants.bench.runs.environments import OUTPUT
from sb3_ppo_variants.bench.runs.folders import OUTSIDE, Folders
from sb3_ppo_variants.bench.runs.longer import Shorter, begin_with
from sb3_ppo_variants.bench.runs.provenance import describe_versions, versions
from sb3_ppo_variants.bench.runs.record import CHECKPOINT
from sb3_ppo_variants.bench.runs.tracking import Tracking
from sb3_ppo_variants.bench.runs.train import NO_TRACKING, execute
from sb3_ppo_variants.bench.study.keys import Checkpoint
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.imports import look_in

PROCESS_NAME = "ppo-bench run"
DAEMONIC = (
    "The workers of this executor are daemonic processes, which may not start processes: "
    "start dask workers with DASK_DISTRIBUTED__WORKER__DAEMON=False.\n"
)


@dataclass(frozen=True)
class Job:
    """All that a worker is told: one positional object, because some executors read keywords themselves.

    :param run: what to run
    :param folders: the folders of its study, below an absolute path
    :param command: command line of the study, kept for provenance
    :param time_limit: seconds after which the run is ended, None for no limit
    :param import_folders: in which classes and environments are found besides ``sys.path``
    :param checkpoint: how often the state of the run is saved, None for never; then it does not begin with that of a
        shorter run either
    :param tracking: where the log of the run goes besides its folder
    :param shorter: the finished run at whose last state it begins, None to begin anew
    :param versions: those with which the runs of the study are made, None for any
    """

    run: Run
    folders: Folders
    command: str
    time_limit: float | None = None
    import_folders: tuple[str, ...] = ()
    checkpoint: Checkpoint | None = None
    tracking: Tracking = NO_TRACKING
    shorter: Shorter | None = None
    versions: dict[str, str | None] | None = None


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    :param run: its run
    :param error: why it failed, None when it did not
    :param left: the partial folder that a failure left
    :param held: another process is making the run
    :param elsewhere: another process has finished the run
    :param started: when its training began, in seconds since the epoch
    """

    run: Run
    error: str | None = None
    left: Path | None = None
    held: bool = False
    elsewhere: bool = False
    started: float | None = None


def run_in_process(job: Job) -> Outcome:
    """Make one run in a new process, and end that process with all of its children when the time limit is over.

    :return: how it ended; nothing is raised for a run that fails
    """
    if multiprocessing.current_process().daemon:
        return Outcome(job.run, error=DAEMONIC)
    if unfit := _unfit(job):
        return Outcome(job.run, error=unfit)
    receiver, sender = multiprocessing.Pipe(duplex=False)
    # Read by the numerical libraries when they are imported; more threads than one slow these small networks down.
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    process = _context().Process(target=_make, args=(job, sender), name=PROCESS_NAME)
    process.start()
    sender.close()
    left = job.folders.partial(job.run, process.pid)
    try:
        if not receiver.poll(job.time_limit):
            _abort(process)
            minutes = (job.time_limit or 0.0) / 60
            return Outcome(job.run, error=f"The run was ended at its time limit of {minutes:g} minutes.\n", left=left)
        outcome: Outcome = receiver.recv()
        process.join(timeout=5)
        return outcome
    except EOFError:
        process.join(timeout=5)
        return Outcome(job.run, error=_ending(process.exitcode), left=left)
    finally:
        receiver.close()
        kill_group(process)


def _unfit(job: Job) -> str | None:
    """Say why no run of the study should be made on this machine, before one takes its time."""
    if not job.folders.root.is_dir():
        return f"{socket.gethostname()} has no folder {job.folders.root}: workers share the folder of the results.\n"
    here = versions()
    if job.versions is not None and here != job.versions:
        return (
            f"{socket.gethostname()} has other versions than the study's other runs: "
            f"{describe_versions([job.versions, here])}. Install the same there, or say --allow-mixed-versions.\n"
        )
    return None


def _ending(code: int | None) -> str:
    """Say how a process ended that said nothing.

    :param code: its exit code, negative for a signal; 255 where Python lost it
    """
    if code is not None and 0 <= code < 255:
        return f"The process of the run ended with exit code {code}.\n"
    return "The process of the run was killed, or ran out of memory.\n"


def _context() -> ForkServerContext | SpawnContext:
    """Return the way in which processes start.

    On Linux a server process, started anew, imports the harness once and forks for every run. It has one thread, so the
    forks are sound whatever threads the caller has. It also imports what torch leaves until an optimiser is made, which
    takes a second. Elsewhere every run imports for itself.
    """
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "torch._dynamo"])
    return context


def kill_group(process: BaseProcess) -> None:
    """Kill a process and its process group, the environments of SubprocVecEnv among them."""
    if process.pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    # While it has no process group yet.
    process.kill()
    process.join(timeout=5)


def kill_all() -> None:
    """Kill every run that this process has started."""
    for process in multiprocessing.active_children():
        if process.name == PROCESS_NAME:
            kill_group(process)


def _abort(process: BaseProcess) -> None:
    """Let a run write where it is into its output, which faulthandler does even when it is stuck in C, and end it."""
    if process.pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGABRT)
    process.join(timeout=5)


def _make(job: Job, sender: multiprocessing.connection.Connection) -> None:
    """Make a run in this process, in a new session: no Ctrl-C reaches it, and its process group is killed as one."""
    os.setsid()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    look_in(job.import_folders)
    sender.send(_attempt(job))


def _end_with(sentinel: int) -> None:
    """End this process group when the parent is gone, however it went."""
    multiprocessing.connection.wait([sentinel])
    os.killpg(0, signal.SIGKILL)


def _of_environment(error: BaseException, folder: Path | None) -> str:
    """The end of what a run printed, where the process of an environment ended and its pipe says no more than that."""
    if folder is None or not isinstance(error, (EOFError, ConnectionError)):
        return ""
    with contextlib.suppress(OSError):
        return "\n" + (folder / OUTPUT).read_text("utf-8", errors="replace")[-20_000:]
    return ""


def _attempt(job: Job) -> Outcome:
    folder = None
    try:
        folder = job.folders.claim(job.run)
        if folder is None:
            finished = job.folders.is_finished(job.run)
            return Outcome(job.run, elsewhere=finished, held=not finished)
        started = time.time()
        if job.checkpoint is not None and job.shorter is not None:
            begin_with(job.shorter, folder)
        execute(job.run, folder, job.command, job.checkpoint, job.tracking)
        job.folders.publish(job.run, folder)
    except (Exception, SystemExit) as error:
        if folder is not None and not isinstance(error, OUTSIDE):
            # It would fail again. A run that was killed, or ended at its time limit, goes on from there.
            (folder / CHECKPOINT).unlink(missing_ok=True)
        return Outcome(job.run, error=traceback.format_exc() + _of_environment(error, folder), left=folder)
    return Outcome(job.run, started=started)
