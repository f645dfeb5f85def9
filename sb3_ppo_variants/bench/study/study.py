"""A study: arms x environments x seeds, as data, and the runs that it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from sb3_ppo_variants.bench.study.arms import AblationArms, Expansion, expand
from sb3_ppo_variants.bench.study.keys import (
    EVERY_MINUTE,
    MOST_RUNS,
    NO_METRICS,
    RETURN,
    Arm,
    Bootstrap,
    Checkpoint,
    Environment,
    EnvironmentId,
    EvaluationSettings,
    Imported,
    Metric,
    Name,
    Prose,
    Steps,
    TaskSettings,
    Tracker,
)
from sb3_ppo_variants.bench.study.resolve import resolve
from sb3_ppo_variants.bench.study.run import RESERVED, Run, plain_id
from sb3_ppo_variants.bench.study.seeds import Seeds, UntilDecided
from sb3_ppo_variants.bench.study.space import Space
from sb3_ppo_variants.bench.study.tune import Tune

STOCK = "ppo"
STOCK_ALGORITHM = "stable_baselines3.PPO"


class Study(TaskSettings):
    """A study file. Arguments of an arm win over those of an environment, and these over the study's.

    :param name: name of the study's folder
    :param title: heading of the report, the name by default
    :param question: what the study asks; the report begins with it
    :param answer: what it found, to be written when the runs are made
    :param written_seeds: ``seeds`` of the file: a number of seeds, a list of them, or what adds them until it is
        decided which arms differ; :attr:`seeds` has all that there may be
    :param environments: a list of ids, or a mapping from id to what it sets differently
    :param written_arms: ``arms`` of the file; :attr:`arms` has what its grids and ablations stand for
    :param baseline: the arm that all others are compared with, stock PPO by default; ``ppo`` is there when it is the
        baseline, or when the file has an arm of this name
    :param imported: arms whose runs another program has made
    :param bootstrap: the resampling that gives intervals
    :param checkpoint: how often the state of a run is saved, every minute by default; false in the file for never. No
        part of a run's identity
    :param metrics: what tables, curves and comparisons show, the first one in all parts of the report: ``return``,
        ``success`` or a key of the environments' infos. No part of a run's identity
    :param trackers: where the logs of runs go besides their folders; no part of a run's identity either
    :param tune: the search for good arguments that every arm gets first; None for none
    """

    name: Name
    title: Prose | None = None
    question: Prose | None = None
    answer: Prose | None = None
    total_timesteps: Steps
    written_seeds: Annotated[Seeds, Field(alias="seeds")]
    evaluation: EvaluationSettings
    environments: Annotated[dict[EnvironmentId, Environment], Field(min_length=1)]
    baseline: str = STOCK
    written_arms: Annotated[dict[Name, Arm], Field(alias="arms", validate_default=True, default_factory=dict)]
    imported: Annotated[dict[Name, Imported], Field(default_factory=dict)]
    bootstrap: Bootstrap = Bootstrap()
    checkpoint: Checkpoint | None = EVERY_MINUTE
    metrics: Annotated[tuple[Metric, ...], Field(min_length=1, max_length=20)] = (RETURN,)
    trackers: tuple[Tracker, ...] = ()
    tune: Tune | None = None
    _text: str = ""
    _found: Mapping[tuple[str, str], Mapping[str, Any]] = {}

    def model_post_init(self, context: Any) -> None:
        """Keep the text of the file, so that a report shows what was read and not what the file says later."""
        self._text = (context or {}).get("text", "")

    @property
    def text(self) -> str:
        """The study file as it was read; empty when the study was made of data."""
        return self._text

    @field_validator("checkpoint", mode="before")
    @classmethod
    def _switch(cls, checkpoint: Any) -> Any:
        """Read false as none, and true as the default."""
        return (EVERY_MINUTE if checkpoint else None) if isinstance(checkpoint, bool) else checkpoint

    @field_validator("metrics", mode="after")
    @classmethod
    def _different(cls, metrics: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(metrics)) < len(metrics):
            raise ValueError("a metric is in the list more than once")
        if taken := [name for name in metrics if name in NO_METRICS]:
            raise ValueError(f"{', '.join(taken)}: is a column of the results that is no metric; say return or success")
        return metrics

    @field_validator("environments", mode="before")
    @classmethod
    def _list_or_mapping(cls, environments: Any) -> Any:
        """Read a list of ids as environments without overrides; a mapping may leave an environment empty."""
        if isinstance(environments, list) and all(isinstance(name, str) for name in environments):
            if len(set(environments)) < len(environments):
                raise ValueError("an environment is in the list more than once")
            return {name: {} for name in environments}
        if isinstance(environments, dict):
            return {name: {} if overrides is None else overrides for name, overrides in environments.items()}
        raise ValueError("must be a list of environment ids, or a mapping from id to overrides")

    @field_validator("written_arms", mode="after")
    @classmethod
    def _with_stock(cls, arms: dict[str, Arm], info: ValidationInfo) -> dict[str, Arm]:
        """Put stock PPO first, with the shared arguments when the study says nothing else about it."""
        stock = arms.get(STOCK)
        if stock is not None and (stock.grid is not None or stock.ablate is not None):
            raise ValueError(f"{STOCK} is one arm, stock PPO; put grid or ablate on an arm with another name")
        if info.data.get("baseline", STOCK) == STOCK:
            arms = {STOCK: stock or Arm(algorithm=STOCK_ALGORITHM), **arms}
        for name in expand(arms).arms:
            if name.lower() in RESERVED:
                raise ValueError(f"{name} is a name in the folder of the study, choose another name for the arm")
        return arms

    @model_validator(mode="after")
    def _has_baseline(self) -> Study:
        if self.baseline not in self._expansion.arms:
            known = ", ".join(self._expansion.arms) or "none"
            raise ValueError(f"baseline: {self.baseline} is no arm of the study, which has {known}")
        return self

    @model_validator(mode="after")
    def _decidable(self) -> Study:
        if self.until_decided and self.imported:
            raise ValueError(
                f"imported: the runs of {', '.join(self.imported)} get no more seeds, and seeds until decided compare "
                "arms of which all do; give seeds a number, or leave them out"
            )
        if self.until_decided and len(self.arms) == 1:
            raise ValueError(f"seeds: {self.baseline} is the only arm, until decided needs one to compare it with")
        return self

    @model_validator(mode="after")
    def _sound(self) -> Study:
        count = len(self.arms) * len(self.environments) * len(self.seeds)
        if count > MOST_RUNS:
            raise ValueError(f"{count} runs are more than the {MOST_RUNS} of the largest study")
        same: dict[str, str] = {}
        for name in self.environments:
            first = same.setdefault(plain_id(name), name)
            if first != name:
                raise ValueError(f"environments: {first} and {name} are the same environment")
        for name in self.environments:
            steps, evaluation = self.steps(name), self.judged(name)
            if steps < evaluation.every * evaluation.last:
                raise ValueError(
                    f"{name}: {steps} steps with an evaluation every {evaluation.every} steps are fewer than the "
                    f"{evaluation.last} evaluations of a score"
                )
        for name in self.imported:
            if name in self.arms:
                raise ValueError(f"imported.{name}: an arm has this name already")
        return self

    @model_validator(mode="after")
    def _tunable(self) -> Study:
        count = len(self.arms) * len(self.environments) * (self.tune.trials * self.tune.seeds if self.tune else 0)
        if count > MOST_RUNS:
            raise ValueError(f"tune: {count} runs of trials are more than the {MOST_RUNS} of the largest study")
        return self

    @cached_property
    def _expansion(self) -> Expansion:
        return expand(self.written_arms)

    @property
    def seeds(self) -> tuple[int, ...]:
        """All seeds that an arm may have."""
        seeds = self.written_seeds
        return tuple(range(seeds.most)) if isinstance(seeds, UntilDecided) else seeds

    @property
    def until_decided(self) -> UntilDecided | None:
        """How seeds are added until it is decided which arms differ; None for a fixed number."""
        return self.written_seeds if isinstance(self.written_seeds, UntilDecided) else None

    @property
    def arms(self) -> dict[str, Arm]:
        """The arms that are run, the baseline first; those of a grid or an ablation one by one."""
        arms = self._expansion.arms
        return {self.baseline: arms[self.baseline], **arms}

    @property
    def compared(self) -> list[str]:
        """Names of all arms of the report: those that are run, then the imported ones."""
        return [*self.arms, *(imported_name(*item) for item in self.imported.items())]

    @property
    def labels(self) -> dict[str, str]:
        """What reports call each arm of :attr:`compared`: its name, in words where an ablation made it."""
        found = {arm: arm for arm in self.compared}
        for name, ablation in self.ablations.items():
            found |= {arm: f"{name}, only {part}" for part, arm in ablation.only.items()}
            found |= {} if ablation.baseline is None else {ablation.baseline: f"{name}, no part"}
            found |= {arm: f"{name} without {part}" for part, arm in ablation.without.items()}
        return found

    @property
    def factors(self) -> dict[str, dict[str, dict[str, str]]]:
        """Of each design of grids, the name of every arm's level on each axis: ``{design: {arm: {axis: level}}}``."""
        return self._expansion.factors

    @property
    def ablations(self) -> dict[str, AblationArms]:
        """Of each arm with an ablation, which arm lacks or has which part."""
        return self._expansion.ablations

    def steps(self, environment: str) -> int:
        """Environment steps of a run."""
        return self.environments[environment].total_timesteps or self.total_timesteps

    def judged(self, environment: str) -> EvaluationSettings:
        """Evaluation settings of an environment."""
        return self.environments[environment].evaluation or self.evaluation

    @cached_property
    def runs(self) -> list[Run]:
        """All runs, the first seed of everything first, so that a part of a study is a comparison already."""
        return [
            self.run(arm, environment, seed)
            for seed in self.seeds
            for environment in self.environments
            for arm in self.arms
        ]

    def runs_of(self, arm: str, environment: str) -> list[Run]:
        """The runs of one arm in one environment, one per seed."""
        return self._seeds[arm, environment]

    @cached_property
    def _seeds(self) -> dict[tuple[str, str], list[Run]]:
        seeds: dict[tuple[str, str], list[Run]] = {}
        for run in self.runs:
            seeds.setdefault((run.arm, run.environment), []).append(run)
        return seeds

    def space(self, arm: str) -> Space:
        """What a search may change of an arm: its own axes win over those of all arms."""
        return {**(self.tune.space if self.tune else {}), **self.arms[arm].space}

    def with_arguments(self, found: Mapping[tuple[str, str], Mapping[str, Any]]) -> Study:
        """Return this study with the arguments that searches found.

        :param found: (arm, environment) -> arguments, which win over those of the file
        """
        study = self.model_copy()
        for resolved in ("runs", "_seeds"):
            study.__dict__.pop(resolved, None)
        study._found = found
        return study

    def run(self, arm: str, environment: str, seed: int, arguments: Mapping[str, Any] | None = None) -> Run:
        """Resolve one run of the study.

        :param arguments: those of a trial, which win over all others; by default those that a search found
        :raises ValueError: when hyperparameters cannot be found, or a dotted argument reaches into something that is
            no mapping
        """
        return resolve(
            arm=arm,
            environment=environment,
            seed=seed,
            total_timesteps=self.steps(environment),
            evaluation=self.judged(environment),
            levels=(self, self.environments[environment], self.arms[arm]),
            found=self._found.get((arm, environment), {}) if arguments is None else arguments,
        )


def baseline_name(arm: str) -> str:
    """What text calls the arm that the others are compared with."""
    return "stock PPO" if arm == STOCK else arm


def imported_name(name: str, source: Imported) -> str:
    """Name of an imported arm in tables and figures; no arm that is run can have it."""
    return f"{name} (imported)" if source.returns == "evaluations" else f"{name} (imported, training episodes)"
