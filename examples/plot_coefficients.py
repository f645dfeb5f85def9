"""A callback that records logged coefficients and draws them over the steps."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure
from stable_baselines3.common.callbacks import BaseCallback

from sb3_ppo_variants import KLPenaltyPPO

STEPS = 50_000
KEYS = ("train/kl_coef", "train/kl")
PICTURE = Path("coefficients.svg")


class PlotCoefficients(BaseCallback):
    """Keep the values of every update and draw one panel for each key at the end."""

    def __init__(self, keys: tuple[str, ...], picture: Path) -> None:
        super().__init__()
        self.keys, self.picture = keys, picture
        self.steps: list[int] = []
        self.values: dict[str, list[float]] = {key: [] for key in keys}

    def _on_step(self) -> bool:
        return True

    def _record(self) -> None:
        logged = self.logger.name_to_value
        if all(key in logged for key in self.keys):  # not before the first update
            self.steps.append(self.num_timesteps)
            for key in self.keys:
                self.values[key].append(float(logged[key]))

    def _on_rollout_start(self) -> None:
        self._record()

    def _on_training_end(self) -> None:
        self._record()
        figure = Figure(layout="constrained")
        panels = figure.subplots(len(self.keys), sharex=True, squeeze=False)[:, 0]
        for panel, key in zip(panels, self.keys, strict=True):
            panel.plot(self.steps, self.values[key])
            panel.set_ylabel(key)
        panels[-1].set_xlabel("timesteps")
        figure.savefig(self.picture)


def main() -> PlotCoefficients:
    """Train on CartPole-v1 and draw the penalty's coefficient and the KL that drives it."""
    callback = PlotCoefficients(KEYS, PICTURE)
    KLPenaltyPPO("MlpPolicy", "CartPole-v1", n_steps=256, seed=0).learn(STEPS, callback)
    return callback


if __name__ == "__main__":
    main()
