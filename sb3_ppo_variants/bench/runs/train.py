"""The training of one run, in whatever process this is."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TextIO

import torch as th
import yaml
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import CSVOutputFormat, KVWriter, configure
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecEnv

from sb3_ppo_variants.algorithm import VariantAlgorithm
from sb3_ppo_variants.bench.runs.callbacks import StudyCallbacks, study_callbacks
from sb3_ppo_variants.bench.runs.checkpoint import RunCheckpoint, resumed
from sb3_ppo_variants.bench.runs.environments import OUTPUT, make_env, make_evaluation_env
from sb3_ppo_variants.bench.runs.evaluation import TimedEvaluation, evaluation_callback
from sb3_ppo_variants.bench.runs.heartbeat import Heartbeat
from sb3_ppo_variants.bench.runs.provenance import provenance
from sb3_ppo_variants.bench.runs.record import PROGRESS, RECORD, files_of
from sb3_ppo_variants.bench.runs.sources import sources
from sb3_ppo_variants.bench.runs.start import History, Start
from sb3_ppo_variants.bench.runs.tracking import Tracking
from sb3_ppo_variants.bench.study.constructors import import_algorithm, to_constructor
from sb3_ppo_variants.bench.study.keys import Checkpoint
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.imports import import_object

NO_TRACKING = Tracking()


def make_model(run: Run, env: VecEnv) -> BaseAlgorithm:
    """Build the algorithm of a run; raises whatever its constructor raises."""
    algorithm: Any = import_algorithm(run.algorithm)
    # RL Zoo takes a policy by its dotted path, too.
    policy = import_object(run.policy) if "." in run.policy else run.policy
    model: BaseAlgorithm = algorithm(policy, env, seed=run.seed, **to_constructor(run.arguments))
    return model


def execute(
    run: Run, folder: Path, command: str, checkpoint: Checkpoint | None = None, tracking: Tracking = NO_TRACKING
) -> None:
    """Train one run and leave everything about it in a folder, ``run.json`` last.

    :param folder: an existing folder for this run alone; a run goes on from a checkpoint in it
    :param command: command line of the study, kept for provenance
    :param checkpoint: how often the state of the run is saved, None for never
    :param tracking: where its log goes besides the folder
    """
    # The clock may be set meanwhile.
    began, begin = time.time(), time.monotonic()
    with contextlib.ExitStack() as stack:
        # Line by line, so that a run that is killed leaves what it said.
        output = stack.enter_context((folder / OUTPUT).open("a", buffering=1, encoding="utf-8", errors="replace"))
        stack.enter_context(contextlib.redirect_stdout(output))
        stack.enter_context(contextlib.redirect_stderr(output))
        stack.enter_context(_descriptors_to(output))
        # A crash in C, or the end at the time limit, leaves the lines at which it happened.
        faulthandler.enable(output)
        stack.callback(faulthandler.disable)
        heartbeat = stack.enter_context(Heartbeat(folder))
        # Before seeds are set, because it may draw.
        writers = stack.enter_context(tracking.opened(run))
        history = _train(run, folder, heartbeat, checkpoint, tracking, writers)
    seconds = time.monotonic() - begin
    record = {
        "identity": run.identity,
        "configuration": asdict(run),
        "in_force": history.in_force,
        "provenance": provenance(command, run.vec_env, history.sources),
        "started": _clock(min(history.started, began)),
        "finished": _clock(time.time()),
        "wall_seconds": round(history.seconds + seconds, 3),
        **({"resumed": history.resumed} if history.resumed else {}),
        **({"continued": history.continued} if history.continued else {}),
        **({"ended": history.ended} if history.ended else {}),
        "files": files_of(folder),
    }
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", "utf-8")


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")


def _train(
    run: Run,
    folder: Path,
    heartbeat: Heartbeat,
    checkpoint: Checkpoint | None,
    tracking: Tracking,
    writers: list[KVWriter],
) -> History:
    """Train, and return what the run has behind it without this process."""
    th.set_num_threads(1)
    set_random_seed(run.seed)
    with contextlib.closing(resumed(run, folder) or _anew(run, folder)) as start:
        model = start.model
        _write_zoo_files(run, folder / run.file_name)
        at_steps, after_evaluations = study_callbacks(run, folder)
        of_study = [listed for listed in (at_steps, after_evaluations) if listed.callbacks]
        evaluation = _evaluation(run, folder, model, start.evaluation_env, after_evaluations)
        if start.memory is not None:
            start.memory.give(evaluation, of_study)
        _set_logger(model, folder, [*writers, *tracking.files(folder)])
        callbacks: list[BaseCallback] = [heartbeat, evaluation, *tracking.callbacks(model)]
        if checkpoint is not None and isinstance(model, OnPolicyAlgorithm):
            callbacks.append(RunCheckpoint(folder, evaluation, of_study, checkpoint, start.history))
        if at_steps in of_study:
            # After the checkpoint, which is of the moment before they see a new rollout.
            callbacks.append(at_steps)
        steps = run.total_timesteps - model.num_timesteps
        model.learn(steps, callback=callbacks, reset_num_timesteps=start.memory is None)
        _save(run, model, folder)
        return replace(start.history, ended=_ended(run, evaluation, of_study))


def _anew(run: Run, folder: Path) -> Start:
    """A run at its beginning."""
    with contextlib.ExitStack() as stack:
        env = stack.enter_context(contextlib.closing(make_env(run, folder)))
        evaluation_env = stack.enter_context(contextlib.closing(make_evaluation_env(run)))
        model = make_model(run, env)
        in_force = model.describe() if isinstance(model, VariantAlgorithm) else None
        # From now on they are closed with the run.
        stack.pop_all()
        return Start(model, evaluation_env, History(time.time(), 0.0, in_force, [], sources=sources(run)))


def _save(run: Run, model: BaseAlgorithm, folder: Path) -> None:
    """Save the model, its normalisation and the end of its log."""
    # SB3 leaves the values of the last update undumped.
    model.logger.record("time/total_timesteps", model.num_timesteps)
    model.logger.dump(model.num_timesteps)
    model.logger.close()
    model.save(folder / f"{run.file_name}.zip")
    statistics = model.get_vec_normalize_env()
    if statistics is not None:
        statistics.save(str(folder / run.file_name / "vecnormalize.pkl"))


def _ended(run: Run, evaluation: TimedEvaluation, callbacks: Sequence[StudyCallbacks]) -> dict[str, Any] | None:
    """At which step a callback ended a run before its budget was used up, and which."""
    steps = evaluation.model.num_timesteps
    if steps >= run.total_timesteps:
        return None
    ended_by = next((listed.ended_by for listed in callbacks if listed.ended_by), None)
    if not evaluation.evaluations_timesteps:
        raise RuntimeError(
            f"{ended_by or 'a callback'} ended the run at {steps} steps, before its first evaluation at "
            f"{run.evaluation_every}, so that it has no score"
        )
    return {"timesteps": steps, "callback": ended_by}


def _evaluation(
    run: Run, folder: Path, model: BaseAlgorithm, env: VecEnv, callbacks: StudyCallbacks
) -> TimedEvaluation:
    # EvalCallback counts calls, and each call steps every parallel environment once; rounded down, so that no
    # evaluation of the budget is lost.
    return evaluation_callback(model)(
        env,
        folder,
        callback_after_eval=callbacks if callbacks.callbacks else None,
        n_eval_episodes=run.evaluation_episodes,
        eval_freq=run.evaluation_every // run.n_envs,
        log_path=str(folder),
        best_model_save_path=str(folder),
        deterministic=run.evaluation_deterministic,
        verbose=0,
    )


def _set_logger(model: BaseAlgorithm, folder: Path, writers: list[KVWriter]) -> None:
    """Let a model log into a folder, and to others; what is in its progress.csv stays."""
    progress = folder / PROGRESS
    before = progress.read_text() if progress.exists() else ""
    logger = configure(str(folder), ["csv", "stdout"] if model.verbose else ["csv"])
    for table in logger.output_formats:
        if before and isinstance(table, CSVOutputFormat):
            table.file.write(before)
            table.keys = before.splitlines()[0].split(table.separator)
    logger.output_formats += writers
    model.set_logger(logger)


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


def _write_zoo_files(run: Run, folder: Path) -> None:
    """Write the two files from which RL Zoo's scripts rebuild a model and its environment."""
    folder.mkdir(exist_ok=True)
    wrapping = {name: getattr(run, name) for name in ("env_wrapper", "vec_env_wrapper", "frame_stack")}
    hyperparameters = {
        **run.arguments,
        **{name: value for name, value in wrapping.items() if value is not None},
        **({"callback": run.callbacks} if run.callbacks else {}),
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
