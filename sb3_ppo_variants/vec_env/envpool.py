"""EnvPool's environments, written in C++, as a VecEnv of SB3."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecMonitor
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from sb3_ppo_variants.messages import nearest, one_of


class EnvPoolVecEnv(VecMonitor):
    """Environments of EnvPool (``pip install "sb3-ppo-variants[envpool]"``), stepped together in one call to C++.

    It keeps SB3's contract: an episode that ends is reset in the same step, its last observation is in
    ``infos[i]["terminal_observation"]``, ``infos[i]["TimeLimit.truncated"]`` says whether only time was up, and
    ``infos[i]["episode"]`` has the return and the length, as those of ``Monitor``. Weng et al., "EnvPool: A Highly
    Parallel Reinforcement Learning Environment Execution Engine", 2022, arXiv 2206.10558.

    EnvPool's random numbers are its own: equal seeds do not give the episodes of Gymnasium's environments. The page
    docs/speed.md says which of them follow Gymnasium's step for step.

    :param env_id: an id of ``envpool.list_all_envs()``, for example ``"HalfCheetah-v5"``
    :param n_envs: number of environments
    :param seed: seed of the first environment, each of the others has one more; by default ``seed`` gives it, which
        SB3's algorithms call, or else it is 0
    :param filename: where to write ``monitor.csv``, as in ``VecMonitor``
    :param info_keywords: keys of EnvPool's infos that the infos of each step have too, and the rows of
        ``monitor.csv``, for example ``("x_position",)``
    :param num_threads: threads that step the environments; more than 1 is worth it when a step takes long
    :param env_kwargs: arguments of the environment, see ``envpool.make_spec(env_id).config``
    :raises ImportError: without EnvPool
    :raises ValueError: for an id, an argument or an observation space that EnvPool or SB3 does not know
    """

    def __init__(
        self,
        env_id: str,
        n_envs: int = 1,
        seed: int | None = None,
        filename: str | None = None,
        info_keywords: tuple[str, ...] = (),
        num_threads: int = 1,
        **env_kwargs: Any,
    ) -> None:
        pool = _EnvPool(env_id, n_envs, seed, info_keywords, {"num_threads": num_threads, **env_kwargs})
        super().__init__(pool, filename, info_keywords)


class _EnvPool(VecEnv):
    """EnvPool's environments with SB3's automatic reset."""

    def __init__(
        self, env_id: str, n_envs: int, seed: int | None, info_keywords: tuple[str, ...], arguments: dict[str, Any]
    ) -> None:
        self.envpool = _checked(env_id, arguments)
        self.env_id, self.info_keywords, self.arguments = env_id, info_keywords, arguments
        self.spec = gym.spec(env_id) if env_id in gym.registry else None
        self.num_envs = n_envs
        self.pool = self._make(range(seed or 0, (seed or 0) + n_envs))
        super().__init__(n_envs, self.pool.observation_space, self.pool.action_space)
        self.render_mode = self.pool.render_mode

    def _make(self, seeds: Sequence[int]) -> Any:
        return self.envpool.make_gymnasium(self.env_id, num_envs=self.num_envs, env_seed=list(seeds), **self.arguments)

    def reset(self) -> VecEnvObs:
        if None not in self._seeds:
            # EnvPool seeds an environment when it makes it.
            self.pool.close()
            self.pool = self._make([int(seed) for seed in self._seeds if seed is not None])
        self._reset_seeds()
        self._reset_options()
        observations: VecEnvObs = self.pool.reset()[0]
        return observations

    def step_async(self, actions: np.ndarray[Any, Any]) -> None:
        self.pool.send(np.asarray(actions, dtype=self.pool.action_space.dtype))

    def step_wait(self) -> VecEnvStepReturn:
        observations, rewards, terminated, truncated, found = self.pool.recv()
        timed_out = (truncated & ~terminated).tolist()
        infos: list[dict[str, Any]] = [{"TimeLimit.truncated": over} for over in timed_out]
        for name in self.info_keywords:
            for info, value in zip(infos, found[name], strict=True):
                info[name] = value
        dones = terminated | truncated
        if dones.any():
            ended = np.flatnonzero(dones).astype(np.int32)
            last, first = _arrays(observations), _arrays(self.pool.reset(ended)[0])
            for number in ended.tolist():
                of_one = {name: values[number].copy() for name, values in last.items()}
                infos[number]["terminal_observation"] = of_one if isinstance(observations, dict) else of_one[""]
            for name, values in last.items():
                values[ended] = first[name]
        return observations, rewards.astype(np.float32, copy=False), dones, infos

    def close(self) -> None:
        self.pool.close()

    def get_images(self) -> Sequence[np.ndarray[Any, Any] | None]:
        return list(self.pool.render())

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        if not hasattr(self.pool, attr_name):
            raise AttributeError(f"{self.env_id} of EnvPool has no attribute {attr_name!r}: its state lives in C++")
        return [getattr(self.pool, attr_name)] * len(self._indices(indices))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        raise AttributeError(f"{attr_name!r} of {self.env_id} cannot be set: an environment of EnvPool lives in C++")

    def env_method(self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any) -> list[Any]:
        raise AttributeError(
            f"{method_name!r} of {self.env_id} cannot be called: an environment of EnvPool lives in C++"
        )

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        return [False] * len(self._indices(indices))

    def _indices(self, indices: VecEnvIndices) -> list[int]:
        return list(self._get_indices(indices))


def _checked(env_id: str, arguments: dict[str, Any]) -> ModuleType:
    """Import EnvPool and look whether it has the environment and its arguments."""
    try:
        envpool = importlib.import_module("envpool")
    except ImportError as error:
        raise ImportError('EnvPoolVecEnv needs EnvPool: pip install "sb3-ppo-variants[envpool]"') from error
    known = envpool.list_all_envs()
    if env_id not in known:
        near = nearest(env_id, known)
        raise ValueError(f"env_id={env_id!r} is not known to EnvPool." + (f" Did you mean {near!r}?" if near else ""))
    config = envpool.make_spec(env_id).config
    for name in arguments:
        if name not in config._fields and name != "render_mode":
            raise ValueError(one_of(f"an argument of {env_id}", name, config._fields))
    return envpool


def _arrays(observations: Any) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of observations by name; an observation without names has one array."""
    return observations if isinstance(observations, dict) else {"": observations}
