"""SB3's on-policy algorithms, and those with the same methods."""

from __future__ import annotations

from typing import Any

# Steps of a training that never ends: schedules stay at their first value.
NEVER = 10**12


class StableBaselines:
    """The parts of `learn`, one by one.

    :param model: new
    """

    def __init__(self, model: Any) -> None:
        self._model, self._iteration = model, 0
        _, self._callback = model._setup_learn(NEVER, None, True, "speed", False)

    def rollout(self) -> None:
        """Only a rollout, with its advantages."""
        model = self._model
        model.collect_rollouts(model.env, self._callback, model.rollout_buffer, n_rollout_steps=model.n_steps)

    def update(self) -> None:
        """Only an update, on the rollout collected last."""
        self._model.train()

    def end_to_end(self) -> None:
        """A whole iteration of `learn`."""
        model = self._model
        self._iteration += 1
        self.rollout()
        model._update_current_progress_remaining(model.num_timesteps, NEVER)
        model.dump_logs(self._iteration)
        model.train()
