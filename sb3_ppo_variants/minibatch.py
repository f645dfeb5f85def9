"""What a term or a regularizer sees of a minibatch, and what is kept of the policy before the update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch as th

from sb3_ppo_variants.kl import DIRECTIONS, Direction, Distributions, kl_divergence
from sb3_ppo_variants.messages import one_of


class NotKnown(RuntimeError):
    """A part asks for something that nothing says it needs."""


class StatesApart:
    """States drawn apart from the minibatch: the policy in them one gradient step ago, and now.

    :param before: the distributions one step earlier, without gradient; in the first step of an update those of now
    :param now: the current distributions
    """

    def __init__(self, before: Distributions, now: Distributions) -> None:
        self.before, self.now = before, now

    def kl(self) -> th.Tensor:
        """Exact KL(before || now), shape ``(batch,)``, in nats, summed over action dimensions."""
        return kl_divergence(self.before, self.now)


class Minibatch:
    r"""What a term or a regularizer sees of a minibatch; all tensors have the shape ``(batch,)``.

    :param advantages: as they enter the surrogate, so normalised when ``normalize_advantage`` is on
    :param log_ratio: :math:`\log \pi_\theta(a|s) - \log \pi_{old}(a|s)`; its exponential is ``ratio``
    :param old: the old distribution of each sample, when a term needs the exact divergence
    :param new: the current distribution of each sample
    :param prepared: what the terms made of the old distributions once per rollout, the rows of these samples
    :param samples: what the rollout buffer drew, with the observations; with an LSTM they are padded
    :param features: the last hidden layer of the policy before its activation function, now and before the update, each
        of shape ``(batch, width)``, when a regularizer needs it
    :param apart: other states, when a regularizer needs them
    """

    def __init__(
        self,
        advantages: th.Tensor,
        log_ratio: th.Tensor,
        old: Distributions | None = None,
        new: Distributions | None = None,
        prepared: Mapping[str, th.Tensor] | None = None,
        samples: Any = None,
        features: tuple[th.Tensor, th.Tensor] | None = None,
        apart: StatesApart | None = None,
    ) -> None:
        self.advantages = advantages
        self.log_ratio = log_ratio
        self.ratio = th.exp(log_ratio)
        self.prepared = {} if prepared is None else prepared
        self.samples = samples
        self._old = old
        self._new = new
        self._kl: dict[Direction, th.Tensor] = {}
        self._features, self._apart = features, apart
        self.asked_for_features = self.asked_for_states_apart = False

    def kl(self, direction: Direction = "forward") -> th.Tensor:
        """Exact divergence per sample, computed at most once per direction.

        :param direction: ``"forward"`` for KL(old || new), ``"reverse"`` for KL(new || old)
        :return: shape ``(batch,)``, in nats, summed over action dimensions
        :raises ValueError: for another direction
        :raises NotKnown: where nobody said that the divergence is needed
        """
        if direction not in DIRECTIONS:
            raise ValueError(one_of("direction", direction, DIRECTIONS))
        if direction not in self._kl:
            if self._old is None or self._new is None:
                raise NotKnown(
                    f"the exact {direction} KL is not known here: the record of a term has to say needs_kl=True, and a "
                    "log finds the directions that the function of its term asked for; a term that asks for it at some "
                    "values of its coefficients only needs a record too"
                )
            pair = (self._old, self._new) if direction == "forward" else (self._new, self._old)
            self._kl[direction] = kl_divergence(*pair)
        return self._kl[direction]

    @property
    def features(self) -> tuple[th.Tensor, th.Tensor]:
        """The last hidden layer of the policy before its activation function, now and before the update.

        :raises NotKnown: when the record of the regularizer does not say that it needs them
        """
        self.asked_for_features = True
        if self._features is None:
            raise NotKnown("features are not known here: the record of a regularizer has to say needs_features=True")
        return self._features

    @property
    def apart(self) -> StatesApart:
        """States drawn apart from the minibatch.

        :raises NotKnown: when the record of the regularizer does not say that it needs them
        """
        self.asked_for_states_apart = True
        if self._apart is None:
            raise NotKnown(
                "states apart are not known here: the record of a regularizer has to say needs_states_apart=True"
            )
        return self._apart

    @property
    def asked_for_kl(self) -> bool:
        """Whether a term asked for an exact divergence."""
        return bool(self._kl)

    @property
    def computed_kl(self) -> Mapping[Direction, th.Tensor]:
        """The exact divergences that were asked for, each of shape ``(batch,)``."""
        return self._kl

    @staticmethod
    def from_tensors(
        advantages: th.Tensor,
        log_ratio: th.Tensor,
        ratio: th.Tensor,
        prepared: Mapping[str, th.Tensor],
        kl: dict[Direction, th.Tensor],
    ) -> Minibatch:
        """A minibatch as the statistics of an update need it: everything but the distributions.

        :param advantages: as in the class
        :param log_ratio: as in the class
        :param ratio: its exponential
        :param prepared: as in the class
        :param kl: the exact divergences that were asked for, by direction
        """
        minibatch = Minibatch.__new__(Minibatch)
        minibatch.advantages, minibatch.log_ratio, minibatch.ratio = advantages, log_ratio, ratio
        minibatch.prepared, minibatch._kl = prepared, kl
        minibatch.samples = minibatch._old = minibatch._new = minibatch._features = minibatch._apart = None
        return minibatch

    def split(self, lengths: Sequence[int]) -> list[Minibatch]:
        """Parts of it without the distributions, one after the other.

        :param lengths: number of samples of each
        """
        names, directions = [*self.prepared], [*self._kl]
        tensors = [self.advantages, self.log_ratio, self.ratio, *self.prepared.values(), *self._kl.values()]
        parts = []
        for advantages, log_ratio, ratio, *rest in zip(
            *(th.split(each, list(lengths)) for each in tensors), strict=True
        ):
            prepared = dict(zip(names, rest, strict=False))
            kl = dict(zip(directions, rest[len(names) :], strict=True))
            parts.append(Minibatch.from_tensors(advantages, log_ratio, ratio, prepared, kl))
        return parts

    def detach(self) -> Minibatch:
        """The same numbers without their graph, for the statistics of the update."""
        kl = {direction: kl.detach() for direction, kl in self._kl.items()}
        return Minibatch.from_tensors(self.advantages, self.log_ratio.detach(), self.ratio.detach(), self.prepared, kl)


def trial_minibatch(known_kl: bool = True, **more: Any) -> Minibatch:
    """Three artificial samples, on which a user's function is called before training.

    :param known_kl: whether the exact divergence is known
    :param more: arguments of :class:`Minibatch`
    """
    policy = Distributions("normal", (th.zeros(3, 1), th.ones(3, 1))) if known_kl else None
    return Minibatch(th.tensor([1.0, 0.0, -1.0]), th.tensor([0.1, 0.0, -0.1]), policy, policy, **more)


@dataclass(frozen=True)
class OldPolicy:
    """What is kept of the policy before the update.

    :param distributions: of every valid step of the rollout
    :param prepared: what the terms made of it, each of shape ``(n_steps * n_envs, ...)``
    :param features: of its last hidden layer, shape ``(n_steps * n_envs, width)``, when a regularizer needs them
    """

    distributions: Distributions
    prepared: Mapping[str, th.Tensor]
    features: th.Tensor | None = None

    def select_rows(self, indices: th.Tensor) -> OldPolicy:
        """The old policy at some steps.

        :param indices: integers of shape ``(batch,)``
        """
        prepared = {name: tensor[indices] for name, tensor in self.prepared.items()}
        features = None if self.features is None else self.features[indices]
        return OldPolicy(self.distributions.select_rows(indices), prepared, features)
