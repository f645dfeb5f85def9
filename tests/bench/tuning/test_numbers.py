from __future__ import annotations

import importlib.util
import math
import sys
from dataclasses import replace

import pytest

from sb3_ppo_variants.bench.tuning.numbers import finite_scores, numbers_of
from sb3_ppo_variants.bench.tuning.search import Search, Trial, searches
from tests.bench.tuning.trials import make_study


def search(*scores: float) -> Search:
    arguments = {"learning_rate": 0.01, "n_steps": 64}
    trials = tuple(Trial(number, arguments, (score, score)) for number, score in enumerate(scores))
    return replace(searches(make_study())[0], trials=trials)


def test_numbers_by_hand() -> None:
    found = numbers_of(search(math.nan, 2.0, 1.0, 5.0, 4.0))
    assert found.failed == 1
    assert math.isnan(found.best_so_far[0])
    assert found.best_so_far[1:] == (2.0, 2.0, 5.0, 5.0)
    # 1, 1, 2, 4, 5: the failed one is as bad as the worst.
    assert (found.median, found.quartiles) == (2.0, (1.0, 4.0))
    assert finite_scores(found.search).tolist() == [1.0, 2.0, 1.0, 5.0, 4.0]


def test_numbers_when_all_failed() -> None:
    found = numbers_of(search(math.nan, math.inf))
    assert found.failed == 2
    assert all(map(math.isnan, (*found.best_so_far, found.median, *found.quartiles)))
    assert found.importances == {}
    assert len(finite_scores(found.search)) == 0


def test_importances_need_optuna(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("optuna") is not None:
        importances = numbers_of(search(1.0, 2.0)).importances
        assert importances is not None
        assert set(importances) <= {"learning_rate", "n_steps"}
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert numbers_of(search(1.0, 2.0)).importances is None
