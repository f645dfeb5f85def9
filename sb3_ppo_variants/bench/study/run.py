"""The resolved configuration of one run."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass, fields
from typing import Any

from sb3_ppo_variants.bench.study.wrappers import Wrappers

# Folders of a study that no arm can have.
RESERVED = ("failed", "figures")
# Arguments that this package's classes were given after the first runs were published, with the value of before.
AS_EVER: dict[str, Any] = {"stop": None, "desired_clip_fraction": None, "compile": False}


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
    :param defaults: what the constructor takes for the others
    :param vec_env: ``"dummy"`` for environments in the process of the run, ``"subproc"`` for one process each
    :param env_wrapper: wrappers of each environment, innermost first: ``{dotted path: keyword arguments}``
    :param vec_env_wrapper: the same for wrappers of the vectorised environment, below VecNormalize
    :param frame_stack: number of observations that VecFrameStack joins, above VecNormalize
    :param evaluation_deterministic: whether evaluations take the most probable action or a sampled one
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
    env_wrapper: Wrappers | None = None
    vec_env_wrapper: Wrappers | None = None
    frame_stack: int | None = None
    evaluation_deterministic: bool = True

    @functools.cached_property
    def identity(self) -> str:
        """Ten hexadecimal digits that two runs share only when their configurations are equal.

        A field that has its default above is left out, and so is a default of the constructor that stands for what it
        did before it had the argument: new ones leave the identity of older runs as it was.
        """
        given = [(field, getattr(self, field.name)) for field in fields(self) if field.name != "arm"]
        configuration = {field.name: value for field, value in given if value != field.default}
        configuration["defaults"] = {name: value for name, value in self.defaults.items() if not _as_ever(name, value)}
        canonical = json.dumps(configuration, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:10]

    @property
    def file_name(self) -> str:
        """The environment id, fit for a file name."""
        return self.environment.replace("/", "-").replace(":", "-")

    @property
    def folder_name(self) -> str:
        """Name of the run's folder within its arm's folder."""
        return f"{self.file_name}_{self.seed}-{self.identity}"


def _as_ever(name: str, value: Any) -> bool:
    return name in AS_EVER and value == AS_EVER[name]
