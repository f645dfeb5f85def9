from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from typing import Any

import pytest
import sb3_contrib
import stable_baselines3
from stable_baselines3.common.base_class import BaseAlgorithm

import sb3_ppo_variants
from sb3_ppo_variants.algorithm import VariantAlgorithm
from sb3_ppo_variants.bench.study.constructors import constructor
from sb3_ppo_variants.bench.study.identity import CHANGED_DEFAULTS, FIRST_ARGUMENTS
from sb3_ppo_variants.bench.study.study import Study
from tests.bench.studies import FULL

# Arguments that are not in FIRST_ARGUMENTS, with their present defaults.
LATER_ARGUMENTS: dict[str, Any] = {
    "compile": False,
    "desired_clip_fraction": None,
    "hooks": [],
    "outer_momentum": 0.0,
    "outer_step": 1.0,
    "recompute_advantages": False,
    "regularizers": None,
    "reset_adam_step": False,
    "rpo_noise": 0.0,
    "stop": None,
    "vf_learning_rate": None,
}
WHAT_TO_DO = (
    "A new argument goes into LATER_ARGUMENTS of this test; when a default has changed, its first value goes into "
    "CHANGED_DEFAULTS of bench/study/identity.py too, see CONTRIBUTING.md, 'When a default changes'."
)
ALGORITHMS = [
    algorithm
    for package in (stable_baselines3, sb3_contrib, sb3_ppo_variants)
    for algorithm in (getattr(package, name) for name in dir(package))
    if isinstance(algorithm, type) and issubclass(algorithm, BaseAlgorithm)
]


class Mine(sb3_ppo_variants.VariantPPO):
    def __init__(self, *args: Any, bonus: float = 0.5, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.bonus = bonus


@pytest.fixture(autouse=True)
def _fresh_constructors() -> Iterator[None]:
    yield
    constructor.cache_clear()


def declare(monkeypatch: pytest.MonkeyPatch, cls: type, name: str, default: Any) -> None:
    """Give the constructor of a class one more argument."""
    initialise = cls.__init__  # type: ignore[misc]
    signature = inspect.signature(initialise)
    *parameters, keywords = signature.parameters.values()
    argument = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)

    @functools.wraps(initialise)
    def initialise_with_more(*args: Any, **kwargs: Any) -> None:
        initialise(*args, **kwargs)

    vars(initialise_with_more)["__signature__"] = signature.replace(parameters=[*parameters, argument, keywords])
    monkeypatch.setattr(cls, "__init__", initialise_with_more)
    constructor.cache_clear()


def identity(algorithm: type) -> str:
    arms = {"mine": {"algorithm": f"{algorithm.__module__}.{algorithm.__name__}"}}
    return Study.model_validate({**FULL, "arms": arms}).run("mine", "CartPole-v1", 0).identity


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_later_arguments_are_known(algorithm: type[BaseAlgorithm]) -> None:
    defaults = constructor(algorithm).defaults
    later = {name: default for name, default in defaults.items() if name not in FIRST_ARGUMENTS}
    assert {**LATER_ARGUMENTS, **later} == LATER_ARGUMENTS, WHAT_TO_DO
    assert constructor(algorithm).hashed == {*defaults} & {*FIRST_ARGUMENTS, *CHANGED_DEFAULTS}


def test_all_public_classes_are_looked_at() -> None:
    assert len(ALGORITHMS) >= 6 + 7 + 12


def test_a_new_argument_leaves_the_identity_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity(sb3_ppo_variants.DualClipPPO), identity(Mine)
    declare(monkeypatch, VariantAlgorithm, "brand_new", 0.5)
    assert constructor(sb3_ppo_variants.DualClipPPO).defaults["brand_new"] == 0.5
    assert (identity(sb3_ppo_variants.DualClipPPO), identity(Mine)) == before


def test_a_changed_default_is_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity(sb3_ppo_variants.DualClipPPO)
    monkeypatch.setitem(CHANGED_DEFAULTS, "brand_new", 0.5)
    declare(monkeypatch, VariantAlgorithm, "brand_new", 0.5)
    assert identity(sb3_ppo_variants.DualClipPPO) == before
    monkeypatch.undo()
    monkeypatch.setitem(CHANGED_DEFAULTS, "brand_new", 0.5)
    declare(monkeypatch, VariantAlgorithm, "brand_new", 0.25)
    assert identity(sb3_ppo_variants.DualClipPPO) != before


def test_the_arguments_of_a_user_are_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "bonus" in constructor(Mine).hashed
    before = identity(Mine)
    declare(monkeypatch, Mine, "brand_new", 0.5)
    assert identity(Mine) != before
