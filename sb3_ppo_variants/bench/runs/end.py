"""Whether a run depends on where it ends: a longer one then differs from its beginning on."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.utils import FloatSchedule

from sb3_ppo_variants.algorithm import VariantAlgorithm
from sb3_ppo_variants.bench.study.dotted import Dotted
from sb3_ppo_variants.bench.study.identity import PACKAGES
from sb3_ppo_variants.imports import import_object
from sb3_ppo_variants.schedules import sampled

# How the end of training is called by what looks at it.
END = {"progress_remaining", "_current_progress_remaining", "total_timesteps", "_total_timesteps"}
# Their classes are known to look at it by their schedules alone, which are seen.
KNOWN = (*PACKAGES, "torch", "builtins")


def depends_on_end(model: BaseAlgorithm, callbacks: Dotted | None) -> list[str]:
    """Why a run with more steps would have gone otherwise; empty when it would not.

    These are schedules that change, and classes of the user whose code names the end of training: that of the
    algorithm, those of its policy, and those of callbacks.

    :param model: of the run
    :param callbacks: of the study
    """
    changing = [f"{name} follows a schedule over the whole run" for name in sorted(_changing(model))]
    objects: list[Any] = [model, model.policy, *model.policy.modules(), model.policy.optimizer]
    classes = [type(each) for each in objects]
    classes += [import_object(path) for callback in callbacks or [] for path in callback]
    own = dict.fromkeys(
        part for cls in classes for part in cls.__mro__ if part.__module__.partition(".")[0] not in KNOWN
    )
    return [
        *changing,
        *(f"{cls.__name__} looks at the end of training" for cls in own if not END.isdisjoint(_named(cls))),
    ]


def _changing(model: BaseAlgorithm) -> set[str]:
    """Names of the arguments that follow a schedule which is not constant."""
    schedules = {name: value for name, value in vars(model).items() if isinstance(value, FloatSchedule)}
    found = {name for name, schedule in schedules.items() if len(set(sampled(schedule))) > 1}
    if isinstance(model, VariantAlgorithm):
        # Coefficients may be written as a string, too.
        values = [model._values_at(1 - step / 10) for step in range(11)]
        found |= {name for name in values[0] if len({of_all[name] for of_all in values}) > 1}
    return {"learning_rate" if name == "lr_schedule" else name for name in found}


def _named(cls: type) -> Iterator[str]:
    """Everything that the methods of a class name."""
    for value in vars(cls).values():
        function = getattr(value, "__func__", getattr(value, "fget", value))
        if hasattr(function, "__code__"):
            yield from _in_code(function.__code__)


def _in_code(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _in_code(constant)
        elif isinstance(constant, str):
            yield constant
