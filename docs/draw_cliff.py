"""The figure of docs/cliff.md, drawn from the published study.

Above, every run: how large its updates were against where it ended. Below, what a fall looks like: every run of three
limits at the largest learning rate.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sb3_ppo_variants.bench.report.figures.colours import BASELINE_COLOUR, PALETTE
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.stored import read
from sb3_ppo_variants.bench.validation import load_study

ROOT = Path(__file__).parents[1]
STUDY = ROOT / "benchmarks/studies/cliff.yaml"
PUBLISHED = ROOT / "benchmarks/published/cliff"
LIMITS = ("no_limit", "clip", "dual_clip", "kl_fixed", "kl_adaptive", "adaptive_clip")
COLOURS = dict(zip(LIMITS, (BASELINE_COLOUR, *PALETTE), strict=False))
SHOWN = ("no_limit", "clip", "kl_adaptive")
LABELS = ["arm", "environment", "seed"]
# A floor for the axis: updates of a policy that has become deterministic hardly move it.
SMALLEST_KL = 1e-3


def runs(study: Study, scales: dict[str, tuple[float, float]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every run with the KL that nine of ten of its updates stay below and its score; and all evaluations.

    :param study: the study of the cliff
    :param scales: environment -> random and reference score
    """
    table = read(PUBLISHED, study.runs)
    assert table is not None
    results = table.results.copy()
    low, high = (results["environment"].map({name: pair[end] for name, pair in scales.items()}) for end in (0, 1))
    results["score"] = (results["mean_return"] - low) / (high - low)
    last = results.sort_values("timesteps").groupby(LABELS)["score"].agg(lambda scores: scores.tail(5).mean())
    kl = table.updates.dropna(subset=["kl"]).groupby(LABELS)["kl"].quantile(0.9)
    found = pd.concat([kl, last], axis=1, join="inner").reset_index()
    found["limit"] = found["arm"].str.partition(",")[0]
    return found, results


def draw_runs(axes: Axes, found: pd.DataFrame, environment: str) -> None:
    """One point for each run.

    :param axes: to draw on
    :param found: of :func:`runs`
    :param environment: name of it
    """
    for limit in LIMITS:
        rows = found[(found["limit"] == limit) & (found["environment"] == environment)]
        axes.scatter(rows["kl"].clip(lower=SMALLEST_KL), rows["score"], s=22, alpha=0.75, color=COLOURS[limit], lw=0)
    axes.set(xscale="log", title=environment, xlabel="KL(old || new) that 9 of 10 updates stay below, nats")
    axes.axhline(0, color="#8c8c8c", linewidth=0.8)


def draw_curves(axes: Axes, results: pd.DataFrame, environment: str) -> None:
    """The evaluations of each run of some limits at ten times the learning rate.

    :param axes: to draw on
    :param results: of :func:`runs`
    :param environment: name of it
    """
    for limit in SHOWN:
        rows = results[(results["arm"] == f"{limit},x10") & (results["environment"] == environment)]
        for _, run in rows.groupby("seed"):
            axes.plot(run["timesteps"] / 1000, run["score"], color=COLOURS[limit], linewidth=1.1, alpha=0.85)
    axes.set(title=f"{environment}, learning rate x10", xlabel="thousand environment steps")
    axes.axhline(0, color="#8c8c8c", linewidth=0.8)


def draw() -> Figure:
    """The whole figure."""
    study = load_study(STUDY)
    scales = {
        name: (float(task.random_score or 0), float(task.reference_score or 1))
        for name, task in study.environments.items()
    }
    found, results = runs(study, scales)
    figure = Figure(figsize=(9, 6.6), layout="constrained")
    panels = figure.subplots(2, 2, sharey="row")
    for column, environment in enumerate(scales):
        draw_runs(panels[0, column], found, environment)
        draw_curves(panels[1, column], results, environment)
    panels[0, 0].set_ylabel("score at the end: 0 random, 1 reference")
    panels[1, 0].set_ylabel("score of an evaluation")
    points = [Line2D([], [], color=COLOURS[limit], marker="o", linestyle="", label=limit) for limit in LIMITS]
    figure.legend(handles=points, loc="outside upper left", ncols=len(LIMITS), handletextpad=0.2)
    return figure
