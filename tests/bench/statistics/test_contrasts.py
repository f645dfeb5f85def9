from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from sb3_ppo_variants.bench.statistics.contrasts import Scores, ablation_contrasts, contrast, main_effects
from sb3_ppo_variants.bench.study.arms import AblationArms


def constant(**values: float) -> Scores:
    return {(arm, "A"): np.full(4, value) for arm, value in values.items()}


def test_a_contrast_by_hand() -> None:
    # Interquartile means: (2 + 3) / 2 and (1 + 2) / 2.
    scores = {("full", "A"): np.array([1.0, 2.0, 3.0, 10.0]), ("less", "A"): np.array([0.0, 1.0, 2.0, 3.0])}
    found = contrast("clip", {"full": 1.0, "less": -1.0}, scores, 500, seed=0)
    assert (found.name, found.difference.value) == ("clip", 1.0)
    assert found.difference.low < 1.0 < found.difference.high
    assert found == contrast("clip", {"full": 1.0, "less": -1.0}, scores, 500, seed=0)
    assert found != contrast("clip", {"full": 1.0, "less": -1.0}, scores, 500, seed=1)


def test_the_interval_of_a_contrast_by_hand() -> None:
    # Two runs an arm, each resample 0, 1/2 or 1 with 1/4, 1/2, 1/4: the difference is -1 or 1 with 1/16 each, which
    # is more than 2.5 %.
    runs = np.array([0.0, 1.0])
    found = contrast("x", {"a": 1.0, "b": -1.0}, {("a", "A"): runs, ("b", "A"): runs}, 1000, seed=0)
    assert found.difference == (0.0, -1.0, 1.0)


def test_environments_that_lack_an_arm_are_excluded_and_listed() -> None:
    scores = {
        ("a", "A"): np.full(4, 1.0),
        ("a", "B"): np.full(4, 9.0),
        ("b", "A"): np.full(3, 0.5),
        ("c", "B"): np.full(3, 0.5),
    }
    found = contrast("x", {"a": 1.0, "b": -1.0}, scores, 100, seed=0)
    assert found.difference == (0.5, 0.5, 0.5)
    assert (found.environments, found.excluded) == (["A"], ["B"])
    nothing = contrast("x", {"b": 1.0, "c": -1.0}, scores, 100, seed=0)
    assert math.isnan(nothing.difference.value)
    assert (nothing.environments, nothing.excluded) == ([], ["A", "B"])


def test_an_ablation_by_hand() -> None:
    ablation = AblationArms(
        full="full", without={"clip": "no_clip", "kl": "no_kl"}, baseline="ppo", only={"clip": "just_clip"}
    )
    scores = constant(full=1.0, no_clip=0.25, no_kl=1.125, ppo=0.5, just_clip=0.75)
    found = ablation_contrasts(ablation, scores, 100, seed=0)
    assert {part: item.difference for part, item in found.without.items()} == {
        "clip": (0.75, 0.75, 0.75),
        "kl": (-0.125, -0.125, -0.125),
    }
    assert {part: item.difference.value for part, item in found.only.items()} == {"clip": 0.25}
    assert found.parts == ["clip", "kl"]


def test_an_arm_alone_needs_a_baseline() -> None:
    with pytest.raises(ValueError, match="needs a baseline"):
        AblationArms(full="full", without={}, only={"clip": "just_clip"})
    assert ablation_contrasts(AblationArms("full", {}), constant(full=1.0), 100, seed=0).parts == []


def test_main_effects_by_hand() -> None:
    # Mean of all arms 2. Clip 0.1: (0 + 1) / 2 = 1/2; 0.2: (2 + 5) / 2 = 7/2. Epochs 4: 1; 10: 3.
    levels = {
        "a": {"clip": 0.1, "epochs": 4},
        "b": {"clip": 0.1, "epochs": 10},
        "c": {"clip": 0.2, "epochs": 4},
        "d": {"clip": 0.2, "epochs": 10},
    }
    found = main_effects(levels, constant(a=0.0, b=1.0, c=2.0, d=5.0), 100, seed=0)
    assert found.balanced
    effects = {axis: {item.name: item.difference.value for item in items} for axis, items in found.axes.items()}
    assert effects == {"clip": {"0.1": -1.5, "0.2": 1.5}, "epochs": {"4": -1.0, "10": 1.0}}
    assert found.axes["clip"][0].difference == (-1.5, -1.5, -1.5)


def test_a_grid_with_holes_is_not_balanced() -> None:
    levels: dict[str, dict[str, Any]] = {"a": {"x": 1, "y": 1}, "b": {"x": 1, "y": 2}, "c": {"x": 2, "y": [1]}}
    found = main_effects(levels, constant(a=0.0, b=1.0, c=2.0), 100, seed=0)
    assert not found.balanced
    assert [item.name for item in found.axes["y"]] == ["1", "2", "[1]"]
    zipped = {"a": {"x": 1, "y": 1}, "b": {"x": 2, "y": 2}}
    assert not main_effects(zipped, constant(a=0.0, b=1.0), 100, seed=0).balanced


def test_the_interactions_of_two_axes_by_hand() -> None:
    levels = {
        "a": {"x": 1, "y": "low"},
        "b": {"x": 1, "y": "high"},
        "c": {"x": 2, "y": "low"},
        "d": {"x": 2, "y": "high"},
    }
    found = main_effects(levels, constant(a=0.0, b=1.0, c=2.0, d=7.0), 100, seed=0)
    assert found.cells == {"a": ("1", "low"), "b": ("1", "high"), "c": ("2", "low"), "d": ("2", "high")}
    # Mean 2.5; x: -2, +2; y: -1.5, +1.5. The effects add up to -1, 2, 3, 6.
    assert {arm: item.difference.value for arm, item in found.interactions.items()} == {
        "a": 1,
        "b": -1,
        "c": -1,
        "d": 1,
    }


def test_only_whole_grids_of_two_axes_have_interactions() -> None:
    three = {arm: {"x": arm in "ab", "y": arm in "ac"} for arm in "abc"}
    assert main_effects(three, constant(a=0.0, b=1.0, c=2.0), 100, seed=0).cells == {}
    one = {"a": {"x": 1}, "b": {"x": 2}}
    assert main_effects(one, constant(a=0.0, b=1.0), 100, seed=0).interactions == {}


def test_main_effects_need_levels_and_all_arms() -> None:
    assert main_effects({}, {}, 100, seed=0).axes == {}
    assert main_effects({"a": {"x": 1}, "b": {"x": 1}}, constant(a=0.0, b=1.0), 100, seed=0).axes == {}
    unfinished = main_effects({"a": {"x": 1}, "b": {"x": 2}}, constant(a=0.0), 100, seed=0)
    assert math.isnan(unfinished.axes["x"][0].difference.value)
    with pytest.raises(ValueError, match="arm b has the axes"):
        main_effects({"a": {"x": 1}, "b": {"y": 1}}, constant(a=0.0, b=1.0), 100, seed=0)


def test_results_are_records() -> None:
    ablation = ablation_contrasts(AblationArms("full", {"clip": "less"}), constant(full=1.0, less=0.5), 100, seed=0)
    with pytest.raises(AttributeError):
        ablation.without = {}  # type: ignore[misc]
    with pytest.raises(AttributeError):
        ablation.without["clip"].name = "kl"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        main_effects({}, {}, 100, seed=0).balanced = False  # type: ignore[misc]
