from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sb3_ppo_variants.bench.statistics.sequential import Batch, batch, expected_batch, sequential_p_value

# Of two runs against two, twice U is 0, 2, 4, 6 or 8.
SIXTHS = [1, 0, 1, 0, 2, 0, 1, 0, 1]
LOW, HIGH = np.array([1.0, 2.0]), np.array([3.0, 4.0])
WON, LOST = batch([HIGH], [LOW]), batch([LOW], [HIGH])
HALVES = [0.5, 0.5]


def test_a_batch_by_hand() -> None:
    assert WON.probabilities == pytest.approx([count / 6 for count in SIXTHS], abs=1e-15)
    assert (WON.won, LOST.won, WON.greatest) == (8, 0, 8)
    # A tie adds 1 and a comparison that is won 2: those of the first run 1 and 2, those of the second nothing.
    assert batch([np.array([2.0, 0.0])], [np.array([2.0, 1.0])]).won == 3
    # Twice the weight, and two tasks: 4 and 8 of 8, of which 36 relabellings have both at 8.
    heavy = batch([np.array([1.0, 4.0]), HIGH], [np.array([2.0, 3.0]), LOW], weight=2)
    assert (heavy.won, heavy.greatest) == (24, 32)
    assert heavy.probabilities[[32, 31, 28, 0]] == pytest.approx([1 / 36, 0.0, 2 / 36, 1 / 36], abs=1e-15)


def test_an_expected_batch() -> None:
    # Three of the four comparisons in each of two tasks, and one of the four.
    assert [expected_batch(share, 2, 2, weight=3).won for share in (0.75, 0.25, 1.0)] == [36, 12, 48]
    assert expected_batch(0.5, 2, 1).probabilities == pytest.approx(WON.probabilities)


def test_batches_are_as_large_as_each_other() -> None:
    with pytest.raises(ValueError, match="a batch of 2 and 1 runs: give equal numbers, 50 at most"):
        batch([LOW], [HIGH[:1]])
    with pytest.raises(ValueError, match="a batch of 60 and 60 runs"):
        batch([np.arange(60.0)], [np.arange(60.0)])
    with pytest.raises(ValueError, match="zip"):
        batch([LOW, LOW], [HIGH])


def test_no_probability_is_negative() -> None:
    """Of so many values the Fourier transform leaves some of -1e-19."""
    assert (expected_batch(0.5, 40, 3).probabilities >= 0).all()


@pytest.mark.parametrize(
    ("batches", "p_value"),
    [
        # The least of the six relabellings and its mirror: 1/3, with half of the error 2/3. The second look may add
        # half of these.
        ([WON], 1 / 3 + 1 / 3),
        ([LOST], 1 / 3 + 1 / 3),
        # 2/36 at the second look; no p-value of the first is as small.
        ([WON, WON], 1 / 18),
        ([LOST, LOST], 1 / 18),
        # 1/3 at the first look. Of the other 24 of 36 paths, from 2, 4 or 6, two reach 2 or 14 at the second, whose
        # p-value is 6/36; 4 and 12 have 16/36.
        ([WON, LOST], 1 / 3 + 2 / 36),
    ],
)
def test_sequential_p_values_by_hand(batches: list[Batch], p_value: float) -> None:
    assert sequential_p_value(batches, HALVES) == pytest.approx(p_value)


def test_a_look_with_a_greater_share() -> None:
    # 1/3 divided by three quarters is 4/9; the second look may add a quarter of that.
    assert sequential_p_value([WON], [0.75, 0.25]) == pytest.approx(1 / 3 + 1 / 9)
    # 1/18 divided by a quarter is 2/9, and 3/4 of 2/9 is 1/6, less than 1/3: nothing is crossed at the first look.
    assert sequential_p_value([WON, WON], [0.75, 0.25]) == pytest.approx(1 / 18)
    # 1/18 divided by 1/7 is 7/18, and 6/7 of 7/18 is 1/3: what is at the bound has crossed it.
    assert sequential_p_value([WON, WON], [6 / 7, 1 / 7]) == pytest.approx(1 / 3)


def test_a_single_look_is_the_test_of_a_fixed_number() -> None:
    assert sequential_p_value([WON], [1.0]) == pytest.approx(1 / 3)
    # U is 3 of 4: with the five at least as far, 2/6 of each side.
    assert sequential_p_value([batch([np.array([2.0, 4.0])], [np.array([1.0, 3.0])])], [1.0]) == pytest.approx(2 / 3)


def test_equal_scores_show_nothing() -> None:
    equal = batch([np.zeros(5)], [np.zeros(5)])
    assert sequential_p_value([equal, equal], HALVES) == 1.0
    # Twice 1, and half of that for the second look.
    assert sequential_p_value([equal], HALVES) == 1.0


def test_the_p_value_of_the_middle_is_one() -> None:
    # Twice the 4/6 of a side would be 4/3. The second look has 28/36, divided by 7/17 1.89, and 10/17 of that is 1.11:
    # more than 1, so that all paths cross at the first look.
    middle = batch([np.array([1.0, 4.0])], [np.array([2.0, 3.0])])
    further = batch([np.array([2.0, 4.0])], [np.array([1.0, 3.0])])
    assert sequential_p_value([middle, further], [10 / 17, 7 / 17]) == pytest.approx(1.0)


scores = st.lists(st.integers(0, 4), min_size=4, max_size=4)
parts = st.lists(st.integers(1, 5), min_size=2, max_size=3)


def relabelled(pooled: list[int]) -> list[Batch]:
    """The batch of each way to draw the first arm's two runs of four."""
    found = []
    for chosen in itertools.combinations(range(4), 2):
        first, second = ([float(pooled[i]) for i in range(4) if (i in chosen) is mine] for mine in (True, False))
        found.append(batch([np.array(first)], [np.array(second)]))
    return found


@settings(max_examples=40, deadline=None)
@given(st.lists(scores, min_size=3, max_size=3), parts)
def test_no_level_is_reached_more_often_than_it_says(pooled: list[list[int]], weights: list[int]) -> None:
    shares = [weight / sum(weights) for weight in weights]
    walks = list(itertools.product(*(relabelled(task) for task in pooled[: len(shares)])))
    least = []
    for walk in walks:
        so_far = [sequential_p_value(walk[:look], shares) for look in range(1, len(walk) + 1)]
        assert so_far == pytest.approx(sorted(so_far, reverse=True), abs=1e-12)
        least.append(round(min(so_far), 9))
    reached = 0
    for p_value, count in sorted(Counter(least).items()):
        reached += count
        assert reached / len(walks) <= p_value + 1e-6


@settings(max_examples=20, deadline=None)
@given(st.lists(scores, min_size=2, max_size=2), st.integers(2, 3))
def test_a_weight_of_all_batches_changes_nothing(pooled: list[list[int]], weight: int) -> None:
    first, second = ([np.array(task[half], dtype=float) for task in pooled] for half in (slice(2), slice(2, 4)))
    p_values = [
        sequential_p_value([batch([a], [b], of_batch) for a, b in zip(first, second, strict=True)], HALVES)
        for of_batch in (1, weight)
    ]
    assert p_values[0] == pytest.approx(p_values[1])
