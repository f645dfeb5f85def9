"""The two scores that normalise returns, measured: a random policy's, and an arm's finished runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from scipy import stats
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecEnv

from sb3_ppo_variants.bench.report.numbers import significant
from sb3_ppo_variants.bench.runs.environments import allowed_action, make_wrapped
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.statistics.intervals import Array
from sb3_ppo_variants.bench.statistics.scores import scores, split_runs
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.stored import all_tables
from sb3_ppo_variants.messages import counted

RANDOM_SEED = 0


class RandomPolicy:
    """Draws actions from the action space, uniformly where it is bounded; where actions are masked, allowed ones."""

    def __init__(self, env: VecEnv, seed: int) -> None:
        self.env, self.space = env, env.action_space
        self.masked = is_masking_supported(env)
        self.space.seed(seed)

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> Any:
        """Return one action per environment, whatever the observation; the arguments are SB3's."""
        if self.masked:
            return np.stack([allowed_action(self.space, mask) for mask in get_action_masks(self.env)]), state
        return np.stack([self.space.sample() for _ in range(self.env.num_envs)]), state


def random_returns(run: Run, episodes: int) -> Array:
    """Play a random policy in the environment of a run and return the true return of every episode.

    Seeded, so that equal calls give equal numbers.

    :return: shape ``(episodes,)``
    """
    env = make_wrapped(run, 1, RANDOM_SEED)
    returns, _ = evaluate_policy(
        RandomPolicy(env, RANDOM_SEED), env, n_eval_episodes=episodes, return_episode_rewards=True
    )
    env.close()
    return np.asarray(returns, dtype=np.float64)


def score_lines(
    study: Study, folders: Folders, episodes: int, reference: str, doing: Callable[[str], None] = lambda text: None
) -> list[str]:
    """Write the two scores of every environment as lines for the study file.

    :param episodes: episodes of the random policy
    :param reference: the arm whose mean score becomes the reference score
    :param doing: is told what takes long
    """
    tables = all_tables(study.runs, folders)
    measured = scores(split_runs(tables.results), study)
    lines = [*(f"# left out: {item}" for item in tables.left_out), "environments:"]
    for environment in study.environments:
        doing(f"playing {episodes} episodes of random actions in {environment}")
        returns = random_returns(study.runs_of(reference, environment)[0], episodes)
        lines += [
            f"  {environment}:",
            f"    # Random actions, {counted(episodes, 'episode')}{_standard_error(returns)}.",
            f"    random_score: {significant(returns.mean())}",
        ]
        lines += _reference_lines(reference, measured.get((reference, environment)), float(returns.mean()))
    return lines


def _reference_lines(arm: str, sample: Array | None, random_score: float) -> list[str]:
    if sample is None:
        return [f"    # reference_score: no run of {arm} has finished; make them, or choose a return"]
    mean = significant(sample.mean())
    if not np.isfinite(sample).all():
        return [f"    # reference_score: a run of {arm} has a return that is not finite; choose a return"]
    # As both are written: equal scores would be refused.
    if float(mean) <= float(significant(random_score)):
        return [f"    # reference_score: {arm} is no better than random actions, {mean}; choose a higher return"]
    return [
        f"    # Mean score of {arm}, {counted(len(sample), 'finished run')}{_standard_error(sample)}.",
        f"    reference_score: {mean}",
    ]


def _standard_error(sample: Array) -> str:
    return "" if len(sample) < 2 else f" (standard error {significant(stats.sem(sample))})"
