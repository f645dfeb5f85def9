"""The gallery, the sidebar and the reference are those of the records, the pages and the measured costs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks import cost
from docs import gallery
from sb3_ppo_variants import Term
from sb3_ppo_variants.hooks import HOOKS
from sb3_ppo_variants.regularizers import REGULARIZERS
from sb3_ppo_variants.rules import RULES
from sb3_ppo_variants.stops import STOPS
from sb3_ppo_variants.terms import TERMS
from sb3_ppo_variants.terms.clip import CLIP, clip
from tests.pages import ROOT


def rows() -> dict[str, list[str]]:
    """The cells of the gallery by the name of the variant."""
    _, _, *lines = gallery.table().splitlines()
    cells = [[cell.strip() for cell in gallery.CELL.split(line)[1:-1]] for line in lines]
    return {re.findall(r"\((\w+)\.md\)", row[0])[0]: row[1:] for row in cells}


def test_a_row_has_the_cells_of_the_page_the_record_and_the_costs() -> None:
    assert rows()["dual_clip"] == [
        '`DualClipPPO`, `objective=["clip", "dual_clip"]`',
        "loss of a bad action that became likely",
        "sample",
        "no",
        "1.10 / 0.99",
        "Ye et al. 2020",
    ]


@pytest.mark.parametrize(
    ("name", "per", "kl"),
    [
        ("kl_hinge", "minibatch", "yes"),
        ("kl_penalty", "sample", 'yes, with `kl_estimator="exact"`'),
        ("trust_region_clip", "sample", "no, but the old distribution"),
        ("band", "update", "once per update, to follow the KL"),
        ("bandit", "update", "no"),
        ("kl", "update", "yes, once per epoch"),
        ("ratio_deviation", "update", "no"),
        ("adaptive_clip", "sample", "once per update, or no"),
        ("churn", "other state", "yes, of one gradient step"),
        ("feature_drift", "sample", "no, but the old features"),
        ("outer_step", "update", "no"),
    ],
)
def test_where_a_limit_acts_and_whether_it_needs_the_kl(name: str, per: str, kl: str) -> None:
    assert rows()[name][2:4] == [per, kl]


def test_everything_has_a_row_and_a_place_in_the_sidebar() -> None:
    pages = {path.stem for path in gallery.PAGES.glob("*.md")} - {"README"}
    assert rows().keys() == pages
    assert {*re.findall(r"^variants/(\w+)$", gallery.sidebar(), re.MULTILINE)} == pages
    captions = ["Terms", "Rules", "Stops", "Regularizers", "Hooks", "Schedules", "Policies"]
    assert re.findall(":caption: (.*)", gallery.sidebar()) == captions


def test_the_reference_has_the_module_and_the_function() -> None:
    entry = (
        ".. automodule:: sb3_ppo_variants.stops.kl\n   :no-members:\n\n"
        ".. autofunction:: sb3_ppo_variants.stops.kl.mean_kl"
    )
    assert entry in gallery.reference("stops")
    assert gallery.modules("zoo", "algorithms", "settings") == ".. automodule:: sb3_ppo_variants.zoo.register"


def test_every_published_cost_is_that_of_a_variant() -> None:
    assert gallery.costs().keys() <= cost.VARIANTS.keys()
    assert cost.VARIANTS["dual_clip"] == {"objective": ["clip", "dual_clip"]}
    assert cost.VARIANTS["band"]["adapt"]["clip_range"]["target"] == 0.01
    assert cost.VARIANTS["bandit"]["adapt"]["clip_range"]["follow"] == "episode_return"


def test_a_cost_that_one_task_has_is_that_of_the_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("clip", "CartPole-v1", 1.0), ("clip", "Pendulum-v1", 1.0), ("rpo_noise", "Pendulum-v1", 1.214)]
    keys = ("variant", "environment", "median")
    measured = {"update_time_over_clip": [dict(zip(keys, row, strict=True)) for row in rows]}
    costs = tmp_path / "cost.json"
    monkeypatch.setattr(gallery, "COSTS", costs)
    costs.write_text(json.dumps(measured))
    assert gallery.costs() == {"clip": "1.00 / 1.00", "rpo_noise": "- / 1.21"}


def test_the_lines_of_a_part_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, names in (("regularizers", REGULARIZERS), ("hooks", HOOKS)):
        (tmp_path / "sb3_ppo_variants" / kind).mkdir(parents=True)
        for number, name in enumerate(names, start=1):
            (tmp_path / "sb3_ppo_variants" / kind / f"{name}.py").write_text("line\n" * number)
    monkeypatch.setattr(gallery, "ROOT", tmp_path)
    _, _, *rows = gallery.lines().splitlines()
    assert rows[1:4] == [
        '| regularizer | `regularizers="feature_drift"` | [feature_drift](variants/feature_drift.md) | 2 |',
        "| hook | `outer_step=1.3`, `outer_momentum=0.3` | [outer_step](variants/outer_step.md) | 1 |",
        "| hook | `reset_adam_step=True` | [reset_adam_step](variants/reset_adam_step.md) | 2 |",
    ]
    assert len(rows) == len(REGULARIZERS) + len(HOOKS)


@pytest.fixture
def with_a_new_term(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package with a term that is its file and nothing else."""
    monkeypatch.setitem(TERMS, "new_clip", Term("new_clip", clip, stage="shape", coefficients=CLIP.coefficients))
    monkeypatch.setitem(gallery.GROUPS, "Terms", [*TERMS])


@pytest.mark.usefixtures("with_a_new_term")
def test_what_a_new_term_needs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gallery.missing() == [
        "terms/new_clip.py has no tests: write tests/terms/test_new_clip.py",
        "terms/new_clip.py has no page: write docs/variants/new_clip.md, like clip.md there",
    ]
    monkeypatch.setattr(gallery, "PAGES", tmp_path)
    page = tmp_path / "new_clip.md"
    page.write_text("# New\n\n| selected by | paper |\n| --- | --- |\n| `objective` | none |\n")
    assert (
        "docs/variants/new_clip.md has no table selected by, what it limits, paper: write it, like clip.md there"
        in gallery.missing()
    )
    assert rows() == {}
    page.write_text("| selected by | what it limits | paper |\n| --- | --- | --- |\n| `objective` | much | none |\n")
    assert rows() == {"new_clip": ["`objective`", "much", "sample", "no", "not measured", "none"]}


@pytest.mark.parametrize(
    ("parts", "counted"),
    [
        (TERMS, {14: "has fourteen terms"}),
        (RULES, {4: "Four rules adapt"}),
        (STOPS, {2: "Two conditions end"}),
        (REGULARIZERS, {2: "two regularizers"}),
        (HOOKS, {5: "five hooks"}),
    ],
    ids=["terms", "rules", "stops", "regularizers", "hooks"],
)
def test_the_counts_of_the_readme(parts: dict[str, object], counted: dict[int, str]) -> None:
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert counted[len(parts)] in readme
