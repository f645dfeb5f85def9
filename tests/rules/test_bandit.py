from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sb3_ppo_variants import VariantPPO
from sb3_ppo_variants.feedback import INITIAL_STATE, State
from sb3_ppo_variants.rules.bandit import bandit
from tests.models import BAND, SMALL

ENTROPY = {"rule": "bandit", "follow": "episode_return", "low": 1e-3, "high": 1.0}
TWO_ARMS = {"arms": 2.0, "spread": 2.0, "discount": 1.0, "exploration": 0.5}


def after(state: State, measured: float, at: float, **changes: float) -> State:
    """The state after an update, numbered from 1, as the controller hands it on."""
    return state | bandit(state | {"updates": at}, measured, direction=-1, **(TWO_ARMS | changes))


def run(returns: list[float], **changes: float) -> State:
    """The state after one update per return."""
    state = dict(INITIAL_STATE)
    for update, measured in enumerate(returns, start=1):
        state = after(state, measured, update, **changes)
    return state


def test_five_arms_evenly_in_logarithm() -> None:
    """Each is pulled for two updates, because its return comes one update late."""
    seen = []
    state = dict(INITIAL_STATE)
    for update in range(1, 11):
        state = after(state, 0.0, update, arms=5.0, spread=4.0)
        seen.append(state["multiplier"])
    assert seen == [0.25, 0.25, 0.5, 0.5, 1.0, 1.0, 2.0, 2.0, 4.0, 4.0]


def test_by_hand() -> None:
    # Returns 10, 12: made by the policy of the start and by the first update, which had no arm yet.
    state = run([10.0, 12.0])
    assert (state["multiplier"], state["pulls_0"], state["pulls_1"]) == (0.5, 0.0, 0.0)
    # 15: +3, where the running mean of |change| is (0 + 2 + 3) / 3: 9/5, clipped to 1, for arm 0; now arm 1.
    state = run([10.0, 12.0, 15.0])
    assert (state["multiplier"], state["pulls_0"], state["rewards_0"]) == (2.0, 1.0, 1.0)
    # 14: -1 in units of 6/4, for arm 0 still: the update before used it.
    state = run([10.0, 12.0, 15.0, 14.0])
    assert (state["pulls_0"], state["pulls_1"]) == (2.0, 0.0)
    assert state["rewards_0"] == pytest.approx(1 / 3)
    # 14: no change, for arm 1. Bounds: 1/6 + 0.5 sqrt(log 3 / 2) = 0.5373 and 0 + 0.5 sqrt(log 3) = 0.5241.
    state = run([10.0, 12.0, 15.0, 14.0, 14.0])
    assert (state["pulls_1"], state["rewards_1"], state["multiplier"]) == (1.0, 0.0, 0.5)
    # With c = 0.6: 0.6114 and 0.6289.
    assert run([10.0, 12.0, 15.0, 14.0, 14.0], exploration=0.6)["multiplier"] == 2.0


def test_returns_that_never_changed_are_no_reward() -> None:
    state = run([10.0, 10.0, 10.0])
    assert (state["pulls_0"], state["rewards_0"], state["changes"]) == (1.0, 0.0, 0.0)


def test_what_is_old_counts_less() -> None:
    state = run([10.0, 12.0, 15.0, 14.0, 14.0], discount=0.5)
    # Arm 0 had two pulls, 2 and 1 updates ago: 1/4 + 1/2. Its rewards: 1 / 4 and -1 * 1.875 / 3.0, halved.
    assert (state["pulls_0"], state["pulls_1"]) == (0.75, 1.0)
    # |changes|: 0, 2, 4 (= 1 + 3), 3 (= 2 + 1); measurements: 1, 1.5, 1.75, 1.875.
    assert state["rewards_0"] == pytest.approx(0.25 - 0.5 * 1.875 / 3.0)


def test_the_first_update_had_no_arm_before() -> None:
    assert (run([10.0])["arm"], run([10.0])["arm_before"]) == (0.0, -1.0)


def test_the_bonus_after_little_more_than_one_pull_by_hand() -> None:
    remembered = {"pulls_0": 0.0, "pulls_1": 0.5, "rewards_0": 0.3, "rewards_1": 0.0}
    before = {"measured": 7.0, "measured_at": 8.0, "changes": 1.0, "measurements": 1.0, "arm": 0.0, "arm_before": 0.0}
    # No change, for arm 0, is its first pull: 0.3 + sqrt(log 1.5) = 0.9368, and sqrt(log 1.5 / 0.5) = 0.9005.
    state = after({"multiplier": 1.0} | remembered | before, 7.0, at=9.0, exploration=1.0)
    assert (state["pulls_0"], state["pulls_1"], state["arm"]) == (1.0, 0.5, 0.0)


@pytest.mark.parametrize("at", [5.0, 7.0])
def test_a_gap_without_an_episode_credits_the_arm_of_all_updates_since(at: float) -> None:
    state = run([10.0, 12.0, 15.0])
    assert (state["arm"], state["measured_at"]) == (1.0, 3.0)
    late = after(state, 20.0, at)
    assert (late["pulls_0"], late["pulls_1"]) == (1.0, 1.0)


def learner(gain_of: Callable[[float], float], updates: int, state: State, start: int) -> tuple[State, list[float]]:
    """Returns that rise by what the multiplier of the update before is worth."""
    multipliers, measured = [state["multiplier"]], state.get("measured", 0.0)
    used = state["multiplier"]
    for update in range(start, start + updates):
        state = after(state, measured, update, discount=0.95)
        measured += gain_of(used)
        used = state["multiplier"]
        multipliers.append(used)
    return state, multipliers


def share(multipliers: list[float], wanted: float) -> float:
    return sum(multiplier == wanted for multiplier in multipliers) / len(multipliers)


def test_prefers_the_arm_that_raises_the_returns_and_changes_its_mind() -> None:
    state, first = learner(lambda multiplier: float(multiplier > 1), 100, dict(INITIAL_STATE), 1)
    assert share(first[50:], 2.0) > 0.7
    _, second = learner(lambda multiplier: float(multiplier < 1), 200, state, 101)
    assert share(second[100:], 0.5) > 0.7


def test_does_not_prefer_what_it_pulled_last_while_all_rises() -> None:
    _, multipliers = learner(lambda multiplier: 1.0, 200, dict(INITIAL_STATE), 1)
    assert 0.4 < share(multipliers, 2.0) < 0.6
    assert max(map(len, "".join("01"[a != b] for a, b in pairwise(multipliers)).split("1"))) < 10


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.integers(2, 9))
def test_stays_within_its_spread(returns: list[float], arms: int) -> None:
    state = run(returns, arms=float(arms), spread=3.0)
    assert 1 / 3.0001 <= state["multiplier"] <= 3.0001
    assert all(math.isfinite(value) for value in state.values())
    assert all(abs(state[f"rewards_{arm}"]) <= state[f"pulls_{arm}"] + 1e-9 for arm in range(arms))


def test_needs_no_direction() -> None:
    """It follows returns, not the size of an update."""
    model = VariantPPO("MlpPolicy", "CartPole-v1", ent_coef=0.01, adapt={"ent_coef": ENTROPY}, **SMALL).learn(64)
    assert model.adaptive_state["ent_coef"]["multiplier"] == 0.5  # the first of five arms
    with pytest.raises(ValueError, match=r"adapt\['ent_coef'\]\['tighter'\]=None: say which way"):
        VariantPPO("MlpPolicy", "CartPole-v1", ent_coef=0.01, adapt={"ent_coef": BAND}, **SMALL)


def test_fewer_arms_than_before_credit_none_that_is_gone() -> None:
    state = run([0.0] * 8, arms=5.0)
    assert state["arm"] > 1
    assert after(state, 1.0, 9, arms=2.0)["multiplier"] in (0.5, 2.0)
