"""Where in a study file a name belongs that stands in the wrong place."""

from __future__ import annotations

from sb3_ppo_variants.bench.study.constructors import Constructor, constructor, import_algorithm
from sb3_ppo_variants.bench.study.keys import (
    Ablation,
    Arm,
    Bootstrap,
    Checkpoint,
    Environment,
    EvaluationSettings,
    Imported,
)
from sb3_ppo_variants.bench.study.resolve import VEC_NORMALIZE_DEFAULTS
from sb3_ppo_variants.bench.study.seeds import UntilDecided
from sb3_ppo_variants.bench.study.space import Axis
from sb3_ppo_variants.bench.study.strict import Strict
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.study.tune import Tune
from sb3_ppo_variants.messages import did_you_mean, nearest
from sb3_ppo_variants.regularizers import REGULARIZERS
from sb3_ppo_variants.terms import TERMS

# What has keys, by what a user calls it, the outermost first.
LEVELS: dict[str, type[Strict]] = {
    "the study": Study,
    "an environment": Environment,
    "an arm": Arm,
    "evaluation": EvaluationSettings,
    "seeds": UntilDecided,
    "tune": Tune,
    "an axis of space": Axis,
    "ablate": Ablation,
    "bootstrap": Bootstrap,
    "checkpoint": Checkpoint,
    "an imported arm": Imported,
}
# Their constructors have all arguments of the package and of the stock classes.
GENERAL = "sb3_ppo_variants.VariantPPO"
ALGORITHMS = (
    "stable_baselines3.PPO",
    GENERAL,
    *(f"sb3_ppo_variants.{name}" for name in ("DualClipPPO", "KLPenaltyPPO", "AdaptiveClipPPO")),
)
KEYS = {level: {field.alias or name for name, field in model.model_fields.items()} for level, model in LEVELS.items()}


def belongs(name: str) -> str | None:
    """Say where a name belongs: which levels have it as a key, or what has it as an argument; None for no place.

    :param name: as it is written, dotted or not
    """
    if key := _key_of(name):
        return key
    if name.partition(".")[0] in {each for path in ALGORITHMS for each in constructor(import_algorithm(path)).names}:
        return f"{name} is an argument of the algorithm: write it below arguments"
    if name in VEC_NORMALIZE_DEFAULTS:
        return f"{name} is an argument of VecNormalize: write it below normalize"
    return None


def near_key(name: str) -> str | None:
    """The key of the study that a name is spelled almost like; None for none.

    :param name: as it is written at the top of the file
    """
    return nearest(name, KEYS["the study"], likeness=0.85)


def elsewhere(argument: str, accepted: Constructor) -> str:
    """Say what takes an argument that a class does not, or which one of the class is near; nothing when none is.

    :param argument: as it is written
    :param accepted: what the class takes
    """
    if key := _key_of(argument):
        return f"; {key}"
    coefficients = {each.name for term in TERMS.values() for each in term.arguments}
    coefficients |= {each.name for part in REGULARIZERS.values() for each in part.coefficients}
    if argument in {*constructor(import_algorithm(GENERAL)).names, *coefficients}:
        return f"; {GENERAL} takes it: write it below arms of this class"
    return did_you_mean(argument, accepted.names)


def _key_of(name: str) -> str | None:
    """Say which levels have a name as a key; None for none."""
    levels = [level for level, keys in KEYS.items() if name in keys]
    return f"{name} is a key of {_or(levels)}" if levels else None


def _or(names: list[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last
