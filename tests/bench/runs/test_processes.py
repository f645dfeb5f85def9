"""What the processes of environments print, and what a run says of a crash in one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sb3_ppo_variants.bench.runs.folders import Folders, raised
from sb3_ppo_variants.bench.runs.worker import Job, run_in_process
from tests.bench.studies import RUN

pytestmark = pytest.mark.processes

MODULE = """
import os
import gymnasium as gym
from gymnasium.envs.classic_control import CartPoleEnv

class Crashing(CartPoleEnv):
    def step(self, action):
        os.write(2, b"from a library in C\\n")
        raise RuntimeError("the simulator [fell]")

gym.register("Crashing-v0", entry_point="crashing_environment:Crashing", max_episode_steps=10)
"""


def test_the_reason_of_a_crash_in_a_process_is_kept(tmp_path: Path) -> None:
    (tmp_path / "crashing_environment.py").write_text(MODULE)
    run = replace(RUN, environment="crashing_environment:Crashing-v0", vec_env="subproc")
    folders = Folders(tmp_path)
    outcome = run_in_process(Job(run, folders, "", import_folders=(str(tmp_path),)))
    assert outcome.error is not None
    assert outcome.left is not None
    printed = (outcome.left / "output.txt").read_text()
    assert "from a library in C" in printed
    assert "RuntimeError: the simulator [fell]" in printed
    assert "EOFError" in outcome.error or "Connection" in outcome.error
    assert raised(outcome.error) == "RuntimeError: the simulator [fell]"


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        (
            'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    f()\nValueError: Expected [[nan,\n'
            "[nan, nan]], grad_fn=<AddmmBackward0>)\n",
            "ValueError: Expected [[nan,",
        ),
        (
            'Traceback (most recent call last):\n  File "a.py", line 1\nKeyError: 1\n\nDuring handling:\n\n'
            'Traceback (most recent call last):\n  File "b.py", line 2\n    x\n    ^\nOSError: no space\nleft\n',
            "OSError: no space",
        ),
        ("The run was ended at its time limit of 1 minutes.\n", "The run was ended at its time limit of 1 minutes."),
        ("Traceback (most recent call last):\n  cut off", "  cut off"),
    ],
)
def test_the_class_and_the_first_line_of_what_was_raised(reason: str, shown: str) -> None:
    assert raised(reason) == shown
