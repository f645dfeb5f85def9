"""The environments of a model as members of a file."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import GymEnv

from sb3_ppo_variants.resume.pickling import pickled, unpickled
from sb3_ppo_variants.resume.processes import process_states, processes_of, set_process_states

ENVIRONMENT, PROCESSES = "environment.pkl", "processes.pkl"
# In one pickle with the environment, so that what was one object stays one: each space has a random generator, and
# the last observation may be the environment's own array.
ENVIRONMENT_STATE = ("observation_space", "action_space", "_last_obs", "_last_original_obs", "_last_episode_starts")


def parts_of(model: OnPolicyAlgorithm, env: GymEnv | None) -> dict[str, Any]:
    """What is no part of the environments, by name.

    That is the processes of the environments; and the model, its optimiser, its buffer, its networks and their
    parameters: an environment that holds one of them (self-play) finds it again as the one that is trained.

    :param model: with its policy
    :param env: its environments
    """
    policy, processes = model.policy, processes_of(env)
    return {
        **({} if processes is None else {"processes": processes}),
        "model": model,
        "optimizer": policy.optimizer,
        "rollout_buffer": model.rollout_buffer,
        **{f"module {name}": module for name, module in policy.named_modules()},
        **{f"parameter {name}": parameter for name, parameter in policy.named_parameters()},
    }


def pickled_environment(model: OnPolicyAlgorithm, folder: Path) -> tuple[dict[str, bytes], str]:
    """The environments and the last observations as members of a file, or nothing and the reason.

    :param model: with its environments
    :param folder: of the file
    """
    env = model.env
    state = {"env": env} | {name: getattr(model, name) for name in ENVIRONMENT_STATE}
    try:
        processes = processes_of(env)
        # Then `env` is built anew, which empties the file of a VecMonitor.
        members = {ENVIRONMENT: pickled(state, folder, parts_of(model, env), with_files=processes is not None)}
        if processes is not None:
            members[PROCESSES] = pickle.dumps(process_states(processes, folder))
    except Exception as error:  # an environment may hold anything, and raise anything
        return {}, f"the environments cannot be pickled: {type(error).__name__}: {error}"
    return members, ""


def unpickled_environment(
    members: Mapping[str, bytes], path: Path, model: OnPolicyAlgorithm, env: GymEnv | None
) -> dict[str, Any]:
    """What ``pickled_environment`` made bytes of: attributes of the model by name, its ``env`` among them.

    :param members: of the file
    :param path: of the file
    :param model: that the environments may hold
    :param env: whose processes go on with the saved environments, when these were in processes
    :raises ValueError: when they cannot be read
    """
    try:
        environment: dict[str, Any] = unpickled(members[ENVIRONMENT], path.parent, parts_of(model, env))
        if PROCESSES in members:
            set_process_states(environment["env"].unwrapped, pickle.loads(members[PROCESSES]), path.parent)
    except Exception as error:
        raise ValueError(
            f"path={str(path)!r}: its environments cannot be read: {type(error).__name__}: {error}. Pass `env`, built "
            "as for the first run; its episodes start anew, which is not exact"
        ) from error
    return environment
