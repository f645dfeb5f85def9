"""The documentation holds: its examples run, its links lead somewhere, its tables and figures are those of the code."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from sb3_ppo_variants import Minibatch, Term
from sb3_ppo_variants.arguments import Number
from sb3_ppo_variants.chain import Chain
from sb3_ppo_variants.kl import Parameters
from sb3_ppo_variants.rules import RULES
from sb3_ppo_variants.stops import STOPS
from sb3_ppo_variants.terms import TERMS
from tests.contract.classes import term_values

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
VARIANTS = DOCS / "variants"
FIGURES = DOCS / "figures"
GALLERY = VARIANTS / "README.md"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
VARIANT_PAGES = sorted(set(VARIANTS.glob("*.md")) - {GALLERY})
MARKDOWN = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "benchmarks/README.md"]

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)\s]+)\)")
SECTIONS = ["Equation", "What it limits", "Arguments", "Log keys", "When it helps, and when it does not", "Example"]
CELLS = re.compile(r"(?<!\\)\|")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def python_blocks(page: Path) -> list[str]:
    return [code for language, code in BLOCK.findall(page.read_text()) if language == "python"]


def prose(page: Path) -> str:
    """The text without its blocks of code."""
    return BLOCK.sub("", page.read_text())


def tables(text: str) -> list[list[str]]:
    """The cells of all rows of all tables, headings included."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in CELLS.split(row)[1:-1]] for row in rows]


def section(page: Path, title: str) -> str:
    return page.read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]


def links(page: Path) -> list[str]:
    """The targets within the repository."""
    return [target for _, target in LINK.findall(prose(page)) if "://" not in target]


def anchors(page: Path) -> set[str]:
    """The fragments that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [page for page in PAGES if python_blocks(page)], ids=name_of)
def test_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All blocks of a page one after the other, as a reader would, but `learn` ends after one short update."""
    learn = OnPolicyAlgorithm.learn

    def learn_once(model: Any, total_timesteps: int, *args: Any, **kwargs: Any) -> Any:
        model.n_epochs = 1
        return learn(model, min(total_timesteps, 1), *args, **kwargs)

    monkeypatch.setattr(OnPolicyAlgorithm, "learn", learn_once)
    monkeypatch.chdir(tmp_path)
    PPO("MlpPolicy", "CartPole-v1").save("from_somebody")  # what differences.md loads
    namespace: dict[str, Any] = {}
    for code in python_blocks(page):
        if "import wandb" in code:  # an extra of its own, with a test in the environment that has it
            pytest.importorskip("wandb")
        exec(compile(code, name_of(page), "exec"), namespace)


@pytest.mark.parametrize("page", MARKDOWN, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not fragment or fragment in anchors(target), link


def test_every_variant_has_a_page_that_the_gallery_links() -> None:
    names = [*TERMS, *RULES, *STOPS]
    assert len(set(names)) == len(names)
    assert {f"{name}.md" for name in names} <= {page.name for page in VARIANT_PAGES}
    linked = [LINK.findall(row[0])[0][1] for row in gallery_rows()]
    assert sorted(linked) == [page.name for page in VARIANT_PAGES]


@pytest.mark.parametrize("page", VARIANT_PAGES, ids=name_of)
def test_a_variants_page_has_what_a_reader_needs(page: Path) -> None:
    text = page.read_text()
    places = [text.find(f"\n## {title}\n") for title in SECTIONS]
    assert -1 not in places
    assert all(before < after for before, after in pairwise(places))
    assert BLOCK.search(section(page, "Equation"))
    assert re.search(r"arXiv\s\d{4}\.\d{4,5}", text)
    assert "model.learn(" in section(page, "Example")
    if page.stem in TERMS:
        assert f"../figures/{page.stem}.svg" in links(page)


def gallery_rows() -> list[list[str]]:
    """The rows of the decision table."""
    heading, dashes, *rows = tables(section(GALLERY, "All of them"))
    assert heading == ["variant", "selected by", "what it limits", "per", "exact KL", "cost", "paper"]
    assert set("".join(dashes)) == {"-"}
    return rows


def test_the_gallery_has_a_place_for_every_cost() -> None:
    """A marker that says which measurement belongs there, or the name of the row that has it."""
    for row in gallery_rows():
        assert re.match(r"<!-- cost:\w+ -->|as \w+$", row[5]), row[0]


@pytest.mark.parametrize("term", TERMS.values(), ids=TERMS)
def test_the_gallery_agrees_with_the_records_of_the_terms(term: Term) -> None:
    (row,) = [row for row in gallery_rows() if row[0].startswith(f"[`{term.name}`]")]
    assert row[3] == ("minibatch" if term.per_batch else "sample")
    assert row[4].split(";")[0].split(",")[0] == ("yes" if term.needs_kl(term_values(term)) else "no")
    assert f'"{term.name}"' in row[1]


def documented_arguments(name: str) -> dict[str, str]:
    """Argument to default, from the page of a variant."""
    return {row[0].strip("`"): row[1].strip("`") for row in tables(section(VARIANTS / f"{name}.md", "Arguments"))[2:]}


@pytest.mark.parametrize("term", TERMS.values(), ids=TERMS)
def test_the_arguments_of_a_term_are_documented(term: Term) -> None:
    documented = documented_arguments(term.name)
    numbers = {c.name: c.default for c in term.coefficients}
    assert documented == {name: str(value) for name, value in numbers.items()} | {
        option.name: f'"{option.default}"' for option in term.options
    }


def default_of(number: Number) -> str:
    if number.default is None:
        return "needed"
    return str(int(number.default) if number.whole else number.default)


@pytest.mark.parametrize("name", RULES)
def test_the_arguments_of_a_rule_are_documented(name: str) -> None:
    assert documented_arguments(name) == {number.name: default_of(number) for number in RULES[name].arguments}


@pytest.mark.parametrize("name", STOPS)
def test_the_argument_of_a_stop_is_documented(name: str) -> None:
    (stop, *_) = documented_arguments(name)
    assert stop == f'stop={{"{name}": ...}}'


@pytest.mark.parametrize("term", TERMS.values(), ids=TERMS)
def test_the_log_keys_of_a_term_are_documented(term: Term) -> None:
    documented = set(re.findall(r"`train/(\w+)`", section(VARIANTS / f"{term.name}.md", "Log keys")))
    old = Parameters("normal", (th.zeros(3, 1), th.ones(3, 1)))
    new = Parameters("normal", (th.full((3, 1), 0.1), th.ones(3, 1)))
    chain = Chain([term]).bind(term_values(term))
    prepared = chain.prepare(old, th.zeros(3, 1))
    minibatch = Minibatch(th.tensor([1.0, 0.0, -1.0]), th.tensor([0.1, 0.0, -0.1]), old, new, prepared)
    logged = set(chain.statistics(minibatch)) | {coefficient.name for coefficient in term.coefficients}
    assert logged <= documented


def test_every_figure_is_shown() -> None:
    shown = {
        (page.parent / target).resolve()
        for page in PAGES
        for image, target in LINK.findall(prose(page))
        if image and "://" not in target
    }
    assert set(FIGURES.iterdir()) <= shown


NUMBER = re.compile(r"(?<![\w.#-])-?\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.])")


def test_figures_are_those_of_the_code(tmp_path: Path) -> None:
    """The same text, with numbers that may differ by the rounding of another processor."""
    subprocess.run([sys.executable, DOCS / "draw_variants.py", tmp_path], cwd=ROOT, check=True, capture_output=True)
    drawn, kept = ({path.name: path.read_text() for path in folder.glob("*.svg")} for folder in (tmp_path, FIGURES))
    assert sorted(drawn) == sorted(kept)
    if f"matplotlib=={version('matplotlib')};" not in (ROOT / "constraints.txt").read_text():
        pytest.skip("another matplotlib than the one that drew the figures sets text and ticks in its own way")
    for name, svg in drawn.items():
        assert NUMBER.sub("", svg) == NUMBER.sub("", kept[name]), name
        numbers, expected = ([float(number) for number in NUMBER.findall(text)] for text in (svg, kept[name]))
        assert numbers == pytest.approx(expected, abs=0.001), name


def test_costs_are_those_that_were_measured() -> None:
    script = runpy.run_path(str(DOCS / "fill_costs.py"))
    page = (VARIANTS / "README.md").read_text()
    assert len(script["CELL"].findall(page)) == 20
    assert script["filled"](page) == page
