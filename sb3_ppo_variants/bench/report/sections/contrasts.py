"""What the parts of an ablation and the levels of a grid are worth."""

from __future__ import annotations

from collections.abc import Iterator

from sb3_ppo_variants.bench.report.document import Cell, Section, Table
from sb3_ppo_variants.bench.report.numbers import contrast
from sb3_ppo_variants.bench.report.sections.cells import missing
from sb3_ppo_variants.bench.statistics.contrasts import AblationContrasts, Contrast, MainEffects
from sb3_ppo_variants.bench.statistics.summary import Summary


def contrasts(summary: Summary) -> Iterator[Section]:
    """A section that says what the numbers are, then one for each ablation and each grid.

    :param summary: the numbers of the study
    """
    if summary.ablations or summary.effects:
        note = (
            "Differences of the IQM of normalised scores, with 95 % intervals as for the IQM, not corrected for "
            "their number. Above 0, a part helps. The effect of a level is the mean over its arms "
            "minus the mean over all arms of the grid."
        )
        yield Section("Parts and settings", notes=[note])
    for name, ablation in summary.ablations.items():
        yield Section(f"Ablation {name}", level=3, table=_ablation(ablation))
    for name, effects in summary.effects.items():
        notes = [] if effects.balanced else [UNBALANCED]
        yield Section(f"Main effects of {name}", level=3, table=_effects(effects), notes=notes)


UNBALANCED = "Not every combination of levels occurs equally often, so effects of different axes are mixed."


def _ablation(found: AblationContrasts) -> Table:
    columns = {f"{found.ablation.full} minus without it": found.without}
    if found.only:
        columns[f"only it minus {found.ablation.baseline}"] = found.only
    rows = [[Cell(part), *(_contrast(of.get(part)) for of in columns.values())] for part in found.parts]
    return Table(["part", *columns], rows)


def _effects(found: MainEffects) -> Table:
    rows = [[Cell(axis), Cell(level.name), _contrast(level)] for axis, levels in found.axes.items() for level in levels]
    return Table(["axis", "level", "effect"], rows)


def _contrast(found: Contrast | None) -> Cell:
    return missing("") if found is None else Cell(contrast(found), found.difference.value)
