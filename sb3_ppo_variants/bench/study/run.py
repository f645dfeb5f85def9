"""The resolved configuration of one run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from sb3_ppo_variants.bench.study.constructors import constructor, import_algorithm
from sb3_ppo_variants.bench.study.dotted import Dotted
from sb3_ppo_variants.bench.study.parts import part_versions

# What lies in the folder of a study beside the arms, which therefore cannot have these names.
RESERVED = (
    "failed", "figures", "tuning", "videos", "wandb", "results.csv", "trials.csv", "timings.csv", "updates.csv.gz",
    "times.csv.gz", "records.json.gz", "results.parquet", "report.md", "report.html", "study.yaml", "sha256sums",
)  # fmt: skip
# Arguments that change what a run prints, not what it does: hashed as the default, whatever a study says.
PRINTED = ("verbose",)


@dataclass(frozen=True)
class Run:
    """The resolved configuration of one run; every value can be written as JSON.

    :param arm: name of the arm; a label, not part of the identity
    :param algorithm: dotted path of the SB3 class
    :param policy: name of the policy
    :param environment: gymnasium id
    :param env_kwargs: keyword arguments of the environment
    :param seed: seed of the model and of the training environments; the evaluation environment gets
        ``seed + 10_000``
    :param total_timesteps: environment steps, summed over the parallel environments
    :param n_envs: number of parallel training environments
    :param normalize: keyword arguments of VecNormalize, or None for no normalisation
    :param evaluation_every: environment steps from one evaluation to the next
    :param evaluation_episodes: episodes per evaluation
    :param arguments: keyword arguments of the constructor, as in the study
    :param defaults: the constructor's defaults of all other arguments
    :param vec_env: ``"dummy"`` for environments in the process of the run, ``"subproc"`` for one process each,
        ``"envpool"`` for those of EnvPool
    :param env_wrapper: wrappers of each environment, innermost first: ``{dotted path: keyword arguments}``
    :param vec_env_wrapper: the same for wrappers of the vectorised environment, below VecNormalize
    :param frame_stack: number of observations that VecFrameStack joins, above VecNormalize
    :param evaluation_deterministic: whether evaluations take the most probable action or a sampled one
    :param callbacks: callbacks of the training: ``{dotted path: keyword arguments}``
    """

    arm: str
    algorithm: str
    policy: str
    environment: str
    env_kwargs: dict[str, Any]
    seed: int
    total_timesteps: int
    n_envs: int
    normalize: dict[str, Any] | None
    evaluation_every: int
    evaluation_episodes: int
    arguments: dict[str, Any]
    defaults: dict[str, Any]
    vec_env: str = "dummy"
    env_wrapper: Dotted | None = None
    vec_env_wrapper: Dotted | None = None
    frame_stack: int | None = None
    evaluation_deterministic: bool = True
    callbacks: Dotted | None = None

    @property
    def hashed_json(self) -> str:
        """The configuration as JSON, as far as it belongs to the identity.

        A field that has its default above is left out, and so are defaults of the constructor that do not count, see
        :mod:`.identity`: new fields and new arguments leave the identity of older runs as it was. A user's own parts
        belong to it by their paths and, if they have one, their versions.
        """
        values = [(field, getattr(self, field.name)) for field in fields(self) if field.name != "arm"]
        configuration = {field.name: value for field, value in values if value != field.default}
        accepted = constructor(import_algorithm(self.algorithm))
        printed = {name: accepted.defaults[name] for name in PRINTED if name in self.arguments}
        defaults = {**self.defaults, **printed}
        configuration["arguments"] = {name: value for name, value in self.arguments.items() if name not in printed}
        configuration["defaults"] = {name: value for name, value in defaults.items() if name in accepted.hashed}
        if versions := part_versions(self.arguments):
            configuration["versions"] = versions
        return json.dumps(configuration, sort_keys=True, separators=(",", ":"))

    @cached_property
    def identity(self) -> str:
        """Ten hexadecimal digits that two runs share only when their configurations are equal."""
        return hashlib.sha256(self.hashed_json.encode()).hexdigest()[:10]

    @property
    def file_name(self) -> str:
        """The environment id, fit for a file name."""
        return file_name(self.environment)

    @property
    def folder_name(self) -> str:
        """Name of the run's folder within its arm's folder."""
        return folder_name(self.environment, self.seed, self.identity)


def plain_id(environment: str) -> str:
    """An environment id without the module that registers it."""
    return environment.rpartition(":")[2]


def file_name(environment: str) -> str:
    """An environment id, fit for a file name."""
    return environment.replace("/", "-").replace(":", "-")


def folder_name(environment: str, seed: int, identity: str) -> str:
    """Name of a run's folder within its arm's folder."""
    return f"{file_name(environment)}_{seed}-{identity}"
