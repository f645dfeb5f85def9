"""Runs on any concurrent.futures.Executor; here the one of local processes."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass

from sb3_ppo_variants.bench.folders import Folders
from sb3_ppo_variants.bench.run import Run, execute


@dataclass(frozen=True)
class Task:
    """All that a worker is told: one positional object, because some executors read keywords themselves."""

    run: Run
    folders: Folders
    command: str


@dataclass(frozen=True)
class Outcome:
    """How a run ended; error is its traceback, None for a finished one."""

    run: Run
    error: str | None


def perform(task: Task) -> Outcome:
    """Make one run and publish its folder, or keep its traceback."""
    try:
        partial = task.folders.start(task.run)
        execute(task.run, partial, task.command)
        task.folders.publish(task.run, partial)
    except Exception:
        return failure(task, traceback.format_exc())
    return Outcome(task.run, None)


def failure(task: Task, message: str) -> Outcome:
    """Record a failed run on the disk, as far as the disk allows, and return its outcome."""
    try:
        task.folders.fail(task.run, message)
    except OSError as error:
        message = f"{message}\nThe failure could not be written either: {error}\n"
    return Outcome(task.run, message)


def outcomes(factory: Callable[[], Executor], tasks: Sequence[Task], at_once: int) -> Iterator[Outcome]:
    """Run tasks and yield their outcomes as they complete.

    When a worker process is killed its whole pool is lost: the runs in flight are failures, a new pool takes the rest.

    :param factory: makes an executor
    :param tasks: what to run, in this order
    :param at_once: how many tasks are handed to the executor at a time; as many as it has workers, so that a task
        that was handed over is one that was started
    """
    waiting = list(reversed(tasks))
    while waiting:
        executor = factory()
        try:
            yield from _until_broken(executor, waiting, at_once)
        except BaseException:
            stop(executor)
            raise
        executor.shutdown()


def _until_broken(executor: Executor, waiting: list[Task], at_once: int) -> Iterator[Outcome]:
    """Take tasks from the end of the list until it is empty or the executor breaks."""
    pending: dict[Future[Outcome], Task] = {}
    broken = False
    while pending or (waiting and not broken):
        while waiting and not broken and len(pending) < at_once:
            try:
                pending[executor.submit(perform, waiting[-1])] = waiting[-1]
                waiting.pop()
            except BrokenExecutor:
                broken = True
        # A timeout keeps the main thread open to Ctrl-C on every platform.
        done, _ = wait(pending, timeout=1.0, return_when=FIRST_COMPLETED)
        if not broken and any(isinstance(future.exception(), BrokenExecutor) for future in done):
            broken = True
            # Its processes have ended after this, so that their partial folders can be told from living ones.
            executor.shutdown()
        for future in done:
            yield _outcome(future, pending.pop(future))


def _outcome(future: Future[Outcome], task: Task) -> Outcome:
    error = future.exception()
    if error is None:
        return future.result()
    if not isinstance(error, BrokenExecutor):
        return failure(task, "".join(traceback.format_exception(error)))
    if task.folders.finished(task.run).is_dir():
        return Outcome(task.run, None)
    return failure(task, "A worker process ended abruptly (killed, or out of memory) while this run was made.\n")


def stop(executor: Executor) -> None:
    """Drop what waits and end the local processes at once; what they were making does not count."""
    if isinstance(executor, ProcessPoolExecutor):
        for process in multiprocessing.active_children():
            process.terminate()
    executor.shutdown(cancel_futures=True)


def local(workers: int) -> ProcessPoolExecutor:
    """Make an executor of local processes, one thread of arithmetic each.

    :param workers: number of processes
    """
    # Read by the numerical libraries when a worker starts; more threads than one slow these small networks down.
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare_worker)


def _prepare_worker() -> None:
    """Leave Ctrl-C to the parent, and end when the parent is gone, however it went."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
