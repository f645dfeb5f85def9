"""A model from the file of a run, ready to go on where the run was."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, TypeVar

import cloudpickle  # type: ignore[import-untyped]
import torch as th
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import GymEnv
from stable_baselines3.common.utils import get_system_info

from sb3_ppo_variants.loop.backup import held_back
from sb3_ppo_variants.messages import counted, warn_user
from sb3_ppo_variants.resume.environments import ENVIRONMENT, PROCESSES, unpickled_environment
from sb3_ppo_variants.resume.file import FORMAT, full_name, read_members
from sb3_ppo_variants.resume.generators import before_each_rollout, let_wait, not_before_rollouts, set_generator_states
from sb3_ppo_variants.resume.modules import set_module_state, set_plain
from sb3_ppo_variants.resume.processes import processes_of

Algorithm = TypeVar("Algorithm", bound=OnPolicyAlgorithm)


def resume_model(
    algorithm: type[Algorithm], path: str | Path, env: GymEnv | None = None, device: th.device | str = "auto"
) -> Algorithm:
    """The model of a file of :class:`.ResumeCallback`, ready to go on where it was.

    ``model.learn(total - model.num_timesteps, reset_num_timesteps=False)`` then ends with the weights, the optimiser
    and the logged values of a ``learn(total)`` that never stopped, bit for bit, on the same machine with the same
    versions. The random generators are set when its first rollout starts: what draws from them before does no harm.
    The file holds pickled objects, as SB3's zips do: load only what you trust.

    :param algorithm: the class of the model, an on-policy one of SB3, sb3-contrib or this package
    :param path: of the file
    :param env: built as for the first run, its wrappers included. Needed when environments were in processes
        (``SubprocVecEnv``): they go on in these. Otherwise only for a file without environments, or to leave those in
        it alone; its ``VecNormalize`` takes the saved statistics, its episodes start anew, which is not exact
    :param device: where the model goes, as in SB3; another one than before is not exact
    :return: the model
    :raises FileNotFoundError: if there is no such file
    :raises TypeError: for a class that is not on-policy
    :raises ValueError: for a file of another kind or another class, or an ``env`` that is missing or does not fit
    """
    if not (isinstance(algorithm, type) and issubclass(algorithm, OnPolicyAlgorithm)):
        raise TypeError(f"algorithm={algorithm!r}: an on-policy class of SB3, such as PPO")
    members = read_members(Path(path))
    about = json.loads(members["about.json"])
    _check(about, algorithm, path, env)
    if env is None and ENVIRONMENT not in members:
        raise ValueError(f"path={str(path)!r}: a damaged file of ResumeCallback: no {ENVIRONMENT}")
    model = algorithm.load(io.BytesIO(members["model.zip"]), device=device)
    state = th.load(io.BytesIO(members["state.pt"]), map_location=model.device, weights_only=False)
    vars(model).update(state["policy"])
    set_module_state(model.policy, state["modules"])
    set_plain(vars(model.rollout_buffer), state["buffer"])
    model.lr_schedule = cloudpickle.loads(state["lr_schedule"])  # `load` makes that of the arguments
    if env is not None:
        _check_number(model, env)
    if env is None or (PROCESSES in members and processes_of(env) is not None):
        # It may hold the model or its policy, which are then those of this process.
        environment = unpickled_environment(members, Path(path), model, env)
        # Not through `load`, which seeds the environments again.
        model.set_env(environment.pop("env"))
        vars(model).update(environment)
    else:
        _set_given_environment(model, env, state["statistics"])
    _restore_before_rollout(model, state)
    return model


def _restore_before_rollout(model: OnPolicyAlgorithm, state: dict[str, Any]) -> None:
    """Set the generators and the values to be logged when the first rollout starts; before it there is no logger."""

    def restore() -> None:
        let_wait(model, None)
        not_before_rollouts(model, restore)
        set_generator_states(state["generators"])
        held = held_back(model.logger)
        for name, values in state["logger"].items():
            held[name].update(values)

    before_each_rollout(model, restore)
    let_wait(model, state)


def _check_number(model: OnPolicyAlgorithm, env: GymEnv) -> None:
    number = getattr(env, "num_envs", 1)
    if number != model.n_envs:
        raise ValueError(f"env: has {counted(number, 'environment')}, the saved run had {model.n_envs}")


def _set_given_environment(model: OnPolicyAlgorithm, env: GymEnv, statistics: dict[str, Any]) -> None:
    """An environment other than the saved one, with the saved statistics of ``VecNormalize``."""
    model.set_env(env)
    normalize = model.get_vec_normalize_env()
    if (normalize is not None) != bool(statistics):
        had = "one" if statistics else "none"
        raise ValueError(f"env: wrap it as for the first run, which had {had} of VecNormalize")
    if normalize is not None:
        vars(normalize).update({name: value for name, value in statistics.items() if value is not None})


def _check(about: dict[str, Any], algorithm: type[OnPolicyAlgorithm], path: str | Path, env: GymEnv | None) -> None:
    """Whether the file is one for this class and environment."""
    if about["format"] != FORMAT:
        raise ValueError(f"path={str(path)!r}: has the format {about['format']}, this version reads {FORMAT}")
    if about["class"] != full_name(algorithm):
        raise ValueError(f"algorithm={full_name(algorithm)}: {str(path)!r} holds a {about['class']}")
    if env is None and about["no_environment"]:
        raise ValueError(
            f"env is needed: {str(path)!r} holds no environment, because {about['no_environment']}. Pass `env`, built "
            "as for the first run; its episodes start anew, which is not exact"
        )
    if env is None and about["processes"]:
        raise ValueError(
            f"env is needed: {str(path)!r} holds environments of SubprocVecEnv. Pass `env`, built as for the first "
            "run: they go on in its processes"
        )
    system = get_system_info(print_info=False)[0]
    changed = [
        f"{name} {was}, now {system.get(name)}" for name, was in about["system"].items() if system.get(name) != was
    ]
    if changed:
        warn_user(f"the run was saved under {', '.join(changed)}: the rest of it may differ in bits")
