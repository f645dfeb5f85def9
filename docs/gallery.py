"""What the pages say of every term, rule, stop, regularizer and hook, derived from record, page and measured costs.

A page shows in one row how its variant is selected, what it limits and who published it; the gallery takes these cells.
A page of something that is not one record has the other cells too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import markdown
from benchmarks.cost import ENVIRONMENTS
from benchmarks.cost import PUBLISHED as COSTS
from sb3_ppo_variants.chain import Chain, Term
from sb3_ppo_variants.feedback import KL_STATISTICS
from sb3_ppo_variants.hooks import HOOKS
from sb3_ppo_variants.regularizers import REGULARIZERS
from sb3_ppo_variants.rules import RULES
from sb3_ppo_variants.stops import STOPS
from sb3_ppo_variants.terms import TERMS

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs/variants"
# Folder of the package and of the tests -> the records in it.
RECORDS: dict[str, Mapping[str, Any]] = {
    "terms": TERMS,
    "rules": RULES,
    "stops": STOPS,
    "regularizers": REGULARIZERS,
    "hooks": HOOKS,
}
# Group of the sidebar -> its pages.
GROUPS = {
    "Terms": [*TERMS],
    "Rules": [*RULES, "adaptive_clip", "adaptive_learning_rate"],
    "Stops": [*STOPS],
    "Regularizers": [*REGULARIZERS],
    "Hooks": [*HOOKS],
    "Schedules": ["schedules", "loss_weights"],
    "Policies": ["binned"],
}
COLUMNS = ("selected by", "what it limits", "per", "exact KL", "cost", "paper")
FROM_THE_PAGE = ("selected by", "what it limits", "paper")
CELL = re.compile(r"(?<!\\)\|")


def page_of(name: str) -> Path:
    """The page of a variant.

    :param name: of a record, or of a page in ``GROUPS``
    """
    return PAGES / f"{name}.md"


def cells_of(name: str) -> dict[str, str]:
    """The cells that the page of a variant gives the gallery; none if it lacks one of those that it has to give.

    :param name: of the variant
    """
    rows = re.search(r"^(\| selected by \|.*)\n.*\n(\|.*)$", page_of(name).read_text(), re.MULTILINE)
    if rows is None:
        return {}
    heading, cells = ([cell.strip() for cell in CELL.split(row)[1:-1]] for row in rows.groups())
    found = dict(zip(heading, cells, strict=True))
    return found if {*FROM_THE_PAGE} <= found.keys() else {}


def documented() -> list[str]:
    """The names of all variants whose pages can be shown in the gallery."""
    names = [name for group in GROUPS.values() for name in group]
    return [name for name in names if page_of(name).exists() and cells_of(name)]


def _of_term(term: Term) -> dict[str, str]:
    defaults = {argument.name: argument.default for argument in term.arguments}
    exact = Chain([term]).bind(defaults).needs_kl
    kl = "yes" if exact else "no"
    for option in term.options:
        others = [Chain([term]).bind(defaults | {option.name: choice}).needs_kl for choice in option.choices]
        if not all(other == exact for other in others):
            kl = f'{kl}, with `{option.name}="{option.default}"`'
    if term.prepare is not None:
        kl += ", but the old distribution"
    return {"per": "minibatch" if term.per_batch else "sample", "exact KL": kl}


def _of_record(name: str) -> dict[str, str]:
    if name in TERMS:
        return _of_term(TERMS[name])
    if name in STOPS:
        return {"per": "update", "exact KL": "no" if STOPS[name].of_rollout is None else "yes, once per epoch"}
    if name in RULES:
        follows_kl = not {*KL_STATISTICS}.isdisjoint(RULES[name].follows)
        return {"per": "update", "exact KL": "once per update, to follow the KL" if follows_kl else "no"}
    if name in REGULARIZERS:
        part = REGULARIZERS[name]
        if part.needs_states_apart:
            return {"per": "other state", "exact KL": "yes, of one gradient step"}
        kl = "yes" if part.needs_kl else "no"
        return {"per": "sample", "exact KL": f"{kl}, but the old features" if part.needs_features else kl}
    return {"per": "update", "exact KL": "no"} if name in HOOKS else {}


def lines() -> str:
    """Every regularizer and hook with the lines of its file."""
    rows = []
    for kind, records in (("regularizer", REGULARIZERS), ("hook", HOOKS)):
        for name in records:
            length = len((ROOT / f"sb3_ppo_variants/{kind}s/{name}.py").read_text().splitlines())
            rows.append([kind, cells_of(name)["selected by"], f"[{name}](variants/{name}.md)", str(length)])
    return markdown.table(["kind", "selected by", "page", "lines"], rows)


def costs() -> dict[str, str]:
    """The time of an update divided by that with the clip, on both tasks, by the name of the variant."""
    medians: dict[str, dict[str, str]] = {}
    for row in json.loads(COSTS.read_text())["update_time_over_clip"]:
        medians.setdefault(row["variant"], {})[row["environment"]] = f"{row['median']:.2f}"
    return {name: " / ".join(of.get(task, "-") for task in ENVIRONMENTS) for name, of in medians.items()}


def table() -> str:
    """The gallery: one row for each variant."""
    measured = costs()
    rows = []
    for name in documented():
        cells = {"cost": measured.get(name, "not measured")} | _of_record(name) | cells_of(name)
        title = f"`{name}`" if any(name in records for records in RECORDS.values()) else name.replace("_", " ")
        rows.append([f"[{title}]({name}.md)", *(cells[column] for column in COLUMNS)])
    return markdown.table(["variant", *COLUMNS], rows)


def sidebar() -> str:
    """A table of contents for each group."""
    shown = documented()
    blocks = []
    for caption, names in GROUPS.items():
        pages = "\n".join(f"variants/{name}" for name in names if name in shown)
        blocks.append(f"```{{toctree}}\n:caption: {caption}\n:maxdepth: 1\n:hidden:\n\n{pages}\n```")
    return "\n\n".join(blocks)


def studies() -> str:
    """A picture of every published study that has a report from its tables, and its question."""
    question = re.compile(r"^\| \[(\w+)\]\(published/\w+/report\.md\) \| (.*?\?)", re.MULTILINE)
    asked = dict(question.findall((ROOT / "benchmarks/README.md").read_text()))
    rows = []
    for folder in sorted(path.parent for path in (ROOT / "benchmarks/published").glob("*/records.json.gz")):
        place, name = f"../benchmarks/published/{folder.name}", folder.name
        rows.append(
            [
                f"[{name}]({place}/report.md)",
                asked.get(name, ""),
                f"[![{name}]({place}/figures/intervals.svg)]({place}/report.md)",
            ]
        )
    return markdown.table(["study", "question", "aggregate scores"], rows)


def reference(folder: str) -> str:
    """The entries of the reference.

    :param folder: ``terms``, ``rules``, ``stops`` or ``regularizers``
    """
    entries = []
    for name in RECORDS[folder]:
        module = f"sb3_ppo_variants.{folder}.{name}"
        entries.append(f".. automodule:: {module}\n   :no-members:\n\n.. autofunction:: {module}.{_function(name)}")
    return "\n\n".join(entries)


def modules(folder: str, *documented_apart: str) -> str:
    """The entries of all modules in a folder of the package.

    :param folder: as in ``bench.study``
    :param documented_apart: the modules that the page describes by hand
    """
    files = sorted((ROOT / "sb3_ppo_variants" / folder.replace(".", "/")).glob("[!_]*.py"))
    names = [file.stem for file in files if file.stem not in documented_apart]
    return "\n\n".join(f".. automodule:: sb3_ppo_variants.{folder}.{name}" for name in names)


def _function(name: str) -> str:
    if name in TERMS:
        return TERMS[name].function.__name__
    if name in RULES:
        return RULES[name].function.__name__
    if name in REGULARIZERS:
        return REGULARIZERS[name].function.__name__
    measure = STOPS[name].of_minibatch or STOPS[name].of_rollout
    assert measure is not None
    return measure.__name__


def missing() -> list[str]:
    """One sentence for each file that a record still needs, and nobody can derive."""
    sentences = []
    for folder, records in RECORDS.items():
        package = ROOT / "sb3_ppo_variants" / folder
        for name in sorted({path.stem for path in package.glob("[!_]*.py")} - records.keys()):
            sentences.append(f"{folder}/{name}.py is not listed: import its record in {folder}/__init__.py")
        for name in records:
            if not (ROOT / f"tests/{folder}/test_{name}.py").exists():
                sentences.append(f"{folder}/{name}.py has no tests: write tests/{folder}/test_{name}.py")
            if not page_of(name).exists():
                sentences.append(f"{folder}/{name}.py has no page: write docs/variants/{name}.md, like clip.md there")
            elif not cells_of(name):
                columns = ", ".join(FROM_THE_PAGE)
                sentences.append(f"docs/variants/{name}.md has no table {columns}: write it, like clip.md there")
    return sentences
