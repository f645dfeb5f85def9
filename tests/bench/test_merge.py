"""``ppo-bench merge``: the finished runs of several folders in one."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sb3_ppo_variants.bench.cli import main
from sb3_ppo_variants.bench.merge import Contradictions, merge
from sb3_ppo_variants.bench.runs.record import files_of
from sb3_ppo_variants.bench.table.files import RECORDS_FILE, TABLE_FILES, write
from sb3_ppo_variants.bench.table.stored import read_of_any_study, select

PUBLISHED = Path(__file__).parents[2] / "benchmarks/published/ablation"


def make_run(root: Path, arm: str, seed: int, returns: list[float], **provenance: Any) -> Path:
    """Make the folder of a finished run, as far as it is read."""
    identity = f"{arm}{seed}"
    folder = root / arm / f"CartPole-v1_{seed}-{identity}"
    folder.mkdir(parents=True)
    steps = 64 * np.arange(1, len(returns) + 1)
    results = np.array(returns)[:, None]
    np.savez(folder / "evaluations.npz", timesteps=steps, results=results, ep_lengths=results)
    (folder / "progress.csv").write_text("")
    known = {"versions": {"torch": "2"}, "python": "", "platform": "", "cpu": "one", "git": None, "command": ""}
    record = {
        "identity": identity,
        "configuration": {"arm": arm, "environment": "CartPole-v1", "seed": seed, "total_timesteps": 128},
        "provenance": {**known, **provenance},
        "started": "",
        "finished": "",
        "wall_seconds": 1.0,
        "files": files_of(folder),
    }
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def content(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def part_of(folder: Path, arm: str) -> Path:
    """The published tables of one arm alone."""
    tables = read_of_any_study(PUBLISHED)
    assert tables is not None
    own = tables.results[tables.results["arm"] == arm]
    labels = list(own[["arm", "environment", "seed"]].drop_duplicates().itertuples(index=False, name=None))
    folder.mkdir()
    write(select(tables, labels, set(own["identity"])), folder)
    return folder


def test_runs_are_linked_and_the_folders_stay(tmp_path: Path) -> None:
    one, other, target = tmp_path / "one", tmp_path / "other", tmp_path / "all"
    first = make_run(one, "ppo", 0, [1.0, 2.0])
    make_run(other, "ppo", 0, [1.0, 2.0])
    make_run(other, "ppo", 1, [3.0, 4.0])
    before = content(one), content(other)
    merged = merge([one, other], target)
    assert (merged.copied, merged.kept, merged.left_out, merged.notes) == (2, 0, [], [])
    assert content(target) == content(other)
    assert (content(one), content(other)) == before
    copy = target / first.relative_to(one)
    assert os.path.samefile(copy / "evaluations.npz", first / "evaluations.npz")
    again = merge([one, other], target)
    assert (again.copied, again.kept) == (0, 2)


def test_a_copy_is_not_that_of_a_dead_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it would be with the time of its source: `run` removes those, in the folder that is merged into."""
    folder = make_run(tmp_path / "one", "ppo", 0, [1.0, 2.0])
    os.utime(folder, (0, 0))
    times: list[float] = []

    def moved(partial: Path, final: Path) -> None:
        times.append(partial.stat().st_mtime)

    monkeypatch.setattr("sb3_ppo_variants.bench.merge.move_into_place", moved)
    merge([tmp_path / "one"], tmp_path / "all")
    assert len(times) == 1
    assert times[0] > 1e9


def test_a_killed_merge_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, target = tmp_path / "one", tmp_path / "all"
    for seed in range(3):
        make_run(one, "ppo", seed, [1.0, 2.0])
    renames = iter([os.rename])

    def rename(*paths: Any) -> None:
        next(renames)(*paths)

    with monkeypatch.context() as patch:
        patch.setattr("os.rename", rename)
        with pytest.raises(StopIteration):
            merge([one], target)
    assert [path.name for path in (target / "ppo").iterdir()] == ["CartPole-v1_0-ppo0"]
    merged = merge([one], target)
    assert (merged.copied, merged.kept) == (2, 1)
    assert content(target) == content(one)


def test_different_numbers_are_refused_and_nothing_is_copied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other, target = tmp_path / "one", tmp_path / "other", tmp_path / "all"
    first, second = make_run(one, "ppo", 0, [1.0, 2.0]), make_run(other, "ppo", 0, [1.0, 2.5])
    make_run(other, "ppo", 1, [1.0, 2.0])
    assert main(["merge", str(one), str(other), "-o", str(target)]) == 2
    mistake = f"{first} and {second} have different numbers for ppo on CartPole-v1, seed 0, ppo0; remove one of them"
    assert capsys.readouterr().err.splitlines() == ["The folders cannot be merged:", f"  {mistake}"]
    assert not target.exists()


def test_evaluations_beyond_the_budget_do_not_count(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    make_run(one, "ppo", 0, [1.0, 2.0, 3.0])
    make_run(other, "ppo", 0, [1.0, 2.0, 9.0])
    assert merge([one, other], tmp_path / "all").copied == 1


def test_damaged_runs_are_left_out_and_differences_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other, target = tmp_path / "one", tmp_path / "other", tmp_path / "all"
    make_run(one, "ppo", 0, [1.0, 2.0])
    make_run(other, "ppo", 1, [1.0, 2.0], cpu="another", versions={"torch": "3"})
    damaged = make_run(other, "ppo", 2, [1.0, 2.0])
    (damaged / "evaluations.npz").write_bytes(b"")
    assert main(["merge", str(one), str(other), "-o", str(target)]) == 0
    left_out, versions, processors, last, after = capsys.readouterr().out.splitlines()
    assert left_out == f"left out: {damaged}: evaluations.npz is not as the run left it"
    assert "torch: 2, 3" in versions
    assert "one, another" in processors
    assert last == f"{target} has 2 runs: 2 copied, 0 there before"
    assert after == (
        f"Next: ppo-bench report STUDY.yaml --results {tmp_path}, with the study file of these runs, "
        "whose name has to be all"
    )


def test_damaged_tables_of_the_target_are_not_overwritten(tmp_path: Path) -> None:
    """Runs that only they have would be lost."""
    one, target = part_of(tmp_path / "one", "ppo"), part_of(tmp_path / "all", "limits")
    (target / "times.csv.gz").write_bytes(b"damaged")
    before = content(target)
    with pytest.raises(Contradictions) as raised:
        merge([one], target)
    (mistake,) = raised.value.mistakes
    assert mistake.startswith(f"{target}: its tables cannot be read, BadGzipFile: ")
    assert mistake.endswith("; restore or remove them")
    assert content(target) == before
    (one / "times.csv.gz").write_bytes(b"damaged")
    with pytest.raises(Contradictions, match="one: it has no finished run"):
        merge([one], tmp_path / "new")


def test_what_is_in_the_way_of_a_run_is_named(tmp_path: Path) -> None:
    """The run was said to be copied, and was not."""
    good = make_run(tmp_path / "one", "ppo", 0, [1.0, 2.0])
    damaged = make_run(tmp_path / "all", "ppo", 0, [1.0, 2.0])
    (damaged / "evaluations.npz").write_bytes(b"")
    with pytest.raises(Contradictions, match="is no finished run and in the way of") as raised:
        merge([tmp_path / "one"], tmp_path / "all")
    assert raised.value.mistakes == [f"{damaged} is no finished run and in the way of {good}; remove it"]
    shutil.rmtree(damaged)
    assert merge([tmp_path / "one"], tmp_path / "all").copied == 1


def test_runs_that_only_tables_have(tmp_path: Path) -> None:
    one, other = part_of(tmp_path / "one", "ppo"), part_of(tmp_path / "other", "limits")
    target = tmp_path / "all"
    assert merge([one, other], target).copied == 20
    assert merge([one, other], target).kept == 20
    published = pd.read_csv(PUBLISHED / "results.csv")
    expected = published[published["arm"].isin(["ppo", "limits"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.read_csv(target / "results.csv"), expected)
    assert {*TABLE_FILES, RECORDS_FILE} <= content(target).keys()
    results = (other / "results.csv").read_text()
    (other / "results.csv").write_text(results.replace("407.1,", "407.2,", 1))
    with pytest.raises(Contradictions, match="have different numbers for limits on CartPole-v1, seed 0, 63e251efcd"):
        merge([other], target)


def test_trials_have_to_be_the_same(tmp_path: Path) -> None:
    one, other, target = tmp_path / "one", tmp_path / "other", tmp_path / "all"
    for root, seed in ((one, 0), (other, 1)):
        make_run(root, "ppo", seed, [1.0, 2.0])
        (root / "trials.csv").write_text("arm\nppo\n")
    merge([one, other], target)
    assert (target / "trials.csv").read_text() == "arm\nppo\n"
    (other / "trials.csv").write_text("arm\n")
    with pytest.raises(Contradictions, match=r"one/trials\.csv and .*other/trials\.csv are different"):
        merge([one, other], tmp_path / "more")


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    one = tmp_path / "one"
    make_run(one, "ppo", 0, [1.0, 2.0])
    with pytest.raises(Contradictions) as caught:
        merge([one, tmp_path / "gone"], one)
    assert caught.value.mistakes == [
        f"{tmp_path / 'gone'}: there is no such folder",
        f"{one}: give another folder to merge into",
    ]
    (tmp_path / "empty").mkdir()
    shutil.rmtree(one / "ppo")
    with pytest.raises(Contradictions) as caught:
        merge([one, tmp_path / "empty"], tmp_path / "all")
    assert caught.value.mistakes == [f"{one}: it has no finished run", f"{tmp_path / 'empty'}: it has no finished run"]
