"""The training of one run, in whatever process this is."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TextIO

import torch as th
import yaml
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import configure
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecEnv, unwrap_vec_normalize

from sb3_ppo_variants.algorithm import VariantAlgorithm
from sb3_ppo_variants.bench.runs.environments import OUTPUT, make_env, make_evaluation_env
from sb3_ppo_variants.bench.runs.evaluation import TIMES_FILE, evaluation_callback
from sb3_ppo_variants.bench.runs.heartbeat import Heartbeat
from sb3_ppo_variants.bench.runs.provenance import provenance
from sb3_ppo_variants.bench.runs.record import RECORD, files_of
from sb3_ppo_variants.bench.study.constructors import import_algorithm, import_object, to_constructor
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.trackers.variant import variant


def make_model(run: Run, env: VecEnv) -> BaseAlgorithm:
    """Build the algorithm of a run; raises whatever its constructor raises."""
    algorithm: Any = import_algorithm(run.algorithm)
    # RL Zoo takes a policy by its dotted path, too.
    policy = import_object(run.policy) if "." in run.policy else run.policy
    model: BaseAlgorithm = algorithm(policy, env, seed=run.seed, **to_constructor(run.arguments))
    return model


def execute(run: Run, folder: Path, command: str) -> None:
    """Train one run and leave everything about it in a folder, ``run.json`` last.

    :param folder: an existing folder for this run alone
    :param command: command line of the study, kept for provenance
    """
    started = datetime.now(timezone.utc)
    with contextlib.ExitStack() as stack:
        # Line by line, so that a run that is killed leaves what it said.
        output = stack.enter_context((folder / OUTPUT).open("w", buffering=1, encoding="utf-8", errors="replace"))
        stack.enter_context(contextlib.redirect_stdout(output))
        stack.enter_context(contextlib.redirect_stderr(output))
        stack.enter_context(_descriptors_to(output))
        # A crash in C, or the end at the time limit, leaves the lines at which it happened.
        faulthandler.enable(output)
        stack.callback(faulthandler.disable)
        in_force = _train(run, folder, stack.enter_context(Heartbeat(folder)))
    finished = datetime.now(timezone.utc)
    record = {
        "identity": run.identity,
        "configuration": asdict(run),
        "in_force": in_force,
        "provenance": provenance(command, run.vec_env),
        "started": started.isoformat(timespec="seconds"),
        "finished": finished.isoformat(timespec="seconds"),
        "wall_seconds": round((finished - started).total_seconds(), 3),
        "files": files_of(folder),
    }
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", "utf-8")


def _train(run: Run, folder: Path, heartbeat: Heartbeat) -> dict[str, Any] | None:
    """Train, and return the coefficients and options of a variant, those at their defaults too."""
    th.set_num_threads(1)
    set_random_seed(run.seed)
    _write_zoo_files(run, folder / run.file_name)
    with _closing(make_env(run, folder)) as env, _closing(make_evaluation_env(run)) as evaluation_env:
        model = make_model(run, env)
        in_force = variant(model) if isinstance(model, VariantAlgorithm) else None
        model.set_logger(configure(str(folder), ["csv", "stdout"] if model.verbose else ["csv"]))
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
    return in_force


@contextlib.contextmanager
def _descriptors_to(output: TextIO) -> Iterator[None]:
    """Lead the descriptors of output and errors into a file too: libraries in C write to these."""
    kept = [(descriptor, os.dup(descriptor)) for descriptor in (1, 2)]
    try:
        for descriptor, _ in kept:
            os.dup2(output.fileno(), descriptor)
        yield
    finally:
        for descriptor, copy in kept:
            os.dup2(copy, descriptor)
            os.close(copy)


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
        # RL Zoo has no EnvPool.
        "vec_env": "dummy" if run.vec_env == "envpool" else run.vec_env,
        "num_threads": 1,
    }
    (folder / "config.yml").write_text(yaml.safe_dump(hyperparameters), "utf-8")
    (folder / "args.yml").write_text(yaml.safe_dump(arguments), "utf-8")
