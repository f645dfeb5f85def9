"""What a study shows beside its first metric: results, curves and comparisons of each further one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sb3_ppo_variants.bench.report.document import Panel, Section
from sb3_ppo_variants.bench.report.numbers import quantity
from sb3_ppo_variants.bench.report.sections.comparisons import comparisons
from sb3_ppo_variants.bench.report.sections.results import results
from sb3_ppo_variants.bench.statistics.summary import Summary
from sb3_ppo_variants.bench.study.study import Study


def further_metric(study: Study, summary: Summary, figure: Panel) -> Iterator[Section]:
    """The table of all arms, the comparisons with the baseline, and the learning curves of a metric.

    :param study: the study
    :param summary: its numbers of this metric
    :param figure: the learning curves
    """
    title = quantity(summary.metric)
    title = title[0].upper() + title[1:]
    yield replace(results(study, summary), title=title)
    if summary.comparisons:
        found = comparisons(summary)
        note = "More counts as better. Corrected for the number of arms, but not for that of the metrics."
        yield replace(found, title=f"{found.title}: {title}", level=3, definitions=[], notes=[note])
    yield Section(figure.title, level=3, figure=figure)
