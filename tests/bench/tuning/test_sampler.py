from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from sb3_ppo_variants.bench.tuning import sampler
from sb3_ppo_variants.bench.tuning.search import Search, Trial, searches
from tests.bench.tuning.trials import make_study

SPACE = {
    "learning_rate": {"low": 0.001, "high": 0.1, "log": True},
    "n_epochs": {"low": 1, "high": 7, "step": 3},
    "clip_range": {"low": 0.1, "high": 0.5, "step": 0.2},
    "policy_kwargs.net_arch": [[64, 64], {"pi": [8], "vf": [8]}, None],
    "use_sde": [True, False],
}


def search(**tune: Any) -> Search:
    study = make_study(tune={"trials": 12, "space": SPACE, **tune}, arms={})
    (found,) = searches(study)
    return found


def tried(found: Search, count: int) -> Search:
    """The search after so many trials, each drawn when it is next; a greater learning rate is better."""
    while len(found.trials) < count:
        arguments = sampler.next_arguments(found)[0]
        trial = Trial(len(found.trials), arguments, (arguments["learning_rate"],))
        found = replace(found, trials=(*found.trials, trial))
    return found


@pytest.mark.parametrize("name", ["tpe", "random"])
def test_arguments_are_in_the_space(name: str) -> None:
    for trial in tried(search(sampler=name), 12).trials:
        values = trial.arguments
        assert set(values) == set(SPACE)
        assert 0.001 <= values["learning_rate"] <= 0.1
        assert values["n_epochs"] in (1, 4, 7)
        assert type(values["n_epochs"]) is int
        assert any(math.isclose(values["clip_range"], value) for value in (0.1, 0.3, 0.5))
        assert values["policy_kwargs.net_arch"] in ([64, 64], {"pi": [8], "vf": [8]}, None)
        assert values["use_sde"] in (True, False)
        assert type(values["use_sde"]) is bool


def test_a_batch_is_drawn_at_once() -> None:
    first = sampler.next_arguments(search())
    assert len(first) == 5
    # What is known of some of its trials changes nothing for the others.
    assert sampler.next_arguments(tried(search(), 2)) == first[2:]
    # Those of earlier batches are looked at, and those of its own are not.
    assert sampler.next_arguments(tried(search(), 11)) == sampler.next_arguments(tried(search(), 10))[1:]
    # Twelve trials end within the third batch.
    assert len(sampler.next_arguments(tried(search(), 10))) == 2


def test_draws_follow_the_scores() -> None:
    ten = tried(search(batch=2), 10)
    other = replace(ten, trials=tuple(replace(trial, scores=(-trial.score,)) for trial in ten.trials))
    assert sampler.next_arguments(ten) != sampler.next_arguments(other)
    random = search(sampler="random", batch=2, trials=12)
    assert sampler.next_arguments(replace(random, trials=ten.trials)) == sampler.next_arguments(
        replace(random, trials=other.trials)
    )


def test_searches_differ_by_seed_arm_and_batch() -> None:
    found = search()
    draws = [
        sampler.next_arguments(each)
        for each in (
            found,
            search(seed=1),
            replace(found, study=make_study(tune={"trials": 9, "space": SPACE}, baseline="b", arms=ARM), arm="b"),
            tried(search(batch=5, sampler="random"), 5),
        )
    ]
    assert all(first[0] != second[0] for i, first in enumerate(draws) for second in draws[:i])


ARM = {"b": {"algorithm": "stable_baselines3.PPO"}}


def test_the_order_of_the_axes_in_the_file_changes_nothing() -> None:
    backward = dict(reversed(SPACE.items()))
    found, other = search(), search(space=backward)
    assert list(found.space) != list(other.space)
    assert sampler.next_arguments(found) == sampler.next_arguments(other)
    assert found.identity == other.identity


def test_failed_trials_repel() -> None:
    # All trials with a learning rate above 0.01 failed, so that few of the next are there.
    found = tried(search(trials=60, space={"learning_rate": SPACE["learning_rate"]}, batch=10), 40)
    failing = tuple(replace(trial, scores=(math.nan if trial.score > 0.01 else trial.score,)) for trial in found.trials)
    assert sum(trial.failed for trial in failing) > 10
    rates = [each["learning_rate"] for each in sampler.next_arguments(replace(found, trials=failing))]
    assert sum(rate > 0.01 for rate in rates) <= 3


def test_importance_is_that_of_the_only_argument_that_matters() -> None:
    found = tried(search(trials=40, sampler="random"), 40)
    shares = sampler.importances(found)
    assert sum(shares.values()) == pytest.approx(1)
    assert set(shares) == set(SPACE)
    assert shares["learning_rate"] > 0.5
    assert sampler.importances(found) == shares
    equal = tuple(replace(trial, scores=(1.0,)) for trial in found.trials)
    assert sampler.importances(replace(found, trials=equal)) == {}


def test_optuna_reads_the_journal(tmp_path: Path) -> None:
    found = tried(search(), 3)
    failed = replace(found.trials[1], scores=(math.nan,))
    path = tmp_path / "journal.log"
    sampler.write_journal([replace(found, trials=(found.trials[0], failed, found.trials[2]))], path)
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    study = optuna.load_study(study_name="ppo on CartPole-v1", storage=storage)
    values = [trial.value for trial in study.trials]
    assert values == [found.trials[0].score, -math.inf, found.trials[2].score]
    assert study.best_trial.params["use_sde"] in ("true", "false")
    assert [path.name for path in tmp_path.iterdir()] == ["journal.log"]
