"""A study: arms x environments x seeds, as data, and the runs that it stands for."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, field_validator, model_validator
from stable_baselines3.common.vec_env import VecNormalize

from sb3_ppo_variants.bench.arguments import constructor, import_algorithm, plain
from sb3_ppo_variants.bench.folders import RESERVED
from sb3_ppo_variants.bench.run import Run

BASELINE = "ppo"
BASELINE_ALGORITHM = "stable_baselines3.PPO"

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")]
Normalize = bool | dict[str, Any]


class Strict(BaseModel):
    """A model that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Evaluation(Strict):
    """How a policy is judged while it learns.

    :param every: environment steps from one evaluation to the next
    :param episodes: episodes per evaluation, deterministic actions
    :param last: the score of a run is its mean return over this many last evaluations
    """

    every: PositiveInt
    episodes: PositiveInt = 10
    last: PositiveInt = 3


class Bootstrap(Strict):
    """The resampling behind the intervals of aggregates.

    :param resamples: number of resamples
    :param seed: seed of the resampling
    """

    resamples: Annotated[int, Field(ge=100)] = 2000
    seed: NonNegativeInt = 0


class Environment(Strict):
    """What one environment sets differently from the study, and the two scores that normalise its returns.

    :param random_score: mean return of a random policy, normalised to 0
    :param reference_score: the return that is normalised to 1
    """

    total_timesteps: PositiveInt | None = None
    n_envs: PositiveInt | None = None
    normalize: Normalize | None = None
    evaluation: Evaluation | None = None
    policy: str | None = None
    arguments: dict[str, Any] = {}
    env_kwargs: dict[str, Any] = {}
    random_score: float | None = None
    reference_score: float | None = None

    @model_validator(mode="after")
    def _both_scores(self) -> Environment:
        if (self.random_score is None) != (self.reference_score is None):
            raise ValueError("give both random_score and reference_score, or neither")
        if self.random_score is not None and self.random_score == self.reference_score:
            raise ValueError("random_score and reference_score must differ")
        return self


class Arm(Strict):
    """One algorithm with its arguments.

    :param algorithm: dotted path of an importable SB3 class
    """

    algorithm: str
    policy: str | None = None
    arguments: dict[str, Any] = {}


class Study(Strict):
    """A study file. Arguments of an arm win over those of an environment, and these over the study's."""

    name: Name
    total_timesteps: PositiveInt
    seeds: tuple[NonNegativeInt, ...]
    evaluation: Evaluation
    environments: Annotated[dict[str, Environment], Field(min_length=1)]
    arms: Annotated[dict[Name, Arm], Field(validate_default=True)] = {}
    n_envs: PositiveInt = 1
    normalize: Normalize = False
    policy: str = "MlpPolicy"
    arguments: dict[str, Any] = {}
    bootstrap: Bootstrap = Bootstrap()

    @field_validator("seeds", mode="before")
    @classmethod
    def _count_or_list(cls, seeds: Any) -> Any:
        """Read a number n as the seeds 0 to n-1."""
        if isinstance(seeds, int) and not isinstance(seeds, bool):
            seeds = list(range(seeds))
        if not isinstance(seeds, list) or not seeds or len(set(map(str, seeds))) != len(seeds):
            raise ValueError("must be a number of seeds, 1 or more, or a list of different seeds")
        return seeds

    @field_validator("environments", mode="before")
    @classmethod
    def _list_or_mapping(cls, environments: Any) -> Any:
        """Read a list of ids as environments without overrides; a mapping may leave an environment empty."""
        if isinstance(environments, list):
            return {str(name): {} for name in environments}
        if isinstance(environments, dict):
            return {name: {} if overrides is None else overrides for name, overrides in environments.items()}
        raise ValueError("must be a list of environment ids, or a mapping from id to overrides")

    @field_validator("arms", mode="after")
    @classmethod
    def _with_baseline(cls, arms: dict[str, Arm]) -> dict[str, Arm]:
        """Put stock PPO first, with the shared arguments when the study says nothing else about it."""
        for name in RESERVED:
            if name in arms:
                raise ValueError(f"{name} is the name of a folder of the study, choose another name for the arm")
        baseline = arms.get(BASELINE, Arm(algorithm=BASELINE_ALGORITHM))
        return {BASELINE: baseline, **arms}

    @model_validator(mode="after")
    def _enough_evaluations(self) -> Study:
        for name in self.environments:
            steps, evaluation = self.steps(name), self.judged(name)
            if evaluation.every < self.parallel(name):
                raise ValueError(
                    f"{name}: an evaluation every {evaluation.every} steps is less than one step of n_envs"
                )
            if steps < evaluation.every * evaluation.last:
                raise ValueError(
                    f"{name}: {steps} steps with an evaluation every {evaluation.every} steps are fewer than the "
                    f"{evaluation.last} evaluations of a score"
                )
        return self

    def steps(self, environment: str) -> int:
        """Environment steps of a run."""
        return self.environments[environment].total_timesteps or self.total_timesteps

    def parallel(self, environment: str) -> int:
        """Return the number of parallel training environments."""
        return self.environments[environment].n_envs or self.n_envs

    def judged(self, environment: str) -> Evaluation:
        """Evaluation settings of an environment."""
        return self.environments[environment].evaluation or self.evaluation

    def runs(self) -> list[Run]:
        """All runs, the first seed of everything first, so that a part of a study is a comparison already."""
        return [
            self.run(arm, environment, seed)
            for seed in self.seeds
            for environment in self.environments
            for arm in self.arms
        ]

    def run(self, arm: str, environment: str, seed: int) -> Run:
        """Resolve one run of the study."""
        chosen, place = self.arms[arm], self.environments[environment]
        accepted = constructor(import_algorithm(chosen.algorithm))
        arguments = {**self.arguments, **place.arguments, **chosen.arguments}
        if "log_kl" in accepted.names:
            arguments.setdefault("log_kl", True)
        gamma = arguments.get("gamma", accepted.defaults.get("gamma"))
        return Run(
            arm=arm,
            algorithm=chosen.algorithm,
            policy=chosen.policy or place.policy or self.policy,
            environment=environment,
            env_kwargs=plain(place.env_kwargs),
            seed=seed,
            total_timesteps=self.steps(environment),
            n_envs=self.parallel(environment),
            normalize=_normalize(self.normalize if place.normalize is None else place.normalize, gamma),
            evaluation_every=self.judged(environment).every,
            evaluation_episodes=self.judged(environment).episodes,
            arguments=plain(arguments),
            defaults={name: value for name, value in accepted.defaults.items() if name not in arguments},
        )


def _normalize(normalize: Normalize, gamma: float | None) -> dict[str, Any] | None:
    """Complete the arguments of VecNormalize; rewards are scaled with the algorithm's own discount."""
    if normalize is False:
        return None
    signature = inspect.signature(VecNormalize.__init__).parameters.values()
    defaults = {p.name: plain(p.default) for p in signature if p.default is not p.empty}
    given = {} if normalize is True else dict(normalize)
    discount = {} if gamma is None else {"gamma": gamma}
    return {**defaults, **discount, **given}
