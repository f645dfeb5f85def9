from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from sb3_ppo_variants.bench.study.study import Study
from tests.bench.studies import FULL, RUN

# As it was before there were wrappers.
HASHED_JSON = (
    '{"algorithm":"stable_baselines3.PPO","arguments":{"batch_size":16,"device":"cpu","n_steps":16},'
    '"defaults":{},"env_kwargs":{},"environment":"CartPole-v1","evaluation_episodes":1,'
    '"evaluation_every":32,"n_envs":2,"normalize":null,"policy":"MlpPolicy","seed":3,"total_timesteps":64}'
)


def test_identity_is_of_the_configuration_and_nothing_else() -> None:
    study = Study.model_validate(FULL)
    run = study.run("late", "CartPole-v1", 0)
    assert len(run.identity) == 10
    assert replace(run, arm="renamed").identity == run.identity
    scored_otherwise = Study.model_validate({**FULL, "evaluation": {"every": 100, "episodes": 3, "last": 1}})
    assert scored_otherwise.run("late", "CartPole-v1", 0).identity == run.identity
    others = [
        replace(run, seed=1),
        replace(run, total_timesteps=1001),
        replace(run, arguments={**run.arguments, "gamma": 0.71}),
        replace(run, defaults={**run.defaults, "clip_range": 0.3}),
        replace(run, evaluation_episodes=4),
        replace(run, environment="CartPole-v0"),
    ]
    assert len({run.identity, *(other.identity for other in others)}) == 7


def test_identity_does_not_depend_on_the_order_of_arguments() -> None:
    run = Study.model_validate(FULL).run("late", "CartPole-v1", 0)
    turned = replace(run, arguments=dict(reversed(run.arguments.items())))
    assert turned.identity == run.identity


def test_names_with_separators_become_file_names() -> None:
    run = replace(Study.model_validate(FULL).run("ppo", "CartPole-v1", 3), environment="my_package:ns/Task-v0")
    assert run.folder_name == f"my_package-ns-Task-v0_3-{run.identity}"


def test_fields_at_their_default_are_not_hashed() -> None:
    assert RUN.hashed_json == HASHED_JSON
    assert RUN.identity == hashlib.sha256(HASHED_JSON.encode()).hexdigest()[:10]
    wrapper = "gymnasium.wrappers.TimeAwareObservation"
    changed: list[dict[str, Any]] = [
        {"vec_env": "subproc"},
        {"vec_env": "envpool"},
        {"env_wrapper": [{wrapper: {}}]},
        {"vec_env_wrapper": [{wrapper: {}}]},
        {"frame_stack": 2},
        {"evaluation_deterministic": False},
    ]
    assert len({RUN.identity, *(replace(RUN, **change).identity for change in changed)}) == 7


def test_what_a_run_prints_is_no_part_of_its_identity() -> None:
    quiet = Study.model_validate(FULL).run("late", "CartPole-v1", 0)
    loud = Study.model_validate({**FULL, "arguments": {**FULL["arguments"], "verbose": 1}})  # type: ignore[dict-item]
    assert loud.run("late", "CartPole-v1", 0).arguments["verbose"] == 1
    assert loud.run("late", "CartPole-v1", 0).hashed_json == quiet.hashed_json
