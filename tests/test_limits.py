"""The studies that show how far the harness goes."""

from __future__ import annotations

import pytest

from benchmarks.limits import Nothing, study_of
from sb3_ppo_variants.bench.study.study import Study


@pytest.mark.parametrize("runs", [20, 1000, 4000, 100_000])
def test_a_study_has_so_many_runs(runs: int) -> None:
    study = Study.model_validate(study_of(runs))
    assert len(study.arms) * len(study.environments) * len(study.seeds) == runs
    assert next(iter(study.arms)) == "arm0"


def test_an_episode_has_one_step() -> None:
    env = Nothing()
    env.reset(seed=0)
    assert env.step(0)[1:4] == (1.0, True, False)
