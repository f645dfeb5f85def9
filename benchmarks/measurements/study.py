"""Sixteen short runs: studies of the harness against one plain SB3 script per run, two at a time."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measurements.progress import Step, Tick
from benchmarks.timing import interleaved, ratio

RUNS = 16
STUDY = """
name: speed
total_timesteps: {steps}
seeds: {seeds}
evaluation: {{every: {steps}, episodes: 5, last: 1}}
arguments: {{device: cpu}}
environments: [CartPole-v1]
arms: {arms}
"""
COMPILED = "{compiled: {algorithm: sb3_ppo_variants.VariantPPO, arguments: {compile: true}}}"
SCRIPT = """
import sys
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

seed, steps = int(sys.argv[1]), int(sys.argv[2])
model = PPO("MlpPolicy", make_vec_env("CartPole-v1", seed=seed), seed=seed, device="cpu").learn(steps)
evaluate_policy(model, make_vec_env("CartPole-v1", seed=seed + 1000), n_eval_episodes=5)
"""
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


def harness(arms: str, seeds: int, runs: int, steps: int) -> None:
    """The whole command, with the start of Python, the compilation and the report.

    :param arms: beside stock PPO, as YAML
    :param seeds: of each arm
    :param runs: in all
    :param steps: environment steps of each run
    :raises RuntimeError: when the command fails or has not made all runs
    """
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study.yaml"
        study.write_text(STUDY.format(arms=arms, seeds=seeds, steps=steps))
        command = [sys.executable, "-m", "sb3_ppo_variants.bench", "run", str(study), "--results", folder]
        run([*command, "--workers", "2"], {"TORCHINDUCTOR_CACHE_DIR": str(Path(folder) / "cache")})
        made = len(list(Path(folder).glob("speed/*/*/run.json")))
        if made != runs:
            raise RuntimeError(f"{made} of {runs} runs were made")


def scripts(variables: Mapping[str, str], runs: int, steps: int) -> None:
    """One process per run, two at a time.

    :param variables: of the environment
    :param runs: number of seeds
    :param steps: environment steps of each
    """
    commands = [[sys.executable, "-c", SCRIPT, str(seed), str(steps)] for seed in range(runs)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(partial(run, variables=variables), commands))


def run(command: list[str], variables: Mapping[str, str]) -> None:
    """Wait for a command that does not know how many threads this measurement has.

    :param command: to be run
    :param variables: of the environment
    :raises RuntimeError: when it fails, with the end of what it said
    """
    inherited = {name: value for name, value in os.environ.items() if name not in ONE_THREAD}
    done = subprocess.run(command, env=inherited | dict(variables), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError("\n".join((done.stdout + done.stderr).splitlines()[-5:]))


def steps(repetitions: int) -> list[Step]:
    """The steps of :func:`measure`.

    :param repetitions: how often each takes its turn
    """
    return [Step("study", 1100.0 * repetitions)]


def measure(repetitions: int, runs: int, steps: int, tick: Tick) -> dict[str, Any]:
    """Seconds of every way to make the runs, and those of the plain scripts divided by them.

    :param repetitions: how often each takes its turn
    :param runs: in all
    :param steps: environment steps of each
    :param tick: told of the end
    """
    sides = {
        "scripts": partial(scripts, {}, runs, steps),
        "scripts_one_thread": partial(scripts, ONE_THREAD, runs, steps),
        "harness": partial(harness, "{}", runs, runs, steps),
        "harness_half_compiled": partial(harness, COMPILED, runs // 2, runs, steps),
    }
    times = interleaved(sides, repetitions)
    tick("study")
    return {
        "runs": runs,
        "steps": steps,
        "repetitions": repetitions,
        "sides": {
            side: {"seconds": seconds, "speed": asdict(ratio(times["scripts"], seconds))}
            for side, seconds in times.items()
        },
    }
