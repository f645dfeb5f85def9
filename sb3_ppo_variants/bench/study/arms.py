"""Arms as written -> arms as run: what grids and ablations stand for, and which arm is which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from sb3_ppo_variants.bench.study.grid import Combination, with_parts
from sb3_ppo_variants.bench.study.keys import Arm
from sb3_ppo_variants.bench.study.nested import replaced

LONGEST_NAME = 150
MOST_ARMS = 1_000
OWN_KEYS = set(Arm.model_fields) - {"arguments", "grid", "ablate"}
# Two sources of hyperparameters are two arms: which of them is the better tuned is no axis of a method.
AXES = OWN_KEYS - {"hyperparams", "space"}


@dataclass(frozen=True)
class AblationArms:
    """Which arm has which parts of an ablation.

    :param full: arm with all parts
    :param without: part -> arm that lacks just this part
    :param baseline: arm with none of the parts; None when no part is added alone
    :param only: part -> arm that has just this part; needs a baseline
    :raises ValueError: when ``only`` is given without a baseline
    """

    full: str
    without: Mapping[str, str]
    baseline: str | None = None
    only: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.only and self.baseline is None:
            raise ValueError(f"only={dict(self.only)} needs a baseline to be compared with, baseline is None")


@dataclass(frozen=True)
class Expansion:
    """Arms of a study and the designs that they belong to.

    :param arms: name -> arm without grid and ablation
    :param factors: design -> arm -> axis -> name of its level. Grids with the same axes and levels are one design, in
        which the written arm is one more axis, ``arm``; a design is called after its written arms
    :param ablations: written arm -> the arms of its ablation
    """

    arms: dict[str, Arm] = field(default_factory=dict)
    factors: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    ablations: dict[str, AblationArms] = field(default_factory=dict)


def expand(written: Mapping[str, Arm]) -> Expansion:
    """Expand every grid and ablation.

    :raises ValueError: when two arms would get the same name, a name is too long for a folder, or there are too many
    """
    arms: list[tuple[str, Arm]] = []
    ablations = {}
    for name, arm in written.items():
        if arm.ablate is not None:
            ablated, ablations[name] = _ablated(name, arm)
            arms += ablated.items()
        elif arm.grid is not None:
            for each in arm.combinations:
                called = _combination_name(name, each)
                arms.append((called, _changed(arm, each.values, called)))
        else:
            arms.append((name, arm))
        if len(arms) > MOST_ARMS:
            raise ValueError(f"the study has more than {MOST_ARMS} arms")
    _check([name for name, _ in arms])
    return Expansion(arms=dict(arms), factors=_factors(written), ablations=ablations)


def _check(names: list[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"two arms would be called {twice[0]}, choose another name for one of them")
    for name in names:
        if len(name) > LONGEST_NAME:
            raise ValueError(f"{name} is longer than {LONGEST_NAME} characters; name the levels, {{name: value, ...}}")


def _combination_name(arm: str, combination: Combination) -> str:
    return f"{arm},{combination.label}"


def _changed(arm: Arm, changes: Mapping[str, Any], called: str) -> Arm:
    """Return an arm without grid and ablation, with some of its keys and arguments changed.

    :param called: the name of the arm that it becomes, for the message
    """
    own = {name: value for name, value in changes.items() if name in AXES}
    arguments = {name: value for name, value in changes.items() if name not in AXES}
    written = arm.model_dump(include=OWN_KEYS, exclude_unset=True)
    try:
        return Arm.model_validate({**written, **own, "arguments": replaced(arm.arguments, arguments)})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{called}: {place} is {first['input']!r}: {first['msg']}") from error


def _factors(written: Mapping[str, Arm]) -> dict[str, dict[str, dict[str, str]]]:
    designs: dict[tuple[str, ...], list[str]] = {}
    for name, arm in written.items():
        if arm.combinations:
            designs.setdefault(tuple(str(each.levels) for each in arm.combinations), []).append(name)
    return {
        " and ".join(names): {
            _combination_name(name, each): {**({"arm": name} if len(names) > 1 else {}), **each.levels}
            for name in names
            for each in written[name].combinations
        }
        for names in designs.values()
    }


def _ablated(name: str, arm: Arm) -> tuple[dict[str, Arm], AblationArms]:
    """Make the arms of an ablation; a selection of parts that comes twice is one arm."""
    assert arm.ablate is not None
    parts, names = arm.ablate.parts, {tuple(arm.ablate.parts): name}

    def selected(chosen: tuple[str, ...], proposal: str) -> str:
        return names.setdefault(chosen, proposal)

    without, only, baseline = {}, {}, None
    if arm.ablate.leave_one_out:
        for part in parts:
            rest = tuple(other for other in parts if other != part)
            without[part] = selected(rest, f"{name}-without-{part}")
    if arm.ablate.one_added:
        baseline = selected((), f"{name}-base")
        only = {part: selected((part,), f"{name}-base-plus-{part}") for part in parts}
    arms = {called: _changed(arm, with_parts(parts, chosen, arm.arguments), called) for chosen, called in names.items()}
    return arms, AblationArms(name, without, baseline, only)
