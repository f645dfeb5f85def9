"""Surrogates and their gradients over the ratio, computed by the package itself.

A ratio alone does not say how far two policies are apart, so all samples come from one family, a policy with two
actions of which the one taken had the probability ``OLD_PROBABILITY``: there the ratio, the new probability and the
divergence determine each other. A gradient is autograd's derivative with respect to the ratio along this family.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch as th

from sb3_ppo_variants import Minibatch
from sb3_ppo_variants.chain import BoundChain, build_chain
from sb3_ppo_variants.kl import Distributions
from sb3_ppo_variants.terms import TERMS

OLD_PROBABILITY = 0.25
STEP = 0.005


@dataclass(frozen=True)
class Curve:
    """An objective and what the legend says of it.

    :param label: in the legend
    :param objective: names of terms
    :param values: coefficients that are not at their defaults
    """

    label: str
    objective: tuple[str, ...]
    values: dict[str, float] = field(default_factory=dict)


PLAIN = Curve("no limit: A r", ())
CLIP = Curve("PPO's clip", ("clip",))
# What a figure shows of a term where that is not the term alone with its defaults.
CURVES: dict[str, list[Curve]] = {
    "cispo": [
        Curve("cispo, cispo_lower_range = 1", ("cispo",)),
        Curve("cispo_lower_range = 0.2", ("cispo",), {"cispo_lower_range": 0.2}),
    ],
    "dual_clip": [Curve("clip and dual_clip, dual_clip = 3", ("clip", "dual_clip"))],
    "kl_penalty": [
        Curve("kl_penalty, kl_coef = 1", ("kl_penalty",)),
        Curve("kl_coef = 10", ("kl_penalty",), {"kl_coef": 10.0}),
    ],
    "positive_advantage": [
        Curve("clip and positive_advantage", ("clip", "positive_advantage")),
        Curve("positive_advantage", ("positive_advantage",)),
    ],
    "rollback": [
        Curve("rollback, rollback_slope = 0.3", ("rollback",)),
        Curve("rollback_slope = -0.3", ("rollback",), {"rollback_slope": -0.3}),
    ],
    "soft_clip": [
        Curve("soft_clip, soft_clip_temperature = 4", ("soft_clip",)),
        Curve("negative_soft_clip_temperature = 2", ("soft_clip",), {"negative_soft_clip_temperature": 2.0}),
    ],
    "trust_region": [
        Curve("trust_region, trust_region_slope = 0", ("trust_region",)),
        Curve("trust_region_slope = 0.3", ("trust_region",), {"trust_region_slope": 0.3}),
    ],
}


def curves_of(name: str) -> list[Curve]:
    """What the figure of a term shows.

    :param name: of the term
    """
    return CURVES.get(name, [Curve(name, (name,))])


def bind(curve: Curve) -> BoundChain:
    """The chain of a curve.

    :param curve: with its coefficients
    """
    chain = build_chain(curve.objective, TERMS)
    defaults = {argument.name: argument.default for argument in (chain.coefficients | chain.options).values()}
    return chain.bind(defaults | curve.values)


def sample(chain: BoundChain, ratios: th.Tensor, advantage: float) -> Minibatch:
    """Samples of the two-action policy.

    :param chain: which may prepare something from the old policy
    :param ratios: shape ``(n,)``, below 1 / OLD_PROBABILITY
    :param advantage: of all of them
    """
    taken = th.full_like(ratios, OLD_PROBABILITY)
    old = Distributions("categorical", (th.stack([taken, 1 - taken], dim=-1).log(),))
    new = Distributions("categorical", (th.stack([taken * ratios, 1 - taken * ratios], dim=-1).log(),))
    prepared = chain.prepare(old, th.zeros(len(ratios), 1))
    return Minibatch(th.full_like(ratios, advantage), ratios.log(), old, new, prepared)


def trace(curve: Curve, ratios: th.Tensor, advantage: float) -> tuple[th.Tensor, th.Tensor]:
    """Surrogate and gradient.

    :param curve: what to draw
    :param ratios: shape ``(n,)``
    :param advantage: of all samples
    :return: each of shape ``(n,)``
    """
    chain, leaf = bind(curve), ratios.clone().requires_grad_()
    # A term that couples its samples is drawn for minibatches of one.
    size = 1 if any(TERMS[name].per_batch for name in curve.objective) else len(leaf)
    surrogate = th.cat([chain(sample(chain, part, advantage)) for part in th.split(leaf, size)])
    (gradient,) = th.autograd.grad(surrogate.sum(), leaf)
    return surrogate.detach(), gradient


def ratio_axis(largest: float) -> th.Tensor:
    """Ratios from almost 0, on none of the kinks: there a rounding error would decide which side is drawn.

    :param largest: beyond the last one
    """
    return th.arange(STEP / 2, largest, STEP, dtype=th.float64)
