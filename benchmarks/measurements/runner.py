"""One implementation in a separate process, which is started once and then commanded line by line.

`python -m benchmarks.measurements.runner SIDE SETTING DEVICE`, in any interpreter that has the implementation, starts a
trainer, runs the first iterations and writes a line of JSON about them. Each line `PHASE` on its input is then answered
with its wall and CPU seconds, so that several processes can take turns within a repetition without counting the start.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from benchmarks.measurements.processor import Spent, spent
from benchmarks.measurements.settings import Setting, setting
from benchmarks.measurements.sides import SIDES
from benchmarks.timing import seconds

ROOT = Path(__file__).parents[2]
PHASES = ("rollout", "update", "end_to_end")
# One thread for every library; a second one is measured in variables.py.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
# Each of the first ten updates of native code takes a step in eager mode too, which a long run hardly pays for.
CHECKED = 10
# glibc returns large blocks and requests them again, more or less often from process to process: docs/speed.md.
KEPT_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}


def repeat(phase: Callable[[], None], times: int) -> None:
    """Call a phase as often as a turn asks for.

    :param phase: of a trainer
    :param times: how often
    """
    for _ in range(times):
        phase()


def peak_mib() -> float:
    """Peak memory of this process, in MiB."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS
    # On Linux, ru_maxrss begins with the memory of the process that started this one.
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def serve(side: str, chosen: Setting, device: str, answers: TextIO) -> None:
    """Start a trainer, say what its first iterations took, then do what the input says.

    :param side: name of the implementation
    :param chosen: the setting
    :param device: of torch
    :param answers: where answers go
    """
    trainer = SIDES[side].trainer(chosen, device)
    start = {"first": [seconds(trainer.end_to_end) for _ in range(3)], "peak_mib": peak_mib()}
    if side.startswith("compiled"):
        repeat(trainer.end_to_end, CHECKED)
    print(json.dumps(start), file=answers, flush=True)
    for line in sys.stdin:
        times = spent(partial(repeat, getattr(trainer, line.strip()), chosen.iterations))
        print(json.dumps(times / chosen.iterations), file=answers, flush=True)


class Runner:
    """The other end: a process that runs one implementation.

    :param side: name of the implementation
    :param chosen: name of the setting
    :param python: the interpreter that has it
    :param environment: variables beside those of this process; ``None`` for one that is not to be set
    :param device: of torch
    :raises RuntimeError: when the process ends before it is ready, with its last line
    """

    def __init__(
        self,
        side: str,
        chosen: str,
        python: str = sys.executable,
        environment: Mapping[str, str | None] | None = None,
        device: str = "cpu",
    ) -> None:
        self._python = python
        given = os.environ | ONE_THREAD | KEPT_MEMORY | dict(environment or {})
        variables = {name: value for name, value in given.items() if value is not None}
        if python != sys.executable:
            variables.pop("PYTHONPATH", None)  # it belongs to this interpreter
        self._process = subprocess.Popen(
            [python, "-W", "ignore", "-m", "benchmarks.measurements.runner", side, chosen, device],
            cwd=ROOT,
            env=variables,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.start: dict[str, Any] = json.loads(self._answer())

    def __call__(self, phase: str) -> Spent:
        """Run a phase as often as the setting asks for, and return what one takes.

        :param phase: name of it
        """
        assert self._process.stdin is not None
        print(phase, file=self._process.stdin, flush=True)
        return Spent(*json.loads(self._answer()))

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, errors = self._process.communicate()
            said = errors.strip().splitlines() or ["it ended without a message"]
            raise RuntimeError(said[-1].replace(self._python, "python"))
        return line


@contextmanager
def running(*args: Any, **kwargs: Any) -> Iterator[Runner]:
    """A runner that is closed at the end of the block.

    :param args: of :class:`Runner`
    :param kwargs: of :class:`Runner`
    """
    runner = Runner(*args, **kwargs)
    try:
        yield runner
    finally:
        runner.close()


if __name__ == "__main__":
    out = sys.stdout
    sys.stdout = sys.stderr  # libraries may print
    serve(sys.argv[1], setting(sys.argv[2]), sys.argv[3], out)
