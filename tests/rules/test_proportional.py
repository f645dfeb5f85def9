from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sb3_ppo_variants.rules.proportional import proportional

ZIEGLER = {"target": 0.01, "gain": 0.1, "largest_error": 0.2}


@pytest.mark.parametrize(
    ("measured", "expected"), [(0.011, 4.04), (0.012, 4.08), (1.0, 4.08), (0.01, 4.0), (0.009, 3.96), (0.0, 3.92)]
)
def test_kl_coefficient_as_in_the_paper(measured: float, expected: float) -> None:
    state = proportional({"multiplier": 4.0}, measured, direction=1, **ZIEGLER)
    assert state == {"multiplier": pytest.approx(expected)}


@pytest.mark.parametrize(("measured", "expected"), [(1.0, 3.9215686), (0.01, 4.0), (0.0, 4.0816327)])
def test_clip_range_moves_the_other_way(measured: float, expected: float) -> None:
    state = proportional({"multiplier": 4.0}, measured, direction=-1, **ZIEGLER)
    assert state == {"multiplier": pytest.approx(expected)}


@given(st.floats(1e-6, 1e6), st.floats(0, 10), st.sampled_from([1, -1]))
def test_moves_by_two_percent_at_most(multiplier: float, measured: float, direction: int) -> None:
    after = proportional({"multiplier": multiplier}, measured, direction=direction, **ZIEGLER)["multiplier"]
    assert 0.98 / 1.0001 <= after / multiplier <= 1 / 0.98 * 1.0001
