"""One run: its resolved configuration, and its training in whatever process this is."""

from __future__ import annotations

import contextlib
import faulthandler
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch as th
import yaml
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import configure
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecEnv, unwrap_vec_normalize

from sb3_ppo_variants.bench.arguments import import_algorithm, ready
from sb3_ppo_variants.bench.environments import Wrappers, make_env, make_evaluation_env
from sb3_ppo_variants.bench.evaluation import TIMES_FILE, evaluation_callback
from sb3_ppo_variants.bench.heartbeat import Heartbeat
from sb3_ppo_variants.bench.provenance import provenance

# Arguments that this package's classes were given after the first runs were published, with the value of before.
AS_EVER: dict[str, Any] = {"stop": None, "desired_clip_fraction": None, "compile": False}


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
    :param vec_env: ``"dummy"`` for environments in the process of the run, ``"subproc"`` for one process each
    :param env_wrapper: wrappers of each environment, innermost first: ``{dotted path: keyword arguments}``
    :param vec_env_wrapper: the same for wrappers of the vectorised environment, below VecNormalize
    :param frame_stack: number of observations that VecFrameStack joins, above VecNormalize
    :param evaluation_deterministic: whether evaluations take the most probable action or a sampled one
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
    vec_env: str = "dummy"
    env_wrapper: Wrappers | None = None
    vec_env_wrapper: Wrappers | None = None
    frame_stack: int | None = None
    evaluation_deterministic: bool = True

    @property
    def identity(self) -> str:
        """Ten hexadecimal digits that two runs share only when their configurations are equal.

        A field that has its default above is left out, and so is a default of the constructor that stands for what it
        did before it had the argument: new ones leave the identity of older runs as it was.
        """
        given = [(field, getattr(self, field.name)) for field in fields(self) if field.name != "arm"]
        configuration = {field.name: value for field, value in given if value != field.default}
        configuration["defaults"] = {name: value for name, value in self.defaults.items() if not _as_ever(name, value)}
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


def _as_ever(name: str, value: Any) -> bool:
    return name in AS_EVER and value == AS_EVER[name]


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
        # Line by line, so that a run that is killed leaves what it said.
        output = stack.enter_context((folder / "output.txt").open("w", buffering=1))
        stack.enter_context(contextlib.redirect_stdout(output))
        stack.enter_context(contextlib.redirect_stderr(output))
        # A crash in C, or the end at the time limit, leaves the lines at which it happened.
        faulthandler.enable(output)
        stack.callback(faulthandler.disable)
        _train(run, folder, stack.enter_context(Heartbeat(folder)))
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


def _train(run: Run, folder: Path, heartbeat: Heartbeat) -> None:
    th.set_num_threads(1)
    set_random_seed(run.seed)
    _write_zoo_files(run, folder / run.file_name)
    with _closing(make_env(run, folder)) as env, _closing(make_evaluation_env(run)) as evaluation_env:
        model = make_model(run, env)
        model.set_logger(configure(str(folder), ["csv"]))
        # EvalCallback counts calls, and each call steps every parallel environment once; rounded down, so that no
        # evaluation of the budget is lost.
        evaluation = evaluation_callback(model)(
            evaluation_env,
            folder / TIMES_FILE,
            n_eval_episodes=run.evaluation_episodes,
            eval_freq=run.evaluation_every // run.n_envs,
            log_path=str(folder),
            best_model_save_path=str(folder),
            deterministic=run.evaluation_deterministic,
            verbose=0,
        )
        model.learn(run.total_timesteps, callback=[heartbeat, evaluation])
        # SB3 leaves the values of the last update undumped.
        model.logger.record("time/total_timesteps", model.num_timesteps)
        model.logger.dump(model.num_timesteps)
        model.logger.close()
        model.save(folder / f"{run.file_name}.zip")
        statistics = unwrap_vec_normalize(env)
        if statistics is not None:
            statistics.save(str(folder / run.file_name / "vecnormalize.pkl"))


@contextlib.contextmanager
def _closing(env: VecEnv) -> Iterator[VecEnv]:
    try:
        yield env
    finally:
        env.close()


def _write_zoo_files(run: Run, folder: Path) -> None:
    """Write the two files from which RL Zoo's scripts rebuild a model and its environment."""
    folder.mkdir()
    wrapping = {name: getattr(run, name) for name in ("env_wrapper", "vec_env_wrapper", "frame_stack")}
    hyperparameters = {
        **run.arguments,
        **{name: value for name, value in wrapping.items() if value is not None},
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
        "vec_env": run.vec_env,
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
