from __future__ import annotations

import pytest

from sb3_ppo_variants.rules.rescale import rescale


@pytest.mark.parametrize(("measured", "expected"), [(0.05, 8.0), (0.1, 4.0), (0.8, 0.5), (0.0, 4.0)])
def test_the_next_value_is_the_one_that_would_have_met_the_target(measured: float, expected: float) -> None:
    for direction in (1, -1):
        state = rescale({"multiplier": 4.0}, measured, direction=direction, target=0.1)
        assert state == {"multiplier": pytest.approx(expected)}
