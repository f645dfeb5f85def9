"""EnvPool's environments, written in C++, as a VecEnv of SB3."""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NoReturn

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.monitor import Monitor, ResultsWriter
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from sb3_ppo_variants.messages import nearest, one_of

# Fields of EnvPool's configuration that the class below sets, or that would break SB3's contract.
OWN_FIELDS = {"num_envs", "batch_size", "seed", "env_seed", "max_num_players", "gym_reset_return_info"}
COUNTS = ("n_envs", "num_threads", "max_episode_steps")
# Its seeds are of 32 bits, with a sign.
SEEDS = 2**31


class EnvPoolVecEnv(VecEnv):
    """Environments of EnvPool (``pip install "sb3-ppo-variants[envpool]"``), stepped together in one call to C++.

    It keeps SB3's contract: an episode that ends is reset in the same step, its last observation is in
    ``infos[i]["terminal_observation"]``, ``infos[i]["TimeLimit.truncated"]`` says whether only time was up, and
    ``infos[i]["episode"]`` has the return and the length, as those of ``Monitor``, with which it counts as wrapped.
    Weng et al., "EnvPool: A Highly Parallel Reinforcement Learning Environment Execution Engine", 2022,
    arXiv 2206.10558.

    EnvPool's random numbers are its own: equal seeds do not give the episodes of Gymnasium's environments. The page
    docs/vec_env.md says which of them follow Gymnasium's step for step. Actions of a Box are float32, as Gymnasium's
    are, so that a model that learns here plays there. The environments cannot be pickled: a run that is resumed begins
    new episodes.

    :param env_id: an id of ``envpool.list_all_envs()``, for example ``"HalfCheetah-v5"``
    :param n_envs: number of environments
    :param seed: seed of the first environment, each of the others has one more; by default ``seed`` gives it, which
        SB3's algorithms call, or else it is 0
    :param filename: where to write ``monitor.csv``, as in ``VecMonitor``: one file for all environments
    :param info_keywords: keys of EnvPool's infos that the infos of each step have too, and the rows of
        ``monitor.csv``, for example ``("x_position",)``
    :param num_threads: threads that step the environments; more than 1 is worth it when a step takes long
    :param override_existing: whether ``monitor.csv`` is begun anew, or appended to, as in ``Monitor``
    :param env_kwargs: arguments of the environment, see ``envpool.make_spec(env_id).config``
    :raises ImportError: without EnvPool
    :raises ValueError: for an id, an argument, a key or an observation space that EnvPool or SB3 does not know
    """

    def __init__(
        self,
        env_id: str,
        n_envs: int = 1,
        seed: int | None = None,
        filename: str | None = None,
        info_keywords: tuple[str, ...] = (),
        num_threads: int = 1,
        override_existing: bool = True,
        **env_kwargs: Any,
    ) -> None:
        self.arguments = {"num_threads": num_threads, **env_kwargs}
        self.envpool = _checked(env_id, n_envs, self.arguments, info_keywords)
        n_envs = int(n_envs)
        self.env_id, self.info_keywords, self.num_envs = env_id, info_keywords, n_envs
        self.pool = self._make(range(seed or 0, (seed or 0) + n_envs))
        super().__init__(n_envs, self.pool.observation_space, _single_precision(self.pool.action_space))
        self.started = time.time()
        self.writer: ResultsWriter | None = None
        if filename is not None:
            header: dict[str, float | str] = {"t_start": self.started, "env_id": env_id}
            self.writer = ResultsWriter(filename, header, info_keywords, override_existing)
        self.returns, self.lengths = np.zeros(n_envs), np.zeros(n_envs, np.int64)

    def _make(self, seeds: Sequence[int]) -> Any:
        of_pool = [seed % SEEDS for seed in seeds]
        return self.envpool.make_gymnasium(self.env_id, num_envs=self.num_envs, env_seed=of_pool, **self.arguments)

    def set_options(self, options: Any = None) -> None:
        """Refuse options of ``reset``, which EnvPool does not have.

        :param options: nothing, or empty ones
        :raises ValueError: for others
        """
        if options and any([options] if isinstance(options, dict) else options):
            raise ValueError(f"options={options!r}: environments of EnvPool take none when they are reset")
        super().set_options(options)

    def reset(self) -> VecEnvObs:
        """Begin new episodes, and return their first observations."""
        if None not in self._seeds:
            # EnvPool seeds an environment when it makes it.
            self.pool.close()
            self.pool = self._make([int(seed) for seed in self._seeds if seed is not None])
        self._reset_seeds()
        self._reset_options()
        self.returns[:], self.lengths[:] = 0, 0
        observations: VecEnvObs = self.pool.reset()[0]
        return observations

    def step_async(self, actions: np.ndarray[Any, Any]) -> None:
        """Send actions of shape ``(n_envs, ...)``."""
        self.pool.send(np.asarray(actions, dtype=self.pool.action_space.dtype))

    def step_wait(self) -> VecEnvStepReturn:
        """Return what the actions led to: observations, rewards, dones and infos."""
        observations, rewards, terminated, truncated, found = self.pool.recv()
        self.returns += rewards
        self.lengths += 1
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
                infos[number]["episode"] = self._episode(number, infos[number])
            for name, values in last.items():
                values[ended] = first[name]
        return observations, rewards.astype(np.float32, copy=False), dones, infos

    def _episode(self, number: int, info: dict[str, Any]) -> dict[str, Any]:
        """What ``Monitor`` says of an episode that ended, written to the file too."""
        episode = {
            "r": round(float(self.returns[number]), 6),
            "l": int(self.lengths[number]),
            "t": round(time.time() - self.started, 6),
        }
        self.returns[number], self.lengths[number] = 0, 0
        row = episode | {name: info[name] for name in self.info_keywords}
        if self.writer is not None:
            self.writer.write_row(row)
        return row

    def close(self) -> None:
        """End the threads, and close the file."""
        self.pool.close()
        if self.writer is not None:
            self.writer.close()

    def get_images(self) -> Sequence[np.ndarray[Any, Any] | None]:
        """Return one image of each environment."""
        return list(self.pool.render(env_ids=np.arange(self.num_envs)))

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute of the pool, once for each environment."""
        if not hasattr(self.pool, attr_name):
            raise AttributeError(f"{self.env_id} of EnvPool has no attribute {attr_name!r}: its state lives in C++")
        return [getattr(self.pool, attr_name)] * len(self._indices(indices))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Raise: nothing of an environment can be set."""
        raise AttributeError(f"{attr_name!r} of {self.env_id} cannot be set: an environment of EnvPool lives in C++")

    def env_method(self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any) -> list[Any]:
        """Raise: an environment has no methods."""
        raise AttributeError(
            f"{method_name!r} of {self.env_id} cannot be called: an environment of EnvPool lives in C++"
        )

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """Say yes to ``Monitor`` alone, whose infos these environments give themselves."""
        return [wrapper_class is Monitor] * len(self._indices(indices))

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"environments of EnvPool cannot be copied or pickled: those of {self.env_id} live in C++")

    def _indices(self, indices: VecEnvIndices) -> list[int]:
        return list(self._get_indices(indices))


def _checked(env_id: str, n_envs: int, arguments: dict[str, Any], info_keywords: tuple[str, ...]) -> ModuleType:
    """Import EnvPool and look whether it has the environment, its arguments and the keys of its infos."""
    for name, value in {"n_envs": n_envs, **arguments}.items():
        # EnvPool ends the process for some of these.
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if name in COUNTS and (not whole or value < 1):
            raise ValueError(f"{name}={value!r}: must be a whole number, at least 1")
    try:
        envpool = importlib.import_module("envpool")
    except ImportError as error:
        raise ImportError('EnvPoolVecEnv needs EnvPool: pip install "sb3-ppo-variants[envpool]"') from error
    known = envpool.list_all_envs()
    if env_id not in known:
        near = nearest(env_id, known)
        raise ValueError(f"env_id={env_id!r} is not known to EnvPool." + (f" Did you mean {near!r}?" if near else ""))
    spec = envpool.make_spec(env_id)
    known = sorted({*spec.config._fields, "render_mode"} - OWN_FIELDS)
    for name in arguments:
        if name not in known:
            raise ValueError(one_of(f"env_kwargs: an argument of {env_id}", name, known))
    keys = sorted(
        {"elapsed_step", *(key.removeprefix("info:") for key in spec.state_array_spec if key.startswith("info:"))}
    )
    for name in info_keywords:
        if name not in keys:
            raise ValueError(one_of(f"info_keywords: a key of the infos of {env_id}", name, keys))
    return envpool


def _single_precision(space: spaces.Space[Any]) -> spaces.Space[Any]:
    """The space with float32 in place of float64."""
    if isinstance(space, spaces.Box) and space.dtype == np.float64:
        return spaces.Box(space.low.astype(np.float32), space.high.astype(np.float32))
    return space


def _arrays(observations: Any) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of observations by name; an observation without names has one array."""
    return observations if isinstance(observations, dict) else {"": observations}
