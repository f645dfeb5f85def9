r"""Continuous actions as categorical ones: each dimension of a Box is cut into bins, and one bin of each is chosen.

With :math:`k` bins, dimension :math:`d` of an action is one of the centres

.. math:: a_{d,j} = low_d + \frac{j}{k - 1} (high_d - low_d), \qquad j = 0, \dots, k - 1,

both ends of the space included, as in both papers. Dimensions are independent, so log-probability, entropy and exact
divergence are sums over dimensions of those of categorical distributions. Outside, actions are continuous: the
environment and the rollout buffer get centres, and the log-probability of an action is that of its nearest centre. It
is the logarithm of a probability, where that of a Gaussian is one of a density.

Plain, each bin has a logit :math:`l_{d,j}` of its own. Ordinal, a logit counts for its bin and all bins above it. Tang
and Agrawal have, with the sigmoid :math:`s`,

.. math:: l'_{d,j} = \sum_{i \le j} \log s(l_{d,i}) + \sum_{i > j} \log (1 - s(l_{d,i})).

As :math:`\log s(l) - \log(1 - s(l)) = l`, neighbours differ by :math:`l'_{d,j} - l'_{d,j-1} = l_{d,j}`, so that up to
a constant, which changes no probability, :math:`l'_{d,j} = \sum_{0 < i \le j} l_{d,i}`: this sum is computed, and
the first logit has no effect.

Sources: Tang and Agrawal, "Discretizing Continuous Action Space for On-Policy Optimization", AAAI 2020, arXiv
1901.10500 (7 to 15 bins); Bian et al., "RN-D: Discretized Categorical Actors for On-Policy Reinforcement Learning",
ICML 2026, arXiv 2601.23075 (plain, 41 bins).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.distributions import CategoricalDistribution, Distribution, sum_independent_dims
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import Schedule
from torch.distributions import Categorical

from sb3_ppo_variants.coefficients import Flag
from sb3_ppo_variants.policies.regularized import (
    RegularizedCnnPolicy,
    RegularizedMlpPolicy,
    RegularizedMultiInputPolicy,
)


def bin_centres(space: spaces.Box, n_bins: int) -> th.Tensor:
    """The actions that a binned policy can take, from bound to bound.

    :param space: bounded, of any shape
    :param n_bins: of each dimension
    :return: shape ``(action_dim, n_bins)``, in the units of the space
    """
    centres = np.linspace(space.low.ravel(), space.high.ravel(), n_bins, axis=-1)
    return th.as_tensor(centres, dtype=th.float32)


def nearest_bins(actions: th.Tensor, centres: th.Tensor) -> th.Tensor:
    """The bins of some actions; those beyond a bound are in the last one.

    :param actions: shape ``(batch, action_dim)``
    :param centres: shape ``(action_dim, n_bins)``, at equal distances
    :return: integers of shape ``(batch, action_dim)``
    """
    low, high, last = centres[:, 0], centres[:, -1], centres.shape[1] - 1
    # A dimension without extent has 0 / 0.
    return ((actions - low) / (high - low) * last).nan_to_num().round().clamp(0, last).long()


class BinnedDistribution(CategoricalDistribution):
    """A categorical distribution over bins for each dimension of a continuous action.

    :param centres: of the bins, shape ``(action_dim, n_bins)``
    :param ordinal: a logit counts for its bin and all bins above it
    """

    distribution: Any

    def __init__(self, centres: th.Tensor, ordinal: bool = False) -> None:
        super().__init__(centres.numel())
        self.centres = centres
        self.ordinal = ordinal

    def proba_distribution(self, action_logits: th.Tensor) -> BinnedDistribution:
        """Set the parameters of the distribution.

        :param action_logits: shape ``(batch, action_dim * n_bins)``, the bins of a dimension side by side
        """
        logits = action_logits.view(-1, *self.centres.shape)
        if self.ordinal:
            # All bins share the first logit: without it, no rounding makes a gradient for it.
            logits = th.nn.functional.pad(logits[..., 1:].cumsum(dim=-1), (1, 0))
        self.distribution = Categorical(logits=logits)
        return self

    def log_prob(self, actions: th.Tensor) -> th.Tensor:
        """Logarithm of the probability of the bins of some actions, shape ``(batch,)``.

        :param actions: shape ``(batch, action_dim)``
        """
        return sum_independent_dims(self.distribution.log_prob(nearest_bins(actions, self.centres)))

    def entropy(self) -> th.Tensor:
        """Entropy in nats, shape ``(batch,)``; at most ``action_dim * log(n_bins)``."""
        return sum_independent_dims(self.distribution.entropy())

    def sample(self) -> th.Tensor:
        """The centre of a random bin for each dimension, shape ``(batch, action_dim)``."""
        return self._centres_at(self.distribution.sample())

    def mode(self) -> th.Tensor:
        """The centre of the most likely bin for each dimension, shape ``(batch, action_dim)``."""
        return self._centres_at(self.distribution.logits.argmax(dim=-1))

    def _centres_at(self, bins: th.Tensor) -> th.Tensor:
        return self.centres.gather(1, bins.t()).t()


class BinnedPolicy(ActorCriticPolicy):
    """What makes a policy of SB3 binned; a base class that comes before the policy's.

    :param args: as in the policy
    :param n_bins: bins of each action dimension, at least 2; 7 to 41 in the papers
    :param ordinal: the ordinal parameterisation of Tang and Agrawal
    :param kwargs: as in the policy
    :raises ValueError: for another action space than a bounded Box of floating-point numbers, for fewer than two bins,
        and for ``use_sde=True``
    """

    bin_centres: th.Tensor
    action_dist: BinnedDistribution

    def __init__(self, *args: Any, n_bins: int = 41, ordinal: bool = False, **kwargs: Any) -> None:
        Flag("ordinal").check(ordinal)
        self.n_bins = n_bins
        self.ordinal = ordinal
        super().__init__(*args, **kwargs)

    def _build(self, lr_schedule: Schedule) -> None:
        centres = bin_centres(self._checked_space(), self.n_bins)
        # Not in the state dictionary: it follows from the space.
        self.register_buffer("bin_centres", centres, persistent=False)
        self.action_dist = BinnedDistribution(self.bin_centres, self.ordinal)
        super()._build(lr_schedule)

    def _checked_space(self) -> spaces.Box:
        """The action space, if it and the arguments are such that it can be cut into bins."""
        name, space = type(self).__name__, self.action_space
        if not isinstance(space, spaces.Box) or not np.issubdtype(space.dtype, np.floating) or not space.is_bounded():
            raise ValueError(f"{name}: action_space={space}; a binned policy has a Box of floats with finite bounds")
        if not bin_centres(space, 2).diff().isfinite().all():
            raise ValueError(f"{name}: action_space={space}; its bounds are too far apart for single precision")
        if self.use_sde:
            raise ValueError(f"{name}: use_sde=True; a binned policy explores by its own distribution, use_sde=False")
        if isinstance(self.n_bins, bool) or not isinstance(self.n_bins, (int, np.integer)) or self.n_bins < 2:
            raise ValueError(f"{name}: n_bins={self.n_bins!r}; it is a whole number, at least 2")
        return space

    def _get_action_dist_from_latent(self, latent_pi: th.Tensor) -> Distribution:
        self.action_dist.centres = self.bin_centres  # which follow the policy to another device
        return super()._get_action_dist_from_latent(latent_pi)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return super()._get_constructor_parameters() | {"n_bins": self.n_bins, "ordinal": self.ordinal}


class BinnedMlpPolicy(BinnedPolicy, RegularizedMlpPolicy):
    """SB3's MlpPolicy with binned actions.

    The arguments are those of :class:`BinnedPolicy` and :class:`.RegularizedNetworks`, and SB3's.
    """


class BinnedCnnPolicy(BinnedPolicy, RegularizedCnnPolicy):
    """SB3's CnnPolicy with binned actions.

    The arguments are those of :class:`BinnedPolicy` and :class:`.RegularizedNetworks`, and SB3's.
    """


class BinnedMultiInputPolicy(BinnedPolicy, RegularizedMultiInputPolicy):
    """SB3's MultiInputPolicy with binned actions.

    The arguments are those of :class:`BinnedPolicy` and :class:`.RegularizedNetworks`, and SB3's.
    """
