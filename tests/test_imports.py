"""The floors of the package: nothing imports upward, in the harness neither."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import sb3_ppo_variants

PACKAGE = Path(sb3_ppo_variants.__file__).parent
# Each floor may import from its own and from those before it.
FLOORS = {
    "sb3_ppo_variants": [
        ["imports", "messages", "coefficients", "kl", "policies"],
        ["own_parts", "minibatch", "vec_env", "maskable_lstm"],
        ["schedules", "kl_ball", "chain", "feedback", "adaptation", "stopping", "regularization"],
        ["terms", "rules", "stops", "regularizers"],
        ["loop"],
        ["compiled", "hooks"],
        ["checks", "parts", "loading", "description", "registration"],
        ["signatures"],
        ["assembly"],
        ["algorithm"],
        ["variants"],
        ["ppo", "maskable", "recurrent", "maskable_recurrent"],
        ["resume"],
        ["zoo", "bench", "trackers"],
    ],
    "sb3_ppo_variants.bench": [
        ["replacing"],
        ["study"],
        ["runs"],
        ["table"],
        ["statistics"],
        ["tuning"],
        ["report"],
        ["checks", "construction", "measure_scores", "merge", "progress", "rounds", "terminal", "trials"],
        ["validation", "plan", "hub"],
        ["compare", "results", "snapshots", "video"],
        ["watch"],
        ["status"],
        ["commands"],
        ["cli"],
        ["__main__"],
    ],
}


@pytest.mark.parametrize("package", FLOORS)
def test_nothing_imports_upward(package: str) -> None:
    floor = {name: number for number, names in enumerate(FLOORS[package]) for name in names}
    folder = PACKAGE.parent / package.replace(".", "/")
    files = [path for path in folder.rglob("*.py") if path.parent != folder or path.name != "__init__.py"]
    assert len(files) > 10
    for path in files:
        own = path.relative_to(folder).parts[0].removesuffix(".py")
        assert own in floor, f"{package}.{own} has no floor: add it to FLOORS"
        for imported in _imported(path):
            if imported.startswith(f"{package}."):
                other = imported.removeprefix(f"{package}.").split(".")[0]
                assert floor[other] <= floor[own], f"{path.relative_to(PACKAGE)} imports {imported}"


def test_no_modules_import_each_other() -> None:
    modules = {_name(path): set(_imported(path)) for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"}
    graph = {name: imported & set(modules) for name, imported in modules.items()}
    while free := [name for name, imported in graph.items() if not imported]:
        graph = {name: imported - set(free) for name, imported in graph.items() if name not in free}
    assert not graph, f"a circle of imports is among {sorted(graph)}"


def _name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


def _imported(path: Path) -> Iterator[str]:
    """The modules of the package that a file imports, within functions and for type checkers too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sb3_ppo_variants"):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
            yield str(node.module)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
