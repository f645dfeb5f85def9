"""What the parts of an ablation and the levels of a grid are worth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sb3_ppo_variants.bench.report.document import Cell, Panel, Section, Table
from sb3_ppo_variants.bench.report.figures.heat_maps import grid_title
from sb3_ppo_variants.bench.report.numbers import contrast
from sb3_ppo_variants.bench.report.sections.cells import missing
from sb3_ppo_variants.bench.statistics.contrasts import AblationContrasts, Contrast, MainEffects
from sb3_ppo_variants.bench.statistics.summary import Summary
from sb3_ppo_variants.bench.study.run import plain_id


def contrasts(summary: Summary, panels: Mapping[str, Panel]) -> Iterator[Section]:
    """A section that says what the numbers are, then one for each ablation and each grid.

    :param summary: the numbers of the study
    :param panels: the figures, by name; those of grids of two axes among them
    """
    if summary.ablations or summary.effects:
        note = (
            "Differences of the IQM of normalised scores, with 95 % intervals as for the IQM, not corrected for "
            "their number. Above 0, a part helps. The effect of a level is the mean over its arms "
            "minus the mean over all arms of the grid."
        )
        yield Section("Parts and settings", notes=[note])
    for name, ablation in summary.ablations.items():
        yield Section(f"Ablation {name}", level=3, table=_ablation(ablation, summary.labels))
    for name, effects in summary.effects.items():
        notes = [] if effects.balanced else [UNBALANCED]
        yield Section(f"Main effects of {name}", level=3, table=_effects(effects), notes=notes)
        figure = next((panel for panel in panels.values() if panel.title == grid_title(name)), None)
        if figure is not None:
            yield Section(figure.title, level=3, figure=figure, notes=[INTERACTION, *_tasks(effects, summary)])


INTERACTION = (
    "Left the IQM of each arm, right its interaction: what its IQM differs from the sum of the mean and the effects of "
    "its two levels. Where every interval of an interaction contains 0, the effects of the two axes may simply add up."
)
UNBALANCED = "Not every combination of levels occurs equally often, so effects of different axes are mixed."


def _tasks(effects: MainEffects, summary: Summary) -> list[str]:
    """Say over which environments the two sides of a heat map are, where these differ."""
    shared = next(iter(effects.interactions.values())).environments
    if set(shared) == set(summary.common):
        return []
    of_study, of_grid = (", ".join(map(plain_id, names)) or "no environment" for names in (summary.common, shared))
    return [f"The IQM is over {of_study}, which all arms of the study have; the interaction over {of_grid}."]


def _ablation(found: AblationContrasts, labels: Mapping[str, str]) -> Table:
    columns = {f"{found.ablation.full} minus without it": found.without}
    if found.ablation.baseline is not None and found.only:
        columns[f"only it minus {labels[found.ablation.baseline]}"] = found.only
    rows = [[Cell(part), *(_contrast(of.get(part)) for of in columns.values())] for part in found.parts]
    return Table(["part", *columns], rows)


def _effects(found: MainEffects) -> Table:
    rows = [[Cell(axis), Cell(level.name), _contrast(level)] for axis, levels in found.axes.items() for level in levels]
    return Table(["axis", "level", "effect"], rows)


def _contrast(found: Contrast | None) -> Cell:
    return missing("") if found is None else Cell(contrast(found), found.difference.value)
