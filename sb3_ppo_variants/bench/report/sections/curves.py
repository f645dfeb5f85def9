"""Scores over the course of training."""

from __future__ import annotations

from sb3_ppo_variants.bench.report.document import Panel, Section
from sb3_ppo_variants.bench.statistics.summary import Summary


def learning_curves(figure: Panel, summary: Summary) -> Section:
    """Returns against environment steps.

    :param figure: the curves
    :param summary: the numbers of the study
    """
    note = (
        f"Mean over the seeds of the mean {summary.metric} of each evaluation. Where seeds were evaluated at different "
        "steps, each counts with its latest evaluation, and a curve ends where the first of them does. Bands are 95 % "
        "intervals as in the table of results. A panel is as high as the single runs need; a band may go beyond it."
    )
    return Section("Learning curves", figure=figure, notes=[note])


def sample_efficiency(summary: Summary, figure: Panel) -> Section:
    """Aggregate score against environment steps and seconds.

    :param summary: the numbers of the study
    :param figure: the curves
    """
    notes = [
        "Interquartile mean of the normalised scores of all runs, each with its latest evaluation; a finished run "
        "keeps its last one. Bands are 95 % intervals as for the IQM. A dot at the end of a curve is the IQM of the "
        "table of results, whose scores are means of more than the last evaluation, so it may lie beside the curve. "
        "Where half of the curves end near a score of 1, the axis is stretched there. Seconds of training are those of "
        "one run on one thread while other runs of the study may run beside it; evaluations do not count."
    ]
    if summary.curves.untimed:
        untimed = [summary.labels[arm] for arm in summary.curves.untimed]
        arms = ", ".join(untimed) if summary.curves.seconds else "all arms"
        notes.append(f"Without times: {arms}.")
    return Section("Sample efficiency", figure=figure, notes=notes)
