"""Which parts of the study mujoco_screen go on to the study mujoco: `python -m benchmarks.screen`.

The rules are those that the study file stated before the runs were made.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from benchmarks.markdown import table
from benchmarks.published_runs import published_runs
from sb3_ppo_variants.bench.statistics.comparisons import difference_interval
from sb3_ppo_variants.bench.statistics.intervals import Array, Estimate, normalise
from sb3_ppo_variants.bench.statistics.scores import scale, scores
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.validation import read_study

ROOT = Path(__file__).parents[1]
STUDY = ROOT / "benchmarks/studies/mujoco_screen.yaml"
PUBLISHED = ROOT / "benchmarks/published/mujoco_screen"
STOCK = ("library_defaults", "rl_zoo")
# Parts that stock PPO has itself.
OF_STOCK = ("gsde", "linear_learning_rate", "adam_rel_rate")
# Parts of a set exclude each other.
EXCLUSIVE = (
    {"adaptive_clip", "kl_penalty", "dual_clip", "spo"},
    {"linear_learning_rate", "adaptive_learning_rate", "adam_rel", "adam_rel_rate"},
    {"gsde", "binned", "rpo"},
)
# By how much the mean of a part of the combination is above that of the base.
LEAST = 0.05
# A run with less than this share of what others publish has not learned the task.
LOW = 0.25

# Arm -> its normalised scores, an array of shape ``(runs,)`` for each task.
Scores = Mapping[str, list[Array]]


def normalised(study: Study, folder: Path = PUBLISHED) -> dict[str, list[Array]]:
    """The normalised scores of the arms on the tasks of the study.

    :param study: the study
    :param folder: with the tables of its runs
    :raises FileNotFoundError: when an arm has no finished run on one of the tasks
    """
    found = scores(published_runs(study, folder, study.arms), study)
    of_tasks = {name: scale(study, name, []) for name in study.environments}
    return {
        arm: [normalise(found[arm, name], of_it.low, of_it.high) for name, of_it in of_tasks.items()]
        for arm in study.arms
    }


def gains(found: Scores, base: str) -> dict[str, Estimate]:
    """By how much the mean of each other arm over the tasks is above that of the base, with its 95 % interval.

    :param found: normalised scores
    :param base: name of an arm
    """
    return {arm: difference_interval(tasks, found[base]) for arm, tasks in found.items() if arm != base}


def ranked(found: Scores, base: str) -> dict[str, float]:
    """The parts with what they gain, the best one first.

    :param found: normalised scores
    :param base: name of an arm
    """
    of_parts = {arm: gain.value for arm, gain in gains(found, base).items() if arm not in STOCK}
    return dict(sorted(of_parts.items(), key=lambda part: -part[1]))


def finalists(gained: Mapping[str, float]) -> list[str]:
    """The best part, and the best one that stock PPO does not have, where this is another one.

    :param gained: what the parts gain, the best one first
    """
    best, of_ours = next(iter(gained)), next(part for part in gained if part not in OF_STOCK)
    return list(dict.fromkeys([best, of_ours]))


def combination(gained: Mapping[str, float]) -> list[str]:
    """The parts of the combination, the best one first.

    :param gained: what the parts gain, the best one first
    """
    chosen: list[str] = []
    for part, gain in gained.items():
        taken = any(part in parts and not parts.isdisjoint(chosen) for parts in EXCLUSIVE)
        if gain > LEAST and not taken:
            chosen.append(part)
    return chosen


def gains_table(study: Study, found: Scores) -> str:
    """The arms by what they gain, with their scores on each task.

    :param study: the study
    :param found: normalised scores
    """
    gained = gains(found, study.baseline)
    order = sorted(gained, key=lambda arm: -gained[arm].value)
    cells = ([arm, *_cells(found[arm]), *_gain(gained[arm])] for arm in order)
    heading = ["arm", *study.environments, "mean", f"above {study.baseline} by", "95 % interval"]
    return table(heading, [[study.baseline, *_cells(found[study.baseline]), "-", "-"], *cells])


def _cells(tasks: Iterable[Array]) -> list[str]:
    means = [float(np.mean(of_runs)) for of_runs in tasks]
    return [f"{mean:.2f}" for mean in [*means, float(np.mean(means))]]


def _gain(gain: Estimate) -> list[str]:
    # One run of each task has no interval.
    known = np.isfinite(gain.low)
    return [f"{gain.value:.2f}", f"{gain.low:.2f} to {gain.high:.2f}" if known else "n/a"]


def ends(study: Study, found: Scores) -> str:
    """How many runs end far below what others publish, as a sentence.

    :param study: the study
    :param found: normalised scores
    """
    counts = []
    for position, name in enumerate(study.environments):
        of_task = np.concatenate([tasks[position] for tasks in found.values()])
        counts.append(f"{np.sum(of_task < LOW)} of {of_task.size} runs on {name}")
    return f"{', '.join(counts[:-1])} and {counts[-1]} end below a score of {LOW}."


def choice(study: Study, found: Scores) -> str:
    """What the rules choose, as sentences; nothing until all runs are made.

    :param study: the study
    :param found: normalised scores
    """
    made = sum(of_runs.size for tasks in found.values() for of_runs in tasks)
    if made < len(study.runs):
        return f"{made} of the {len(study.runs)} runs are made, so nothing is chosen yet."
    gained = ranked(found, study.baseline)
    parts = combination(gained)
    single = " and ".join(f"`{part}`" for part in finalists(gained))
    together = " and ".join(f"`{part}`" for part in parts)
    combined = f"The combination has {together}." if parts else "No part gains enough for a combination."
    return f"Best part: {single}. {combined}"


def main() -> None:
    """Print the table and what goes on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=PUBLISHED.parent, help="folder of the results")
    study = read_study(STUDY)
    found = normalised(study, parser.parse_args().results / study.name)
    print(gains_table(study, found), end="\n\n")
    print(choice(study, found))


if __name__ == "__main__":
    main()
