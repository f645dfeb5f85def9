from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sb3_ppo_variants.bench.report.sections.decisions import outcome
from sb3_ppo_variants.bench.statistics.decisions import (
    Decision,
    Decisions,
    can_decide,
    comparisons_of,
    decide,
    wanted_seeds,
)
from sb3_ppo_variants.bench.statistics.sequential import batch, expected_batch, sequential_p_value
from sb3_ppo_variants.bench.study.seeds import UntilDecided
from tests.bench.statistics.numbers import make_study

UNTIL = UntilDecided.model_validate({"from": 5, "to": 15, "step": 5, "until": "decided"})
TASK = "task"
LOW, HIGH = np.array([1.0, 2.0]), np.array([3.0, 4.0])
# 2 of 252 relabellings, with a third of the error 6/252, of which the two looks to come may add two thirds.
FIRST_LOOK = Decision("differs", 5, 2 / 252 + 4 / 252, 6 / 252)


def finished(**runs: list[float]) -> dict[tuple[str, str], dict[int, float]]:
    return {(arm, TASK): dict(enumerate(scores)) for arm, scores in runs.items()}


def decided(**runs: list[float]) -> Decisions:
    return decide(finished(**runs), list(runs), [TASK], "ppo", UNTIL)


def states(decisions: Decisions) -> dict[str, tuple[str, int]]:
    return {arm: (found.state, found.seeds) for arm, found in decisions.arms.items()}


def rounded(decision: Decision) -> Decision:
    return replace(decision, p_value=round(decision.p_value, 9), adjusted_p_value=round(decision.adjusted_p_value, 9))


def above(seeds: int) -> list[float]:
    return [100.0 + seed for seed in range(seeds)]


def low(seeds: int) -> list[float]:
    return [float(seed) for seed in range(seeds)]


def test_an_arm_that_wins_everything_is_decided_at_the_first_look() -> None:
    found = decided(ppo=low(15), up=above(15))
    assert rounded(found.arms["up"]) == rounded(FIRST_LOOK)
    assert decided(ppo=above(5), down=low(5)).arms["down"].state == "differs"
    assert (found.wanted("up"), found.wanted("ppo"), found.at_most("ppo")) == (range(5), range(5), range(5))


def test_the_correction_is_for_all_arms() -> None:
    found = decided(ppo=low(5), a=above(5), b=above(5), c=above(5))
    assert states(found) == {"a": ("open", 5), "b": ("open", 5), "c": ("open", 5)}
    # Holm's factor for the first of three is 3.
    assert found.arms["a"].adjusted_p_value == pytest.approx(18 / 252)
    assert (found.wanted("a"), found.wanted("ppo"), found.at_most("ppo")) == (range(10), range(10), range(15))
    assert states(decided(ppo=low(10), a=above(10), b=above(10), c=above(10)))["b"] == ("differs", 10)


def flat(seeds: int) -> list[float]:
    return [7.0] * seeds


def test_a_look_waits_for_all_of_its_runs() -> None:
    assert states(decided(ppo=low(5), up=above(4)))["up"] == ("open", 0)
    assert states(decided(ppo=low(4), up=above(5)))["up"] == ("open", 0)
    # A score that is no number is that of no run.
    waiting = decided(ppo=flat(10), up=[*above(4), math.nan, *above(5)], same=flat(10))
    assert states(waiting) == {"up": ("open", 0), "same": ("undecided", 10)}
    assert waiting.arms["up"].p_value == 1.0
    assert (waiting.wanted("up"), waiting.wanted("same"), waiting.wanted("ppo")) == (range(5), range(10), range(10))


def test_a_task_that_lacks_a_run_waits_too() -> None:
    scores = {**finished(ppo=low(5), up=above(5)), ("ppo", "other"): {0: 1.0}}
    assert states(decide(scores, ["ppo", "up"], [TASK, "other"], "ppo", UNTIL)) == {"up": ("open", 0)}


def test_an_arm_that_seeds_cannot_decide_any_more_gets_none() -> None:
    # Equal scores say nothing. The interval of half of the comparisons, with 5 trials, ends at 0.83: 41 and 41 of 50 at
    # the looks that are left have a p-value of 0.02. With 10 trials it ends at 0.76: 38 of 50 at the last look have one
    # of 0.22.
    assert states(decided(ppo=flat(5), same=flat(5))) == {"same": ("open", 5)}
    assert states(decided(ppo=flat(10), same=flat(10))) == {"same": ("undecided", 10)}
    mixed = decided(ppo=flat(5), up=above(5), same=flat(5))
    assert states(mixed) == {"up": ("differs", 5), "same": ("open", 5)}
    # The baseline goes on with the arm that is open.
    assert [len(mixed.wanted(arm)) for arm in ("ppo", "up", "same")] == [10, 5, 10]
    assert [len(mixed.at_most(arm)) for arm in ("ppo", "up", "same")] == [15, 5, 15]


def test_more_tasks_are_more_trials() -> None:
    tasks = ["a", "b", "c"]
    scores = {(arm, task): dict(enumerate(flat(10))) for arm in ("ppo", "same") for task in tasks}
    # With 30 trials the interval of one half ends at 0.67: 100 of 150 at the last look have a p-value of 0.14. It would
    # end at 0.76 with the 10 of one task, and 114 have one of 0.02.
    assert states(decide(scores, ["ppo", "same"], tasks, "ppo", UNTIL)) == {"same": ("undecided", 10)}


def test_a_batch_counts_as_often_as_it_has_seeds() -> None:
    until = UntilDecided.model_validate({"from": 4, "to": 6, "step": 2, "until": "decided"})
    first, second = [1.0, 4.0, 5.0, 8.0, 3.0, 4.0], [2.0, 3.0, 6.0, 7.0, 1.0, 2.0]
    found = decide(finished(ppo=second, arm=first), ["ppo", "arm"], [TASK], "ppo", until).arms["arm"]
    # Half of the 16 comparisons of the first batch, and all 4 of the second with twice the weight.
    batches = [batch([np.array(first[:4])], [np.array(second[:4])]), batch([HIGH], [LOW], weight=2)]
    assert [each.won for each in batches] == [16, 16]
    assert found.p_value == pytest.approx(sequential_p_value(batches, [2 / 3, 1 / 3]))


def test_an_arm_that_is_far_behind_may_still_be_decided() -> None:
    # 7 of 25 comparisons: the far end of its interval is below one half.
    assert states(decided(ppo=[1.0, 3.0, 5.0, 7.0, 9.0], down=[0.0, 0.1, 2.0, 4.0, 5.5])) == {"down": ("open", 5)}


def test_the_limit() -> None:
    close = [score + 0.5 if score % 3 else score - 2.5 for score in low(15)]
    found = decided(ppo=low(15), close=close)
    assert states(found) == {"close": ("undecided", 15)}
    assert (found.wanted("close"), found.at_most("close")) == (range(15), range(15))


def test_a_decided_arm_stays_decided_by_its_own_seeds() -> None:
    later = decided(ppo=low(15), up=[*above(5), *low(10)])
    assert rounded(later.arms["up"]) == rounded(FIRST_LOOK)


def test_whether_anything_can_be_decided() -> None:
    # 2/36 at the second of two looks is too much; 2/216 at the third of three is enough for five arms.
    two, three = (
        UntilDecided.model_validate({"from": 2, "to": most, "step": 2, "until": "decided"}) for most in (4, 6)
    )
    assert not can_decide(["ppo", "up"], 1, two)
    assert can_decide(["ppo", *"abcde"], 1, three)
    assert not can_decide(["ppo", *"abcdef"], 1, three)
    # With two tasks 2/1296.
    assert can_decide(["ppo", "up"], 2, two)


def test_repeated_intervals_by_hand() -> None:
    scores = finished(ppo=low(15), up=above(15), same=[])
    found = comparisons_of(scores, [TASK], decide(scores, ["ppo", "up", "same"], [TASK], "ppo", UNTIL))
    # Wilson's of 5 trials at 1 - 0.05 / 3, whose normal quantile is 2.39398: 5 / (5 + 2.39398**2).
    assert found["up"].improvement == pytest.approx((1.0, 0.465934, 1.0), abs=1e-6)
    assert (found["up"].environments, found["up"].excluded) == ([TASK], [])
    assert found["up"].p_value == pytest.approx(6 / 252)
    assert found["up"].adjusted_p_value == pytest.approx(12 / 252)
    assert found["up"].differs
    assert np.isnan(found["same"].improvement).all()
    assert (found["same"].environments, found["same"].excluded, found["same"].differs) == ([], [TASK], False)


def test_what_is_at_the_level_counts_as_below_it(monkeypatch: pytest.MonkeyPatch) -> None:
    reached = decided(ppo=low(5), up=above(5)).arms["up"].adjusted_p_value
    monkeypatch.setattr("sb3_ppo_variants.bench.statistics.decisions.LEVEL", reached)
    assert states(decided(ppo=low(15), up=above(15))) == {"up": ("differs", 5)}
    hoped = sequential_p_value([expected_batch(1.0, 5, 1)] * 3, UNTIL.shares)
    monkeypatch.setattr("sb3_ppo_variants.bench.statistics.decisions.LEVEL", hoped)
    assert can_decide(["ppo", "up"], 1, UNTIL)
    assert states(decided(ppo=[], up=[])) == {"up": ("open", 0)}


def test_the_seeds_that_the_runs_of_a_study_have() -> None:
    fixed = make_study(seeds=3)
    assert wanted_seeds(fixed, None) == {"ppo": (0, 1, 2), "mine": (0, 1, 2)}
    found = Decisions({"mine": Decision("open", 5, 0.5, 0.5)}, "ppo", UNTIL, [TASK])
    assert wanted_seeds(fixed, found) == {"ppo": range(10), "mine": range(10)}


def test_an_arm_at_its_last_look_is_not_open() -> None:
    """Its p after the correction, 0.057, may fall to 0.029 once the other arm is decided, whose second batch lacks."""
    until = UntilDecided.model_validate({"from": 5, "to": 10, "step": 5, "until": "decided"})
    scores = finished(
        ppo=[1, 19, 13, 7, 12, 3, 11, 18, 5, 14], a=[16, 22, 19, 13, 8, 25, 18, 21, 11, 23], b=[3, 4, 5, 6, 7]
    )
    found = decide(scores, ["ppo", "a", "b"], [TASK], "ppo", until)
    assert states(found) == {"a": ("undecided", 10), "b": ("open", 5)}
    assert found.arms["a"].adjusted_p_value == pytest.approx(2 * found.arms["a"].p_value)
    assert (found.wanted("a"), found.wanted("b"), found.wanted("ppo")) == (range(10), range(10), range(10))
    assert outcome(found.arms["a"], found) == "undecided with 10 seeds, the limit"
    scores["b", TASK] = dict(enumerate(float(seed) for seed in range(-10, 0)))
    assert states(decide(scores, ["ppo", "a", "b"], [TASK], "ppo", until)) == {
        "a": ("differs", 10),
        "b": ("differs", 5),
    }


counts = st.integers(0, 15)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), st.lists(counts, min_size=3, max_size=3), st.lists(counts, min_size=3, max_size=3))
def test_more_runs_never_revoke_that_an_arm_differs(seed: int, first: list[int], more: list[int]) -> None:
    rng = np.random.default_rng(seed)
    names = ["ppo", "a", "b"]
    scores = {name: (rng.normal(size=15) + shift).tolist() for name, shift in zip(names, (0.0, 1.5, 2.0), strict=True)}

    def differing(numbers: Mapping[str, int]) -> set[str]:
        found = decided(**{name: scores[name][: numbers[name]] for name in names})
        return {arm for arm, (state, _) in states(found).items() if state == "differs"}

    fewer = dict(zip(names, map(min, first, more), strict=True))
    assert differing(fewer) <= differing(dict(zip(names, map(max, first, more), strict=True)))
