from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sb3_ppo_variants.terms.asymmetric_clip import asymmetric_clip, log
from sb3_ppo_variants.terms.clip import clip
from tests.terms.minibatches import advantages, minibatch, ratios, slope, surrogate

DAPO = {"lower_clip_range": 0.2, "upper_clip_range": 0.28}


def test_by_hand() -> None:
    # A = 2: r = 1.25 is inside, 1.5 gives 1.28 * 2; A = -2: 0.5 gives -0.8 * 2, 1.5 is PPO's -3.
    batch = minibatch([2, 2, 2, -2, -2], [0.5, 1.25, 1.5, 0.5, 1.5])
    assert surrogate(asymmetric_clip, batch, **DAPO) == pytest.approx([1.0, 2.5, 2.56, -1.6, -3.0])


@pytest.mark.parametrize(
    ("advantage", "ratio", "expected"),
    [(2, 0.7, 2), (2, 1.27, 2), (2, 1.29, 0), (-2, 0.79, 0), (-2, 0.81, -2), (-2, 1.29, -2)],
)
def test_gradient_on_each_side_of_each_kink(advantage: float, ratio: float, expected: float) -> None:
    assert slope(asymmetric_clip, advantage, ratio, **DAPO) == pytest.approx(expected)


@given(advantages, ratios, st.floats(0.0, 1.0))
def test_equal_ranges_are_the_clip(advantage: float, ratio: float, clip_range: float) -> None:
    batch = minibatch([advantage], [ratio])
    equal = surrogate(asymmetric_clip, batch, lower_clip_range=clip_range, upper_clip_range=clip_range)
    assert equal == surrogate(clip, batch, clip_range=clip_range)


@given(advantages, ratios, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_is_a_lower_bound_that_rises_with_either_range(a: float, ratio: float, low: float, high: float) -> None:
    batch = minibatch([a], [ratio])
    value = surrogate(asymmetric_clip, batch, lower_clip_range=low, upper_clip_range=high)[0]
    wider = surrogate(asymmetric_clip, batch, lower_clip_range=min(2 * low, 1.0), upper_clip_range=2 * high)[0]
    assert value <= wider <= float(batch.advantages * batch.ratio)


def test_log_counts_each_side() -> None:
    batch = minibatch([1, 1, -1, -1], [1.3, 1.25, 0.7, 1.3])
    assert {key: float(value) for key, value in log(batch, **DAPO).items()} == {
        "lower_clip_fraction": 0.25,
        "upper_clip_fraction": 0.25,
    }
