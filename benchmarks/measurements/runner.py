"""One implementation in a process of its own: started once, then told what to do line by line.

`python -m measurements.runner SIDE SETTING DEVICE`, in any interpreter that has the implementation, builds a model,
runs the first iterations and writes a line of JSON about them. Each line `PHASE` on its input is then answered with the
seconds that the phase took, so that several such processes can take turns within a repetition, and no start-up is
counted.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from timing import seconds

from measurements.settings import SIDES, Setting, setting

FOLDER = Path(__file__).parent.parent
# The end of training, which is never reached: schedules stay where they begin.
FAR = 10**12
PHASES = ("rollout", "update", "end_to_end")
# One thread for whatever library computes; a second one is a side of its own.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}


class Loop:
    """The parts of `learn` of SB3's on-policy algorithms, one by one.

    :param model: new
    :param iterations: rollouts or updates in a call
    """

    def __init__(self, model: Any, iterations: int) -> None:
        self._model, self._iterations = model, iterations
        _, self._callback = model._setup_learn(FAR, None, True, "speed", False)

    def rollout(self) -> None:
        """Only rollouts."""
        for _ in range(self._iterations):
            self._collect()

    def update(self) -> None:
        """Only updates, all on the rollout collected last."""
        for _ in range(self._iterations):
            self._model.train()

    def end_to_end(self) -> None:
        """Whole iterations of `learn`."""
        for iteration in range(1, self._iterations + 1):
            self.iteration(iteration)

    def iteration(self, number: int) -> None:
        """One iteration of `learn`.

        :param number: counted from 1
        """
        model = self._model
        self._collect()
        model._update_current_progress_remaining(model.num_timesteps, FAR)
        model.dump_logs(number)
        model.train()

    def _collect(self) -> None:
        model = self._model
        model.collect_rollouts(model.env, self._callback, model.rollout_buffer, n_rollout_steps=model.n_steps)


def serve(side: str, chosen: Setting, device: str, answers: TextIO) -> None:
    """Build a model, say what its first iterations took, then do what the input says.

    :param side: name of the implementation
    :param chosen: the setting
    :param device: of torch
    :param answers: where answers go
    """
    loop = Loop(SIDES[side].model(chosen, device), chosen.iterations)
    first = [seconds(partial(loop.iteration, number)) for number in (1, 2, 3)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"first": first, "peak_mib": peak}), file=answers, flush=True)
    for line in sys.stdin:
        print(seconds(getattr(loop, line.strip())), file=answers, flush=True)


class Runner:
    """The other end: a process that runs one implementation.

    :param side: name of the implementation
    :param chosen: name of the setting
    :param python: the interpreter that has it
    :param environment: variables beside those of this process
    :param device: of torch
    :raises RuntimeError: when the process ends before it is ready, with its last line
    """

    def __init__(
        self,
        side: str,
        chosen: str,
        python: str = sys.executable,
        environment: Mapping[str, str] | None = None,
        device: str = "cpu",
    ) -> None:
        self._python = python
        variables = os.environ | ONE_THREAD | dict(environment or {})
        if python != sys.executable:
            variables.pop("PYTHONPATH", None)  # it belongs to this interpreter
        self._process = subprocess.Popen(
            [python, "-W", "ignore", "-m", "measurements.runner", side, chosen, device],
            cwd=FOLDER,
            env=variables,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.start: dict[str, Any] = json.loads(self._answer())

    def __call__(self, phase: str) -> None:
        """Run a phase and wait for its end.

        :param phase: name of it
        """
        assert self._process.stdin is not None
        print(phase, file=self._process.stdin, flush=True)
        self._answer()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, errors = self._process.communicate()
            said = errors.strip().splitlines() or ["it ended without a word"]
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
