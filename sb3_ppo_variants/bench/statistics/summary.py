"""The table of a study -> its statistics."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from sb3_ppo_variants.bench.statistics.aggregates import Aggregates, aggregate, profile, thresholds
from sb3_ppo_variants.bench.statistics.comparisons import Comparison, compare, compare_pairs
from sb3_ppo_variants.bench.statistics.contrasts import (
    AblationContrasts,
    MainEffects,
    ablation_contrasts,
    main_effects,
)
from sb3_ppo_variants.bench.statistics.decisions import Decisions, comparisons_of, decide, wanted_seeds
from sb3_ppo_variants.bench.statistics.efficiency import EfficiencyCurves, efficiency_curves
from sb3_ppo_variants.bench.statistics.intervals import Band, Estimate, mean_interval, normalise
from sb3_ppo_variants.bench.statistics.power import Detectable, detectable
from sb3_ppo_variants.bench.statistics.scores import (
    Runs,
    Scale,
    Shortfall,
    scale,
    scores,
    seed_scores,
    shortfalls,
    split_runs,
)
from sb3_ppo_variants.bench.statistics.stability import StabilityTable, stability_table
from sb3_ppo_variants.bench.study.keys import RETURN
from sb3_ppo_variants.bench.study.run import plain_id
from sb3_ppo_variants.bench.study.study import Study, baseline_name

# Numbers of arms of which every pair is compared: a matrix of more is not readable.
PAIRED = range(3, 11)


@dataclass(frozen=True)
class Summary:
    """All numbers of a report.

    All intervals are of 95 %. Whatever compares arms over several environments uses ``common`` alone, unless its own
    record says otherwise.

    :param metric: what the scores are of: ``return``, ``success`` or a key of infos
    :param arms: arm names, the baseline first
    :param labels: what each arm that is shown is called, in the order in which they are shown; all, the baseline first,
        unless someone chose others
    :param environments: environment ids, in the study's order; of another metric than the return those that have it
    :param returns: (arm, environment) -> mean score with interval; pairs without a finished run are absent
    :param counts: (arm, environment) -> number of finished runs
    :param shortfalls: missing seeds and short runs; empty when all is complete
    :param scales: environment -> normalisation
    :param common: environments in which every arm has a finished run, but for the arms that have none at all, and in
        which scores can be normalised
    :param aggregates: arm -> aggregates of its normalised scores over ``common``
    :param profiles: arm -> share of its runs above each normalised score; empty when ``common`` is, and without the
        arms that have no finished run
    :param comparisons: arm -> its comparison with the baseline, which is absent itself; empty where seeds were added by
        what is known of another metric
    :param pairs: (arm, later arm) -> their comparison, corrected for all pairs; empty with fewer than 3 arms, with more
        than 10, and when seeds are added until it is decided
    :param decisions: what is decided; None where the number of seeds is fixed
    :param detectable: arm -> what its comparison with the baseline can detect; arms that were not compared are absent,
        and so are all when seeds are added until it is decided
    :param curves: aggregate score against steps and seconds, of the same arms as the profiles
    :param ablations: name -> what the parts are worth
    :param effects: name of a grid -> what its levels are worth
    :param stability: falls and recoveries
    """

    metric: str
    arms: list[str]
    labels: dict[str, str]
    environments: list[str]
    returns: dict[tuple[str, str], Estimate]
    counts: dict[tuple[str, str], int]
    shortfalls: list[Shortfall]
    scales: dict[str, Scale]
    common: list[str]
    aggregates: dict[str, Aggregates]
    profiles: dict[str, Band]
    comparisons: dict[str, Comparison]
    pairs: dict[tuple[str, str], Comparison]
    decisions: Decisions | None
    detectable: dict[str, Detectable]
    curves: EfficiencyCurves
    ablations: dict[str, AblationContrasts]
    effects: dict[str, MainEffects]
    stability: StabilityTable

    @property
    def baseline(self) -> str:
        """What text calls the arm that the others are compared with."""
        return baseline_name(self.arms[0])

    @property
    def headings(self) -> list[str]:
        """What tables and figures call its environments: their ids without the modules that register them."""
        return [plain_id(name) for name in self.environments]

    @property
    def beats(self) -> str:
        """Heading of the probability that a run of an arm beats one of the baseline."""
        return f"P(beats {self.baseline.removeprefix('stock ')})"

    @property
    def unbeaten(self) -> list[str]:
        """The arms with a score that no other arm is shown to be better than: by the comparisons of all pairs, if any.

        Without them by those with the baseline alone.
        """
        decided = self.pairs or {(arm, self.arms[0]): found for arm, found in self.comparisons.items()}
        beaten = {
            other if found.improvement.value > 0.5 else arm for (arm, other), found in decided.items() if found.differs
        }
        scored = {arm for (arm, _), mean in self.returns.items() if not math.isnan(mean.value)}
        return [arm for arm in self.arms if arm in scored and arm not in beaten]

    @property
    def unscored(self) -> list[str]:
        """The arms without any finished run."""
        return [arm for arm in self.arms if not any(self.finished(arm))]

    def finished(self, arm: str) -> list[int]:
        """Number of finished seeds of an arm in each environment.

        :param arm: its name
        """
        return [self.counts.get((arm, environment), 0) for environment in self.environments]

    def seeds(self, arm: str) -> str:
        """Number of finished seeds of an arm as text, a range when its environments differ.

        :param arm: its name
        """
        counts = self.finished(arm)
        return str(counts[0]) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def summarise(results: pd.DataFrame, study: Study, times: pd.DataFrame | None = None, metric: str = RETURN) -> Summary:
    """Compute every number of the report.

    :param results: the results table
    :param study: the study; its ``bootstrap`` seeds everything that draws
    :param times: seconds of training at each evaluation, columns arm, environment, seed, timesteps, seconds
    :param metric: what the scores are of
    :raises FileNotFoundError: when no finished run has the metric
    """
    arms = study.compared
    draw = (study.bootstrap.resamples, study.bootstrap.seed)
    runs = split_runs(results, times, metric)
    having = {name for _, name in runs}
    if not having and metric != RETURN:
        raise FileNotFoundError(f"metrics: no finished run has recorded {metric}")
    environments = [name for name in study.environments if metric == RETURN or name in having]
    found = scores(runs, study)
    scales = {
        name: scale(study, name, [found[arm, name] for arm in arms if (arm, name) in found], metric)
        for name in environments
        if any((arm, name) in found for arm in arms)
    }
    normalised = {
        (arm, name): normalise(value, scales[name].low, scales[name].high)
        for (arm, name), value in found.items()
        if not scales[name].is_flat
    }
    scored = [arm for arm in arms if any((arm, name) in found for name in environments)]
    common = [name for name in scales if all((arm, name) in normalised for arm in scored)]
    tasks = {arm: [normalised[arm, name] for name in common] for arm in scored}
    # Seeds are added by what is known of the first metric.
    decisions = decisions_of(results, study) if metric == study.metrics[0] else None
    fixed = study.until_decided is None
    comparisons = compare(found, arms, environments, study.baseline) if fixed else {}
    if decisions is not None:
        comparisons = comparisons_of(seed_scores(runs, study), environments, decisions)
    at = thresholds([task for of_arm in tasks.values() for task in of_arm])
    return Summary(
        metric=metric,
        arms=arms,
        labels=study.labels,
        environments=environments,
        returns={key: mean_interval(value) for key, value in found.items()},
        counts={key: len(value) for key, value in found.items()},
        shortfalls=shortfalls(runs, study, environments, wanted_seeds(study, decisions), metric),
        scales=scales,
        common=common,
        aggregates={arm: aggregate(tasks.get(arm, []), *draw) for arm in arms},
        profiles={arm: profile(tasks[arm], at) for arm in scored if common},
        comparisons=comparisons,
        pairs=compare_pairs(found, arms, environments) if fixed and len(arms) in PAIRED else {},
        decisions=decisions,
        detectable={} if decisions else detectable(found, comparisons, study.baseline),
        curves=efficiency_curves(runs, scored, {name: scales[name] for name in common}, *draw),
        ablations={name: ablation_contrasts(item, normalised, *draw) for name, item in study.ablations.items()},
        effects={name: main_effects(levels, normalised, *draw) for name, levels in study.factors.items()},
        stability=stability_table(runs, arms, scales if metric == RETURN else {}, study.bootstrap.seed),
    )


def decisions_of(results: pd.DataFrame, study: Study) -> Decisions | None:
    """What is decided by the finished runs of a study; None when the number of its seeds is fixed.

    :param results: the results table
    :param study: the study
    """
    if study.until_decided is None:
        return None
    runs = {} if results.empty else split_runs(results, metric=study.metrics[0])
    environments = _deciding(results, runs, study)
    return decide(seed_scores(runs, study), study.arms, environments, study.baseline, study.until_decided)


def _deciding(results: pd.DataFrame, runs: Runs, study: Study) -> list[str]:
    """The environments that decide: without those whose runs have all finished their first look without the metric.

    Runs of later looks change nothing, so that no decision is revoked.
    """
    if results.empty or study.until_decided is None:
        return list(study.environments)
    first = study.until_decided.looks[0]
    made = results[results["seed"] < first].drop_duplicates(["arm", "environment", "seed"])
    finished = made[made["arm"].isin(list(study.arms))].groupby("environment").size()
    recorded = {name for (_, name), of_seeds in runs.items() if min(of_seeds) < first}
    whole = first * len(study.arms)
    return [name for name in study.environments if name in recorded or finished.get(name, 0) < whole]


def update_sizes(updates: pd.DataFrame) -> dict[tuple[str, str], Estimate]:
    """Exact KL(old || new) of one update: median over all updates of all seeds, and the 10 % and 90 % quantiles.

    :param updates: the updates table
    :return: by (arm, environment); pairs that did not log it are absent
    """
    if "kl" not in updates:
        return {}
    groups = updates.dropna(subset=["kl"]).groupby(["arm", "environment"])["kl"]
    return {(str(arm), str(name)): Estimate(*kl.quantile([0.5, 0.1, 0.9])) for (arm, name), kl in groups}
