"""Executors of dask.distributed: a scheduler that is there already, or a cluster started for one study."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

# Names of the command line -> classes of dask-jobqueue, whose arguments come from dask's own configuration.
JOB_QUEUES = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "lsf": "LSFCluster",
    "htcondor": "HTCondorCluster",
    "oar": "OARCluster",
    "moab": "MoabCluster",
}
CONNECT_SECONDS = 30
LOOPBACK = "127.0.0.1"
# Each run starts a process, which daemonic processes may not do.
NOT_DAEMONIC = "export DASK_DISTRIBUTED__WORKER__DAEMON=False"
PACKAGE = "sb3_ppo_variants"


class ClusterError(Exception):
    """The cluster that was asked for cannot be had; the message says why."""


@contextlib.contextmanager
def dask_executor(
    scheduler: str | None, cluster: str, workers: int, say: Callable[[str], object]
) -> Iterator[Executor]:
    """Connect to a dask cluster; one that was started here is ended with the context.

    :param scheduler: address or scheduler file of a running scheduler; None to start a cluster
    :param cluster: ``"local"`` or a key of ``JOB_QUEUES``
    :param workers: number of workers that a started cluster gets
    :param say: told when runs have to wait for the first worker, as in a queue they may for hours
    :raises ClusterError: when a package is missing here, on the scheduler or on a worker that is there, no scheduler
        answers, or the cluster refuses its arguments
    """
    wanted = ["distributed"] if scheduler is not None or cluster == "local" else ["distributed", "dask_jobqueue"]
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if missing:
        raise ClusterError(f'--executor dask needs {", ".join(missing)}: pip install "sb3-ppo-variants[cluster]"')
    import dask
    import distributed.client

    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set({"distributed.worker.daemon": False}))
        # distributed logs an internal traceback when the scheduler is lost.
        distributed.client.logger.setLevel(logging.CRITICAL)
        try:
            client = stack.enter_context(_connected(scheduler, cluster, workers, stack))
        except (OSError, ValueError, RuntimeError) as error:
            raise ClusterError(f"{scheduler or cluster}: {error}") from error
        if lacking := _without_package(client):
            raise ClusterError(
                f"{scheduler or cluster}: {PACKAGE} is not installed on {', '.join(lacking)}. Scheduler and workers "
                "need the package and its extra cluster, in the versions that are installed here."
            )
        if not client.scheduler_info()["workers"]:
            say(
                f"{scheduler or cluster}: no worker yet. Runs begin with the first; should none come, its log says why."
            )
        # Two runs are never the same call, whatever dask thinks of their arguments.
        yield client.get_executor(pure=False)


def _without_package(client: Any) -> list[str]:
    """What of a cluster could not read a job, and so would fail or lose every run."""
    found = {"the scheduler": client.run_on_scheduler(importlib.util.find_spec, PACKAGE)}
    found |= {f"worker {address}": spec for address, spec in client.run(importlib.util.find_spec, PACKAGE).items()}
    return [name for name, spec in found.items() if spec is None]


def _connected(scheduler: str | None, cluster: str, workers: int, stack: contextlib.ExitStack) -> Any:
    import distributed

    if scheduler is None:
        return distributed.Client(_started(cluster, workers, stack))
    if Path(scheduler).suffix == ".json" and not Path(scheduler).is_file():
        # distributed would wait for it.
        raise FileNotFoundError("no such file; dask scheduler --scheduler-file writes it")
    if Path(scheduler).is_file():
        return distributed.Client(scheduler_file=scheduler, timeout=CONNECT_SECONDS)
    return distributed.Client(scheduler, timeout=CONNECT_SECONDS)


def _started(cluster: str, workers: int, stack: contextlib.ExitStack) -> Any:
    """Start a cluster, to be closed with the stack."""
    import dask
    import distributed

    if cluster == "local":
        # Any free port for the dashboard: several studies may run on one machine.
        return stack.enter_context(
            distributed.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=f"{LOOPBACK}:0")
        )
    import dask_jobqueue

    key = f"jobqueue.{cluster}.job-script-prologue"
    stack.enter_context(dask.config.set({key: [*(dask.config.get(key) or []), NOT_DAEMONIC]}))
    # The dashboard shows and the scheduler runs whatever it is sent; a user's own configuration may open it.
    options = {
        "dashboard_address": f"{LOOPBACK}:8787",
        **(dask.config.get(f"jobqueue.{cluster}.scheduler-options", {}) or {}),
    }
    started = stack.enter_context(getattr(dask_jobqueue, JOB_QUEUES[cluster])(scheduler_options=options))
    started.scale(workers)
    return started
