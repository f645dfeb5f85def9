"""What a valid study file may still have wrong: classes, names and values of arguments, callbacks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sb3_ppo_variants.bench.runs.callbacks import make_callback
from sb3_ppo_variants.bench.statistics.decisions import can_decide
from sb3_ppo_variants.bench.study.arms import AXES
from sb3_ppo_variants.bench.study.constructors import Constructor, constructor, import_algorithm
from sb3_ppo_variants.bench.study.dotted import Dotted
from sb3_ppo_variants.bench.study.keys import Arm, Settings
from sb3_ppo_variants.bench.study.places import elsewhere
from sb3_ppo_variants.bench.study.resolve import VEC_NORMALIZE_DEFAULTS
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.space import examples
from sb3_ppo_variants.bench.study.study import STOCK, STOCK_ALGORITHM, Study
from sb3_ppo_variants.bench.study.tune import space_mistakes
from sb3_ppo_variants.bench.table.imported import read_imported

VEC_NORMALIZE = Constructor(
    names=tuple(VEC_NORMALIZE_DEFAULTS), defaults=VEC_NORMALIZE_DEFAULTS, hashed=frozenset(), open_ended=False
)
# Arguments of the algorithms that a study sets by itself.
OWN_ARGUMENTS = {
    "seed": "seeds are set by the study's own key seeds",
    "tensorboard_log": "every run logs into its own folder, to progress.csv; say trackers: [tensorboard]",
}
# The places in a study file at which arguments are named, each with the names.
Places = Iterator[tuple[str, Iterable[str]]]


def argument_mistakes(study: Study) -> Iterator[str]:
    """Check the classes of a study, the names of all arguments, and whether its seeds can decide anything."""
    if study.until_decided and not can_decide(list(study.arms), len(study.environments), study.until_decided):
        yield (
            f"seeds: with {study.until_decided.most} seeds no arm can be shown to differ, not even those that win "
            "every comparison with the baseline; raise seeds.to"
        )
    yield from space_mistakes(study.tune, study.written_arms, study.seeds)
    for name, arm in study.written_arms.items():
        for path in arm.algorithms:
            try:
                algorithm = import_algorithm(path)
            except Exception as error:
                yield f"arms.{name}.algorithm: cannot import {path}: {error}"
                continue
            if name == STOCK and algorithm is not import_algorithm(STOCK_ALGORITHM):
                yield f"arms.{name}.algorithm: {name} is {STOCK_ALGORITHM}; give {path} another name"
            accepted = constructor(algorithm)
            for place, names in _shared_arguments(study):
                yield from _unknown_arguments(place, names, accepted, f"{algorithm.__name__} (arm {name})")
            for place, names in _arguments_of(name, arm):
                yield from _unknown_arguments(place, names, accepted, algorithm.__name__)
    for place, names in _normalize_arguments(study):
        yield from _unknown_arguments(place, names, VEC_NORMALIZE, "VecNormalize")


def _shared_arguments(study: Study) -> Places:
    yield "arguments", study.arguments
    if study.tune:
        yield "tune.space", study.tune.space
    for name, environment in study.environments.items():
        yield f"environments.{name}.arguments", environment.arguments


def _arguments_of(name: str, arm: Arm) -> Places:
    yield f"arms.{name}.arguments", arm.arguments
    yield f"arms.{name}.space", arm.space
    for combination in arm.combinations[:1]:
        yield f"arms.{name}.grid", [axis for axis in combination.values if axis not in AXES]
    for part, arguments in arm.ablate.parts.items() if arm.ablate else ():
        yield f"arms.{name}.ablate.parts.{part}", arguments


def _normalize_arguments(study: Study) -> Places:
    levels: dict[str, Settings] = {"normalize": study}
    levels |= {f"arms.{name}.normalize": arm for name, arm in study.written_arms.items()}
    levels |= {f"environments.{name}.normalize": environment for name, environment in study.environments.items()}
    for place, settings in levels.items():
        if isinstance(settings.normalize, dict):
            yield place, settings.normalize


def _unknown_arguments(place: str, arguments: Iterable[str], accepted: Constructor, owner: str) -> Iterator[str]:
    for name in arguments:
        argument = name.partition(".")[0]
        if argument in OWN_ARGUMENTS:
            yield f"{place}.{argument}: {OWN_ARGUMENTS[argument]}"
        elif argument not in accepted.names and not accepted.open_ended:
            yield f"{place}.{name}: unknown argument of {owner}{elsewhere(argument, accepted)}"


def resolution_mistakes(study: Study) -> Iterator[str]:
    """Resolve every arm on every environment, and make each callback once."""
    tried: list[dict[str, Any]] = []
    for environment in study.environments:
        for arm in study.arms:
            try:
                runs = list(example_runs(study, arm, environment))
            except ValueError as error:
                yield f"arms.{arm}: on {environment}: {error}"
                continue
            accepted = constructor(import_algorithm(runs[0].algorithm))
            for name, value in (item for run in runs for item in run.arguments.items()):
                if wanted := accepted.wanted(name, value):
                    yield f"arms.{arm}: on {environment}: {name} is {value!r}; give {wanted}"
            new = [callback for callback in runs[0].callbacks or [] if callback not in tried]
            tried += new
            yield from _callback_mistakes(new)


def imported_mistakes(study: Study) -> Iterator[str]:
    """Read the runs of other programs, and say which cannot stand for one arm."""
    for imported in read_imported(study):
        for mistake in imported.mistakes():
            yield f"imported.{imported.name}: {mistake}"


def _callback_mistakes(listed: Dotted) -> Iterator[str]:
    for path, arguments in ((path, arguments) for callback in listed for path, arguments in callback.items()):
        try:
            make_callback(path, arguments)
        except (Exception, SystemExit) as error:
            yield f"callbacks.{path}: {one_line(error)}"


def example_runs(study: Study, arm: str, environment: str) -> Iterator[Run]:
    """A run of an arm in an environment, and with a search those with the ends of its axes and with each choice.

    :raises ValueError: as :meth:`.Study.run`
    """
    yield study.run(arm, environment, study.seeds[0])
    if study.tune:
        for arguments in examples(study.space(arm)):
            yield study.run(arm, environment, study.tune.run_seeds[0], arguments)


def one_line(error: BaseException) -> str:
    """The class and the message of an error."""
    return " ".join(f"{type(error).__name__}: {error}".split())
