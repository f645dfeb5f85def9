"""A study's runs on any concurrent.futures.Executor."""

from __future__ import annotations

import time
import traceback
from collections.abc import Generator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)

from sb3_ppo_variants.bench.runs.worker import Outcome, Task, end_all, perform
from sb3_ppo_variants.bench.study.run import Run

POLL_SECONDS = 1.0


class ExecutorLost(Exception):
    """The executor runs nothing any more. That is no failure of the runs it had, which are missing still."""


def local(workers: int) -> Executor:
    """Make the executor of this machine: a thread waits for each run, and the run has a process of its own.

    :param workers: number of runs at once
    """
    return ThreadPoolExecutor(workers)


def outcomes(executor: Executor, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
    """Run tasks and yield how each ended, as they end. Failures are recorded on the disk.

    A run that another process is making is waited for, and made here when that process dies. When the iterator is
    closed early, what runs on this machine is ended, and what waits is dropped.

    :param executor: where :func:`.worker.perform` is called
    :param tasks: what to run, in this order
    :raises ExecutorLost: when the executor gives up what it was handed
    """
    pending = {executor.submit(perform, task): task for task in tasks}
    held: list[Task] = []
    try:
        while pending or held:
            for future in _done(pending):
                task = pending.pop(future)
                outcome = _outcome(future, task)
                if outcome.held:
                    held.append(task)
                else:
                    yield outcome
            for task in list(held):
                if task.folders.is_finished(task.run):
                    held.remove(task)
                    yield Outcome(task.run, elsewhere=True)
                elif not task.folders.claimed(task.run):
                    held.remove(task)
                    pending[executor.submit(perform, task)] = task
    finally:
        _stop(pending)


def _done(pending: dict[Future[Outcome], Task]) -> set[Future[Outcome]]:
    """Return the futures that have ended, after a second at most: this keeps the main thread open to Ctrl-C."""
    if not pending:
        time.sleep(POLL_SECONDS)
    return wait(pending, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED).done


def _outcome(future: Future[Outcome], task: Task) -> Outcome:
    try:
        outcome = future.result()
    except (CancelledError, BrokenExecutor) as error:
        raise ExecutorLost(
            "The scheduler or its workers are gone. Finished runs are kept; the same command goes on with the rest."
        ) from error
    except Exception as error:
        outcome = Outcome(task.run, error="".join(traceback.format_exception(error)))
    if outcome.error is None:
        return outcome
    # The executor may have lost no more than the message.
    if task.folders.is_finished(task.run):
        return Outcome(task.run, elsewhere=True)
    return _recorded(outcome, task)


def _recorded(outcome: Outcome, task: Task) -> Outcome:
    """Write a failure to the disk, as far as the disk allows."""
    message = outcome.error or ""
    try:
        task.folders.fail(task.run, message, outcome.left)
    except OSError as error:
        # The reason last, because a line of the progress shows the last line.
        return Outcome(task.run, error=f"The failure could not be written: {error}\n{message}")
    return outcome


def _stop(pending: dict[Future[Outcome], Task]) -> None:
    for future in pending:
        future.cancel()
    while not all(future.done() for future in pending):
        end_all()
        time.sleep(0.1)


def shard(runs: Sequence[Run], index: int, count: int) -> list[Run]:
    """Return one of several shares of the runs of a study, in their order.

    Every run is in exactly one share. The seeds of each environment and arm are dealt out in turn, so that the shares
    differ by one run at most, in all and of each environment and arm, and take about equally long.

    :param runs: all runs of the study; the same runs give the same shares everywhere
    :param index: which share, from 1 to count
    :param count: number of shares
    """
    in_turn = sorted(range(len(runs)), key=lambda position: (runs[position].environment, runs[position].arm))
    return [runs[position] for position in sorted(in_turn[index - 1 :: count])]
