"""The figures of the variants, drawn from the code: a curve is a chain of terms called with minibatches, a gradient is
autograd's (``surrogates.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import torch as th
from gymnasium import spaces
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from docs.surrogates import CLIP, PLAIN, Curve, curves_of, ratio_axis, trace
from sb3_ppo_variants import ExponentialDecay, LinearDecay
from sb3_ppo_variants.bench.report.figures.colours import BASELINE_COLOUR, PALETTE
from sb3_ppo_variants.feedback import INITIAL_STATE
from sb3_ppo_variants.hooks.reset_adam_step import ResetAdamStep
from sb3_ppo_variants.kl import Distributions
from sb3_ppo_variants.kl_ball import ratio_bounds
from sb3_ppo_variants.policies.binned import BinnedDistribution, bin_centres
from sb3_ppo_variants.rules import RULES
from sb3_ppo_variants.terms import TERMS

BLUE, VERMILION, GREEN = PALETTE[:3]
Look = dict[str, Any]
PLAIN_LOOK: Look = {"color": BASELINE_COLOUR, "linewidth": 0.8}
CLIP_LOOK: Look = {"color": VERMILION, "linestyle": (0, (4, 1.5)), "linewidth": 1.4}
# The second is the thinner one: where both lie on each other, both are seen.
TERM_LOOKS: list[Look] = [{"color": BLUE, "linewidth": 2.6}, {"color": GREEN, "linewidth": 1.4}]
SIGNS = {1.0: "A = 1", -1.0: "A = -1"}
# The bound of the dual clip lies outside the others' axis.
LARGEST_RATIO = {"dual_clip": 3.8}


def draw_term(name: str) -> Figure:
    """Surrogate above gradient, for a good and a bad action, with plain A r and PPO's clip beside it.

    :param name: of the term
    """
    figure = Figure(figsize=(7.2, 4.8), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True, sharey="row")
    largest = LARGEST_RATIO.get(name, 2.5)
    ratios = ratio_axis(largest)
    clip = [] if name == "clip" else [(CLIP, CLIP_LOOK)]
    lines = [(PLAIN, PLAIN_LOOK), *zip(curves_of(name), TERM_LOOKS, strict=False), *clip]
    for column, (advantage, title) in enumerate(SIGNS.items()):
        for curve, look in lines:
            for axes, values in zip(panels[:, column], trace(curve, ratios, advantage), strict=True):
                axes.plot(ratios, values, **look)
        panels[0, column].set_title(title)
        panels[1, column].set_xlabel("ratio r")
    for axes, (label, limit) in zip(panels[:, 0], (("surrogate J", largest), ("dJ/dr", 2.2)), strict=True):
        axes.set(ylabel=label, ylim=(-limit, limit), xlim=(0, largest))
    for axes in panels.flat:
        mark_old_policy(axes)
    legend(figure, [(curve.label, look) for curve, look in lines])
    return figure


def mark_old_policy(axes: Axes) -> None:
    """A vertical line at the ratio 1.

    :param axes: with the ratio as x
    """
    axes.axvline(1, color="#bfbfbf", linewidth=0.8, zorder=0)


def legend(figure: Figure, entries: Sequence[tuple[str, Look]]) -> None:
    """One legend above all panels, in a row where it is short.

    :param figure: which gets it
    :param entries: label and look of each line
    """
    lines = [Line2D([], [], **look) for _, look in entries]
    columns = 2 if len(entries) > 3 else len(entries)
    figure.legend(lines, [label for label, _ in entries], loc="outside upper left", ncols=columns, handlelength=2.4)


def draw_gallery(gradients: bool) -> Figure:
    """All terms in small panels with the same axes.

    :param gradients: the gradients in place of the surrogates
    """
    columns = 4
    rows = -(-len(TERMS) // columns)
    figure = Figure(figsize=(9.6, 2.05 * rows + 0.5), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True)
    # At its default of 3 the dual clip would begin outside the axis.
    drawn = {name: curves_of(name)[0] for name in TERMS}
    drawn["dual_clip"] = Curve("dual_clip", ("clip", "dual_clip"), {"dual_clip": 2.0})
    looks: dict[float, Look] = {
        1.0: {"color": BLUE, "linewidth": 1.8},
        -1.0: {"color": VERMILION, "linewidth": 1.8},
    }
    clip_look: Look = {"color": "#8c8c8c", "linestyle": (0, (3, 1.5)), "linewidth": 1.1}
    for axes, (name, curve) in zip(panels.flat, drawn.items(), strict=False):
        for advantage, look in looks.items():
            for each, how in ((PLAIN, PLAIN_LOOK), (CLIP, clip_look), (curve, look)):
                axes.plot(ratio_axis(2.5), trace(each, ratio_axis(2.5), advantage)[gradients], **how)
        mark_old_policy(axes)
        axes.set_title(name, fontsize=9.5)
    for axes in list(panels.flat)[len(drawn) :]:
        axes.set_axis_off()
    limit = 2.2 if gradients else 2.5
    panels[0, 0].set(xlim=(0, 2.5), ylim=(-limit, limit))
    figure.supxlabel("ratio r", fontsize=9.5)
    figure.supylabel("dJ/dr" if gradients else "surrogate J", fontsize=9.5)
    signs = [(title, looks[advantage]) for advantage, title in SIGNS.items()]
    references = [(CLIP.label, clip_look), (PLAIN.label, PLAIN_LOOK)]
    lines = [Line2D([], [], **look) for _, look in (*signs, *references)]
    labels = [label for label, _ in (*signs, *references)]
    figure.legend(lines, labels, loc="outside upper left", ncols=4, handlelength=2.4)
    return figure


def draw_schedules() -> Figure:
    """The schedules that have a name, over the progress of training."""
    figure, axes = one_panel()
    schedules = {
        "lin_0.2": LinearDecay(0.2),
        "lin_0.2_0.05": LinearDecay(0.2, 0.05),
        "exp_0.2": ExponentialDecay(0.2),
        "exp_0.2_0.1": ExponentialDecay(0.2, 0.1),
    }
    done = [step / 100 for step in range(101)]
    for position, (label, schedule) in enumerate(schedules.items()):
        look: Look = {"color": PALETTE[position // 2], "linestyle": "--" if position % 2 else "-"}
        axes.plot(done, [schedule(1 - part) for part in done], linewidth=2.0, label=label, **look)
    axes.set(xlabel="share of the training done", ylabel="value", xlim=(0, 1), ylim=(0, 0.21))
    axes.set_yticks([0, 0.05, 0.1, 0.15, 0.2])
    axes.legend()
    return figure


def draw_rules() -> Figure:
    """By how much one update moves a multiplier, for every rule with a target for the size of an update.

    For a KL coefficient, so ``s = 1``.
    """
    figure, axes = one_panel()
    measured = [step / 200 + 1 / 400 for step in range(600)]
    sizes = [rule for rule in RULES.values() if "kl" in rule.follows]
    for rule, colour in zip(sizes, PALETTE, strict=False):
        arguments = {number.name: number.default for number in rule.arguments} | {"target": 1.0}
        moved = [rule.function(INITIAL_STATE, value, direction=1, **arguments)["multiplier"] for value in measured]
        axes.plot(measured, moved, color=colour, linewidth=2.0, label=rule.name)
    axes.set(xlabel="measured / target", ylabel="factor on a KL coefficient", xlim=(0, 3), yscale="log")
    axes.set_yticks([0.5, 1, 2], ["0.5", "1", "2"], minor=False)
    axes.set_yticks([], minor=True)
    axes.legend()
    return figure


def draw_adam_steps() -> Figure:
    """The steps that Adam takes in an update whose gradients are those of a long run, with its count reset."""
    figure, axes = one_panel()
    weight = th.nn.Parameter(th.zeros(1, dtype=th.float64))
    optimizer = th.optim.Adam([weight], lr=1.0)
    moments = {"exp_avg": th.ones_like(weight), "exp_avg_sq": th.ones_like(weight)}
    optimizer.state[weight] = {"step": th.tensor(1e6), **moments}
    model = SimpleNamespace(policy=SimpleNamespace(optimizer=optimizer))
    positions = [0.0]
    with ResetAdamStep().around_update(model, None):
        for _ in range(3_000):
            weight.grad = th.ones_like(weight)
            optimizer.step()
            positions.append(-weight.item())
    sizes = [after - before for before, after in pairwise(positions)]
    axes.plot(range(1, len(sizes) + 1), sizes, color=BLUE, linewidth=2.0, label="reset_adam_step=True")
    axes.axhline(1, label="PPO, after a long run", **CLIP_LOOK)
    axes.axvline(320, color="#bfbfbf", linewidth=0.8, zorder=0)
    axes.annotate("SB3's update: 320 steps", (300, 0.04), ha="right", fontsize=8.5, color="#595959")
    axes.set(xlabel="gradient step of the update", ylabel="size of the step", xscale="log", ylim=(0, 1.1))
    axes.set(xlim=(1, len(sizes)), xticks=[1, 10, 100, 1_000], xticklabels=["1", "10", "100", "1000"])
    axes.legend(loc="center left")
    return figure


def draw_bounds() -> Figure:
    """The bounds of the trust region-guided clip for two actions, over the old probability of the one taken."""
    figure, axes = one_panel()
    taken = th.linspace(0.01, 0.99, 197, dtype=th.float64)
    old = Distributions("categorical", (th.stack([taken, 1 - taken], dim=-1).log(),))
    entries = []
    for radius, colour in ((0.005, GREEN), (0.02, BLUE), (0.05, VERMILION)):
        look: Look = {"color": colour, "linewidth": 2.0}
        entries.append((f"trust_region_clip_kl = {radius}", look))
        for bound in ratio_bounds(old, th.zeros(len(taken), 1), radius):
            axes.plot(taken, bound, **look)
    band: Look = {"color": "#d9d9d9", "linewidth": 6.0, "solid_capstyle": "butt"}
    entries.append(("PPO's clip", band))
    axes.fill_between(taken, 0.8, 1.2, color=band["color"], linewidth=0, zorder=0)
    axes.legend([Line2D([], [], **look) for _, look in entries], [label for label, _ in entries])
    axes.set(xlabel="old probability of the action taken", ylabel="bounds on the ratio", xlim=(0, 1), ylim=(0, 5))
    return figure


def draw_binned() -> Figure:
    """What one logit does: the probabilities of a dimension's bins after it was raised."""
    figure, axes = one_panel()
    centres = bin_centres(spaces.Box(-1, 1, (1,)), 11)
    logits = th.zeros(1, 11)
    logits[0, 6] = 2.0
    for ordinal, colour, shift in ((False, BLUE, -0.03), (True, VERMILION, 0.03)):
        probabilities = BinnedDistribution(centres, ordinal).proba_distribution(logits).distribution.probs
        label = "ordinal=True" if ordinal else "ordinal=False"
        axes.bar(centres[0] + shift, probabilities[0, 0], width=0.06, color=colour, label=label)
    axes.set(xlabel="action", ylabel="probability", xlim=(-1.1, 1.1))
    axes.legend()
    return figure


def one_panel() -> tuple[Figure, Axes]:
    """A small figure with one panel."""
    figure = Figure(figsize=(5.4, 3.2), layout="constrained")
    return figure, figure.subplots()


FIGURES: dict[str, Callable[[], Figure]] = {
    **{name: partial(draw_term, name) for name in TERMS},
    "binned": draw_binned,
    "gallery": partial(draw_gallery, gradients=False),
    "gallery_gradients": partial(draw_gallery, gradients=True),
    "reset_adam_step": draw_adam_steps,
    "rules": draw_rules,
    "schedules": draw_schedules,
    "trust_region_bounds": draw_bounds,
}
