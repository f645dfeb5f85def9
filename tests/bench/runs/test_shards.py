from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sb3_ppo_variants.bench.cli import main
from sb3_ppo_variants.bench.runs.executors import shard
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study
from tests.bench.conftest import WriteStudy
from tests.bench.faults import STUDY


def runs(environments: int, arms: int, seeds: int) -> list[Run]:
    """Runs of a study; PPO is one of the arms."""
    study = Study.model_validate(
        {
            "name": "sharded",
            "total_timesteps": 1000,
            "seeds": seeds,
            "evaluation": {"every": 100},
            "environments": [f"environment-{number}" for number in range(environments)],
            "arms": {f"arm{number}": {"algorithm": "stable_baselines3.PPO"} for number in range(arms - 1)},
        }
    )
    return study.runs


def labels(some: list[Run]) -> list[tuple[str, str, int]]:
    return [(run.arm, run.environment, run.seed) for run in some]


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 5), st.integers(1, 7))
def test_shards_are_the_study_without_overlap(environments: int, arms: int, seeds: int, count: int) -> None:
    everything = runs(environments, arms, seeds)
    shares = [shard(everything, index, count) for index in range(1, count + 1)]
    dealt = [label for share in shares for label in labels(share)]
    assert sorted(dealt) == sorted(labels(everything))
    assert len(set(dealt)) == len(dealt)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert shares == [shard(everything, index, count) for index in range(1, count + 1)]


def test_every_share_has_its_part_of_every_arm_and_environment() -> None:
    everything = runs(environments=2, arms=4, seeds=10)
    # Ten seeds of each of eight pairs.
    for count, seeds in ((2, {5}), (4, {2, 3}), (5, {2}), (3, {3, 4})):
        for index in range(1, count + 1):
            pairs = Counter((run.arm, run.environment) for run in shard(everything, index, count))
            assert len(pairs) == 8
            assert set(pairs.values()) == seeds


def test_two_shares_of_a_study_of_one_seed() -> None:
    shares = [labels(shard(runs(environments=2, arms=2, seeds=1), index, 2)) for index in (1, 2)]
    assert shares == [
        [("arm0", "environment-0", 0), ("arm0", "environment-1", 0)],
        [("ppo", "environment-0", 0), ("ppo", "environment-1", 0)],
    ]


def test_a_share_keeps_the_order_of_the_study() -> None:
    assert labels(shard(runs(environments=1, arms=2, seeds=3), 2, 2)) == [
        ("ppo", "environment-0", 0),
        ("arm0", "environment-0", 1),
        ("ppo", "environment-0", 2),
    ]


@pytest.mark.slow
def test_two_jobs_of_an_array_make_the_study(
    write_study: WriteStudy, tmp_path: Path, undisturbed: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["run", str(write_study(STUDY)), "--results", str(tmp_path), "--workers", "2"]
    assert main([*command, "--shard", "1/2"]) == 0
    shown = capsys.readouterr().out
    assert "interrupted: 4 runs, 0 finished before" in shown
    assert "Runs of other shards are missing: no report yet." in shown
    assert not (tmp_path / "interrupted" / "results.csv").exists()
    assert main([*command, "--shard", "2/2"]) == 0
    assert (tmp_path / "interrupted" / "results.csv").read_bytes() == undisturbed
