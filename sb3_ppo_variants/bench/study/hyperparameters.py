"""Ymls of tuned hyperparameters: RL Zoo's, read without importing rl_zoo3, this package's and those of a user."""

from __future__ import annotations

import ast
import importlib.util
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import gymnasium as gym
import yaml
from pydantic import ValidationError
from sb3_contrib import TRPO, RecurrentPPO
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_ppo_variants.bench.study.constructors import import_algorithm
from sb3_ppo_variants.bench.study.dotted import Dotted, dotted
from sb3_ppo_variants.bench.study.keys import NAMED, ZOO, TaskSettings
from sb3_ppo_variants.bench.study.run import plain_id
from sb3_ppo_variants.bench.study.wrappers import wrappers
from sb3_ppo_variants.bench.study.yaml_file import StudyLoader, load, read_text
from sb3_ppo_variants.imports import import_module
from sb3_ppo_variants.messages import did_you_mean, nearest
from sb3_ppo_variants.zoo.settings import HYPERPARAMETERS

ZOO_FILES: dict[str, type[BaseAlgorithm]] = {
    "ppo_lstm.yml": RecurrentPPO,
    "ppo.yml": PPO,
    "a2c.yml": A2C,
    "trpo.yml": TRPO,
}
# Keys of an entry that describe the task. It is the same for all arms, so what the study says wins.
TASK_KEYS = ("env_kwargs", "env_wrapper", "vec_env_wrapper", "frame_stack")
REFUSED = ("monitor_kwargs", "tensorboard_log")
# What the Python expressions of RL Zoo's ymls may name.
NAMES = {
    "nn": "torch.nn",
    "th": "torch",
    "torch": "torch",
    "RMSpropTFLike": "stable_baselines3.common.sb2_compat.rmsprop_tf_like.RMSpropTFLike",
}


@dataclass(frozen=True)
class Hyperparameters:
    """An entry of a yml; without one, the defaults of a study.

    ``n_timesteps`` is left out: all arms have the budget of the study.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    policy: str = "MlpPolicy"
    n_envs: int = 1
    normalize: bool | dict[str, Any] = False
    env_kwargs: dict[str, Any] | None = None
    env_wrapper: Dotted | None = None
    vec_env_wrapper: Dotted | None = None
    frame_stack: int | None = None
    callbacks: Dotted | None = None


def hyperparameters(source: str, algorithm: str, environment: str) -> Hyperparameters:
    """Read the entry of an environment.

    :param source: ``"zoo"`` for the yml of the installed rl_zoo3 that tunes the algorithm's stock class, the name of a
        yml of this package (``"mujoco"``), or the path of a yml in the same format
    :raises ValueError: when there is no such file or entry, or the entry says something that a study cannot honour
    """
    path = _installed(import_algorithm(algorithm)) if source == ZOO else HYPERPARAMETERS.get(source) or Path(source)
    own = source not in NAMED
    entry = dict(_entry(_read(path, own), path, environment, may_default=own))
    place = f"{path.name}: {environment}"
    refused = [name for name in REFUSED if entry.get(name)]
    if refused:
        raise ValueError(f"{place}: {', '.join(refused)} cannot be honoured in a study; copy the entry without it")
    entry.pop("n_timesteps", None)
    settings: dict[str, Any] = {name: entry.pop(name) for name in ("policy", "n_envs", "frame_stack") if name in entry}
    for name in ("normalize", "env_kwargs"):
        if name in entry:
            settings[name] = _evaluated(entry.pop(name), f"{place}: {name}")
    for name in ("env_wrapper", "vec_env_wrapper"):
        if name in entry:
            settings[name] = wrappers(entry.pop(name))
    if "callback" in entry:
        settings["callbacks"] = dotted(entry.pop("callback"), "callback")
    for name in ("policy_kwargs", "rollout_buffer_kwargs"):
        if name in entry:
            entry[name] = _evaluated(entry[name], f"{place}: {name}")
    try:
        TaskSettings.model_validate({name: value for name, value in settings.items() if value is not None}, strict=True)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ValueError(f"{place}: {wrong}") from error
    return Hyperparameters(arguments=entry, **settings)


def _installed(algorithm: type[BaseAlgorithm]) -> Path:
    """Find rl_zoo3's file for a class; importing the package would need all that it needs."""
    names = [name for name, stock in ZOO_FILES.items() if issubclass(algorithm, stock)]
    if not names:
        raise ValueError(f"RL Zoo tunes no {algorithm.__name__}; give hyperparams the path of a yml")
    spec = importlib.util.find_spec("rl_zoo3")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError("hyperparams: zoo needs RL Zoo (pip install rl_zoo3), or give the path of a yml")
    return Path(spec.submodule_search_locations[0]) / "hyperparams" / names[0]


def _read(path: Path, own: bool) -> dict[str, Any]:
    try:
        entries = _parsed(read_text(path), own)
    except OSError as error:
        names = "" if path.suffix else did_you_mean(path.name, NAMED)
        raise ValueError(f"{path}: {error.strerror}{names}") from error
    except ValueError as error:
        raise ValueError(f"{path} {error}") from error
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise ValueError(f"{path}: must be a mapping from environment ids to hyperparameters, as RL Zoo's ymls are")
    for name in (name for keys in (entries, *entries.values()) for name in keys if not isinstance(name, str)):
        raise ValueError(f"{path}: {name!r} is no name; an environment id or a hyperparameter is a text")
    return entries


@cache
def _parsed(text: str, own: bool) -> Any:
    # Those of RL Zoo are read as it reads them.
    return load(text, StudyLoader if own else yaml.SafeLoader)


def _entry(entries: dict[str, Any], path: Path, environment: str, may_default: bool) -> dict[str, Any]:
    """Choose the entry as RL Zoo does, which knows ids without their modules, but never call its ``default`` tuned."""
    for name in (environment, plain_id(environment)):
        if name in entries:
            return dict(entries[name])
    if "atari" in entries and _is_atari(environment):
        return dict(entries["atari"])
    if may_default and "default" in entries:
        return dict(entries["default"])
    near = nearest(environment, entries)
    other = f"; it has {near}: copy that entry into another yml if it fits" if near else ""
    raise ValueError(f"{path.name} has no hyperparameters tuned for {environment}{other}")


def _is_atari(environment: str) -> bool:
    module, _, name = environment.rpartition(":")
    try:
        # As gymnasium does when it makes the environment.
        if module:
            import_module(module)
        return "AtariEnv" in str(gym.spec(name).entry_point)
    except (gym.error.Error, ImportError):
        return False


def _evaluated(value: Any, place: str) -> Any:
    """Turn RL Zoo's strings of Python, ``"dict(net_arch=[64], activation_fn=nn.ReLU)"``, into plain data.

    RL Zoo evaluates such strings; here only literals, ``dict(...)`` and names of torch are read, nothing runs.
    """
    if not isinstance(value, str):
        return value
    try:
        return _plain(ast.parse(value.strip(), mode="eval").body)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(f"{place}: {value!r} is more than plain values, dict(...) and names of torch.nn") from error


def _plain(node: ast.expr) -> Any:
    match node:
        case ast.Call(func=ast.Name(id="dict"), args=[], keywords=keywords) if all(word.arg for word in keywords):
            return {word.arg: _plain(word.value) for word in keywords}
        case ast.Dict(keys=keys, values=values) if all(keys):
            return {_plain(key): _plain(item) for key, item in zip(keys, values, strict=True) if key}
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_plain(item) for item in items]
        case ast.Name(id=name) if name in NAMES:
            return NAMES[name]
        case ast.Attribute(value=owner, attr=name):
            return f"{_plain(owner)}.{name}"
        case _:
            return ast.literal_eval(node)
