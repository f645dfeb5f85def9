"""One CPU for all processes, and the CPU time of those that work below another."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from benchmarks.measurements.processor import Spent, clocks, pinned, spent

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import os; print(os.sched_getaffinity(0))'])"
WORKER = """
import time
while input():
    begin = time.process_time()
    while time.process_time() - begin < 0.3:
        pass
    print(flush=True)
"""


@linux
def test_a_child_of_a_child_has_the_one_cpu() -> None:
    allowed = os.sched_getaffinity(0)
    with pinned():
        said = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True).stdout
    assert said.strip() == str({max(allowed)})
    assert os.sched_getaffinity(0) == allowed


@linux
def test_the_cpu_is_given_back_after_an_error() -> None:
    allowed = os.sched_getaffinity(0)
    with pytest.raises(KeyError), pinned():
        raise KeyError
    assert os.sched_getaffinity(0) == allowed


@linux
def test_the_work_of_a_child_is_counted_and_its_past_is_not() -> None:
    command = [sys.executable, "-c", WORKER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        questions, answers = worker.stdin, worker.stdout
        assert questions is not None
        assert answers is not None

        def ask() -> None:
            print("work", file=questions, flush=True)
            answers.readline()

        ask()
        assert clocks()[worker.pid] >= 0.3
        time_of_call = spent(ask)
        print("", file=questions, flush=True)
    assert 0.3 <= time_of_call.cpu < 0.5
    assert time_of_call.wall >= 0.3


def test_waiting_is_no_work() -> None:
    time_of_call = spent(lambda: time.sleep(0.2))
    assert time_of_call.wall >= 0.2
    assert time_of_call.cpu < 0.1


def test_one_of_several_calls() -> None:
    assert Spent(3.0, 1.0) / 4 == Spent(0.75, 0.25)
