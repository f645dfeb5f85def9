"""Exact resume: a run that was killed goes on in a new process as if it had never stopped.

SB3's zip holds the weights, the optimiser and the arguments. What it lacks is saved beside it: the random generators,
the environments, the hidden states of recurrent policies and the values that are recorded but not yet written to the
log. All of it is captured where nothing is half done: after an update and before the next rollout.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import numpy as np
import torch as th
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.utils import get_system_info

from sb3_ppo_variants.loop.backup import held_back
from sb3_ppo_variants.messages import warn_user
from sb3_ppo_variants.resume.buffers import buffer_state
from sb3_ppo_variants.resume.environments import PROCESSES, pickled_environment
from sb3_ppo_variants.resume.file import FORMAT, full_name, write_members
from sb3_ppo_variants.resume.generators import (
    before_each_rollout,
    generator_states,
    not_before_rollouts,
    waiting_state,
)
from sb3_ppo_variants.resume.modules import module_state, unsaved_parts

# What SB3 and sb3-contrib leave out of a zip or reset when they load one.
POLICY_STATE = ("_last_lstm_states",)
STATISTICS = ("obs_rms", "ret_rms")


class ResumeCallback(BaseCallback):
    """Saves, every so many environment steps, a file from which :func:`.resume_model` continues a run exactly.

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

    def __init__(self, path: str | Path, every: int | np.integer[Any] = 10_000, verbose: int = 0) -> None:
        super().__init__(verbose)
        if isinstance(every, bool) or not isinstance(every, (int, np.integer)) or every < 1:
            raise ValueError(f"every={every!r}: a whole number of environment steps, at least 1")
        if Path(path).is_dir():
            raise ValueError(f"path={str(path)!r}: a file, not a folder")
        self.path = Path(path)
        self.every = int(every)
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
        before_each_rollout(self._on_policy_model, self._capture_generators)
        if earlier := self._that_begin_rollouts_earlier():
            warn_user(
                f"ResumeCallback: {', '.join(earlier)} sees the start of a rollout before it; put it first in the "
                "list, or what is changed then is changed twice in a resumed run"
            )
        # The result is dropped: a user wants to know at the start of a long run what cannot be saved.
        self._members()
        for unsaved in unsaved_parts(self.model.policy):
            warn_user(f"ResumeCallback: {unsaved}; set it again after resume_model, or the run will differ")

    def _that_begin_rollouts_earlier(self) -> list[str]:
        """The callbacks before this one in the list of ``learn`` that do something at the start of a rollout."""
        listed = getattr(self.locals.get("callback"), "callbacks", [])
        before = listed[: listed.index(self)] if self in listed else []
        inherited = BaseCallback._on_rollout_start
        return [type(each).__name__ for each in before if type(each)._on_rollout_start is not inherited]

    def _on_rollout_start(self) -> None:
        if self._is_due():
            self._save()
        self._in_rollout = True
        self._generators = {}

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        self._in_rollout = False

    def _on_training_end(self) -> None:
        not_before_rollouts(self._on_policy_model, self._capture_generators)
        if not self._in_rollout:
            self._save()

    def _is_due(self) -> bool:
        """Whether a file is to be written before this rollout."""
        return self.model.num_timesteps - self._saved_at >= self.every

    @property
    def _on_policy_model(self) -> OnPolicyAlgorithm:
        assert isinstance(self.model, OnPolicyAlgorithm)
        return self.model

    def _capture_generators(self) -> None:
        self._generators = generator_states()

    def _save(self) -> None:
        try:
            write_members(self.path, self._members())
        except OSError as error:
            warn_user(f"ResumeCallback: {self.path} stays as it was, not written: {error}")
            return
        self._saved_at = self.model.num_timesteps
        if self.verbose >= 2:
            print(f"Saving a file to resume from to {self.path}")

    def _members(self) -> dict[str, bytes]:
        """The content of the file."""
        model = io.BytesIO()
        self.model.save(model)
        environments, reason = self._environments()
        about = {
            "format": FORMAT,
            "class": full_name(type(self.model)),
            "num_timesteps": self.model.num_timesteps,
            "system": get_system_info(print_info=False)[0],
            "no_environment": reason,
            "processes": PROCESSES in environments,
        }
        members = {"about.json": json.dumps(about).encode(), "model.zip": model.getvalue(), "state.pt": self._state()}
        return members | environments

    def _state(self) -> bytes:
        normalize = self.model.get_vec_normalize_env()
        # A run that is resumed and ends without a rollout has not taken over its own state.
        waiting = waiting_state(self._on_policy_model) or {"generators": {}, "logger": {}}
        logged = {name: dict(values) for name, values in held_back(self.model.logger).items()}
        state = {
            "generators": waiting["generators"] or self._generators or generator_states(),
            "policy": {name: getattr(self.model, name) for name in POLICY_STATE if hasattr(self.model, name)},
            "modules": module_state(self.model.policy),
            "buffer": buffer_state(self._on_policy_model.rollout_buffer),
            "lr_schedule": cloudpickle.dumps(self.model.lr_schedule),
            "logger": {name: values | waiting["logger"].get(name, {}) for name, values in logged.items()},
            # Also where the environment is pickled: an `env` given instead of it needs them.
            "statistics": {} if normalize is None else {name: vars(normalize).get(name) for name in STATISTICS},
        }
        buffer = io.BytesIO()
        th.save(state, buffer)
        return buffer.getvalue()

    def _environments(self) -> tuple[dict[str, bytes], str]:
        """The pickled environments, or nothing and the reason, which draws one warning."""
        environments, reason = pickled_environment(self._on_policy_model, self.path.parent)
        if not environments and not self._warned:
            self._warned = True
            warn_user(
                f"ResumeCallback: {reason}. All else is saved, the statistics of VecNormalize included, but a resumed "
                "run needs `env`, starts new episodes and will differ from a run that never stopped"
            )
        return environments, reason
