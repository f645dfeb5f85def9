from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sb3_ppo_variants import ExponentialDecay, LinearDecay, VariantPPO
from sb3_ppo_variants.schedules import as_schedule
from tests.environments import SpacesEnv
from tests.models import SMALL, logged


@pytest.mark.parametrize(("progress", "expected"), [(1.0, 0.2), (0.5, 0.1), (0.26, 0.052), (0.25, 0.05), (0.0, 0.05)])
def test_linear_decay_stops_at_its_floor(progress: float, expected: float) -> None:
    assert LinearDecay(0.2, 0.05)(progress) == pytest.approx(expected)
    assert as_schedule("clip_range", "lin_0.2_0.05")(progress) == pytest.approx(expected)


# 0.99 ** 50 = 0.6050061, 0.99 ** 100 = 0.3660323.
@pytest.mark.parametrize(("progress", "expected"), [(1.0, 0.2), (0.5, 0.12100121), (0.0, 0.07320647)])
def test_exponential_decay(progress: float, expected: float) -> None:
    assert ExponentialDecay(0.2)(progress) == pytest.approx(expected)
    assert as_schedule("clip_range", "exp_0.2")(progress) == pytest.approx(expected)


def test_exponential_decay_stops_at_its_floor() -> None:
    schedule = as_schedule("clip_range", "exp_0.2_0.1")
    assert [schedule(progress) for progress in (0.5, 0.25, 0.0)] == pytest.approx([0.12100121, 0.1, 0.1])


def test_linear_to_zero() -> None:
    schedule = as_schedule("clip_range", "lin_0.2")
    assert [schedule(progress) for progress in (1.0, 0.5, 0.0)] == pytest.approx([0.2, 0.1, 0.0])


@given(st.floats(0.01, 10), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_fall_from_the_start_to_the_floor_and_never_rise(start: float, share: float, one: float, other: float) -> None:
    for kind in (LinearDecay, ExponentialDecay):
        schedule = kind(start, share * start)
        assert schedule(1.0) == start
        assert share * start <= schedule(min(one, other)) <= schedule(max(one, other)) <= start


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0.0,), r"LinearDecay: start=0.0"), ((0.2, 0.3), r"LinearDecay: floor=0.3"), ((0.2, -0.1), r"floor=-0.1")],
)
def test_bad_numbers_are_named(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LinearDecay(*arguments)


def test_are_saved_with_the_model() -> None:
    model = VariantPPO("MlpPolicy", SpacesEnv(), clip_range=ExponentialDecay(0.2, 0.1), **SMALL)
    file = io.BytesIO()
    model.save(file)
    loaded = VariantPPO.load(file, env=SpacesEnv())
    assert logged(loaded.learn(64))["train/clip_range"] == pytest.approx(0.1)
