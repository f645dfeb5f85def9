"""Environments as bytes, with all of their state: what stock pickling leaves out is put in."""

from __future__ import annotations

import copyreg
import inspect
import io
import pickle
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
from gymnasium.utils import EzPickle
from stable_baselines3.common.monitor import ResultsWriter
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import SubprocVecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvWrapper

# In one pickle with the environment, so that what was one object stays one: each space has a random generator, and
# the last observation may be the environment's own array.
ENVIRONMENT_STATE = ("observation_space", "action_space", "_last_obs", "_last_original_obs", "_last_episode_starts")


class _StatePickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles the whole state of some objects whose own way of being pickled leaves it out or fails.

    :param file: to write to
    :param model: which is not part of the pickle, nor are its policy and its networks: an environment that holds one of
        them (self-play) finds it again as the one that is trained
    """

    def __init__(self, file: io.BytesIO, model: OnPolicyAlgorithm) -> None:
        super().__init__(file)
        self._names = {id(part): name for name, part in parts_of(model).items()}

    def persistent_id(self, obj: Any) -> str | None:
        """The name of a part of the model; ``None`` for all else."""
        return self._names.get(id(obj))

    def reducer_override(self, obj: Any) -> Any:
        # Gymnasium's MuJoCo environments would be built anew, VecNormalize would lose its environment and its returns.
        if isinstance(obj, (EzPickle, VecEnvWrapper)):
            state = {name: value for name, value in vars(obj).items() if name != "class_attributes"}
            return copyreg.__newobj__, (type(obj),), state, None, None, _set_state  # type: ignore[attr-defined]
        if isinstance(obj, ResultsWriter):
            return _reopened, (obj.file_handler.name, tuple(obj.logger.fieldnames)[3:])
        return super().reducer_override(obj)


class _StateUnpickler(pickle.Unpickler):
    """Reads what :class:`_StatePickler` has written.

    :param file: to read from
    :param model: whose parts take the place of those of the saved one
    """

    def __init__(self, file: io.BytesIO, model: OnPolicyAlgorithm) -> None:
        super().__init__(file)
        self._parts = parts_of(model)

    def persistent_load(self, pid: str) -> Any:
        """The part of the model with this name."""
        return self._parts[pid]


def parts_of(model: OnPolicyAlgorithm) -> dict[str, Any]:
    """The model, its optimiser, its buffer, its networks and their parameters, by name.

    :param model: with its policy
    """
    policy = model.policy
    return {
        "model": model,
        "optimizer": policy.optimizer,
        "rollout_buffer": model.rollout_buffer,
        **{f"module {name}": module for name, module in policy.named_modules()},
        **{f"parameter {name}": parameter for name, parameter in policy.named_parameters()},
    }


def _set_state(target: Any, state: dict[str, Any]) -> None:
    vars(target).update(state)
    if isinstance(target, VecEnvWrapper):
        target.class_attributes = dict(inspect.getmembers(type(target)))


def _reopened(filename: str, extra_keys: tuple[str, ...]) -> ResultsWriter:
    """The file of a Monitor, to be appended to."""
    return ResultsWriter(filename, extra_keys=extra_keys, override_existing=not Path(filename).exists())


def pickled_environment(model: OnPolicyAlgorithm) -> tuple[bytes | None, str]:
    """The environments and the last observations, or nothing and the reason.

    :param model: with its environments
    """
    assert model.env is not None
    if isinstance(model.env.unwrapped, SubprocVecEnv):
        return None, "the environments of SubprocVecEnv live in other processes and cannot be saved"
    buffer = io.BytesIO()
    state = {"env": model.env} | {name: getattr(model, name) for name in ENVIRONMENT_STATE}
    try:
        _StatePickler(buffer, model).dump(state)
    except Exception as error:  # an environment may hold anything, and raise anything
        return None, f"the environments cannot be pickled: {type(error).__name__}: {error}"
    return buffer.getvalue(), ""


def unpickled_environment(content: bytes, path: str | Path, model: OnPolicyAlgorithm) -> dict[str, Any]:
    """What ``pickled_environment`` made bytes of: attributes of the model by name, its ``env`` among them.

    :param content: the bytes
    :param path: of the file that they come from, for the message
    :param model: that the environments may hold
    :raises ValueError: when they cannot be read
    """
    try:
        environment: dict[str, Any] = _StateUnpickler(io.BytesIO(content), model).load()
    except Exception as error:
        raise ValueError(
            f"path={str(path)!r}: its environments cannot be read: {type(error).__name__}: {error}. Pass `env`, built "
            "as for the first run; its episodes start anew, which is not exact"
        ) from error
    return environment
