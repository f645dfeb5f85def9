"""Checkpoints: a run that was killed goes on from its last one, in whatever process and folder.

A checkpoint is the file of :class:`.ResumeCallback`, with the files of the run and what its evaluations remember.
"""

from __future__ import annotations

import contextlib
import json
import pickle
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from sb3_ppo_variants.bench.runs.callbacks import StudyCallbacks
from sb3_ppo_variants.bench.runs.end import depends_on_end
from sb3_ppo_variants.bench.runs.environments import OUTPUT, make_env, make_evaluation_env
from sb3_ppo_variants.bench.runs.evaluation import TimedEvaluation
from sb3_ppo_variants.bench.runs.heartbeat import FILE_NAME
from sb3_ppo_variants.bench.runs.provenance import cpu, describe_versions, versions
from sb3_ppo_variants.bench.runs.record import CHECKPOINT, LAST_STATE, PROGRESS
from sb3_ppo_variants.bench.runs.sources import sources
from sb3_ppo_variants.bench.runs.start import History, Memory, Start
from sb3_ppo_variants.bench.study.constructors import import_algorithm
from sb3_ppo_variants.bench.study.keys import Checkpoint
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.resume import ResumeCallback, resume_model
from sb3_ppo_variants.resume.file import read_members, write_members
from sb3_ppo_variants.resume.pickling import pickled, unpickled

STATE, EVALUATION_ENV, FILES = "run.pkl", "evaluation_env.pkl", "files/"
# In the checkpoint that a longer run begins with: the identity of the shorter one, whose last state it is.
SHORTER = "shorter.txt"
# Of a run's time that checkpoints may take, where the study says minutes.
SHARE = 0.01


class RunCheckpoint(ResumeCallback):
    """Saves a run with its files and its evaluations.

    :param folder: of the run
    :param evaluation: its evaluations
    :param callbacks: those that its study names
    :param checkpoint: how often
    :param history: what the run has behind it
    """

    def __init__(
        self,
        folder: Path,
        evaluation: TimedEvaluation,
        callbacks: Sequence[StudyCallbacks],
        checkpoint: Checkpoint,
        history: History,
    ) -> None:
        super().__init__(folder / CHECKPOINT, every=checkpoint.every or 1)
        self.evaluation, self.callbacks = evaluation, callbacks
        self.checkpoint, self.history = checkpoint, history
        self.began = self.saved = time.monotonic()
        self.took = 0.0

    def _is_due(self) -> bool:
        if self.checkpoint.minutes is None:
            return super()._is_due()
        return time.monotonic() - self.saved >= max(60.0 * self.checkpoint.minutes, self.took / SHARE)

    def _save(self) -> None:
        begin = time.monotonic()
        super()._save()
        self.saved = time.monotonic()
        self.took = self.saved - begin

    def _on_training_end(self) -> None:
        """Keep the last state for a longer run, which takes the files from the folder of this one.

        It is no checkpoint: nothing trains on from there in this run, so that the values which wait for the next line
        of the log would be lost. A run that a callback ended within a rollout keeps none.
        """
        if self._in_rollout:
            return
        members = self._state_members() | self._contents([self.path.with_name(PROGRESS)])
        if not self.callbacks:
            # Otherwise one of them may still change the model, before it is saved.
            del members["model.zip"]
        # On a full disk the run is whole without it.
        with contextlib.suppress(OSError):
            write_members(self.path.with_name(LAST_STATE), members)

    def _members(self) -> dict[str, bytes]:
        without = (CHECKPOINT, f"{CHECKPOINT}.partial", FILE_NAME)
        files = (path for path in self.path.parent.rglob("*") if path.is_file() and path.name not in without)
        return self._state_members() | self._contents(files)

    def _state_members(self) -> dict[str, bytes]:
        """All but the files of the run."""
        members = super()._members()
        state = {
            "num_timesteps": self.model.num_timesteps,
            "history": replace(self.history, seconds=self.history.seconds + time.monotonic() - self.began),
            "evaluation": self.evaluation.state,
            "evaluation_env": None,
            "callbacks": [listed.remembered() for listed in self.callbacks],
            "versions": versions(),
            "cpu": cpu(),
        }
        try:
            members[EVALUATION_ENV] = pickled(self.evaluation.eval_env, self.path.parent, {})
        except Exception as error:  # an environment may hold anything, and raise anything
            state["evaluation_env"] = f"the evaluation environment cannot be pickled: {type(error).__name__}: {error}"
        return members | {STATE: pickle.dumps(state)}

    def _contents(self, paths: Iterable[Path]) -> dict[str, bytes]:
        return {FILES + path.relative_to(self.path.parent).as_posix(): path.read_bytes() for path in paths}


def resumed(run: Run, folder: Path) -> Start | None:
    """Go on with a run from its checkpoint. One that cannot be read is dropped, and the run begins anew.

    :param run: the run
    :param folder: for this run alone
    :return: None without a checkpoint
    :raises OSError: as on a full disk, where the checkpoint is kept
    :raises MemoryError: likewise
    """
    if not (folder / CHECKPOINT).exists():
        return None
    try:
        return _start(run, folder)
    except Exception as error:  # a pickle of other versions raises anything
        if isinstance(error, MemoryError | OSError) and not isinstance(error, FileNotFoundError):
            raise
        print(f"The run begins anew, because its checkpoint cannot be read: {type(error).__name__}: {error}")
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name not in (OUTPUT, FILE_NAME):
                path.unlink()
        return None


def _start(run: Run, folder: Path) -> Start:
    """The run as its checkpoint has it; its files are in the folder again.

    :raises Exception: whatever a checkpoint raises that cannot be read here
    """
    members = read_members(folder / CHECKPOINT)
    for name, content in members.items():
        if name.startswith(FILES):
            path = folder / name.removeprefix(FILES)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    state = pickle.loads(members[STATE])
    about = json.loads(members["about.json"])
    steps: int = state["num_timesteps"]
    model = _model(run, folder, about, steps)
    saved = EVALUATION_ENV in members
    evaluation_env: VecEnv = unpickled(members[EVALUATION_ENV], folder, {}) if saved else make_evaluation_env(run)
    history: History = state["history"]
    own = sources(run)
    reasons = _differs(state, about)
    reasons += [f"{path} has changed" for path, digest in (history.sources or {}).items() if own.get(path) != digest]
    history = replace(history, sources=own)
    if SHORTER in members:
        earlier = (history.continued or {}).get("differs")
        reasons = [*([earlier] if earlier else []), *reasons, *depends_on_end(model, run.callbacks)]
        continued = {"from": members[SHORTER].decode(), "timesteps": steps, "differs": _joined(reasons)}
        history = replace(history, continued=continued)
    else:
        history = replace(history, resumed=[*history.resumed, {"timesteps": steps, "differs": _joined(reasons)}])
    return Start(model, evaluation_env, history, Memory(state["evaluation"], state["callbacks"]))


def _joined(reasons: list[str]) -> str | None:
    return "; ".join(dict.fromkeys(reasons)) or None


def _model(run: Run, folder: Path, about: dict[str, Any], steps: int) -> OnPolicyAlgorithm:
    """The model with its environments."""
    env = None
    if about["no_environment"]:
        # With the seed of the run its first episodes would come again.
        env = make_env(replace(run, seed=(run.seed + steps) % 2**32), folder)
    elif about["processes"]:
        env = make_env(run, folder)
    algorithm: Any = import_algorithm(run.algorithm)
    model: OnPolicyAlgorithm = resume_model(algorithm, folder / CHECKPOINT, env, run.arguments.get("device", "auto"))
    return model


def _differs(state: dict[str, Any], about: dict[str, Any]) -> list[str]:
    """Why a run that goes on is not the one that was never interrupted."""
    reasons = [about["no_environment"], state["evaluation_env"]]
    reasons += [reason for remembered in state["callbacks"] for reason in remembered.lost]
    reasons.append(describe_versions([state["versions"], versions()]))
    if state["cpu"] != cpu():
        reasons.append(f"processor {state['cpu']}, now {cpu()}")
    return list(filter(None, reasons))
