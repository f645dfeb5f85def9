"""The documentation holds: its links lead somewhere, its tables and figures are those of the code."""

from __future__ import annotations

import inspect
import pkgutil
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch as th

import sb3_ppo_variants
from benchmarks import symptoms
from docs import fill
from sb3_ppo_variants import Minibatch, Term, VariantPPO
from sb3_ppo_variants.chain import Chain
from sb3_ppo_variants.coefficients import Number
from sb3_ppo_variants.hooks import HOOKS
from sb3_ppo_variants.kl import Distributions
from sb3_ppo_variants.regularization import BoundRegularizers
from sb3_ppo_variants.regularizers import REGULARIZERS
from sb3_ppo_variants.rules import RULES
from sb3_ppo_variants.stops import STOPS
from sb3_ppo_variants.terms import TERMS
from tests.contract.classes import term_values
from tests.models import BAND
from tests.pages import BLOCK, DOCS, MARKDOWN, PAGES, ROOT, blocks, name_of, prose

VARIANTS = DOCS / "variants"
FIGURES = DOCS / "figures"
GALLERY = VARIANTS / "README.md"
VARIANT_PAGES = sorted(set(VARIANTS.glob("*.md")) - {GALLERY})

LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)\s]+)\)")
SECTIONS = ["Equation", "What it limits", "Arguments", "Log keys", "When it helps, and when it does not", "Example"]
CELLS = re.compile(r"(?<!\\)\|")


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


@pytest.mark.parametrize("page", MARKDOWN, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not fragment or fragment in anchors(target), link


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


# What lacks a page is named by tests/docs/test_fill.py, once.
WITH_A_PAGE = {page.stem for page in VARIANT_PAGES}
each_term = pytest.mark.parametrize(
    "term", [TERMS[name] for name in TERMS if name in WITH_A_PAGE], ids=lambda t: t.name
)


def documented_arguments(name: str) -> dict[str, str]:
    """Argument to default, from the page of a variant."""
    return {row[0].strip("`"): row[1].strip("`") for row in tables(section(VARIANTS / f"{name}.md", "Arguments"))[2:]}


@each_term
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


@pytest.mark.parametrize("name", sorted(WITH_A_PAGE & RULES.keys()))
def test_the_arguments_of_a_rule_are_documented(name: str) -> None:
    assert documented_arguments(name) == {number.name: default_of(number) for number in RULES[name].arguments}


@pytest.mark.parametrize("name", sorted(WITH_A_PAGE & STOPS.keys()))
def test_the_argument_of_a_stop_is_documented(name: str) -> None:
    (stop, *_) = documented_arguments(name)
    assert stop == f'stop={{"{name}": ...}}'


@pytest.mark.parametrize("name", sorted(WITH_A_PAGE & REGULARIZERS.keys()))
def test_the_arguments_and_log_keys_of_a_regularizer_are_documented(name: str) -> None:
    values = {coefficient.name: coefficient.default for coefficient in REGULARIZERS[name].coefficients}
    assert documented_arguments(name) == {argument: str(value) for argument, value in values.items()}
    logged = BoundRegularizers([REGULARIZERS[name]], values).statistics(th.ones(2, 1), th.ones(2))
    assert documented_keys(name) == {*logged, *values}


@pytest.mark.parametrize("name", sorted(WITH_A_PAGE & HOOKS.keys()))
def test_the_arguments_of_a_hook_are_documented(name: str) -> None:
    parameters = inspect.signature(VariantPPO).parameters
    # The learning rate of the critic is an argument of every model, as a coefficient.
    own = [argument.name for argument in HOOKS[name].arguments] or [name]
    assert documented_arguments(name) == {argument: str(parameters[argument].default) for argument in own}


def documented_keys(name: str) -> set[str]:
    """The keys, without ``train/``, from the page of a variant."""
    return set(re.findall(r"`train/(\w+)`", section(VARIANTS / f"{name}.md", "Log keys")))


@each_term
def test_the_log_keys_of_a_term_are_documented(term: Term) -> None:
    old = Distributions("normal", (th.zeros(3, 1), th.ones(3, 1)))
    new = Distributions("normal", (th.full((3, 1), 0.1), th.ones(3, 1)))
    chain = Chain([term]).bind(term_values(term))
    prepared = chain.prepare(old, th.zeros(3, 1))
    minibatch = Minibatch(th.tensor([1.0, 0.0, -1.0]), th.tensor([0.1, 0.0, -0.1]), old, new, prepared)
    logged = set(chain.statistics(minibatch)) | {coefficient.name for coefficient in term.coefficients}
    assert logged <= documented_keys(term.name)


def test_every_figure_is_shown() -> None:
    shown = {
        (page.parent / target).resolve()
        for page in PAGES
        for image, target in LINK.findall(prose(page))
        if image and "://" not in target
    }
    assert set(FIGURES.iterdir()) <= shown


DIRECTIVE = re.compile(r"^\.\. auto(\w+):: (sb3_ppo_variants[\w.]*)", re.MULTILINE)
# Commands and RL Zoo's own names, which are on pages of their own, and folders that hold nothing but modules.
NOT_IN_THE_REFERENCE = {"bench.__main__", "own_parts", "zoo.__main__", "zoo.algorithms", "zoo.settings"}


def reference() -> str:
    return "".join(page.read_text() for page in (DOCS / "reference").glob("*.rst"))


def module_of(name: str) -> str:
    """The module of a documented object; that of a public name is where it is defined."""
    owner, _, attribute = name.rpartition(".")
    public = owner == sb3_ppo_variants.__name__
    return getattr(sb3_ppo_variants, attribute).__module__ if public else owner


def test_the_reference_has_every_module() -> None:
    directives = DIRECTIVE.findall(reference())
    shown = {name if kind == "module" else module_of(name) for kind, name in directives}
    modules = list(pkgutil.walk_packages(sb3_ppo_variants.__path__, "sb3_ppo_variants."))
    every, packages = {module.name for module in modules}, {module.name for module in modules if module.ispkg}
    assert shown <= every
    assert {name.removeprefix("sb3_ppo_variants.") for name in every - shown - packages} == NOT_IN_THE_REFERENCE


def test_the_reference_has_everything_public() -> None:
    directives = DIRECTIVE.findall(reference())
    modules = {name for kind, name in directives if kind == "module"}
    shown = {name for kind, name in directives if kind != "module"}
    for name in set(sb3_ppo_variants.__all__) - {"__version__"}:
        assert f"sb3_ppo_variants.{name}" in shown or module_of(f"sb3_ppo_variants.{name}") in modules, name
    assert {path.name for path in (ROOT / "examples").glob("[!_]*.py")} == set(
        re.findall(r"/examples/(\w+\.py)", reference())
    )


def test_the_tutorial_shows_the_published_study() -> None:
    tutorial = DOCS / "tutorial.md"
    (study,) = blocks(tutorial, "yaml")
    assert study.code == (ROOT / "benchmarks/studies/ablation.yaml").read_text()
    report = (ROOT / "benchmarks/published/ablation/report.md").read_text().splitlines()
    shown = [line for line in section(tutorial, "6. Read the answer").splitlines() if line.startswith("| ")]
    assert len(shown) == 10
    assert set(shown) <= set(report)


def test_the_symptoms_are_those_of_the_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page has a row for each run, and what it says of two of them holds for any seed."""
    rows = tables(fill.symptoms())
    assert [row[0] for row in rows[2:]] == list(symptoms.RUNS)
    monkeypatch.setattr(symptoms, "STEPS", 1_024)
    for name in ("learning rate 0.00001", "one epoch of one minibatch"):
        numbers = symptoms.summary(symptoms.run(symptoms.RUNS[name]))
        assert numbers["updates"] == 2
        assert numbers["clip_fraction"] == 0
        assert "dual_clip" not in numbers
    assert numbers["largest_ratio"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dual_clip": 3.0}, "dual_clip=3.0 belongs to the term 'dual_clip', which is not in the objective"),
        ({"churn_coef": 10.0}, "churn_coef=10.0 belongs to 'churn', which is not among the regularizers"),
        ({"rpo_noise": 0.5}, "rpo_noise=0.5 needs a Gaussian policy, for a Box action space and without gSDE"),
        ({"objective": ["kl_penalty", "clip"]}, "'clip' (shape) cannot come after 'kl_penalty' (penalty)"),
        (
            {"learning_rate": "lin_3e-4", "adapt": {"learning_rate": BAND | {"low": 1e-5}}},
            "is a schedule, and a learned rate would",
        ),
        ({"clip_range": 0.0, "adapt": {"clip_range": BAND}}, "starts at 0, which no multiplier can change"),
    ],
)
def test_the_messages_of_troubleshooting(arguments: dict[str, Any], message: str) -> None:
    assert message in (DOCS / "troubleshooting.md").read_text()
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        VariantPPO("MlpPolicy", "CartPole-v1", **arguments)
