"""One run: its resolved configuration, and its training in whatever process this is."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch as th
import yaml
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from sb3_ppo_variants.bench.arguments import import_algorithm, ready
from sb3_ppo_variants.bench.evaluation import TIMES_FILE, TimedEvaluation
from sb3_ppo_variants.bench.provenance import provenance

EVALUATION_SEED_OFFSET = 10_000


@dataclass(frozen=True)
class Run:
    """The resolved configuration of one run; every value can be written as JSON.

    :param arm: name of the arm; a label, not part of the identity
    :param algorithm: dotted path of the SB3 class
    :param policy: name of the policy
    :param environment: gymnasium id
    :param env_kwargs: keyword arguments of the environment
    :param seed: seed of the model and of the training environments; the evaluation environment gets
        ``seed + 10_000``
    :param total_timesteps: environment steps, summed over the parallel environments
    :param n_envs: number of parallel training environments
    :param normalize: keyword arguments of VecNormalize, or None for no normalisation
    :param evaluation_every: environment steps from one evaluation to the next
    :param evaluation_episodes: episodes per evaluation
    :param arguments: keyword arguments of the constructor, as in the study
    :param defaults: what the constructor takes for the others
    """

    arm: str
    algorithm: str
    policy: str
    environment: str
    env_kwargs: dict[str, Any]
    seed: int
    total_timesteps: int
    n_envs: int
    normalize: dict[str, Any] | None
    evaluation_every: int
    evaluation_episodes: int
    arguments: dict[str, Any]
    defaults: dict[str, Any]

    @property
    def identity(self) -> str:
        """Ten hexadecimal digits that two runs share only when their configurations are equal."""
        configuration = {name: value for name, value in asdict(self).items() if name != "arm"}
        canonical = json.dumps(configuration, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:10]

    @property
    def file_name(self) -> str:
        """The environment id, fit for a file name."""
        return self.environment.replace("/", "-").replace(":", "-")

    @property
    def folder_name(self) -> str:
        """Name of the run's folder within its arm's folder."""
        return f"{self.file_name}_{self.seed}-{self.identity}"


class Heartbeat(BaseCallback):
    """Write the number of steps so far into a file, once per second at most.

    :param path: the file
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.written = time.monotonic()

    def _on_step(self) -> bool:
        now = time.monotonic()
        if now - self.written >= 1.0:
            self.written = now
            self.path.write_text(str(self.num_timesteps))
        return True


def make_env(run: Run, monitor_dir: Path | None = None) -> VecEnv:
    """Make the training environments of a run.

    :param run: the run
    :param monitor_dir: folder of the ``N.monitor.csv`` files; None writes none
    """
    folder = None if monitor_dir is None else str(monitor_dir)
    env = make_vec_env(run.environment, run.n_envs, run.seed, monitor_dir=folder, env_kwargs=run.env_kwargs)
    return env if run.normalize is None else VecNormalize(env, **run.normalize)


def make_evaluation_env(run: Run) -> VecEnv:
    """Make the evaluation environment of a run: one environment, true rewards, statistics synced by EvalCallback."""
    env = make_vec_env(run.environment, 1, run.seed + EVALUATION_SEED_OFFSET, env_kwargs=run.env_kwargs)
    if run.normalize is None:
        return env
    return VecNormalize(env, **{**run.normalize, "training": False, "norm_reward": False})


def make_model(run: Run, env: VecEnv) -> BaseAlgorithm:
    """Build the algorithm of a run; raises whatever its constructor raises."""
    algorithm: Any = import_algorithm(run.algorithm)
    model: BaseAlgorithm = algorithm(run.policy, env, seed=run.seed, **ready(run.arguments))
    return model


def execute(run: Run, folder: Path, command: str) -> None:
    """Train one run and leave everything about it in a folder, ``run.json`` last.

    :param run: what to run
    :param folder: an existing folder of its own
    :param command: command line of the study, kept for provenance
    """
    started = datetime.now(timezone.utc)
    with contextlib.ExitStack() as stack:
        output = stack.enter_context((folder / "output.txt").open("w"))
        stack.enter_context(contextlib.redirect_stdout(output))
        stack.enter_context(contextlib.redirect_stderr(output))
        _train(run, folder)
    (folder / "heartbeat").unlink(missing_ok=True)
    finished = datetime.now(timezone.utc)
    record = {
        "identity": run.identity,
        "configuration": asdict(run),
        "provenance": provenance(command),
        "started": started.isoformat(timespec="seconds"),
        "finished": finished.isoformat(timespec="seconds"),
        "wall_seconds": round((finished - started).total_seconds(), 3),
    }
    (folder / "run.json").write_text(json.dumps(record, indent=2) + "\n")


def _train(run: Run, folder: Path) -> None:
    th.set_num_threads(1)
    set_random_seed(run.seed)
    _write_zoo_files(run, folder / run.file_name)
    with _closing(make_env(run, folder)) as env, _closing(make_evaluation_env(run)) as evaluation_env:
        model = make_model(run, env)
        model.set_logger(configure(str(folder), ["csv"]))
        # EvalCallback counts calls, and each call steps every parallel environment once; rounded down, so that no
        # evaluation of the budget is lost.
        evaluation = TimedEvaluation(
            evaluation_env,
            folder / TIMES_FILE,
            n_eval_episodes=run.evaluation_episodes,
            eval_freq=run.evaluation_every // run.n_envs,
            log_path=str(folder),
            best_model_save_path=str(folder),
            deterministic=True,
            verbose=0,
        )
        model.learn(run.total_timesteps, callback=[Heartbeat(folder / "heartbeat"), evaluation])
        # SB3 leaves the values of the last update undumped.
        model.logger.record("time/total_timesteps", model.num_timesteps)
        model.logger.dump(model.num_timesteps)
        model.logger.close()
        model.save(folder / f"{run.file_name}.zip")
        if isinstance(env, VecNormalize):
            env.save(str(folder / run.file_name / "vecnormalize.pkl"))


@contextlib.contextmanager
def _closing(env: VecEnv) -> Iterator[VecEnv]:
    try:
        yield env
    finally:
        env.close()


def _write_zoo_files(run: Run, folder: Path) -> None:
    """Write the two files from which RL Zoo's scripts rebuild a model and its environment."""
    folder.mkdir()
    hyperparameters = {
        **run.arguments,
        "policy": run.policy,
        "n_timesteps": run.total_timesteps,
        "n_envs": run.n_envs,
        # RL Zoo evaluates this string.
        "normalize": False if run.normalize is None else repr(run.normalize),
    }
    arguments = {
        "algo": run.algorithm.rpartition(".")[2].lower(),
        "env": run.environment,
        "env_kwargs": run.env_kwargs or None,
        "seed": run.seed,
        "n_timesteps": run.total_timesteps,
        "eval_freq": run.evaluation_every,
        "eval_episodes": run.evaluation_episodes,
        "num_threads": 1,
    }
    (folder / "config.yml").write_text(yaml.safe_dump(hyperparameters))
    (folder / "args.yml").write_text(yaml.safe_dump(arguments))


def sync(folder: Path) -> None:
    """Flush every file of a folder to the disk, so that a later rename never shows a folder with holes."""
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
