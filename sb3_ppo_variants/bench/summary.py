"""The table of a study -> its statistics."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from sb3_ppo_variants.bench.stats import (
    Array,
    Estimate,
    improvement_interval,
    iqm_interval,
    mean_interval,
    normalise,
)
from sb3_ppo_variants.bench.study import BASELINE, Study


@dataclass(frozen=True)
class Scale:
    """How returns of an environment are normalised: low becomes 0, high becomes 1."""

    low: float
    high: float
    from_study_range: bool


@dataclass(frozen=True)
class Summary:
    """All numbers of a report.

    :param arms: arm names, the baseline first
    :param environments: environment ids, in the study's order
    :param returns: (arm, environment) -> mean score with interval; pairs without a finished run are absent
    :param counts: (arm, environment) -> number of finished runs
    :param scales: environment -> normalisation
    :param aggregate: arm -> interquartile mean of normalised scores, over ``common``
    :param common: environments in which every arm has a finished run
    :param improvement: arm -> probability of improvement over the baseline, the baseline itself absent
    :param excluded: arm -> environments left out of its probability of improvement
    """

    arms: list[str]
    environments: list[str]
    returns: dict[tuple[str, str], Estimate]
    counts: dict[tuple[str, str], int]
    scales: dict[str, Scale]
    aggregate: dict[str, Estimate]
    common: list[str]
    improvement: dict[str, Estimate]
    excluded: dict[str, list[str]]


def scores(results: pd.DataFrame, study: Study) -> dict[tuple[str, str], Array]:
    """Score of every run: its mean return over the last evaluations.

    :param results: the results table
    :param study: says how many evaluations count
    :return: (arm, environment) -> one score per finished seed, in the order of the seeds
    """
    found: dict[tuple[str, str], Array] = {}
    for arm in study.compared:
        for environment in study.environments:
            rows = results[(results["arm"] == arm) & (results["environment"] == environment)]
            last = rows.sort_values("timesteps").groupby("seed").tail(study.judged(environment).last)
            if len(last):
                found[arm, environment] = last.groupby("seed")["mean_return"].mean().to_numpy(dtype=float)
    return found


def summarise(results: pd.DataFrame, study: Study) -> Summary:
    """Compute every number of the report.

    :param results: the results table
    :param study: the study
    """
    arms, environments = study.compared, list(study.environments)
    found = scores(results, study)
    scales = {name: _scale(study, name, found) for name in environments if any(key[1] == name for key in found)}
    normalised = {key: normalise(value, scales[key[1]].low, scales[key[1]].high) for key, value in found.items()}
    resamples, seed = study.bootstrap.resamples, study.bootstrap.seed
    common = [name for name in environments if all((arm, name) in found for arm in arms)]
    improvement, excluded = {}, {}
    for arm in arms:
        if arm == BASELINE:
            continue
        shared = [name for name in environments if (arm, name) in found and (BASELINE, name) in found]
        excluded[arm] = [name for name in environments if name not in shared]
        improvement[arm] = improvement_interval(
            [found[arm, name] for name in shared], [found[BASELINE, name] for name in shared], resamples, seed
        )
    return Summary(
        arms=arms,
        environments=environments,
        returns={key: mean_interval(value) for key, value in found.items()},
        counts={key: len(value) for key, value in found.items()},
        scales=scales,
        aggregate={arm: iqm_interval([normalised[arm, name] for name in common], resamples, seed) for arm in arms},
        common=common,
        improvement=improvement,
        excluded=excluded,
    )


def update_sizes(updates: pd.DataFrame) -> dict[tuple[str, str], Estimate]:
    """Exact KL(old || new) of one update: median over all updates of all seeds, and the 10 % and 90 % quantiles.

    :param updates: the updates table
    :return: by (arm, environment); pairs that did not log it are absent
    """
    if "kl" not in updates:
        return {}
    groups = updates.dropna(subset=["kl"]).groupby(["arm", "environment"])["kl"]
    return {(str(arm), str(name)): Estimate(*kl.quantile([0.5, 0.1, 0.9])) for (arm, name), kl in groups}


def _scale(study: Study, environment: str, found: dict[tuple[str, str], Array]) -> Scale:
    place = study.environments[environment]
    if place.random_score is not None and place.reference_score is not None:
        return Scale(place.random_score, place.reference_score, from_study_range=False)
    values = [value for (_, name), sample in found.items() if name == environment for value in sample.tolist()]
    return Scale(min(values), max(values), from_study_range=True)
