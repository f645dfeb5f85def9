from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from sb3_ppo_variants.bench.statistics import permutations
from sb3_ppo_variants.bench.statistics.permutations import Null, null_distribution

# One run against two; and beside it one against one, whose single comparison counts as much as those two.
ONE_TASK = ([[2, 4, 6]], [(1, 2)])
TWO_TASKS = ([[2, 4, 6], [2, 4]], [(1, 2), (1, 1)])
# Of 0 to 4, no two equally likely on one side.
FIVE = Null([2], 4, np.array([0.1, 0.2, 0.4, 0.2, 0.1]), math.sqrt(1.2))
NORMAL = Null([2], 4, None, 1.25)


def listed(ranks: Sequence[Sequence[int]], counts: Sequence[tuple[int, int]]) -> list[float]:
    found = null_distribution(ranks, counts).probabilities
    assert found is not None
    return [float(probability) for probability in found]


def test_one_task_by_hand() -> None:
    # 2 R - 2 is 0, 2 or 4. The variance of these is 8/3.
    null = null_distribution(*ONE_TASK)
    assert (null.comparisons, null.greatest) == ([2], 4)
    assert null.deviation == pytest.approx(math.sqrt(8 / 3))
    assert listed(*ONE_TASK) == pytest.approx([1 / 3, 0, 1 / 3, 0, 1 / 3], abs=1e-15)
    # Midranks 1.5, 1.5 and 3.
    assert listed([[3, 3, 6]], [(1, 2)]) == pytest.approx([0, 2 / 3, 0, 0, 1 / 3], abs=1e-15)


def test_two_of_a_task_by_hand() -> None:
    # Two of the ranks 1, 2, 2, 4, 5: 2 R - 6 of the ten pairs, in which ties count one half. The variance of the ten is
    # 2 * 3 / 4 times that of 2, 5, 5, 8, 10, which is 7.6.
    ranks, counts = [[2, 5, 5, 8, 10]], [(2, 3)]
    tenths = {1: 2, 4: 2, 6: 1, 7: 2, 9: 2, 12: 1}
    assert listed(ranks, counts) == pytest.approx([tenths.get(value, 0) / 10 for value in range(13)], abs=1e-15)
    assert null_distribution(ranks, counts).deviation == pytest.approx(math.sqrt(11.4))


def test_two_tasks_by_hand() -> None:
    # {0, 2, 4} and twice {0, 2}, with the variances 8/3 and 4.
    null = null_distribution(*TWO_TASKS)
    assert (null.comparisons, null.greatest) == ([2, 1], 8)
    assert [null.statistic(won) for won in ([4, 0], [1, 2], [3, 1])] == [4, 5, 5]
    assert null.deviation == pytest.approx(math.sqrt(20 / 3))
    sixths = [1, 0, 1, 0, 2, 0, 1, 0, 1]
    assert listed(*TWO_TASKS) == pytest.approx([count / 6 for count in sixths], abs=1e-15)
    assert [null.p_value(value) for value in (0, 2, 4, 6, 8)] == pytest.approx([1 / 3, 2 / 3, 1, 2 / 3, 1 / 3])


def test_p_values_by_hand() -> None:
    assert [FIVE.p_value(value) for value in range(5)] == pytest.approx([0.2, 0.6, 1.0, 0.6, 0.2])
    # 2 is 1.6 standard deviations from the mean.
    assert [NORMAL.p_value(value) for value in (0, 2, 4)] == pytest.approx([0.1095986, 1.0, 0.1095986], abs=1e-7)
    assert Null([2], 4, None, 0.0).p_value(2) == 1.0


def test_critical_values_by_hand() -> None:
    assert [FIVE.critical(level) for level in (0.19, 0.2, 0.59, 0.6)] == [None, 4, 4, 3]
    # 0.6744898 and 1.6448536 standard deviations above 2: 2.84 and 4.06.
    assert [NORMAL.critical(level) for level in (0.5, 0.1)] == [3, None]
    # 1.4395315 of them: 3.80.
    assert NORMAL.critical(0.15) == 4
    # From above: 0.1, 0.3, 0.4, 0.8; from below it would be 0.2, 0.6.
    assert Null([2], 4, np.array([0.2, 0.4, 0.1, 0.2, 0.1]), 1.0).critical(0.6) == 3
    # One in three relabellings is at 4, and one third is no float: what rounds is not above the level.
    assert null_distribution(*ONE_TASK).critical(2 / 3) == 3


def test_exact_up_to_so_many_values_and_additions(monkeypatch: pytest.MonkeyPatch) -> None:
    # Other limits give other p-values to large studies.
    assert (permutations.VALUES, permutations.ADDITIONS) == (262_144, 67_108_864)
    monkeypatch.setattr(permutations, "VALUES", 9)
    assert null_distribution(*TWO_TASKS).greatest == 8
    # At most 2 of a task then: what was 1 of 4 rounds to 0 of 2, and 3 of 4 to 2.
    monkeypatch.setattr(permutations, "VALUES", 8)
    null = null_distribution(*TWO_TASKS)
    assert null.greatest == 4
    assert null.probabilities == pytest.approx([1 / 6, 1 / 6, 1 / 3, 1 / 6, 1 / 6])
    assert [null.statistic(won) for won in ([0, 0], [1, 0], [2, 0], [3, 1], [4, 2])] == [0, 0, 1, 3, 4]
    assert null.deviation == pytest.approx(math.sqrt(5 / 3))
    monkeypatch.undo()
    # Two against three: five ranks added to up to two, in 2 * 5 * 2 sums, so (2 + 1) * 5 * 20.
    sample = ([[2, 4, 6, 8, 10]], [(2, 3)])
    monkeypatch.setattr(permutations, "ADDITIONS", 300)
    assert null_distribution(*sample).probabilities is not None
    monkeypatch.setattr(permutations, "ADDITIONS", 299)
    null = null_distribution(*sample)
    assert null.probabilities is None
    assert (null.comparisons, null.greatest) == ([6], 12)


def test_many_tasks_have_probabilities() -> None:
    found = np.array(listed([range(2, 122, 2)] * 5, [(30, 30)] * 5))
    # Convolved by Fourier transforms, which leave rounding on both sides of 0.
    assert found.min() == 0.0
    assert found.sum() == pytest.approx(1.0)


def test_tasks_and_counts_belong_together() -> None:
    with pytest.raises(ValueError, match="shorter"):
        null_distribution([[2, 4, 6]], [(1, 2), (1, 2)])


def test_is_a_record() -> None:
    with pytest.raises(AttributeError):
        FIVE.deviation = 2.0  # type: ignore[misc]
