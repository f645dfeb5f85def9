"""How a run starts: its model, its evaluation environment and what it has behind it, anew or from a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from sb3_ppo_variants.bench.runs.callbacks import Remembered, StudyCallbacks
from sb3_ppo_variants.bench.runs.evaluation import TimedEvaluation


@dataclass(frozen=True)
class History:
    """What a run has behind it.

    :param started: when its first process began, in seconds since the epoch
    :param seconds: how long its processes worked on it
    :param in_force: coefficients and options of a variant at its beginning
    :param resumed: of each process but the first, ``timesteps``, from which it went on, and ``differs``: why the run is
        not the one that was never interrupted, None when it is
    :param continued: of a run that began at the last state of a shorter one, ``from``, the identity of that, its
        ``timesteps``, and ``differs``: why the run is not the one that began anew, None when it is
    :param ended: where a callback ended it before its budget was used up: at which ``timesteps``, and which
        ``callback``, None where that is not known
    :param sources: hashes of the user's own code in the process of now, see :mod:`.sources`
    """

    started: float
    seconds: float
    in_force: dict[str, Any] | None
    resumed: list[dict[str, Any]]
    continued: dict[str, Any] | None = None
    ended: dict[str, Any] | None = None
    sources: dict[str, str] | None = None


@dataclass(frozen=True)
class Memory:
    """What the callbacks of a run remember of its steps so far.

    :param evaluation: :attr:`.TimedEvaluation.state`
    :param callbacks: those of the study
    """

    evaluation: dict[str, Any]
    callbacks: list[Remembered]

    def give(self, evaluation: TimedEvaluation, callbacks: Sequence[StudyCallbacks]) -> None:
        """Let the callbacks of a new process go on where those of the run were."""
        evaluation.go_on(self.evaluation)
        for listed, remembered in zip(callbacks, self.callbacks, strict=True):
            listed.go_on(remembered)


@dataclass(frozen=True)
class Start:
    """A run that is about to be trained, or trained on.

    :param model: with its training environments
    :param evaluation_env: the environment of its evaluations
    :param history: what it has behind it
    :param memory: what its callbacks remember; None when it begins
    """

    model: BaseAlgorithm
    evaluation_env: VecEnv
    history: History
    memory: Memory | None = None

    def close(self) -> None:
        """Close all environments."""
        self.evaluation_env.close()
        if self.model.env is not None:
            self.model.env.close()
