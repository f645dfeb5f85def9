"""Training in EnvPool's environments: what a run leaves, and what is refused before it begins."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from stable_baselines3.common.monitor import load_results
from stable_baselines3.common.vec_env import VecFrameStack, VecNormalize

from sb3_ppo_variants.bench.report.sections.provenance import what_was_run
from sb3_ppo_variants.bench.runs.environments import make_env, make_evaluation_env
from sb3_ppo_variants.bench.runs.provenance import provenance
from sb3_ppo_variants.bench.runs.record import NotWhole, read_record
from sb3_ppo_variants.bench.runs.train import execute
from sb3_ppo_variants.bench.trials import estimated_seconds
from sb3_ppo_variants.bench.validation import load_study
from sb3_ppo_variants.vec_env import EnvPoolVecEnv, FastDummyVecEnv
from tests.bench.conftest import WriteStudy
from tests.bench.report.sections.test_provenance import EMPTY
from tests.bench.statistics.numbers import make_study
from tests.bench.studies import RUN, mistakes

pytest.importorskip("envpool")
POOLED = replace(RUN, vec_env="envpool", normalize={"gamma": 0.9})


def test_training_in_envpool_and_evaluation_in_gymnasium() -> None:
    run = replace(POOLED, frame_stack=2)
    for env, inner in ((make_env(run), EnvPoolVecEnv), (make_evaluation_env(run), FastDummyVecEnv)):
        assert isinstance(env, VecFrameStack)
        assert isinstance(env.venv, VecNormalize)
        assert type(env.unwrapped) is inner
        assert env.observation_space.shape == (8,)


def test_what_a_run_leaves(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("once", "again", "dummy")]
    for folder, run in zip(folders, (POOLED, POOLED, replace(POOLED, vec_env="dummy")), strict=True):
        folder.mkdir()
        execute(run, folder, "test")
    once, again, dummy = (load_results(str(folder))["l"].tolist() for folder in folders)
    assert once == again != dummy
    with np.load(folders[0] / "evaluations.npz") as one, np.load(folders[1] / "evaluations.npz") as two:
        assert one["timesteps"].tolist() == [32, 64]
        np.testing.assert_array_equal(one["results"], two["results"])
    record = read_record(POOLED, folders[0], thorough=True)
    assert record["provenance"]["envpool"] == metadata.version("envpool")
    assert "envpool" not in json.loads((folders[2] / "run.json").read_text())["provenance"]
    # RL Zoo, which reads this file, has no EnvPool.
    assert yaml.safe_load((folders[0] / "CartPole-v1" / "args.yml").read_text())["vec_env"] == "dummy"
    (folders[0] / "0.monitor.csv").unlink()
    with pytest.raises(NotWhole, match="0.monitor.csv is missing"):
        read_record(POOLED, folders[0])


def test_the_report_names_the_version() -> None:
    places: list[dict[str, Any]] = [{"provenance": provenance("test", vec_env)} for vec_env in ("dummy", "envpool")]
    terms = []
    for records in (places[:1], places):
        tables = replace(EMPTY, records=records)
        section = what_was_run(make_study(), tables, failed=0, missing=0, parquet=True)
        terms.append({definition.term: definition.texts for definition in section.definitions})
    assert "EnvPool" not in terms[0]
    assert terms[1]["EnvPool"] == [metadata.version("envpool")]


def test_its_time_is_estimated() -> None:
    assert estimated_seconds(POOLED) > 0


CART_POLE = "CartPole-v1: {n_envs: 2, normalize: true, frame_stack: 2}"
STUDY = f"""
    name: pooled
    total_timesteps: 1000
    seeds: 1
    evaluation: {{every: 100}}
    arguments: {{device: cpu}}
    vec_env: envpool
    environments:
      {CART_POLE}
      Pendulum-v1: {{vec_env: dummy, env_wrapper: gymnasium.wrappers.TimeAwareObservation}}
"""


def test_each_environment_has_its_own_way(write_study: WriteStudy) -> None:
    study = load_study(write_study(STUDY))
    assert [study.run("ppo", name, 0).vec_env for name in study.environments] == ["envpool", "dummy"]


REFUSED = """
    name: pooled
    total_timesteps: 1000
    seeds: 1
    evaluation: {every: 100}
    arguments: {device: cpu}
    vec_env: envpool
    environments:
      Pendulum-v1: {env_wrapper: gymnasium.wrappers.TimeAwareObservation}
      MountainCar-v0: {env_kwargs: {render_mode: rgb_array, goal_velocity: 0.01}}
      Acrobot-v1: {vec_env_wrapper: {stable_baselines3.common.vec_env.VecExtractDictObs: {key: image}}}
      CheetahRun-v1: {}
      gymnasium:CartPole-v0: {}
"""


def test_what_envpool_cannot_do_is_refused(write_study: WriteStudy) -> None:
    found = mistakes(write_study(REFUSED))
    wrapped, unknown, layered, missing, prefixed = (line.removeprefix("environments.") for line in found)
    assert wrapped == (
        "Pendulum-v1: vec_env: envpool: ValueError: env_wrapper=[{'gymnasium.wrappers.TimeAwareObservation': {}}]: "
        "environments of EnvPool cannot be wrapped one by one; say vec_env_wrapper, or vec_env: dummy"
    )
    assert unknown.startswith(
        "MountainCar-v0: vec_env: envpool: ValueError: env_kwargs: an argument of MountainCar-v0='goal_velocity' is not"
    )
    assert layered.startswith("Acrobot-v1: vec_env: envpool evaluates in Gymnasium's environment, which cannot be ")
    assert missing.startswith(
        "CheetahRun-v1: vec_env: envpool evaluates in Gymnasium's environment, which cannot be made: NameNotFound: "
    )
    assert prefixed == (
        "gymnasium:CartPole-v0: vec_env: envpool: ValueError: env_id='gymnasium:CartPole-v0' is not known to EnvPool. "
        "Did you mean 'CartPole-v0'?"
    )


def test_other_spaces_than_those_of_gymnasium_are_refused(write_study: WriteStudy) -> None:
    found = mistakes(write_study(STUDY.replace(CART_POLE, "Blackjack-v1: {}")))
    assert found[0] == (
        "environments.Blackjack-v1: vec_env: envpool: observation_space is Box(0, 31, (3,), int32), but "
        "Tuple(Discrete(32), Discrete(11), Discrete(2)) in Gymnasium, where evaluations take place"
    )


def test_without_envpool_it_says_what_to_install(write_study: WriteStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "envpool", None)
    assert mistakes(write_study(STUDY)) == [
        "environments.CartPole-v1: vec_env: envpool: ImportError: EnvPoolVecEnv needs EnvPool: "
        'pip install "sb3-ppo-variants[envpool]"'
    ]
