from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stable_baselines3.common.type_aliases import Schedule

from sb3_ppo_variants import ExponentialDecay, LinearDecay, VariantPPO
from sb3_ppo_variants.coefficients import CLIP_RANGE
from sb3_ppo_variants.schedules import as_schedule, check_schedule, sampled
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


@pytest.mark.parametrize("value", ["lin", "lin_", "lin_x", "lin_0.2_0.3", "lin_0.2_0_0", "cos_0.2"])
def test_unknown_schedule_strings_are_refused(value: str) -> None:
    with pytest.raises(ValueError, match="clip_range"):
        as_schedule("clip_range", value)


@pytest.mark.parametrize("value", [None, True, False, {"a": 1}, 1j])
def test_what_is_no_schedule_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="clip_range"):
        as_schedule("clip_range", value)


def test_numbers_and_functions_are_schedules() -> None:
    assert as_schedule("clip_range", 2)(0.5) == 2.0
    assert as_schedule("clip_range", lambda progress: 3 * progress)(0.5) == 1.5


def negative_at(place: float) -> Schedule:
    return lambda progress_remaining: -1.0 if progress_remaining == place else 0.1


def test_a_schedule_is_checked_from_its_start_to_its_end() -> None:
    assert sampled(lambda progress: progress) == pytest.approx([1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0])
    check_schedule(CLIP_RANGE, lambda progress: progress, "lin_1.0")
    for outside in (0.0, 0.5, 1.0):
        schedule = negative_at(outside)
        with pytest.raises(ValueError, match="^clip_range='<schedule>' reaches -1.0, which"):
            check_schedule(CLIP_RANGE, schedule, "<schedule>")
    with pytest.raises(ValueError, match="^clip_range=-1.0 is not allowed"):
        check_schedule(CLIP_RANGE, as_schedule("clip_range", -1.0), -1.0)


def test_are_saved_with_the_model() -> None:
    model = VariantPPO("MlpPolicy", SpacesEnv(), clip_range=ExponentialDecay(0.2, 0.1), **SMALL)
    file = io.BytesIO()
    model.save(file)
    loaded = VariantPPO.load(file, env=SpacesEnv())
    assert logged(loaded.learn(64))["train/clip_range"] == pytest.approx(0.1)
