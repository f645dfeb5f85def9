from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sb3_ppo_variants.bench.study.grid import combinations, level_name, with_parts


def test_a_product_runs_through_its_last_axis_fastest() -> None:
    found = combinations({"n_epochs": [10, 30], "policy_kwargs.net_arch": {"shallow": [64], "deep": [64, 64, 64]}})
    assert [each.label for each in found] == [
        "n_epochs=10,net_arch=shallow",
        "n_epochs=10,net_arch=deep",
        "n_epochs=30,net_arch=shallow",
        "n_epochs=30,net_arch=deep",
    ]
    assert found[1].levels == {"n_epochs": "10", "net_arch": "deep"}
    assert found[1].values == {"n_epochs": 10, "policy_kwargs.net_arch": [64, 64, 64]}


def test_a_zip_is_one_axis() -> None:
    found = combinations({"zip": {"learning_rate": [3e-4, 3e-3], "clip_range": [0.2, 0.1]}, "gamma": [0.9, 0.99]})
    # The zip comes after the axes that stand beside it.
    assert [each.values for each in found] == [
        {"gamma": 0.9, "learning_rate": 3e-4, "clip_range": 0.2},
        {"gamma": 0.9, "learning_rate": 3e-3, "clip_range": 0.1},
        {"gamma": 0.99, "learning_rate": 3e-4, "clip_range": 0.2},
        {"gamma": 0.99, "learning_rate": 3e-3, "clip_range": 0.1},
    ]
    assert found[1].label == "gamma=0.9,learning_rate=0.003,clip_range=0.1"
    assert found[1].levels == {"gamma": "0.9", "learning_rate+clip_range": "0.003+0.1"}


def test_a_zip_whose_levels_have_the_same_names_says_them_once() -> None:
    found = combinations({"zip": {"learning_rate": {"usual": 3e-4, "x10": 3e-3}, "n_epochs": {"usual": 10, "x10": 10}}})
    assert [each.label for each in found] == ["usual", "x10"]
    assert found[1].levels == {"learning_rate+n_epochs": "x10"}
    assert found[1].values == {"learning_rate": 3e-3, "n_epochs": 10}
    others = combinations({"zip": {"learning_rate": {"usual": 3e-4, "x10": 3e-3}, "n_epochs": {"few": 10, "many": 30}}})
    assert [each.label for each in others] == [
        "learning_rate=usual,n_epochs=few",
        "learning_rate=x10,n_epochs=many",
    ]


def test_several_zips_are_multiplied() -> None:
    found = combinations({"zip": [{"a": [1, 2], "b": [3, 4]}, {"c": [5, 6], "d": [7, 8]}]})
    assert [tuple(each.values.values()) for each in found] == [
        (1, 3, 5, 7),
        (1, 3, 6, 8),
        (2, 4, 5, 7),
        (2, 4, 6, 8),
    ]


def test_short_names_only_where_they_tell_apart() -> None:
    assert combinations({"adapt.kl_coef.target": [1, 2], "adapt.clip_range.target": [3, 4]})[0].label == (
        "adapt.kl_coef.target=1,adapt.clip_range.target=3"
    )


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (3e-4, "0.0003"),
        (1e-5, "1e-05"),
        ([64, 64], "64+64"),
        (["clip", "dual_clip"], "clip+dual_clip"),
        ([], "empty"),
        (None, "none"),
        (True, "true"),
        ("lin_0.2", "lin_0.2"),
    ],
)
def test_names_of_levels(value: Any, name: str) -> None:
    assert level_name("x", value) == name


def test_the_name_of_an_algorithm_is_its_class() -> None:
    assert level_name("algorithm", "sb3_ppo_variants.DualClipPPO") == "DualClipPPO"


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({}, "at least one axis"),
        ({"gamma": [0.9]}, "grid.gamma: an axis has 2 levels or more, not 1"),
        ({"gamma": 0.9}, "grid.gamma: must be a list of values"),
        ({"gamma": [0.9, 0.9]}, "grid.gamma: two levels are called 0.9"),
        ({"gamma": [None, "none"]}, "two levels are called none"),
        ({"policy_kwargs": [{}, {"net_arch": [8]}]}, "a mapping needs a name"),
        ({"learning_rate": ["a/b", "c"]}, "'a/b' cannot be part of a folder's name"),
        ({"gamma": {"low\n": 0.9, "high": 1.0}}, "cannot be part of a folder's name"),
        ({"zip": {"gamma": [0.9, 1.0]}}, "two or more axes"),
        ({"zip": {"gamma": [0.9, 1.0], "n_steps": [1, 2, 3]}}, "equally many levels"),
        ({"zip": {"gamma": [0.9, 1.0], 1: [1, 2]}}, "grid.zip: an axis is the name of an argument, not 1"),
        ({"gamma": [0.9, 1.0], "zip": {"gamma": [1, 2], "n_steps": [1, 2]}}, "gamma is in more than one axis"),
        (
            {"policy_kwargs": {"a": {}, "b": {"net_arch": [8]}}, "policy_kwargs.net_arch": [[8], [4]]},
            "grid: policy_kwargs.net_arch is in more than one axis",
        ),
    ],
)
def test_what_is_no_grid(grid: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        combinations(grid)


@given(st.lists(st.integers(2, 4), min_size=1, max_size=4))
def test_a_product_has_every_combination_once(sizes: list[int]) -> None:
    found = combinations({f"axis{i}": list(range(size)) for i, size in enumerate(sizes)})
    expected = 1
    for size in sizes:
        expected *= size
    assert len({each.label for each in found}) == len(found) == expected


def test_parts_add_terms_and_set_arguments() -> None:
    parts: dict[str, dict[str, Any]] = {
        "dual": {"objective": "dual_clip", "dual_clip": 2.0},
        "penalty": {"objective": ["kl_penalty"], "kl_coef": 0.5},
        "slow": {"learning_rate": 1e-5},
    }
    base = {"objective": "clip", "learning_rate": 1e-3}
    assert with_parts(parts, (), base) == base
    assert with_parts(parts, ("slow", "penalty", "dual"), base) == {
        "objective": ["clip", "dual_clip", "kl_penalty"],
        "dual_clip": 2.0,
        "kl_coef": 0.5,
        "learning_rate": 1e-5,
    }
    assert base == {"objective": "clip", "learning_rate": 1e-3}
