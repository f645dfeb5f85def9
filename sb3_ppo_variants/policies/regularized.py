r"""Networks with layer normalisation, for actors with any action distribution.

``layer_norm=True`` puts a layer normalisation between each hidden layer and its activation, in actor and critic.

``residual_actor=True`` makes the actor the residual network of RN-D (Bian et al., "RN-D: Discretized Categorical Actors
for On-Policy Reinforcement Learning", ICML 2026, arXiv 2601.23075): a linear projection
:math:`x_0 = W o + b` to the width of the hidden layers, for each hidden layer one block

.. math:: x_{i+1} = x_i + W_2 \, \mathrm{relu}(W_1 \, \mathrm{LN}(x_i))

whose inner layer is four times as wide, and a last layer normalisation. The critic stays as it is. The paper has two
blocks of 256 for the actor and two layers of 64 for the critic: ``net_arch=dict(pi=[256, 256], vf=[64, 64])``. Weights
begin as SB3 begins those of all its networks (``ortho_init``), not as in the paper's code (He et al. within blocks).
"""

from __future__ import annotations

from typing import Any

import torch as th
from gymnasium import spaces
from stable_baselines3.common.policies import (
    ActorCriticCnnPolicy,
    ActorCriticPolicy,
    BasePolicy,
    MultiInputActorCriticPolicy,
)
from stable_baselines3.common.torch_layers import FlattenExtractor, MlpExtractor

from sb3_ppo_variants.coefficients import Flag
from sb3_ppo_variants.messages import warn_user

EXPANSION = 4  # of the inner layer of a block


class ResidualBlock(th.nn.Module):
    """Two layers on normalised inputs, added to the inputs.

    :param width: of inputs and outputs
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = th.nn.Sequential(
            th.nn.LayerNorm(width),
            th.nn.Linear(width, EXPANSION * width),
            th.nn.ReLU(),
            th.nn.Linear(EXPANSION * width, width),
        )

    def forward(self, inputs: th.Tensor) -> th.Tensor:
        """What the layers change is added.

        :param inputs: shape ``(batch, width)``
        :return: of the same shape
        """
        change: th.Tensor = self.layers(inputs)
        return inputs + change


def residual_network(plain: th.nn.Sequential) -> th.nn.Sequential:
    """A residual network in place of a plain one.

    :param plain: linear layers with activations between them; each gives one block
    :raises ValueError: when there is no layer, or layers differ in width
    """
    linear = [layer for layer in plain if isinstance(layer, th.nn.Linear)]
    widths = [layer.out_features for layer in linear]
    if len(set(widths)) != 1:
        raise ValueError(
            f"residual_actor=True with net_arch['pi']={widths}: a residual actor has one or more layers of the same "
            "width, [256, 256] say"
        )
    blocks = [ResidualBlock(width) for width in widths]
    return th.nn.Sequential(th.nn.Linear(linear[0].in_features, widths[0]), *blocks, th.nn.LayerNorm(widths[0]))


def normalized_network(plain: th.nn.Sequential) -> th.nn.Sequential:
    """The same network with a layer normalisation after each linear layer.

    :param plain: linear layers with activations between them
    """
    layers: list[th.nn.Module] = []
    for layer in plain:
        layers.append(layer)
        if isinstance(layer, th.nn.Linear):
            layers.append(th.nn.LayerNorm(layer.out_features))
    return th.nn.Sequential(*layers)


class RegularizedNetworks(BasePolicy):
    """What gives a policy of SB3 or sb3-contrib these networks; a base class that comes before the policy's.

    :param args: as in the policy
    :param layer_norm: layer normalisation in the hidden layers of actor and critic
    :param residual_actor: the residual network of RN-D as the actor, of as many blocks as ``net_arch["pi"]`` has
        layers, all of one width; a critic without layer normalisation unless ``layer_norm`` is on too
    :param kwargs: as in the policy
    :raises ValueError: for a residual actor without layers, or with layers of several widths
    """

    mlp_extractor: MlpExtractor

    def __init__(self, *args: Any, layer_norm: bool = False, residual_actor: bool = False, **kwargs: Any) -> None:
        Flag("layer_norm").check(layer_norm)
        Flag("residual_actor").check(residual_actor)
        self.layer_norm = layer_norm
        self.residual_actor = residual_actor
        super().__init__(*args, **kwargs)

    def _build_mlp_extractor(self) -> None:
        # SB3 does so for its own policies by name.
        if isinstance(self.observation_space, spaces.Dict) and isinstance(self.features_extractor, FlattenExtractor):
            raise ValueError(f"policy={type(self).__name__} takes no Dict observations; a MultiInputPolicy does")
        super()._build_mlp_extractor()  # type: ignore[misc]
        networks = self.mlp_extractor
        if self.layer_norm and not (len(networks.policy_net) or len(networks.value_net)):
            warn_user(
                f"layer_norm=True with net_arch={self.net_arch} does nothing: policy={type(self).__name__} has no "
                "hidden layer to normalise; give one, policy_kwargs={'net_arch': [256]} say"
            )
        if self.residual_actor:
            networks.policy_net = residual_network(networks.policy_net)
        elif self.layer_norm:
            networks.policy_net = normalized_network(networks.policy_net)
        if self.layer_norm:
            networks.value_net = normalized_network(networks.value_net)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        own = {"layer_norm": self.layer_norm, "residual_actor": self.residual_actor}
        return super()._get_constructor_parameters() | own


class RegularizedMlpPolicy(RegularizedNetworks, ActorCriticPolicy):
    """SB3's MlpPolicy with the arguments ``layer_norm`` and ``residual_actor``; the same as SB3's without them."""


class RegularizedCnnPolicy(RegularizedNetworks, ActorCriticCnnPolicy):
    """SB3's CnnPolicy with the arguments ``layer_norm`` and ``residual_actor``; the same as SB3's without them."""


class RegularizedMultiInputPolicy(RegularizedNetworks, MultiInputActorCriticPolicy):
    """SB3's MultiInputPolicy with the arguments ``layer_norm`` and ``residual_actor``; the same as SB3's without."""
