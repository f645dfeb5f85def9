from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.tuning.search import Search, Trial, searches
from sb3_ppo_variants.bench.tuning.table import NotTuned, read_searches, write_searches
from tests.bench.tuning.trials import make_study


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "tuned")


def with_trials(search: Search, *scores: tuple[float, float]) -> Search:
    arguments = {name: 0.1 + 0.2 if name == "learning_rate" else 64 for name in search.space}
    return replace(search, trials=tuple(Trial(number, arguments, each) for number, each in enumerate(scores)))


def known(study: Study, folders: Folders) -> list[tuple[Trial, ...]]:
    return [search.trials for search in read_searches(study, folders)]


def test_what_is_written_is_read(folders: Folders) -> None:
    study = make_study()
    ppo, kl = searches(study)
    assert known(study, folders) == [(), ()]
    written = [with_trials(ppo, (1.0, 1 / 3)), with_trials(kl, (2.0, math.nan), (-1e-7, 0.0))]
    write_searches(written, folders)
    (first,), (failed, second) = known(study, folders)
    assert first == written[0].trials[0]
    assert second == written[1].trials[1]
    assert failed.failed
    assert failed.scores[0] == 2.0
    lines = (folders.root / "trials.csv").read_text().splitlines()
    assert lines[0] == "arm,environment,search,trial,state,score,steps,scores,arguments"
    assert lines[1].startswith(f'kl,CartPole-v1,{kl.identity},0,failed,,400,"[2.0, null]","{{""learning_rate""')
    assert lines[2].startswith(f'kl,CartPole-v1,{kl.identity},1,finished,-5e-08,400,"[-1e-07, 0.0]",')


def test_trials_are_added(folders: Folders) -> None:
    study = make_study()
    ppo, kl = searches(study)
    write_searches([with_trials(ppo, (1.0, 1.0), (2.0, 2.0))], folders)
    before = (folders.root / "trials.csv").read_bytes()
    # Another runner, which is behind.
    write_searches([with_trials(ppo, (1.0, 1.0))], folders)
    assert (folders.root / "trials.csv").read_bytes() == before
    write_searches([with_trials(kl, (1.0, 1.0))], folders)
    assert list(map(len, known(study, folders))) == [2, 1]


def test_trials_of_other_settings_stay(folders: Folders) -> None:
    written = make_study()
    study = make_study(total_timesteps=300)
    write_searches([with_trials(each, (1.0, 1.0)) for each in searches(written)], folders)
    assert known(study, folders) == [(), ()]
    write_searches([with_trials(searches(study)[0], (2.0, 2.0), (3.0, 3.0))], folders)
    assert list(map(len, known(study, folders))) == [2, 0]
    assert list(map(len, known(written, folders))) == [1, 1]


def test_fewer_trials_are_the_first_ones(folders: Folders) -> None:
    study = make_study()
    write_searches([with_trials(searches(study)[0], *[(1.0, 1.0)] * 5)], folders)
    tune = {**study.tune.model_dump(), "trials": 3} if study.tune else {}
    assert list(map(len, known(make_study(tune=tune), folders))) == [3, 0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[1.0, 1.0]", "[1.0]"),
        ("n_steps", "n_step"),
        (",1,finished", ",2,finished"),
        ("[1.0, 1.0]", "[1.0, x]"),
        ("arm,", "harm,"),
        ("}\"\n", "}\""),
    ],
)  # fmt: skip
def test_a_damaged_table_is_no_table(folders: Folders, old: str, new: str) -> None:
    study = make_study()
    write_searches([with_trials(searches(study)[0], *[(1.0, 1.0)] * 3)], folders)
    path = folders.root / "trials.csv"
    text = path.read_text()
    assert old in text
    path.write_text(new.join(text.rsplit(old, 1)))
    with pytest.raises(NotTuned, match=r"trials.csv cannot be read \(.*\); without the file, all trials are"):
        read_searches(study, folders)
