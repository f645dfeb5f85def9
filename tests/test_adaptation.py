from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stable_baselines3.common.utils import LinearSchedule

from sb3_ppo_variants.adaptation import Adaptation, build_controllers
from sb3_ppo_variants.coefficients import CLIP_RANGE, Coefficient
from sb3_ppo_variants.rules import RULES
from sb3_ppo_variants.schedules import as_schedule

KL_COEF = Coefficient("kl_coef", 1.0, low=0.0, tighter="up")
BAND: dict[str, Any] = {"rule": "band", "follow": "kl", "target": 0.01, "low": 0.25, "high": 4.0}


class Adapted:
    """One adaptive coefficient on its schedule."""

    def __init__(self, coefficient: Coefficient, base: Any, spec: dict[str, Any], state: Any = None) -> None:
        self.name = coefficient.name
        self.schedule = as_schedule(self.name, base)
        controllers = build_controllers({self.name: spec}, {self.name: coefficient}, RULES)
        self.adaptation = Adaptation(controllers, {} if state is None else state)
        self.adaptation.check_starts(self.bases(1.0))

    def bases(self, progress_remaining: float) -> dict[str, float]:
        return {self.name: self.schedule(progress_remaining)}

    def values(self, progress_remaining: float) -> dict[str, float]:
        return self.adaptation.values(self.bases(progress_remaining))

    def after_update(self, progress_remaining: float, statistics: dict[str, float]) -> None:
        self.adaptation.after_update(self.bases(progress_remaining), statistics)


def test_doubles_and_halves_the_kl_coefficient() -> None:
    adapted = Adapted(KL_COEF, 1.0, BAND)
    seen = []
    for kl in (0.02, 0.02, 0.01, 0.001):
        seen.append(adapted.values(1.0)["kl_coef"])
        adapted.after_update(1.0, {"kl": kl})
    assert [*seen, adapted.values(1.0)["kl_coef"]] == [1.0, 2.0, 4.0, 4.0, 2.0]


def test_no_wind_up_at_a_bound() -> None:
    adapted = Adapted(KL_COEF, 1.0, BAND)
    for _ in range(10):
        adapted.after_update(1.0, {"kl": 1.0})
    assert adapted.values(1.0)["kl_coef"] == 4.0
    adapted.after_update(1.0, {"kl": 0.0})
    assert adapted.values(1.0)["kl_coef"] == 2.0
    # Used at the bound from the third update on: 8 of 10, then 1 more.
    assert adapted.adaptation.shares_at_bound() == {"kl_coef": pytest.approx(9 / 11)}


def test_the_share_at_a_bound_under_a_schedule() -> None:
    """The multiplier is held at 0.4 / base after updates 2 to 9; the schedule then moves the product below 0.4."""
    adapted = Adapted(CLIP_RANGE, "lin_0.2", BAND | {"low": 0.05, "high": 0.4})
    used = []
    for update in range(10):
        progress = 1 - update / 20
        used.append(adapted.values(progress)["clip_range"])
        adapted.after_update(progress, {"kl": 0.0})
    assert used[:4] == pytest.approx([0.2, 0.38, 0.379, 0.378], abs=0.001)
    assert adapted.adaptation.shares_at_bound() == {"clip_range": pytest.approx(0.8)}


def test_the_multiplier_rides_on_the_schedule() -> None:
    spec = BAND | {"low": 0.01, "high": 0.4, "factor": 1.5}
    adapted = Adapted(CLIP_RANGE, "lin_0.2", spec)
    adapted.after_update(1.0, {"kl": 0.0})
    assert adapted.values(1.0)["clip_range"] == pytest.approx(0.3)
    assert adapted.values(0.5)["clip_range"] == pytest.approx(0.15)


def test_a_schedule_below_the_lower_bound_wins() -> None:
    adapted = Adapted(CLIP_RANGE, LinearSchedule(0.2, 0.0, 1.0), BAND | {"low": 0.05, "high": 0.4})
    for _ in range(5):
        adapted.after_update(1.0, {"kl": 1.0})
    assert adapted.values(1.0)["clip_range"] == pytest.approx(0.05)
    assert adapted.values(0.1)["clip_range"] == pytest.approx(0.02)
    assert adapted.values(0.0)["clip_range"] == 0.0
    adapted.after_update(0.0, {"kl": 1.0})  # nothing to learn from a clip range of zero
    assert adapted.values(1.0)["clip_range"] == pytest.approx(0.05)


@pytest.mark.parametrize("kl", [float("nan"), float("inf")])
def test_a_statistic_that_is_not_finite_holds_and_warns(kl: float) -> None:
    adapted = Adapted(KL_COEF, 1.0, BAND)
    adapted.after_update(1.0, {"kl": 0.02})
    with pytest.warns(UserWarning, match=r"kl is .* kl_coef stays at 2"):
        adapted.after_update(1.0, {"kl": kl})
    assert adapted.values(1.0)["kl_coef"] == 2.0


@given(st.lists(st.floats(0, 1), max_size=30), st.floats(0.25, 4))
def test_stays_within_the_bounds(kls: list[float], base: float) -> None:
    adapted = Adapted(KL_COEF, base, BAND)
    for kl in kls:
        adapted.after_update(1.0, {"kl": kl})
        assert 0.25 <= adapted.values(1.0)["kl_coef"] <= 4.0


def test_state_is_plain_floats_kept_in_place() -> None:
    state: dict[str, dict[str, float]] = {"gone": {"multiplier": 3.0}}
    adapted = Adapted(KL_COEF, 1.0, BAND, state)
    adapted.after_update(1.0, {"kl": 0.02})
    assert state == {"kl_coef": {"multiplier": 2.0, "updates": 1.0, "updates_at_bound": 0.0, "held": 0.0}}
    assert Adapted(KL_COEF, 1.0, BAND, state).values(1.0) == {"kl_coef": 2.0}
    adapted.adaptation.reset(["kl_coef"])
    assert adapted.values(1.0) == {"kl_coef": 1.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rule": "bnad"}, r"adapt\['kl_coef'\]\['rule'\]='bnad'.*Did you mean 'band'"),
        ({"follow": "kll"}, r"adapt\['kl_coef'\]\['follow'\]='kll'.*Choices: 'kl'"),
        ({"target": None}, r"needs 'target'"),
        ({"target": -1.0}, r"adapt\['kl_coef'\]\['target'\]=-1.0"),
        ({"factor": 1.0}, r"adapt\['kl_coef'\]\['factor'\]=1.0.*\(1.0, inf\)"),
        ({"fcator": 2.0}, r"key='fcator'.*Did you mean 'factor'"),
        ({"low": 0.0}, r"adapt\['kl_coef'\]\['low'\]=0.0"),
        ({"high": 0.0}, r"adapt\['kl_coef'\]\['high'\]=0.0"),
        ({"high": -0.5}, r"adapt\['kl_coef'\]\['high'\]=-0.5"),
        ({"low": 2.0}, r"kl_coef starts at 1.0, outside low=2.0"),
        ({"tighter": "sideways"}, r"'down' or 'up'"),
    ],
)
def test_bad_specifications_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Adapted(KL_COEF, 1.0, BAND | change)


def test_a_base_of_zero_cannot_be_adapted() -> None:
    with pytest.raises(ValueError, match="kl_coef starts at 0"):
        Adapted(KL_COEF, 0.0, BAND)


def test_an_unknown_coefficient_is_named() -> None:
    with pytest.raises(ValueError, match=r"adapt='kl_ceof'.*Did you mean 'kl_coef'"):
        build_controllers({"kl_ceof": BAND}, {"kl_coef": KL_COEF}, RULES)


@pytest.mark.parametrize("bound", ["low", "high"])
def test_bounds_are_within_the_range_of_the_coefficient(bound: str) -> None:
    small = Coefficient("kl_coef", 1.0, low=0.5, high=2.0, tighter="up")
    outside = {"low": 0.5, "high": 2.0, bound: 0.25 if bound == "low" else 4.0}
    with pytest.raises(ValueError, match=r"kl_coef=.* reaches (0.25|4.0), which"):
        build_controllers({"kl_coef": BAND | outside}, {"kl_coef": small}, RULES)


@pytest.mark.parametrize("adapt", ["kl_coef", ["kl_coef"], 3])
def test_what_is_no_dictionary_is_refused(adapt: Any) -> None:
    with pytest.raises(TypeError, match=r"adapt=.*: a dictionary of coefficient name"):
        build_controllers(adapt, {"kl_coef": KL_COEF}, RULES)
    with pytest.raises(TypeError, match=r"adapt\['kl_coef'\]=.*: a dictionary with 'rule'"):
        build_controllers({"kl_coef": adapt}, {"kl_coef": KL_COEF}, RULES)
    assert build_controllers(None, {"kl_coef": KL_COEF}, RULES) == {}


def test_a_start_at_a_bound_is_allowed_and_minus_one_is_outside() -> None:
    for start in (0.25, 4.0):
        assert Adapted(KL_COEF, start, BAND).values(1.0) == {"kl_coef": start}
    with pytest.raises(ValueError, match="kl_coef starts at -1.0, outside low=0.25"):
        Adapted(KL_COEF, -1.0, BAND)


def test_the_clip_fraction_falls_as_the_clip_range_rises() -> None:
    coefficients = {"clip_range": CLIP_RANGE, "kl_coef": KL_COEF}
    for name, follow, tighter in (
        ("clip_range", "kl", "down"),
        ("clip_range", "clip_fraction", "up"),
        ("kl_coef", "clip_fraction", "up"),
        ("kl_coef", "kl", "up"),
    ):
        built = build_controllers({name: BAND | {"follow": follow}}, coefficients, RULES)
        assert built[name].coefficient.tighter == tighter
    given = {"clip_range": BAND | {"follow": "clip_fraction", "tighter": "down"}}
    assert build_controllers(given, coefficients, RULES)["clip_range"].coefficient.tighter == "down"
    lower = Coefficient("lower_clip_range", 0.2, low=0.0, tighter="down")
    built = build_controllers({lower.name: BAND | {"follow": "clip_fraction"}}, {lower.name: lower}, RULES)
    assert built[lower.name].coefficient.tighter == "down"


def test_records_do_not_change() -> None:
    (controller,) = build_controllers({"kl_coef": BAND}, {"kl_coef": KL_COEF}, RULES).values()
    with pytest.raises(AttributeError):
        controller.low = 0.0  # type: ignore[misc]
    with pytest.raises(AttributeError):
        controller.rule.name = "mine"  # type: ignore[misc]


def test_a_schedule_below_zero_keeps_what_was_learned() -> None:
    """RL Zoo's lines end below 0 where rollouts do not divide the budget."""
    controller = build_controllers({"clip_range": BAND}, {"clip_range": CLIP_RANGE}, RULES)["clip_range"]
    state = {"multiplier": 2.0, "updates": 3.0, "updates_at_bound": 0.0}
    assert controller.next_state(state, -0.001, 0.5)["multiplier"] == 2.0
