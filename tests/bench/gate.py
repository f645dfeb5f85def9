"""Runs that stop in the middle of their training until the test lets them go on."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from stable_baselines3 import PPO

from tests.waiting import wait_for

VARIABLE = "SB3_PPO_VARIANTS_TEST_GATE"


@dataclass(frozen=True)
class Gate:
    """What a test knows of the runs that wait.

    :param folder: each run leaves a file there that bears the number of its process
    """

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """For the processes whose runs are to wait."""
        return {VARIABLE: str(self.folder)}

    def pids(self) -> list[int]:
        """Processes that wait, or did."""
        return [int(path.name) for path in self.folder.iterdir() if path.name.isdecimal()]

    def wait_for_runs(self) -> None:
        """Wait until each of two workers has a run that waits: nothing goes on until the gate opens."""
        wait_for(lambda: len(self.pids()) == 2)

    def open(self) -> None:
        """Let all go on."""
        (self.folder / "open").touch()


class WaitingPPO(PPO):
    """Stock PPO, which waits after each update while the gate of its environment is closed."""

    def train(self) -> None:
        super().train()
        if VARIABLE in os.environ:
            folder = Path(os.environ[VARIABLE])
            (folder / str(os.getpid())).touch()
            while not (folder / "open").exists():
                time.sleep(0.01)
