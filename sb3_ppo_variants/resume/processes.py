"""Environments of ``SubprocVecEnv``, whose states are asked from their processes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
from stable_baselines3.common.vec_env import SubprocVecEnv, VecEnv

from sb3_ppo_variants.resume.pickling import pickled, unpickled


class ResumableEnv(gym.Wrapper[Any, Any, Any, Any]):
    """An environment of ``SubprocVecEnv`` whose state can be saved; the outermost wrapper.

    With it :class:`.ResumeCallback` saves environments in processes of their own as it saves those of ``DummyVecEnv``,
    as in ``make_vec_env(..., vec_env_cls=SubprocVecEnv, wrapper_class=ResumableEnv)``.

    :param env: to be saved
    """

    def resumable_state(self, folder: Path) -> bytes | str:
        """The environment as bytes, or the reason why it cannot be pickled.

        :param folder: of the file that the bytes go to
        """
        try:
            # A new process opens the files of Monitor anew, and empties them.
            return pickled(self.env, folder, {}, with_files=True)
        except Exception as error:  # an environment may hold anything, and raise anything
            return f"{type(error).__name__}: {error}"

    def set_resumable_state(self, state: bytes, folder: Path) -> str:
        """Go on with an environment in place of the present one, and say why if that fails.

        :param state: the environment as bytes
        :param folder: of the file that the bytes come from
        :return: the reason, empty when all is well
        """
        try:
            env = unpickled(state, folder, {})
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        self.env.close()
        self.env = env
        return ""


def processes_of(env: Any) -> SubprocVecEnv | None:
    """The processes in which environments live, if they have some of their own.

    :param env: vectorised or not
    """
    inner = env.unwrapped if isinstance(env, VecEnv) else None
    return inner if isinstance(inner, SubprocVecEnv) else None


def process_states(env: SubprocVecEnv, folder: Path) -> list[bytes]:
    """The environments of all processes as bytes.

    :param env: whose environments are in :class:`ResumableEnv`
    :param folder: of the file that the bytes go to
    :raises TypeError: when they are not, or cannot be pickled
    """
    _check(env)
    states = env.env_method("resumable_state", folder)
    for reason in states:
        if isinstance(reason, str):
            raise TypeError(reason)
    return list(states)


def set_process_states(env: SubprocVecEnv, states: Sequence[bytes], folder: Path) -> None:
    """Let the processes go on with saved environments.

    :param env: whose environments are in :class:`ResumableEnv`
    :param states: of :func:`process_states`
    :param folder: of the file that the bytes come from
    :raises TypeError: when they are not, or an environment cannot be read
    """
    _check(env)
    for index, state in enumerate(states):
        (reason,) = env.env_method("set_resumable_state", state, folder, indices=index)
        if reason:
            raise TypeError(reason)


def _check(env: SubprocVecEnv) -> None:
    # An attribute that is missing would end the process.
    if not env.has_attr("resumable_state"):
        raise TypeError("those of SubprocVecEnv live in other processes; wrap each in ResumableEnv")
