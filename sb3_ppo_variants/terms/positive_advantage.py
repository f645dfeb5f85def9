"""The policy learns from good actions alone."""

import torch as th

from sb3_ppo_variants.chain import Term
from sb3_ppo_variants.minibatch import Minibatch


def positive_advantage(surrogate: th.Tensor, minibatch: Minibatch) -> th.Tensor:
    r"""Positive advantages (VSOP): the ReLU of the advantage takes its place.

    .. math:: J = \begin{cases} J_{shape} & A > 0 \\ 0 & A \le 0 \end{cases}

    so :math:`J = \max(A, 0)\, r` where no other term comes before. The gradient of a sample with :math:`A > 0` stays
    as it is; one with :math:`A \le 0` has none at any ratio, where a clip keeps it until the action has become less
    likely. It is not the policy gradient at the old policy, which pushes bad actions down too: the paper shows that it
    raises a lower bound on the value. A bad action becomes less likely only because good ones become more likely.

    Jesson et al., "ReLU to the Rescue: Improve Your On-Policy Actor-Critic with Positive Advantages", ICML 2024,
    arXiv 2306.01460, with :math:`\max(A, 0) \log \pi_\theta(a|s)` as in the authors' code, which has no ratio and takes
    the ReLU of advantages that are not normalised. Here the sign is that of the advantage in the surrogate: of the
    paper's one with ``normalize_advantage=False``, of the distance from the mean of the minibatch with the default.
    The paper's two other changes, spectral normalisation and dropout, are properties of a policy, not of a term.

    The term stands after the shapes: a clip behind it would bring the bad actions back.

    :param surrogate: shape ``(batch,)``
    :return: shape ``(batch,)``; the term has no coefficient, leave it out of the objective to switch it off
    """
    return th.where(minibatch.advantages > 0, surrogate, 0.0)


def log(minibatch: Minibatch) -> dict[str, th.Tensor]:
    """Share of samples that the policy learns from."""
    return {"positive_advantage_fraction": (minibatch.advantages > 0).float().mean()}


POSITIVE_ADVANTAGE = Term("positive_advantage", positive_advantage, stage="bound", log=log)
