from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sb3_ppo_variants.rules.band import band

PAPER = {"target": 0.01, "width": 1.5, "factor": 2.0}


@pytest.mark.parametrize(
    ("measured", "expected"), [(0.0151, 8.0), (0.0149, 4.0), (0.01, 4.0), (0.0067, 4.0), (0.0066, 2.0), (0.0, 2.0)]
)
def test_kl_coefficient_as_in_the_paper(measured: float, expected: float) -> None:
    assert band({"multiplier": 4.0}, measured, direction=1, **PAPER) == {"multiplier": expected}


@pytest.mark.parametrize(("measured", "expected"), [(0.02, 2.0), (0.01, 4.0), (0.001, 8.0)])
def test_clip_range_moves_the_other_way(measured: float, expected: float) -> None:
    assert band({"multiplier": 4.0}, measured, direction=-1, **PAPER) == {"multiplier": expected}


@pytest.mark.parametrize(("measured", "expected"), [(1.0, 4.0), (1.0625, 8.0), (0.25, 4.0), (0.1875, 2.0)])
def test_the_edges_are_within_the_band(measured: float, expected: float) -> None:
    edges = {"target": 0.5, "width": 2.0, "factor": 2.0}
    assert band({"multiplier": 4.0}, measured, direction=1, **edges) == {"multiplier": expected}


@given(st.floats(1e-6, 1e6), st.floats(0, 10), st.sampled_from([1, -1]))
def test_moves_by_the_factor_or_not_at_all(multiplier: float, measured: float, direction: int) -> None:
    after = band({"multiplier": multiplier}, measured, direction=direction, **PAPER)["multiplier"]
    assert after in (multiplier / 2, multiplier, multiplier * 2)
