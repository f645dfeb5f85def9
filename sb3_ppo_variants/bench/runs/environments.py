"""The environments of a run: made, wrapped and normalised in RL Zoo's order."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first
from stable_baselines3.common.vec_env import SubprocVecEnv, VecEnv, VecFrameStack, VecNormalize, VecTransposeImage

from sb3_ppo_variants.bench.study.dotted import Dotted
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.imports import import_object
from sb3_ppo_variants.resume import ResumableEnv
from sb3_ppo_variants.vec_env import EnvPoolVecEnv, FastDummyVecEnv

EVALUATION_SEED_OFFSET = 10_000
# What a run and its processes print, in its folder.
OUTPUT = "output.txt"
MakeVecEnv = Callable[[list[Callable[[], gym.Env[Any, Any]]]], VecEnv]


def make_env(run: Run, monitor_dir: Path | None = None) -> VecEnv:
    """Make the training environments of a run.

    :param monitor_dir: folder of the ``N.monitor.csv`` files, which are appended to if they exist, and of what
        processes print; None writes none
    :raises ValueError: for a run with EnvPool that EnvPool cannot make
    """
    if run.vec_env == "envpool":
        env = _of_envpool(run, monitor_dir)
    else:
        processes = partial(_in_processes, None if monitor_dir is None else monitor_dir / OUTPUT)
        make_vec: MakeVecEnv = processes if run.vec_env == "subproc" else FastDummyVecEnv
        env = make_wrapped(run, run.n_envs, run.seed, make_vec, monitor_dir)
    return _stacked(run, env if run.normalize is None else VecNormalize(env, **run.normalize))


def make_evaluation_env(run: Run) -> VecEnv:
    """Make the evaluation environment of a run: one environment, true rewards, statistics synced by EvalCallback.

    It is Gymnasium's, where the training environments are EnvPool's too.
    """
    env = make_wrapped(run, 1, run.seed + EVALUATION_SEED_OFFSET)
    if run.normalize is not None:
        env = VecNormalize(env, **{**run.normalize, "training": False, "norm_reward": False})
    env = _stacked(run, env)
    # The training environments get this layer from the algorithm; EvalCallback wants the same layers on both.
    return VecTransposeImage(env) if _channels_last(env.observation_space) else env


def make_wrapped(
    run: Run,
    n_envs: int,
    seed: int,
    make_vec: MakeVecEnv = FastDummyVecEnv,
    monitor_dir: Path | None = None,
) -> VecEnv:
    """Make the environments of a run with its wrappers, neither normalised nor stacked."""
    with warnings.catch_warnings():
        # SB3 asks for it first, whether an environment has it or not.
        warnings.filterwarnings("ignore", message=".*render_mode='rgb_array'")
        # The checks of a study say it in their own words.
        warnings.filterwarnings("ignore", message=".*instead of the unversioned environment")
        env: VecEnv = make_vec_env(
            run.environment,
            n_envs,
            seed,
            monitor_dir=None if monitor_dir is None else str(monitor_dir),
            monitor_kwargs={"override_existing": not _has_monitor_files(monitor_dir)},
            wrapper_class=_wrapping(run.env_wrapper) if run.env_wrapper else None,
            env_kwargs=run.env_kwargs,
            vec_env_cls=make_vec,  # type: ignore[arg-type]  # it is only called
        )
    return _in_wrappers(run, env)


def _has_monitor_files(folder: Path | None) -> bool:
    """Whether a run has begun in a folder, and goes on."""
    return folder is not None and any(folder.glob(f"*.{Monitor.EXT}"))


def _of_envpool(run: Run, monitor_dir: Path | None) -> VecEnv:
    if run.env_wrapper:
        raise ValueError(
            f"env_wrapper={run.env_wrapper}: environments of EnvPool cannot be wrapped one by one; "
            "say vec_env_wrapper, or vec_env: dummy"
        )
    # One file for all of them, in which SB3's load_results finds every episode.
    filename = None if monitor_dir is None else str(monitor_dir / "0")
    override = not _has_monitor_files(monitor_dir)
    env = EnvPoolVecEnv(run.environment, run.n_envs, run.seed, filename, override_existing=override, **run.env_kwargs)
    return _in_wrappers(run, env)


def _in_wrappers(run: Run, env: VecEnv) -> VecEnv:
    for wrapper, keywords in _imported(run.vec_env_wrapper or []):
        env = wrapper(env, **keywords)
    return env


def _in_processes(output: Path | None, functions: list[Callable[[], gym.Env[Any, Any]]]) -> VecEnv:
    return SubprocVecEnv([partial(_make_printing, output, function) for function in functions])


def _make_printing(output: Path | None, function: Callable[[], gym.Env[Any, Any]]) -> gym.Env[Any, Any]:
    """Make an environment in a process of its own, whose output and traceback go to a file from now on.

    It is resumable, so that a checkpoint has its state.
    """
    if output is not None:
        with output.open("ab") as file:
            for descriptor in (1, 2):
                os.dup2(file.fileno(), descriptor)
    return ResumableEnv(function())


def _wrapping(listed: Dotted) -> Callable[[gym.Env[Any, Any]], gym.Env[Any, Any]]:
    imported = _imported(listed)

    def wrap(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
        for wrapper, keywords in imported:
            env = wrapper(env, **keywords)
        return env

    return wrap


def _imported(listed: Dotted) -> list[tuple[Any, dict[str, Any]]]:
    return [(import_object(path), keywords) for wrapper in listed for path, keywords in wrapper.items()]


def _stacked(run: Run, env: VecEnv) -> VecEnv:
    return env if run.frame_stack is None else VecFrameStack(env, run.frame_stack)


def _channels_last(space: spaces.Space[Any]) -> bool:
    """Whether SB3 moves the channels of some image of the space to the front."""
    parts = space.spaces.values() if isinstance(space, spaces.Dict) else [space]
    return any(is_image_space(part) and not is_image_space_channels_first(part) for part in parts)  # type: ignore[arg-type]


def allowed_action(space: Any, mask: np.ndarray) -> Any:
    """Draw one of the allowed actions.

    :param space: Discrete, MultiDiscrete or MultiBinary
    :param mask: as sb3-contrib's ``action_masks()`` gives it, true for each allowed choice of each number
    """
    allowed = np.asarray(mask).astype(np.int8)
    if isinstance(space, spaces.Discrete):
        return space.sample(mask=allowed)
    if isinstance(space, spaces.MultiDiscrete):
        return space.sample(mask=tuple(np.split(allowed, np.cumsum(space.nvec)[:-1])))
    zero, one = allowed.reshape(-1, 2).T
    # Gymnasium's mask of a MultiBinary space: 0 and 1 are fixed, 2 is free.
    return space.sample(mask=np.where(zero & one, 2, one).astype(np.int8))
