"""A saved model of a finished run, played in the evaluation environment of its study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.evaluation import evaluate_policy as evaluate_maskable
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecNormalize, unwrap_vec_normalize

from sb3_ppo_variants.bench.runs.environments import make_evaluation_env
from sb3_ppo_variants.bench.study.constructors import import_algorithm
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.maskable_lstm import MaskableRecurrentPPO
from sb3_ppo_variants.maskable_lstm import evaluate_policy as evaluate_maskable_recurrent


def play(run: Run, folder: Path, model_file: str, episodes: int) -> tuple[float, ...]:
    """Play some episodes as the evaluations of the run do, with the action masks and hidden states of its model.

    Observations are normalised by the statistics at the end of the training, the only ones that a run keeps.

    :param folder: of the finished run
    :param model_file: the model in it
    :return: true return of each episode
    """
    algorithm: Any = import_algorithm(run.algorithm)
    env = make_evaluation_env(run)
    normalized = unwrap_vec_normalize(env)
    if normalized is not None:
        learned = VecNormalize.load(str(folder / run.file_name / "vecnormalize.pkl"), normalized.venv)
        normalized.obs_rms, normalized.ret_rms = learned.obs_rms, learned.ret_rms
    model: BaseAlgorithm = algorithm.load(folder / model_file, device="cpu")
    deterministic = run.evaluation_deterministic
    returns, _ = evaluator(model)(model, env, episodes, deterministic=deterministic, return_episode_rewards=True)
    env.close()
    return tuple(map(float, returns))


def evaluator(model: BaseAlgorithm) -> Any:
    """SB3's ``evaluate_policy``, or what stands in for it where actions are masked.

    :param model: that is evaluated
    """
    if isinstance(model, MaskableRecurrentPPO):
        return evaluate_maskable_recurrent
    return evaluate_maskable if isinstance(model, MaskablePPO) else evaluate_policy
