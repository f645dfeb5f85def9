"""What a study file may say, key by key."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from sb3_ppo_variants.bench.study.dotted import Dotted, dotted
from sb3_ppo_variants.bench.study.grid import Combination, check_parts, combinations
from sb3_ppo_variants.bench.study.space import WrittenSpace
from sb3_ppo_variants.bench.study.strict import Real, Strict, Whole
from sb3_ppo_variants.bench.study.wrappers import wrappers
from sb3_ppo_variants.zoo.settings import HYPERPARAMETERS

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")]
# Of a report: a heading or a sentence or two.
Prose = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000)]
Tracker = Literal["tensorboard", "wandb"]
# What tables, curves and comparisons show; further metrics are keys of the last info of an episode.
RETURN, SUCCESS = "return", "success"
Metric = Annotated[str, Field(pattern=r"^[A-Za-z][\w./-]*$", max_length=100)]
# Columns of the results that are no metrics.
NO_METRICS = (
    "arm", "environment", "seed", "identity", "timesteps", "seconds", "mean_return", "std_return", "mean_length",
    "episodes",
)  # fmt: skip
Normalize = bool | dict[str, Any]
ZOO = "zoo"
# Of ymls of hyperparameters that are no paths.
NAMED = (ZOO, *HYPERPARAMETERS)
# Beyond these a study is a mistake, found before anything takes long.
MOST_STEPS = 10**12
MOST_SEEDS = 1_000
MOST_RUNS = 100_000
Steps = Annotated[Whole, Field(gt=0, le=MOST_STEPS)]
Episodes = Annotated[Whole, Field(gt=0, le=10_000)]
Seed = Annotated[Whole, Field(ge=0, lt=2**32)]
# As gymnasium has them: a module that is imported first, a namespace, the name.
EnvironmentId = Annotated[str, Field(pattern=r"^([\w.]+:)?(\w[\w:-]*/)?\w[\w.-]*$", max_length=100)]


class EvaluationSettings(Strict):
    """How a policy is judged while it learns.

    :param every: environment steps from one evaluation to the next
    :param episodes: episodes per evaluation
    :param last: the score of a run is its mean return over this many last evaluations
    :param deterministic: take the most probable action (the default) or sample
    """

    every: Steps
    episodes: Episodes = 10
    last: Episodes = 3
    deterministic: bool = True


class Bootstrap(Strict):
    """The resampling that gives the intervals of aggregates."""

    resamples: Annotated[Whole, Field(ge=100, le=100_000)] = 2000
    seed: Seed = 0


class Checkpoint(Strict):
    """How often the state of a run is saved, so that a run that was killed goes on from there.

    :param every: environment steps from one checkpoint to the next, summed over the parallel environments
    :param minutes: minutes from one to the next; more where saving would take over 1 % of them
    """

    every: Steps | None = None
    minutes: Annotated[Real, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Checkpoint:
        if (self.every is None) == (self.minutes is None):
            raise ValueError("give either every, a number of steps, or minutes")
        return self


EVERY_MINUTE = Checkpoint(minutes=1)


class Settings(Strict):
    """What the study, an environment and an arm may each say; an arm wins over an environment, that over the study.

    :param policy: name of the policy, ``MlpPolicy`` by default
    :param n_envs: parallel training environments, 1 by default
    :param normalize: VecNormalize: true, false (the default), or its arguments
    :param arguments: keyword arguments of the algorithms; a dotted name reaches into a nested one
    :param hyperparams: a yml in RL Zoo's format, the name of one of this package (``mujoco``), or ``zoo`` for the one
        of the installed rl_zoo3; it stands for all hyperparameters that are not written at its own level or a more
        specific one
    :param callbacks: callbacks of the training, as ``callback`` in RL Zoo's ymls; those of a more specific level
        replace them, ``[]`` is none
    """

    policy: str | None = None
    n_envs: Annotated[Whole, Field(gt=0, le=4096)] | None = None
    normalize: Normalize | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    hyperparams: str | None = None
    callbacks: Dotted | None = None

    @field_validator("callbacks", mode="before")
    @classmethod
    def _callbacks_in_one_form(cls, written: Any) -> Dotted:
        return dotted(written, "callback")

    @field_validator("hyperparams")
    @classmethod
    def _beside_the_study(cls, source: str | None, info: ValidationInfo) -> str | None:
        return source if source is None or source in NAMED else str(beside(Path(source), info))


class TaskSettings(Settings):
    """What only the study and an environment may say, because it is the same for all arms.

    :param total_timesteps: environment steps of a run, summed over its parallel environments
    :param evaluation: how policies are judged; that of an environment replaces the study's as a whole
    :param vec_env: ``dummy`` (the default): environments in the process of the run; ``subproc``: one process each;
        ``envpool``: training in the environments of EnvPool, written in C++, evaluation in Gymnasium's
    :param env_wrapper: wrappers of each environment, as in RL Zoo's ymls
    :param vec_env_wrapper: wrappers of the vectorised environment, as in RL Zoo's ymls
    :param frame_stack: number of observations to stack
    :param env_kwargs: keyword arguments of the environment
    """

    total_timesteps: Steps | None = None
    evaluation: EvaluationSettings | None = None
    vec_env: Literal["dummy", "subproc", "envpool"] | None = None
    env_wrapper: Dotted | None = None
    vec_env_wrapper: Dotted | None = None
    frame_stack: Annotated[Whole, Field(ge=2, le=1_000)] | None = None
    env_kwargs: dict[str, Any] | None = None

    @field_validator("env_wrapper", "vec_env_wrapper", mode="before")
    @classmethod
    def _wrappers_in_one_form(cls, written: Any) -> Dotted:
        return wrappers(written)


class Environment(TaskSettings):
    """What one environment sets differently from the study, and the two scores that normalise its returns.

    :param random_score: mean return of a random policy, normalised to 0
    :param reference_score: the return that is normalised to 1
    """

    random_score: Real | None = None
    reference_score: Real | None = None

    @model_validator(mode="after")
    def _both_scores(self) -> Environment:
        if (self.random_score is None) != (self.reference_score is None):
            raise ValueError("give both random_score and reference_score, or neither")
        if self.random_score is None or self.reference_score is None:
            return self
        if self.random_score >= self.reference_score:
            raise ValueError(
                f"reference_score is {self.reference_score:g}: it must be above random_score, {self.random_score:g}"
            )
        return self


class Ablation(Strict):
    """Parts to leave out of an arm one by one, and to add one by one to the arm without them.

    :param parts: part -> its arguments; those that ``objective`` names are added to the arm's own objective. A list of
        names stands for parts that are a term each
    :param leave_one_out: make an arm without each part
    :param one_added: make the arm without any part, and one with each part alone
    """

    parts: Annotated[dict[Name, dict[str, Any]], Field(min_length=1)]
    leave_one_out: bool = True
    one_added: bool = True

    @model_validator(mode="after")
    def _some_arms(self) -> Ablation:
        if not (self.leave_one_out or self.one_added):
            raise ValueError("leave_one_out and one_added are both false: there would be no arm to compare")
        return self

    @field_validator("parts", mode="before")
    @classmethod
    def _terms(cls, parts: Any) -> Any:
        return {str(term): {"objective": term} for term in parts} if isinstance(parts, list) else parts


class Arm(Settings):
    """One algorithm with its arguments, or several arms that a grid or an ablation makes of it.

    :param algorithm: dotted path of an importable SB3 class
    :param grid: axis -> its levels; the arms are their product, see :func:`.combinations`
    :param ablate: parts to leave out and to add
    :param space: what its own arguments may be, in a study with ``tune``
    """

    algorithm: str = ""
    space: WrittenSpace = Field(default_factory=dict)
    grid: dict[str, Any] | None = None
    ablate: Ablation | None = None

    @model_validator(mode="after")
    def _expandable(self) -> Arm:
        if self.grid is not None and self.ablate is not None:
            raise ValueError("give either grid or ablate, not both")
        if self.ablate is not None:
            check_parts(self.ablate.parts, self.arguments)
        if not all(self.algorithms):
            raise ValueError("say algorithm, the dotted path of a Stable-Baselines3 class")
        return self

    @cached_property
    def combinations(self) -> list[Combination]:
        """The combinations of the grid; none without a grid."""
        return [] if self.grid is None else combinations(self.grid)

    @property
    def algorithms(self) -> list[str]:
        """The dotted paths of its classes: several when ``algorithm`` is an axis of the grid."""
        paths = [combination.values.get("algorithm", self.algorithm) for combination in self.combinations]
        for path in paths:
            if not isinstance(path, str):
                raise ValueError(f"grid.algorithm: a level is the dotted path of a class, not {path!r}")
        return list(dict.fromkeys(paths)) or [self.algorithm]


class Imported(Strict):
    """Runs of another program, read and never made.

    :param folder: RL Zoo's folder of one algorithm, ``<log>/<algorithm>``; relative to the study file
    :param returns: ``evaluations``: those of SB3's EvalCallback, ``evaluations.npz``; ``training``: those of the
        episodes of training, ``monitor.csv``, with sampled actions
    """

    folder: Path
    returns: Literal["evaluations", "training"] = "evaluations"

    @field_validator("folder")
    @classmethod
    def _beside_the_study(cls, folder: Path, info: ValidationInfo) -> Path:
        folder = beside(folder, info)
        if not folder.is_dir():
            raise ValueError(f"no such folder: {folder}")
        return folder


def beside(path: Path, info: ValidationInfo) -> Path:
    """Resolve a path of a study file against the folder of that file."""
    return Path((info.context or {}).get("folder", ".")) / path
