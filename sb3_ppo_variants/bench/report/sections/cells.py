"""Cells that several tables have."""

from __future__ import annotations

from sb3_ppo_variants.bench.report.document import Bar, Cell
from sb3_ppo_variants.bench.report.figures.colours import colours_of
from sb3_ppo_variants.bench.report.numbers import interval, p_value
from sb3_ppo_variants.bench.statistics.intervals import Estimate
from sb3_ppo_variants.bench.statistics.summary import Summary


def arm_cells(summary: Summary) -> dict[str, Cell]:
    """Cell of each arm, with a square of its colour."""
    return {arm: Cell(label, swatch=colours_of(summary.arms)[arm]) for arm, label in summary.labels.items()}


def missing(text: str) -> Cell:
    """A cell without a number."""
    return Cell(text, key=float("nan"))


def compared(summary: Summary, arm: str) -> list[Cell]:
    """An arm, its probability of improvement over the baseline, and its p-values before and after the correction."""
    found, colour = summary.comparisons[arm], colours_of(summary.arms)[arm]
    p_values = [Cell(p_value(p), p) for p in (found.p_value, found.adjusted_p_value)]
    return [Cell(summary.labels[arm], swatch=colour), share(found.improvement, colour, mark=0.5), *p_values]


def share(estimate: Estimate, colour: str, mark: float | None = None) -> Cell:
    """A share or a probability, with a bar from 0 to 1."""
    return Cell(interval(estimate), estimate.value, bar=Bar(estimate, 0.0, 1.0, colour, mark))
