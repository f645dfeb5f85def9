"""The games of MinAtar (Young and Tian 2019, arXiv 1903.03176), and the network of their paper.

`gymnasium.make("benchmarks.minatar_games:MinAtar/Breakout-v1")` imports this module, which registers them. They
need the extra `minatar`.
"""

from __future__ import annotations

import minatar.gym
import torch as th
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn

FILTERS, SIZE = 16, 3


class ConvolutionOfPlanes(BaseFeaturesExtractor):
    """A convolution with 16 filters of 3 x 3 and ReLU.

    With `policy_kwargs={"net_arch": [128], "activation_fn": nn.ReLU}` it is the network of the paper (section 3), whose
    128 units actor and critic each have for themselves.

    :param observation_space: planes of 0 and 1, shape ``(height, width, planes)``
    """

    def __init__(self, observation_space: spaces.Box) -> None:
        height, width, planes = observation_space.shape
        super().__init__(observation_space, FILTERS * (height - SIZE + 1) * (width - SIZE + 1))
        self.layers = nn.Sequential(nn.Conv2d(planes, FILTERS, SIZE), nn.ReLU(), nn.Flatten())

    def forward(self, observations: th.Tensor) -> th.Tensor:
        """Return the features, shape ``(batch, features)``.

        :param observations: shape ``(batch, height, width, planes)``
        """
        features: th.Tensor = self.layers(observations.permute(0, 3, 1, 2))
        return features


minatar.gym.register_envs()
