"""SB3's DummyVecEnv without its deep copies."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

# Types whose values cannot change, so that nobody can tell a copy from the original.
UNCHANGING = frozenset(
    {bool, int, float, complex, str, bytes, type(None), np.bool_, np.float32, np.float64, np.int32, np.int64}
)


class FastDummyVecEnv(DummyVecEnv):
    """SB3's ``DummyVecEnv`` whose steps take less time; observations, rewards and infos are the same.

    SB3 copies observations and infos with ``copy.deepcopy``, which is half of the time of a step of a fast
    environment. Here arrays are copied as arrays, and what can change in an info is copied deeply still: nothing that
    a step returned changes in later steps, not even where an environment uses its info dictionary again.

    :param env_fns: functions that make the environments, one each
    """

    def __init__(self, env_fns: list[Callable[[], gym.Env[Any, Any]]]) -> None:
        super().__init__(env_fns)
        _copy_less(self)


@contextmanager
def without_deep_copies(env: VecEnv) -> Iterator[None]:
    """Let a ``DummyVecEnv`` of SB3 step as :class:`FastDummyVecEnv` does within the block.

    :param env: with its wrappers; another one, a user's subclass say, is left as it is
    """
    inner = env.unwrapped
    if type(inner) is not DummyVecEnv:
        yield
        return
    _copy_less(inner)
    try:
        yield
    finally:
        inner.buf_obs, inner.buf_infos = OrderedDict(inner.buf_obs), list(inner.buf_infos)


def _copy_less(env: DummyVecEnv) -> None:
    env.buf_obs = _Observations(env.buf_obs)
    env.buf_infos = _Infos(env.buf_infos)


# DummyVecEnv's own methods stay: what they copy deeply says how it is copied.
class _Observations(OrderedDict[Any, Any]):
    def __deepcopy__(self, memo: dict[int, Any]) -> OrderedDict[Any, Any]:
        return OrderedDict((key, array.copy()) for key, array in self.items())


class _Infos(list[dict[str, Any]]):
    def __deepcopy__(self, memo: dict[int, Any]) -> list[dict[str, Any]]:
        return [
            {key: value if type(value) in UNCHANGING else deepcopy(value, memo) for key, value in info.items()}
            for info in self
        ]
