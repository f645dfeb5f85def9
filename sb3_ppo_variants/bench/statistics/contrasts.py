"""What a part or a setting is worth: contrasts between the aggregate scores of arms.

Every contrast is a weighted sum of interquartile means, one per arm, with weights that sum to zero. Its interval is
a stratified bootstrap: the runs of each arm on each task are resampled by themselves; that runs with one seed may
be alike is not made use of.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sb3_ppo_variants.bench.statistics.aggregates import iqm
from sb3_ppo_variants.bench.statistics.intervals import Array, Estimate, bootstrap
from sb3_ppo_variants.bench.study.arms import AblationArms

# Normalised scores, one per run, by (arm, environment).
Scores = Mapping[tuple[str, str], Array]
# The level of every axis, by arm.
Levels = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Contrast:
    """A difference in normalised score.

    :param name: the part or the level that it is about
    :param difference: the difference with its 95 % interval; NaN when no environment has all arms
    :param environments: environments that count: those in which every arm of the contrast has a finished run
    :param excluded: the other environments
    """

    name: str
    difference: Estimate
    environments: list[str]
    excluded: list[str]


@dataclass(frozen=True)
class AblationContrasts:
    """What the parts of a combination are worth.

    :param ablation: the arms
    :param without: per part, the full arm minus the arm without the part: what the part adds to all others
    :param only: per part, the arm with only the part minus the baseline: what the part adds by itself
    """

    ablation: AblationArms
    without: dict[str, Contrast]
    only: dict[str, Contrast]

    @property
    def parts(self) -> list[str]:
        """All parts, in the order of the ablation."""
        return list({**self.without, **self.only})


@dataclass(frozen=True)
class MainEffects:
    """What the levels of a grid are worth.

    :param axes: axis -> one contrast per level, in the order of the arms: mean over the arms at the level minus the
        mean over all arms
    :param cells: of two axes with one arm for every combination: arm -> its levels; empty for other grids
    :param interactions: arm of ``cells`` -> its score minus what the effects of its two levels add up to
    :param balanced: whether every combination of levels occurs equally often; where it does not, an effect is mixed
        with those of the other axes
    """

    axes: dict[str, list[Contrast]]
    balanced: bool
    cells: dict[str, tuple[str, str]]
    interactions: dict[str, Contrast]


def contrast(name: str, weights: Mapping[str, float], scores: Scores, resamples: int, seed: int) -> Contrast:
    """Weighted sum of the interquartile means of several arms, over the environments that all of them have.

    :param name: what the contrast is about
    :param weights: arm -> weight
    :param scores: normalised scores; environments count in the order of their first appearance
    :param resamples: number of resamples
    :param seed: seed of the resampling
    """
    every = list(dict.fromkeys(environment for _, environment in scores))
    shared = [environment for environment in every if all((arm, environment) in scores for arm in weights)]

    def statistic(*samples: Array, axis: int) -> Any:
        arms = [samples[start : start + len(shared)] for start in range(0, len(samples), len(shared))]
        return sum(weight * iqm(*arm, axis=axis) for weight, arm in zip(weights.values(), arms, strict=True))

    samples = [scores[arm, environment] for arm in weights for environment in shared]
    return Contrast(
        name=name,
        difference=bootstrap(samples, statistic, resamples, seed),
        environments=shared,
        excluded=[environment for environment in every if environment not in shared],
    )


def ablation_contrasts(ablation: AblationArms, scores: Scores, resamples: int, seed: int) -> AblationContrasts:
    """Leave-one-out and one-added contrasts of an ablation.

    :param ablation: the arms
    :param scores: normalised scores
    :param resamples: number of resamples
    :param seed: seed of the resampling
    """

    def minus(part: str, more: str, less: str) -> Contrast:
        return contrast(part, {more: 1.0, less: -1.0}, scores, resamples, seed)

    without = {part: minus(part, ablation.full, arm) for part, arm in ablation.without.items()}
    only = {
        part: minus(part, arm, ablation.baseline)
        for part, arm in ablation.only.items()
        if ablation.baseline is not None
    }
    return AblationContrasts(ablation, without, only)


def main_effects(levels: Levels, scores: Scores, resamples: int, seed: int) -> MainEffects:
    """Main effects of a grid: per axis and level, the mean over the arms at the level minus the mean over all arms.

    :param levels: arm -> {axis: level}, the same axes for every arm; axes with a single level have no effect and
        are left out
    :param scores: normalised scores; only environments that all arms of the grid have count
    :param resamples: number of resamples
    :param seed: seed of the resampling
    :raises ValueError: when arms have different axes
    """
    named = {arm: {axis: str(level) for axis, level in chosen.items()} for arm, chosen in levels.items()}
    axes = list(next(iter(named.values()), {}))
    for arm, chosen in named.items():
        if set(chosen) != set(axes):
            raise ValueError(f"levels: arm {arm} has the axes {sorted(chosen)}, others have {sorted(axes)}")
    found: dict[str, list[Contrast]] = {}
    for axis in axes:
        groups: dict[str, list[str]] = {}
        for arm, chosen in named.items():
            groups.setdefault(chosen[axis], []).append(arm)
        if len(groups) > 1:
            found[axis] = [
                contrast(level, _against_all(arms, named), scores, resamples, seed) for level, arms in groups.items()
            ]
    balanced = _balanced(named, axes)
    cells = {}
    if balanced and len(found) == 2:
        first, second = found
        cells = {arm: (chosen[first], chosen[second]) for arm, chosen in named.items()}
    interactions = {arm: contrast(arm, _interaction(arm, cells), scores, resamples, seed) for arm in cells}
    return MainEffects(found, balanced, cells, interactions)


def _interaction(cell: str, cells: Mapping[str, tuple[str, str]]) -> dict[str, float]:
    """Weights of a cell minus the means of its row and its column plus the mean of all."""
    row, column = cells[cell]
    rows, columns = (len({levels[axis] for levels in cells.values()}) for axis in (0, 1))
    return {
        arm: float(arm == cell) - (levels[0] == row) / columns - (levels[1] == column) / rows + 1 / (rows * columns)
        for arm, levels in cells.items()
    }


def _against_all(arms: list[str], every: Mapping[str, Any]) -> dict[str, float]:
    return {arm: (arm in arms) / len(arms) - 1.0 / len(every) for arm in every}


def _balanced(levels: Mapping[str, Mapping[str, str]], axes: list[str]) -> bool:
    counts = Counter(tuple(chosen[axis] for axis in axes) for chosen in levels.values())
    combinations = itertools.product(*({chosen[axis] for chosen in levels.values()} for axis in axes))
    return len({counts[combination] for combination in combinations}) <= 1
