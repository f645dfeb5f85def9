"""Sixteen short runs: a study of the harness against one plain SB3 script per run, two at a time."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from timing import interleaved, ratio

RUNS = 16
STUDY = """
name: speed
total_timesteps: {steps}
seeds: {runs}
evaluation: {{every: {steps}, episodes: 5, last: 1}}
arguments: {{device: cpu}}
environments: [CartPole-v1]
arms:
  ppo: {{algorithm: sb3_ppo_variants.VariantPPO, arguments: {{compile: true}}}}
"""
SCRIPT = """
import sys
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

seed, steps = int(sys.argv[1]), int(sys.argv[2])
model = PPO("MlpPolicy", make_vec_env("CartPole-v1", seed=seed), seed=seed, device="cpu").learn(steps)
evaluate_policy(model, make_vec_env("CartPole-v1", seed=seed + 1000), n_eval_episodes=5)
"""


def harness(runs: int, steps: int) -> None:
    """The whole command, with the start of Python, the compilation and the report.

    :param runs: number of seeds
    :param steps: environment steps of each
    """
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study.yaml"
        study.write_text(STUDY.format(runs=runs, steps=steps))
        command = [sys.executable, "-m", "sb3_ppo_variants.bench", "run", str(study), "--results", folder]
        _run([*command, "--workers", "2"], os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(Path(folder) / "cache")})
        if len(list((Path(folder) / "speed").glob("*/*/run.json"))) != runs:
            raise RuntimeError(f"not all of {runs} runs were made")


def scripts(runs: int, steps: int) -> None:
    """One process per run, two at a time, with as many torch threads as torch likes.

    :param runs: number of seeds
    :param steps: environment steps of each
    """
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    with ThreadPoolExecutor(2) as pool:
        commands = [[sys.executable, "-c", SCRIPT, str(seed), str(steps)] for seed in range(runs)]
        list(pool.map(partial(_run, environment=environment), commands))


def _run(command: list[str], environment: dict[str, str]) -> None:
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def measure(repetitions: int, runs: int, steps: int) -> dict[str, Any]:
    """Seconds of both, and the scripts' divided by the harness's.

    :param repetitions: how often each takes its turn
    :param runs: number of seeds
    :param steps: environment steps of each
    """
    sides = {"scripts": partial(scripts, runs, steps), "harness": partial(harness, runs, steps)}
    times = interleaved(sides, repetitions)
    return {
        "runs": runs,
        "steps": steps,
        "repetitions": repetitions,
        "seconds": times,
        "speed": asdict(ratio(times["scripts"], times["harness"])),
    }
