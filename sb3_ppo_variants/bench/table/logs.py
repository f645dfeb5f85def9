"""Run folders of RL Zoo, whose layout ours share, read as data: nothing in them is unpickled or imported."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml
from stable_baselines3.common.monitor import LoadMonitorResultsError, load_results

from sb3_ppo_variants.bench.study.keys import SUCCESS
from sb3_ppo_variants.bench.study.yaml_file import load, read_text

# Numbers of a log, shape ``(points,)`` or ``(episodes,)``.
Array = npt.NDArray[np.float64]


# Of evaluations.npz, uncompressed.
MOST_BYTES = 100_000_000


class UnreadableLog(Exception):
    """Why a folder is no run that can be compared."""


@dataclass(frozen=True)
class LogFolder:
    """What a log folder says of its run.

    :param path: the folder
    :param algorithm: RL Zoo's name of the algorithm
    :param environment: gymnasium id
    :param seed: its seed
    :param settings: its hyperparameters and the arguments of its environment; empty when it does not keep them
    :param version: version of Stable-Baselines3 in its saved model; None without one
    """

    path: Path
    algorithm: str
    environment: str
    seed: int
    settings: dict[str, Any]
    version: str | None


@dataclass(frozen=True)
class Series:
    """Returns over the training of a run.

    :param timesteps: environment steps, shape ``(points,)``
    :param every: steps from one point to the next
    :param returns: the returns of each point's episodes
    :param lengths: the steps of each point's episodes
    :param successes: whether each point's episodes succeeded, 1 or 0; None where that is not known
    """

    timesteps: Array
    every: int
    returns: list[Array]
    lengths: list[Array]
    successes: list[Array] | None = None

    def until(self, timesteps: int) -> Series:
        """The points at so many steps or fewer."""
        count = int((self.timesteps <= timesteps).sum())
        successes = None if self.successes is None else self.successes[:count]
        return Series(self.timesteps[:count], self.every, self.returns[:count], self.lengths[:count], successes)

    def table(self) -> pd.DataFrame:
        """One row per point, with the columns of ``results.csv`` that do not name the run."""
        successes = {} if self.successes is None else {SUCCESS: _each(np.mean, self.successes)}
        return pd.DataFrame(
            {
                "timesteps": self.timesteps,
                "mean_return": _each(np.mean, self.returns),
                "std_return": _each(np.std, self.returns),
                "mean_length": _each(np.mean, self.lengths),
                "episodes": [len(returns) for returns in self.returns],
                **successes,
            }
        )


def _each(statistic: Callable[..., Any], points: list[Array]) -> Any:
    """Compute a statistic of the episodes of each point; at once where all have equally many, which is faster."""
    # The deviation of returns that are not finite is NaN, and the report says so.
    with np.errstate(invalid="ignore"):
        if len(set(map(len, points))) == 1:
            return statistic(np.stack(points), axis=1)
        return [statistic(episodes) for episodes in points]


class _ArgumentsLoader(yaml.SafeLoader):
    """RL Zoo dumps an OrderedDict; whatever else is tagged as a Python object is read as None."""


def _pairs(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    assert isinstance(node, yaml.SequenceNode)
    (pairs,) = loader.construct_sequence(node, deep=True) or [[]]
    return dict(pairs)


_ArgumentsLoader.add_constructor("tag:yaml.org,2002:python/object/apply:collections.OrderedDict", _pairs)
_ArgumentsLoader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: None)


def read_log(folder: Path) -> LogFolder:
    """Read ``<Environment>/args.yml``, ``config.yml`` beside it and the version in ``<Environment>.zip``.

    :param folder: RL Zoo's folder of a run, ``<log>/<algorithm>/<Environment>_<number>``
    :raises UnreadableLog: when it does not say which run it is
    """
    files = sorted(folder.glob("*/args.yml"))
    if len(files) != 1:
        raise UnreadableLog("no <environment>/args.yml, so its environment and seed are not known")
    arguments = _mapping(files[0])
    algorithm, environment, seed = (arguments.get(key) for key in ("algo", "env", "seed"))
    if not (isinstance(algorithm, str) and isinstance(environment, str) and type(seed) is int):
        raise UnreadableLog(f"{files[0].relative_to(folder)} does not say algo, env and seed")
    config = files[0].with_name("config.yml")
    settings = {**_mapping(config), **_overrides(arguments)} if config.is_file() else {}
    model = folder / f"{files[0].parent.name}.zip"
    return LogFolder(folder, algorithm, environment, seed, settings, _version(model))


def evaluations(folder: Path) -> Series:
    """Read what SB3's EvalCallback left, ``evaluations.npz``.

    :raises UnreadableLog: when the file is missing or broken
    """
    path = folder / "evaluations.npz"
    try:
        with zipfile.ZipFile(path) as stored:
            size = sum(member.file_size for member in stored.infolist())
        if size > MOST_BYTES:
            raise UnreadableLog(f"evaluations.npz holds {size} bytes, more than {MOST_BYTES}")
        with np.load(path) as arrays:
            steps, returns, lengths = arrays["timesteps"], arrays["results"], arrays["ep_lengths"]
            returns, lengths = np.asarray(returns, dtype=np.float64), np.asarray(lengths, dtype=np.float64)
            successes = np.asarray(arrays["successes"], dtype=np.float64) if "successes" in arrays else np.empty(0)
    except FileNotFoundError as error:
        raise UnreadableLog("no evaluations.npz: it was not evaluated, or ended before its first evaluation") from error
    except UnreadableLog:
        raise
    except Exception as error:  # whatever a damaged file makes of numpy
        raise UnreadableLog(f"evaluations.npz cannot be read: {' '.join(str(error).split())}") from error
    if not (returns.ndim == 2 and returns.shape == lengths.shape and steps.shape == returns.shape[:1] and returns.size):
        raise UnreadableLog(f"evaluations.npz has steps of shape {steps.shape} and returns of shape {returns.shape}")
    if steps.dtype.kind not in "iu" or steps[0] <= 0 or (np.diff(steps) <= 0).any():
        raise UnreadableLog("evaluations.npz has steps that do not rise")
    known = successes.ndim == 2 and len(successes) == len(steps)
    return Series(steps, int(steps[0]), list(returns), list(lengths), list(successes) if known else None)


def training_episodes(folder: Path, every: int) -> Series:
    """Read what SB3's Monitor left of all training environments, ``*monitor.csv``, in windows of training steps.

    A point has the episodes that ended in the ``every`` steps up to it; where none did, there is no point. Steps are
    those of the episodes that have ended, in the order of their ends.

    :param every: steps of a window
    :raises UnreadableLog: when there are no episodes, or a file is broken
    """
    try:
        # A line that is cut short has no number for the rest of its columns.
        episodes = load_results(str(folder)).dropna().astype({"l": int})
    except LoadMonitorResultsError as error:
        raise UnreadableLog("no monitor.csv: its training episodes were not kept") from error
    except Exception as error:  # whatever a damaged file makes of pandas
        raise UnreadableLog(f"monitor.csv cannot be read: {error}") from error
    if episodes.empty:
        raise UnreadableLog("monitor.csv has no episode that ended")
    # The window (0, every] has the number 1.
    windows = list(episodes.groupby((episodes["l"].cumsum() - 1) // every + 1))
    return Series(
        timesteps=np.array([int(str(number)) * every for number, _ in windows]),
        every=every,
        returns=[window["r"].to_numpy(dtype=float) for _, window in windows],
        lengths=[window["l"].to_numpy(dtype=float) for _, window in windows],
    )


def _mapping(path: Path) -> dict[str, Any]:
    try:
        content = load(read_text(path), _ArgumentsLoader)
    except (OSError, ValueError) as error:
        raise UnreadableLog(f"{path.parent.name}/{path.name} cannot be read: {' '.join(str(error).split())}") from error
    return content if isinstance(content, dict) else {}


def _overrides(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments that RL Zoo's config.yml lacks: those of the environment, and a budget from the command line."""
    budget = arguments.get("n_timesteps")
    overridden = {"n_timesteps": float(budget)} if isinstance(budget, int) and budget > 0 else {}
    return {"env_kwargs": arguments.get("env_kwargs"), **overridden}


def _version(model: Path) -> str | None:
    """Version of SB3 in a saved model; the rest of the zip, which holds pickled objects, stays closed."""
    try:
        with zipfile.ZipFile(model) as stored, stored.open("_stable_baselines3_version") as file:
            return file.read(100).decode().strip()
    except Exception:  # whatever a damaged file makes of zipfile
        return None
