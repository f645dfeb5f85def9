"""The table of results and what its columns mean."""

from __future__ import annotations

import math

from sb3_ppo_variants.bench.report.document import Bar, Cell, Definition, Panel, Section, Table
from sb3_ppo_variants.bench.report.figures.colours import colours_of
from sb3_ppo_variants.bench.report.numbers import interval, mean_return, number
from sb3_ppo_variants.bench.report.sections.cells import arm_cells, missing, share
from sb3_ppo_variants.bench.runs.provenance import distinct
from sb3_ppo_variants.bench.statistics.scores import Scale
from sb3_ppo_variants.bench.statistics.summary import Summary
from sb3_ppo_variants.bench.study.keys import RETURN, SUCCESS
from sb3_ppo_variants.bench.study.run import plain_id
from sb3_ppo_variants.bench.study.study import Study

MEANS = {RETURN: "return", SUCCESS: "share of successes"}


def results(study: Study, summary: Summary, figure: Panel | None = None) -> Section:
    """The table of all arms.

    :param study: the study
    :param summary: its numbers
    :param figure: aggregate scores and probabilities of improvement
    """
    return Section(
        "Results",
        table=results_table(summary),
        figure=figure,
        definitions=[
            Definition(
                "Environment columns",
                [
                    "mean over the seeds of a run's score, in brackets its 95 % interval: Student's, longer on the "
                    f"side to which the scores are skewed. {_score(study, summary)}"
                ],
            ),
            Definition("Normalisation", [normalisation(summary)]),
            Definition("IQM", _iqm(study, summary)),
            Definition(summary.beats, _improvement(summary)),
        ],
    )


def results_table(summary: Summary) -> Table:
    """The table alone.

    :param summary: the numbers of the study
    """
    heads, colour = arm_cells(summary), colours_of(summary.arms)
    low, high = _span(summary)
    rows = []
    for arm in summary.labels:
        iqm, comparison = summary.aggregates[arm].iqm, summary.comparisons.get(arm)
        returns = [summary.returns.get((arm, environment)) for environment in summary.environments]
        rows.append(
            [
                heads[arm],
                *(missing("missing") if e is None else Cell(mean_return(e), e.value) for e in returns),
                Cell(interval(iqm), iqm.value, bar=Bar(iqm, low, high, colour[arm])),
                missing("baseline" if arm == summary.arms[0] else "n/a")
                if comparison is None
                else share(comparison.improvement, colour[arm], mark=0.5),
                Cell(summary.seeds(arm), min(summary.finished(arm))),
            ]
        )
    return Table(
        columns=["arm", *summary.headings, "IQM", summary.beats, "seeds"],
        rows=rows,
        highlighted=0,
        bars=f"Bars: IQM from {low:.2f} to {high:.2f}; {summary.beats} from 0 to 1, with a mark at 0.5.",
    )


def _span(summary: Summary) -> tuple[float, float]:
    """Range of all interquartile means and their intervals, and 0."""
    values = [0.0, *(bound for found in summary.aggregates.values() for bound in found.iqm if math.isfinite(bound))]
    return (min(values), max(values)) if min(values) < max(values) else (0.0, 1.0)


def _score(study: Study, summary: Summary) -> str:
    """Say what the score of a run is, once for each different setting of the evaluation."""
    settings = distinct(study.judged(name).model_dump() for name in summary.environments)
    parts = [
        f"mean {MEANS.get(summary.metric, summary.metric)} over its last {setting['last']} evaluations, "
        f"{setting['episodes']} episodes each, one every {setting['every']} steps"
        for setting in settings
    ]
    return f"A run's score is its {', or its '.join(parts)}{' (set per environment)' if len(parts) > 1 else ''}."


def normalisation(summary: Summary) -> str:
    """Say which scores count as 0 and 1.

    :param summary: the numbers of the study
    """
    if summary.metric == SUCCESS:
        return "none: a share of successes is between 0 and 1 already"
    return "; ".join(f"{environment} {_normalised(scale)}" for environment, scale in summary.scales.items())


def _normalised(scale: Scale) -> str:
    if scale.is_flat:
        return f"not normalised, every run scores {number(scale.low)}"
    if math.isnan(scale.low):
        return "unknown, too few runs have a finite score"
    origin = {True: "least and greatest run of this study", False: "random and reference score of the study file"}
    return f"from {scale.low:g} (0) to {scale.high:g} (1), {origin[scale.from_study_range]}"


def _iqm(study: Study, summary: Summary) -> list[str]:
    texts = [
        "interquartile mean: the mean of the middle half of the normalised scores of all runs, with equal weight for "
        "every environment. In brackets its 95 % bootstrap interval (expanded percentiles), with "
        f"{study.bootstrap.resamples} resamples stratified by environment, seed {study.bootstrap.seed}; there is none "
        "where an environment has fewer than two runs of an arm."
    ]
    unscored = [label for arm, label in summary.labels.items() if arm in summary.unscored]
    if unscored:
        texts.append(f"Left out, without a score: {', '.join(unscored)}.")
    if len(summary.common) < len(summary.environments):
        common, every = ", ".join(map(plain_id, summary.common)) or "none", "every other" if unscored else "every"
        texts.append(f"Only environments in which {every} arm has a finished run, and scores differ, count: {common}.")
    return texts


def _improvement(summary: Summary) -> list[str]:
    text = (
        f"probability that a run of the arm scores above a run of {summary.baseline}, with ties counted as one half: "
        "the mean over the environments of Mann-Whitney's U divided by the number of pairs. Its interval is "
        "Wilson's, of as many trials as the smaller arm has runs, which holds for scores of any distribution. The test "
        "below decides whether an arm differs; it may find a difference where the interval just contains 0.5."
    )
    if summary.decisions:
        return [text, "It is computed, with a longer interval, from the seeds by which an arm was decided: see below."]
    lacking = {arm: ", ".join(map(plain_id, found.excluded)) for arm, found in summary.comparisons.items()}
    excluded = [
        f"{summary.labels[arm]}: without {names}, where it or {summary.baseline} has no finished run."
        for arm, names in lacking.items()
        if names
    ]
    return [text, *excluded]
