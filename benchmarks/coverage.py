"""What the intervals of a report hold: `python -m benchmarks.coverage [--studies 4000]`, some minutes.

Each cell simulates studies whose true numbers are known and counts how many of their 95 % intervals contain them: 1, 2
and 5 tasks, 3 to 20 seeds, and scores of four shapes. The intervals are those of the package. The counts are written to
published/coverage/coverage.json, from which `make fill` takes the table of docs/report.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from scipy import stats

from sb3_ppo_variants.bench.statistics.aggregates import iqm, profile
from sb3_ppo_variants.bench.statistics.comparisons import improvement_interval
from sb3_ppo_variants.bench.statistics.intervals import Array, Estimate, bootstrap, mean_bands
from sb3_ppo_variants.bench.study.keys import Bootstrap

PUBLISHED = Path(__file__).parent / "published/coverage/coverage.json"
TASKS, SEEDS = (1, 2, 5), (3, 5, 10, 20)
RESAMPLES = Bootstrap().resamples
# Draws that give the true interquartile mean.
TRUTH = 2**22

Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]
# Scores of studies, shape (studies, tasks, seeds).
Scores = Array


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Mean 0, standard deviation 1."""
    return rng.standard_normal(shape)


def lognormal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Exponential of standard normal scores: a long tail of good runs."""
    return rng.lognormal(size=shape)


def a_quarter_fails(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Three quarters of the runs near 1, the others near 0, each with a standard deviation of 0.1."""
    return (rng.random(shape) >= 0.25) + 0.1 * rng.standard_normal(shape)


def capped(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Normal, but half of the runs reach the greatest score there is, 0."""
    return np.minimum(rng.standard_normal(shape), 0.0)


SHAPES: dict[str, Draw] = {
    "normal": normal,
    "lognormal": lognormal,
    "a quarter of the runs fails": a_quarter_fails,
    "capped": capped,
}


def of_mean(scores: Scores) -> Array:
    """Low and high of each study."""
    return mean_bands(*np.moveaxis(scores, 1, 0))[1:]


def of_iqm(scores: Scores) -> Array:
    """Low and high of each study."""
    return _bounds(bootstrap(list(study), iqm, RESAMPLES, seed) for seed, study in enumerate(scores))


def of_share(scores: Scores) -> Array:
    """Low and high of the share of the runs above 0."""
    bands = [profile(list(study), np.zeros(1)) for study in scores]
    return np.array([[*band.low, *band.high] for band in bands]).T


def of_improvement(scores: Scores) -> Array:
    """Low and high of each study, whose arms are halves of the runs."""
    half = scores.shape[-1] // 2
    return _bounds(improvement_interval(list(study[:, :half]), list(study[:, half:])) for study in scores)


def _bounds(estimates: Iterable[Estimate]) -> Array:
    return np.array([estimate[1:] for estimate in estimates]).T


def against(arm: Draw, baseline: Draw = normal) -> Draw:
    """Scores of an arm, then as many of the baseline."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return np.concatenate([arm(rng, shape), baseline(rng, shape)], axis=-1)

    return draw


def better(share: float, deviation: float = 1.0) -> Draw:
    """Normal scores of which that share beats a standard normal one."""
    shift = stats.norm.ppf(share) * np.hypot(1.0, deviation)
    return lambda rng, shape: shift + deviation * rng.standard_normal(shape)


def nine_of_ten(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Scores of which nine of ten are above 0."""
    return 0.9 - rng.random(shape)


def often_far_above(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """A quarter of the runs fails and loses to every run of the baseline, the others beat every one."""
    return np.where(rng.random(shape) < 0.25, -100.0, 100.0)


def true_iqm(draw: Draw) -> float:
    """Mean of the middle half of a great many runs."""
    scores = np.sort(draw(np.random.default_rng(1), (TRUTH,)))
    return float(scores[TRUTH // 4 : -TRUTH // 4].mean())


def cells() -> dict[tuple[str, str], tuple[Draw, float, Callable[[Scores], Array]]]:
    """Of each number and shape how scores are drawn, the true number, and its intervals."""
    means = {"normal": 0.0, "lognormal": np.exp(0.5), "a quarter of the runs fails": 0.75}
    means["capped"] = -1 / np.sqrt(2 * np.pi)
    return {
        **{("mean", name): (draw, float(means[name]), of_mean) for name, draw in SHAPES.items()},
        **{("IQM", name): (draw, true_iqm(draw), of_iqm) for name, draw in SHAPES.items()},
        ("share above a score", "0.9"): (nine_of_ten, 0.9, of_share),
        ("P(beats PPO)", "0.5"): (against(normal), 0.5, of_improvement),
        ("P(beats PPO)", "0.96"): (against(better(0.96)), 0.96, of_improvement),
        ("P(beats PPO)", "0.96, three times the spread"): (against(better(0.96, 3.0)), 0.96, of_improvement),
        ("P(beats PPO)", "0.75, a quarter of the runs fails"): (against(often_far_above), 0.75, of_improvement),
    }


def main() -> None:
    """Simulate, print a table and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=4_000, help="simulated studies in each cell")
    parser.add_argument("--output", type=Path, default=PUBLISHED, help="the JSON")
    options = parser.parse_args()
    rows = []
    for (number, shape), (draw, truth, intervals) in cells().items():
        for seeds in SEEDS:
            for tasks in TASKS:
                low, high = intervals(draw(np.random.default_rng(0), (options.studies, tasks, seeds)))
                held = float(np.mean((low <= truth) & (truth <= high)))
                rows.append({"number": number, "scores": shape, "seeds": seeds, "tasks": tasks, "coverage": held})
                print(f"{number:20}{shape:36}{seeds:3} seeds{tasks:3} tasks{held:8.3f}", flush=True)
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps({"studies": options.studies, "coverage": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
