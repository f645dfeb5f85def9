from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from sb3_ppo_variants.bench.report.figures.colours import BASELINE_COLOUR, PALETTE
from sb3_ppo_variants.bench.report.figures.learning_curves import learning_curves
from sb3_ppo_variants.bench.report.figures.style import line_styles, svg
from sb3_ppo_variants.bench.statistics.summary import summarise
from tests.bench.statistics.numbers import RESULTS, make_study

OTHERS = {f"arm{number}": {"algorithm": "stable_baselines3.PPO"} for number in range(8)}


def test_few_arms_share_one_panel_per_environment() -> None:
    study = make_study()
    drawing = learning_curves(RESULTS, summarise(RESULTS, study))
    assert [axes.get_title(loc="left") for axes in drawing.figure.axes] == ["Known-v0", "Range-v0"]
    assert [len(axes.lines) for axes in drawing.figure.axes] == [2, 2]
    points = drawing.data.set_index(["arm", "environment", "timesteps"])["mean"]
    assert points["ppo", "Known-v0", 300] == 35.0
    assert points["mine", "Range-v0", 200] == 5.5
    assert len(points) == 12


def test_an_environment_without_a_finished_run_has_no_panel() -> None:
    made = RESULTS[RESULTS["environment"] == "Range-v0"]
    drawing = learning_curves(made, summarise(made, make_study()))
    assert [axes.get_title(loc="left") for axes in drawing.figure.axes] == ["Range-v0"]


def test_each_of_many_arms_has_a_panel_beside_the_baseline() -> None:
    study = make_study(arms={"mine": {"algorithm": "stable_baselines3.PPO"}, **OTHERS})
    drawing = learning_curves(RESULTS, summarise(RESULTS, study))
    panels = {axes.get_title(loc="left"): len(axes.lines) for axes in drawing.figure.axes}
    # Arms without a finished run show the baseline alone.
    assert panels == {"mine": 2, **dict.fromkeys(OTHERS, 1)}
    assert len(drawing.figure.axes) == 18
    assert math.isclose(drawing.figure.get_figheight(), 2 * (0.55 + 2 * 1.35 + 0.35))


def test_each_of_many_arms_has_the_same_legible_line() -> None:
    """The last would be the pale yellow of the palette, and those after it dashed."""
    study = make_study(arms=OTHERS)
    summary = summarise(RESULTS, study)
    curves = pd.concat([RESULTS.assign(arm=arm) for arm in study.arms])
    lines = [axes.lines for axes in learning_curves(curves, summary).figure.axes]
    assert {baseline.get_color() for baseline, _ in lines} == {BASELINE_COLOUR}
    assert {(arm.get_color(), arm.get_linestyle()) for _, arm in lines} == {(PALETTE[0], "-")}
    assert [arm.get_gid() for _, arm in lines[:8]] == [f"arm-{place}" for place in range(1, 9)]


def test_an_interval_has_the_edge_of_its_arm() -> None:
    axes = learning_curves(RESULTS, summarise(RESULTS, make_study())).figure.axes[0]
    for line, interval in zip(axes.lines, axes.collections, strict=True):
        # Arrays of one colour, which matplotlib's annotations do not say.
        (edge,), (fill,) = np.asarray(interval.get_edgecolor()), np.asarray(interval.get_facecolor())
        assert tuple(edge[:3]) == tuple(fill[:3]) == to_rgb(line.get_color())
        assert edge[3] > 5 * fill[3]
        assert 0 < float(np.asarray(interval.get_linewidth())[0]) < line.get_linewidth()


@pytest.mark.parametrize("others", [{}, OTHERS], ids=["together", "apart"])
def test_large_returns_have_no_factor_at_the_end_of_the_axis(others: dict[str, dict[str, str]]) -> None:
    study = make_study(arms={"mine": {"algorithm": "stable_baselines3.PPO"}, **others})
    axes = learning_curves(RESULTS, summarise(RESULTS, study)).figure.axes[0]
    shown = axes.yaxis.get_major_formatter().format_ticks([-1.5e6, -0.0, 5e-17, 0.1, 500, 20_000])
    assert shown == ["\N{MINUS SIGN}1.5M", "0", "0", "0.1", "500", "20k"]


def test_seeds_with_evaluations_at_different_steps() -> None:
    """Each counts with its latest evaluation, from the first of both on until one of them is over."""
    seeds = {0: {100: 10.0, 200: 20.0, 300: 30.0}, 1: {150: 0.0, 250: 40.0}}
    points = [
        {"arm": "ppo", "environment": "Known-v0", "seed": seed, "timesteps": step, "mean_return": value}
        for seed, returns in seeds.items()
        for step, value in returns.items()
    ]
    summary = summarise(RESULTS, make_study())
    drawing = learning_curves(pd.DataFrame(points), summary)
    curve = [[150, (10 + 0) / 2], [200, (20 + 0) / 2], [250, (20 + 40) / 2]]
    assert drawing.data[["timesteps", "mean"]].to_numpy().tolist() == curve
    (line,) = drawing.figure.axes[0].lines
    assert np.column_stack(line.get_data()).tolist() == curve
    # An unknown return is none that the run lacks: it counts until the next one.
    points[1]["mean_return"] = math.nan
    means = learning_curves(pd.DataFrame(points), summary).data["mean"]
    assert means.to_numpy() == pytest.approx([5.0, math.nan, math.nan], nan_ok=True)


def test_seeds_that_have_no_step_in_common() -> None:
    steps = RESULTS["timesteps"] + 300 * RESULTS["seed"]
    drawing = learning_curves(RESULTS.assign(timesteps=steps), summarise(RESULTS, make_study()))
    assert drawing.data.empty
    assert "<svg" in svg(drawing.figure)


@pytest.mark.parametrize("others", [{}, OTHERS], ids=["together", "apart"])
def test_panels_are_as_high_as_the_single_runs(others: dict[str, dict[str, str]]) -> None:
    """Two seeds with 30 and 50 have a mean of 40 +- 127, which does not count."""
    study = make_study(arms={"mine": {"algorithm": "stable_baselines3.PPO"}, **others})
    panels = learning_curves(RESULTS, summarise(RESULTS, study)).figure.axes
    known, ranged = panels[: len(panels) // 2], panels[len(panels) // 2 :]
    # From 10 to 999 and from 1 to 999, with a margin of a twentieth.
    assert [axes.get_ylim() for axes in known] == [pytest.approx((10 - 49.45, 999 + 49.45))] * len(known)
    assert [axes.get_ylim() for axes in ranged] == [pytest.approx((1 - 49.9, 999 + 49.9))] * len(ranged)


def test_unknown_returns_have_no_height() -> None:
    unknown = RESULTS.assign(mean_return=float("nan"))
    panels = learning_curves(unknown, summarise(RESULTS, make_study())).figure.axes
    assert all(math.isfinite(limit) for axes in panels for limit in axes.get_ylim())


def test_what_belongs_to_an_arm_is_marked_by_its_place() -> None:
    styles = line_styles(["ppo", "b", "a"])
    assert [styles[arm]["gid"] for arm in ("ppo", "b", "a")] == ["arm-0", "arm-1", "arm-2"]
