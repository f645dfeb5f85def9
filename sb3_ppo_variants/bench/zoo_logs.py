"""RL Zoo's log folders, read as data: nothing in them is unpickled or imported."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sb3_ppo_variants.bench.stats import Array


class UnreadableLog(Exception):
    """Why a folder is no run that can be compared."""


@dataclass(frozen=True)
class LoggedRun:
    """What a log folder says of a run.

    :param folder: the folder
    :param algorithm: RL Zoo's name of the algorithm
    :param environment: gymnasium id
    :param seed: its seed
    :param timesteps: environment steps at each evaluation, shape ``(evaluations,)``
    :param returns: shape ``(evaluations, episodes)``
    :param lengths: steps of each episode, same shape
    """

    folder: Path
    algorithm: str
    environment: str
    seed: int
    timesteps: Array
    returns: Array
    lengths: Array


class _ArgumentsLoader(yaml.SafeLoader):
    """RL Zoo dumps an OrderedDict; whatever else is tagged as a Python object is read as None."""


def _pairs(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    assert isinstance(node, yaml.SequenceNode)
    (pairs,) = loader.construct_sequence(node, deep=True) or [[]]
    return dict(pairs)


_ArgumentsLoader.add_constructor("tag:yaml.org,2002:python/object/apply:collections.OrderedDict", _pairs)
_ArgumentsLoader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: None)


def read_log(folder: Path) -> LoggedRun:
    """Read ``<Environment>/args.yml`` and ``evaluations.npz`` of one run.

    :param folder: RL Zoo's folder of a run, ``<log>/<algorithm>/<Environment>_<number>``
    :raises UnreadableLog: when something is missing or broken
    """
    files = sorted(folder.glob("*/args.yml"))
    if len(files) != 1:
        raise UnreadableLog("no <environment>/args.yml, so its environment and seed are not known")
    try:
        arguments = yaml.load(files[0].read_bytes(), _ArgumentsLoader)
        algorithm, environment, seed = (arguments[key] for key in ("algo", "env", "seed"))
    except (yaml.YAMLError, ValueError, TypeError, KeyError) as error:
        raise UnreadableLog(f"{files[0].relative_to(folder)} does not say algo, env and seed") from error
    if not (isinstance(algorithm, str) and isinstance(environment, str) and type(seed) is int):
        raise UnreadableLog(f"{files[0].relative_to(folder)} does not say algo, env and seed")
    try:
        with np.load(folder / "evaluations.npz") as stored:
            steps, returns, lengths = stored["timesteps"], stored["results"], stored["ep_lengths"]
    except FileNotFoundError as error:
        raise UnreadableLog("no evaluations.npz: it was not evaluated, or ended before its first evaluation") from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UnreadableLog(f"evaluations.npz cannot be read: {error}") from error
    if not (returns.ndim == 2 and returns.shape == lengths.shape and len(returns) == len(steps) > 0):
        raise UnreadableLog(f"evaluations.npz has steps of shape {steps.shape} and returns of shape {returns.shape}")
    return LoggedRun(folder, algorithm, environment, seed, steps, returns, lengths)
