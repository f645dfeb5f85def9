"""Prints the peak memory of a process that makes one update with a rollout of images, in bytes.

.. code-block:: bash

    python -m tests.loop.memory VariantPPO
"""

from __future__ import annotations

import resource
import sys
from itertools import islice
from typing import Any

import numpy as np
import stable_baselines3
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.logger import Logger

import sb3_ppo_variants
from tests.environments import SpacesEnv

STEPS = 4096  # 116 MB of images
MINIBATCHES = 24  # of 64: the peak is reached in the first ones, and the convolutions take long


class Images(SpacesEnv):
    """Images as those of Atari games."""

    def __init__(self) -> None:
        super().__init__(action="discrete")
        self.observation_space = spaces.Box(0, 255, (4, 84, 84), np.uint8)


class ShortBuffer(RolloutBuffer):
    """Ends an epoch early."""

    def get(self, batch_size: int | None = None) -> Any:
        return islice(super().get(batch_size), MINIBATCHES)


ShortBuffer.get.__module__ = RolloutBuffer.__module__  # its minibatches are rows of the rollout, as those of SB3


def main(name: str) -> None:
    """Train on a rollout of noise.

    :param name: of the class
    """
    cls: Any = getattr(stable_baselines3, name, None) or getattr(sb3_ppo_variants, name)
    settings: dict[str, Any] = {"n_steps": STEPS, "batch_size": 64, "n_epochs": 1, "seed": 0, "device": "cpu"}
    model = cls("CnnPolicy", Images(), rollout_buffer_class=ShortBuffer, **settings)
    model.set_logger(Logger(None, []))
    buffer, generator = model.rollout_buffer, np.random.default_rng(0)
    buffer.observations = generator.integers(256, size=buffer.observations.shape, dtype=np.uint8)
    buffer.advantages[:] = generator.uniform(-1.0, 1.0, size=buffer.advantages.shape)
    buffer.log_probs[:] = -np.log(4.0)
    buffer.full = True
    model.train()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


if __name__ == "__main__":
    main(sys.argv[1])
