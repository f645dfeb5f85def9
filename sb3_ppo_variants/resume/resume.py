"""Exact resume: a run that was killed goes on in a new process as if it had never stopped.

SB3's zip holds the weights, the optimiser and the arguments. What it lacks is saved beside it: the random generators,
the environments, the hidden states of recurrent policies and the values that are recorded but not yet written to the
log. All of it is captured where nothing is half done: after an update and before the next rollout.
"""

from __future__ import annotations

import io
import json
import os
import random
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch as th
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import GymEnv
from stable_baselines3.common.utils import get_system_info

from sb3_ppo_variants.resume.environments import pickled_environment, unpickled_environment

Algorithm = TypeVar("Algorithm", bound=OnPolicyAlgorithm)

FORMAT = 1
# What SB3 and sb3-contrib leave out of a zip or reset when they load one.
POLICY_STATE = ("_last_lstm_states",)
STATISTICS = ("obs_rms", "ret_rms")
LOGGER_STATE = ("name_to_value", "name_to_count", "name_to_excluded")


class ResumeCallback(BaseCallback):
    """Saves, every so many environment steps, a file from which :func:`resume_model` continues a run exactly.

    Saves after an update and before the next rollout, and at the end of ``learn``. The file is replaced by one atomic
    rename, so that a kill at any moment leaves the previous one whole. A save that the disk refuses draws a warning and
    is tried again before the next rollout. A run that another callback stops within a rollout keeps the file of the
    last whole one.

    :param path: of the file; its folder is made if needed, an existing file is replaced
    :param every: environment steps, all environments counted, that at least lie between two saves; a save waits for
        the end of the update
    :param verbose: 2 prints each save
    :raises TypeError: for a model that is not on-policy
    :raises ValueError: for a bad value, or as the child of an event callback, which passes no rollouts on
    """

    def __init__(self, path: str | Path, every: int = 10_000, verbose: int = 0) -> None:
        super().__init__(verbose)
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise ValueError(f"every={every!r}: a whole number of environment steps, at least 1")
        if Path(path).is_dir():
            raise ValueError(f"path={str(path)!r}: a file, not a folder")
        self.path = Path(path)
        self.every = every
        self._saved_at = 0
        self._in_rollout = False
        self._warned = False
        self._generators: dict[str, Any] = {}

    def _init_callback(self) -> None:
        if not isinstance(self.model, OnPolicyAlgorithm):
            raise TypeError(f"ResumeCallback: {type(self.model).__name__} is not an on-policy algorithm of SB3")
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def _on_training_start(self) -> None:
        if self.parent is not None:
            raise ValueError(f"ResumeCallback: {type(self.parent).__name__} passes no rollouts on; pass it to learn")
        self._saved_at = self.model.num_timesteps
        self._in_rollout = False
        _before_each_rollout(self._on_policy_model, self._capture_generators)
        # Not kept: whoever starts a long run wants to know at its start that it cannot be resumed exactly.
        self._environment()

    def _on_rollout_start(self) -> None:
        if self.model.num_timesteps - self._saved_at >= self.every:
            self._save()
        self._in_rollout = True
        self._generators = {}

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        self._in_rollout = False

    def _on_training_end(self) -> None:
        _not_before_rollouts(self._on_policy_model, self._capture_generators)
        if not self._in_rollout:
            self._save()

    @property
    def _on_policy_model(self) -> OnPolicyAlgorithm:
        assert isinstance(self.model, OnPolicyAlgorithm)
        return self.model

    def _capture_generators(self) -> None:
        self._generators = generator_states()

    def _save(self) -> None:
        try:
            _replace(self.path, self._members())
        except OSError as error:
            warnings.warn(f"ResumeCallback: {self.path} stays as it was, not written: {error}", stacklevel=2)
            return
        self._saved_at = self.model.num_timesteps
        if self.verbose >= 2:
            print(f"Saving a file to resume from to {self.path}")

    def _members(self) -> dict[str, bytes]:
        """The content of the file."""
        model = io.BytesIO()
        self.model.save(model)
        environment, reason = self._environment()
        about = {
            "format": FORMAT,
            "class": _full_name(type(self.model)),
            "num_timesteps": self.model.num_timesteps,
            "system": get_system_info(print_info=False)[0],
            "no_environment": reason,
        }
        members = {"about.json": json.dumps(about).encode(), "model.zip": model.getvalue(), "state.pt": self._state()}
        return members | ({} if environment is None else {"environment.pkl": environment})

    def _state(self) -> bytes:
        normalize = self.model.get_vec_normalize_env()
        state = {
            "generators": self._generators or generator_states(),
            "policy": {name: getattr(self.model, name) for name in POLICY_STATE if hasattr(self.model, name)},
            "logger": {name: dict(getattr(self.model.logger, name)) for name in LOGGER_STATE},
            # Also where the environment is pickled: an `env` given instead of it needs them.
            "statistics": {} if normalize is None else {name: vars(normalize).get(name) for name in STATISTICS},
        }
        buffer = io.BytesIO()
        th.save(state, buffer)
        return buffer.getvalue()

    def _environment(self) -> tuple[bytes | None, str]:
        """The pickled environments, or nothing and the reason, which draws one warning."""
        environment, reason = pickled_environment(self._on_policy_model)
        if environment is None and not self._warned:
            self._warned = True
            warnings.warn(
                f"ResumeCallback: {reason}. All else is saved, the statistics of VecNormalize included, but a resumed "
                "run needs `env`, starts new episodes and will differ from a run that never stopped",
                stacklevel=2,
            )
        return environment, reason


def resume_model(
    algorithm: type[Algorithm], path: str | Path, env: GymEnv | None = None, device: th.device | str = "auto"
) -> Algorithm:
    """The model of a file of :class:`ResumeCallback`, ready to go on where it was.

    ``model.learn(total - model.num_timesteps, reset_num_timesteps=False)`` then ends with the weights, the optimiser
    and the logged values of a ``learn(total)`` that never stopped, bit for bit, on the same machine with the same
    versions. The random generators are set when its first rollout starts: what draws from them before does no harm.
    The file holds pickled objects, as SB3's zips do: load only what you trust.

    :param algorithm: the class of the model, an on-policy one of SB3, sb3-contrib or this package
    :param path: of the file
    :param env: only for a file without environments, or to leave those in it alone; built as for the first run, its
        wrappers included. Its ``VecNormalize`` takes the saved statistics; its episodes start anew, which is not exact
    :param device: where the model goes, as in SB3; another one than before is not exact
    :return: the model
    :raises FileNotFoundError: if there is no such file
    :raises TypeError: for a class that is not on-policy
    :raises ValueError: for a file of another kind or another class, or an ``env`` that is missing or does not fit
    """
    if not (isinstance(algorithm, type) and issubclass(algorithm, OnPolicyAlgorithm)):
        raise TypeError(f"algorithm={algorithm!r}: an on-policy class of SB3, such as PPO")
    members = _read(Path(path))
    about = json.loads(members["about.json"])
    _check(about, algorithm, path, env)
    environment = unpickled_environment(members["environment.pkl"], path) if env is None else {}

    model = algorithm.load(io.BytesIO(members["model.zip"]), device=device)
    state = th.load(io.BytesIO(members["state.pt"]), map_location=model.device, weights_only=False)
    vars(model).update(state["policy"])
    if env is None:
        # Not through `load`, which seeds the environments again.
        model.set_env(environment.pop("env"))
        vars(model).update(environment)
    else:
        _set_given_environment(model, env, state["statistics"])
    _restore_before_rollout(model, state)
    return model


def generator_states() -> dict[str, Any]:
    """The states of the global random generators: of Python, numpy, torch, and CUDA where it is in use."""
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": th.get_rng_state(),
        "cuda": th.cuda.get_rng_state_all() if th.cuda.is_initialized() else [],  # type: ignore[no-untyped-call]
    }


def set_generator_states(states: dict[str, Any]) -> None:
    """Set the global random generators.

    :param states: of :func:`generator_states`
    """
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    # Loaded along with the model they may sit on its device, and torch takes them from the CPU alone.
    th.set_rng_state(states["torch"].cpu())
    for index, state in zip(range(th.cuda.device_count()), states["cuda"], strict=False):
        th.cuda.set_rng_state(state.cpu(), index)


class _EmptyBuffer:
    """``reset`` of a rollout buffer, and what else is to be done then.

    SB3 has no hook between an update and the next rollout: when it calls ``on_rollout_start``, gSDE has drawn its noise
    already. Emptying the buffer is what all its algorithms do just before that.
    """

    def __init__(self, reset: Callable[[], None]) -> None:
        self.reset = reset
        self.functions: list[Callable[[], None]] = []

    def __call__(self) -> None:
        self.reset()
        for function in list(self.functions):
            function()


def _before_each_rollout(model: OnPolicyAlgorithm, function: Callable[[], None]) -> None:
    """Call a function when the rollout buffer is emptied, in the order in which functions were passed here."""
    buffer = model.rollout_buffer
    if not isinstance(buffer.reset, _EmptyBuffer):
        buffer.reset = _EmptyBuffer(buffer.reset)  # type: ignore[method-assign]
    if function not in buffer.reset.functions:
        buffer.reset.functions.append(function)


def _not_before_rollouts(model: OnPolicyAlgorithm, function: Callable[[], None]) -> None:
    """Call it no more."""
    reset = model.rollout_buffer.reset
    if isinstance(reset, _EmptyBuffer) and function in reset.functions:
        reset.functions.remove(function)


def _restore_before_rollout(model: OnPolicyAlgorithm, state: dict[str, Any]) -> None:
    """Set the generators and the values to be logged when the first rollout starts; before it there is no logger."""

    def restore() -> None:
        _not_before_rollouts(model, restore)
        set_generator_states(state["generators"])
        for name, values in state["logger"].items():
            getattr(model.logger, name).update(values)

    _before_each_rollout(model, restore)


def _set_given_environment(model: OnPolicyAlgorithm, env: GymEnv, statistics: dict[str, Any]) -> None:
    """An environment other than the saved one, with the saved statistics of ``VecNormalize``."""
    if getattr(env, "num_envs", 1) != model.n_envs:
        raise ValueError(f"env: has {getattr(env, 'num_envs', 1)} environments, the saved run had {model.n_envs}")
    model.set_env(env)
    normalize = model.get_vec_normalize_env()
    if (normalize is not None) != bool(statistics):
        had = "one" if statistics else "none"
        raise ValueError(f"env: wrap it as for the first run, which had {had} of VecNormalize")
    if normalize is not None:
        vars(normalize).update({name: value for name, value in statistics.items() if value is not None})


def _replace(path: Path, members: dict[str, bytes]) -> None:
    """Write a file that appears whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                for name, content in members.items():
                    archive.writestr(name, content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, bytes]:
    if not path.is_file():
        raise FileNotFoundError(f"path={str(path)!r}: no such file")
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except zipfile.BadZipFile as error:
        raise ValueError(f"path={str(path)!r}: not a file of ResumeCallback: {error}") from error
    if "about.json" not in members:
        raise ValueError(f"path={str(path)!r}: not a file of ResumeCallback; a zip of `save` is read by `load`")
    return members


def _check(about: dict[str, Any], algorithm: type[OnPolicyAlgorithm], path: str | Path, env: GymEnv | None) -> None:
    """Whether the file is one for this class and environment."""
    if about["format"] != FORMAT:
        raise ValueError(f"path={str(path)!r}: has the format {about['format']}, this version reads {FORMAT}")
    if about["class"] != _full_name(algorithm):
        raise ValueError(f"algorithm={_full_name(algorithm)}: {str(path)!r} holds a {about['class']}")
    if env is None and about["no_environment"]:
        raise ValueError(
            f"env is needed: {str(path)!r} holds no environment, because {about['no_environment']}. Pass `env`, built "
            "as for the first run; its episodes start anew, which is not exact"
        )
    system = get_system_info(print_info=False)[0]
    changed = [
        f"{name} {was}, now {system.get(name)}" for name, was in about["system"].items() if system.get(name) != was
    ]
    if changed:
        warnings.warn(f"the run was saved under {', '.join(changed)}: the rest of it may differ in bits", stacklevel=3)


def _full_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
