"""Run the tests that wait for processes again and again on a busy machine: ``make test-load``.

``python -m tests.load [--rounds 10] [arguments of pytest]``: a loop keeps each core busy meanwhile.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

PYTEST = (sys.executable, "-m", "pytest", "-n", "2", "--dist", "worksteal", "-m", "processes")


def spin() -> None:
    while True:
        pass


@contextmanager
def busy_machine() -> Iterator[None]:
    """Keep every core busy."""
    loops = [multiprocessing.Process(target=spin, daemon=True) for _ in range(os.cpu_count() or 1)]
    for loop in loops:
        loop.start()
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()


def main() -> int:
    """Print the time of each round; 1 when a test failed in any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    options, arguments = parser.parse_known_args()
    failed = 0
    with busy_machine():
        for number in range(1, options.rounds + 1):
            started = time.monotonic()
            bad = subprocess.run([*PYTEST, *arguments]).returncode != 0
            failed += bad
            print(f"round {number}: {'FAILED' if bad else 'passed'} in {time.monotonic() - started:.0f} s", flush=True)
    print(f"{options.rounds - failed} of {options.rounds} rounds passed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
