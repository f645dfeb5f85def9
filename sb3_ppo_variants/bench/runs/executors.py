"""A study's runs on any concurrent.futures.Executor."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ThreadPoolExecutor
from itertools import islice
from queue import Empty, SimpleQueue

from sb3_ppo_variants.bench.runs.folders import REASON_FILE
from sb3_ppo_variants.bench.runs.worker import Job, Outcome, kill_all, run_in_process
from sb3_ppo_variants.bench.study.run import Run

POLL_SECONDS = 1.0
# Runs that an executor is handed at once: more than any cluster has workers, and no more than a scheduler has room for.
AHEAD = 10_000
UNSEEN = "A worker has finished the run, but it is not in {}: workers share the folder of the results.\n"
GONE = "The scheduler or its workers are gone. Finished runs are kept; the same command goes on with the rest."


class ExecutorLost(Exception):
    """The executor runs nothing any more. That is no failure of the runs it had, which are missing still."""


def local(workers: int) -> Executor:
    """Make the executor of this machine: a thread waits for each run, which has its own process."""
    return ThreadPoolExecutor(workers)


def outcomes(executor: Executor, jobs: Sequence[Job]) -> Generator[Outcome, None, None]:
    """Run jobs and yield how each ended, as they end. Failures are recorded on the disk.

    A run that another process is making is waited for, and made here when that process dies; one that fails there has
    failed. When the iterator is closed early, what runs on this machine is ended, and what waits is dropped.

    :param executor: where :func:`.worker.run_in_process` is called
    :raises ExecutorLost: when the executor gives up what it was handed
    """
    for root in {job.folders.root for job in jobs}:
        root.mkdir(parents=True, exist_ok=True)  # workers that do not see it make no run
    waiting = iter(jobs)
    ended: SimpleQueue[Future[Outcome]] = SimpleQueue()
    pending: dict[Future[Outcome], Job] = {}
    # With the time of the failure that is known when they begin to wait.
    held: list[tuple[Job, int | None]] = []

    def hand_over(handed: Iterable[Job]) -> None:
        for job in handed:
            future = executor.submit(run_in_process, job)
            pending[future] = job
            future.add_done_callback(ended.put)

    try:
        hand_over(islice(waiting, AHEAD))
        while pending or held:
            for future in _ended(ended):
                job = pending.pop(future)
                outcome = _outcome(future, job)
                if outcome.held:
                    held.append((job, _failed_at(job)))
                else:
                    yield outcome
            for job, failed_at in list(held):
                if not job.folders.is_finished(job.run) and job.folders.claimed(job.run):
                    continue
                held.remove((job, failed_at))
                if ending := _ended_elsewhere(job, failed_at):
                    yield ending
                else:
                    hand_over([job])
            hand_over(islice(waiting, max(0, AHEAD - len(pending))))
    finally:
        _stop(pending)


def _ended(futures: SimpleQueue[Future[Outcome]]) -> Iterator[Future[Outcome]]:
    """Yield the futures that have ended, after a second at most: this keeps the main thread open to Ctrl-C."""
    with contextlib.suppress(Empty):
        yield futures.get(timeout=POLL_SECONDS)
        while True:
            yield futures.get_nowait()


def _failed_at(job: Job) -> int | None:
    """When a run has failed last, in nanoseconds; None when it has not."""
    with contextlib.suppress(OSError):
        return (job.folders.failed(job.run) / REASON_FILE).stat().st_mtime_ns
    return None


def _ended_elsewhere(job: Job, failed_at: int | None) -> Outcome | None:
    """How another process has ended a run, if it has.

    :param failed_at: when the run had failed last before
    """
    if job.folders.is_finished(job.run):
        return Outcome(job.run, elsewhere=True)
    if _failed_at(job) not in (None, failed_at):
        return Outcome(job.run, error=job.folders.reason(job.run))
    return None


def _outcome(future: Future[Outcome], job: Job) -> Outcome:
    try:
        outcome = future.result()
    except (CancelledError, BrokenExecutor) as error:
        raise ExecutorLost(GONE) from error
    except Exception as error:
        outcome = Outcome(job.run, error="".join(traceback.format_exception(error)))
    if outcome.error is None:
        seen = outcome.held or job.folders.is_finished_elsewhere(job.run)
        return outcome if seen else _recorded(Outcome(job.run, error=UNSEEN.format(job.folders.root)), job)
    # The executor may have lost no more than the message.
    if job.folders.is_finished(job.run):
        return Outcome(job.run, elsewhere=True)
    return _recorded(outcome, job)


def _recorded(outcome: Outcome, job: Job) -> Outcome:
    """Write a failure to the disk, as far as the disk allows."""
    message = outcome.error or ""
    try:
        job.folders.fail(job.run, message, outcome.left)
    except OSError as error:
        return Outcome(job.run, error=f"The failure could not be written: {error}\n{message}")
    return outcome


def _stop(pending: dict[Future[Outcome], Job]) -> None:
    for future in pending:
        future.cancel()
    while not all(future.done() for future in pending):
        kill_all()
        time.sleep(0.1)


def shard(runs: Sequence[Run], index: int, count: int) -> list[Run]:
    """Return one of several shares of the runs of a study, in their order.

    Every run is in exactly one share. The seeds of each environment and arm are dealt out in turn, so that the shares
    differ by one run at most, in all and of each environment and arm, and take about equally long.

    :param runs: all runs of the study; the same runs give the same shares everywhere
    :param index: which share, from 1 to count
    """
    in_turn = sorted(range(len(runs)), key=lambda position: (runs[position].environment, runs[position].arm))
    return [runs[position] for position in sorted(in_turn[index - 1 :: count])]
