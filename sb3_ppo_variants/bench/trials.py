"""How long a run will take, from a short trial of it or from finished runs of the same configuration."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import torch as th
from stable_baselines3.common.logger import Logger

from sb3_ppo_variants.bench.runs.environments import make_env, make_evaluation_env
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.play import evaluator
from sb3_ppo_variants.bench.runs.train import make_model
from sb3_ppo_variants.bench.runs.whole import whole_runs
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.table.stored import stored_runs

TRIAL_STEPS = 1000


class TrialFailed(Exception):
    """A run raised while it was tried, as it would have later."""


def measured_seconds(runs: Sequence[Run], folders: Folders) -> dict[tuple[str, str], float]:
    """Mean wall-clock seconds of the finished ones among some runs, in folders or in the tables of an earlier report.

    :param runs: of a study
    :param folders: its folders
    :return: by (arm, environment), those of which a run is finished
    """
    seconds = defaultdict(list)
    for run, record in [*whole_runs(runs, folders)[0], *stored_runs(runs, folders)]:
        seconds[run.arm, run.environment].append(float(record["wall_seconds"]))
    return {key: statistics.fmean(each) for key, each in seconds.items()}


def calibrate(runs: Iterable[Run], done: Callable[[Run], None] = lambda run: None) -> dict[str, float]:
    """Try each run for a moment and estimate its seconds; runs of equal configuration are tried once.

    :return: identity -> estimated wall-clock seconds of the whole run
    :raises TrialFailed: when one raises
    """
    distinct = list({run.identity: run for run in runs}.values())
    # The first trial of a process also pays for what is loaded only once.
    for run in distinct[:1]:
        _trial(run)
    seconds = {}
    for run in distinct:
        seconds[run.identity] = _trial(run)
        done(run)
    return seconds


def _trial(run: Run) -> float:
    try:
        return estimated_seconds(run)
    except (Exception, SystemExit) as error:
        raise TrialFailed(f"{run.arm} on {run.environment}: {type(error).__name__}: {error}") from error


def estimated_seconds(run: Run) -> float:
    """Estimate a run from at least 1000 steps of training, in whole rollouts, and one episode of evaluation.

    Native code is made before, and the minute that this takes is not part of the time. Episodes of evaluations are
    taken to last to the environment's time limit, because those of a trained policy are not like those of the trial;
    where they end earlier, the run is faster.
    """
    th.set_num_threads(1)
    env, evaluation_env = make_env(run), make_evaluation_env(replace(run, vec_env="dummy"))
    model = make_model(run, env)
    model.set_logger(Logger(None, []))
    steps = min(TRIAL_STEPS, run.total_timesteps)
    if run.arguments.get("compile"):
        model.learn(steps)  # makes the native code, once for all steps of a run
    started = time.perf_counter()
    model.learn(steps)
    step = (time.perf_counter() - started) / model.num_timesteps
    started = time.perf_counter()
    _, lengths = evaluator(model)(model, evaluation_env, n_eval_episodes=1, return_episode_rewards=True)
    evaluation_step: float = (time.perf_counter() - started) / lengths[0]
    # Of the environment itself, because the registry knows those of a module only once it is imported.
    spec = evaluation_env.get_attr("unwrapped")[0].spec
    env.close()
    evaluation_env.close()
    limit: int = run.env_kwargs.get("max_episode_steps") or spec.max_episode_steps or lengths[0]
    evaluations = run.total_timesteps // run.evaluation_every
    return step * run.total_timesteps + evaluation_step * evaluations * run.evaluation_episodes * limit
