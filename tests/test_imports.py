"""The floors of the package: nothing imports upward."""

from __future__ import annotations

import ast
from pathlib import Path

import sb3_ppo_variants

PACKAGE = Path(sb3_ppo_variants.__file__).parent
FLOORS = [
    ["arguments", "checks", "environment_state", "kl", "optimizer", "rollout"],
    ["minibatch"],
    ["schedules", "kl_ball", "chain", "adaptation"],
    ["stopping"],
    ["terms", "rules", "stops", "statistics"],
    ["update"],
    ["losses"],
    ["compiled"],
    ["training"],
    ["algorithm"],
    ["named"],
    ["ppo", "maskable", "recurrent"],
    ["resume"],
    ["zoo", "bench", "trackers"],
]
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}


def test_nothing_imports_upward() -> None:
    files = [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py"]
    assert len(files) > 10
    for path in files:
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        assert own in FLOOR, f"{own} has no floor: add it to FLOORS"
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sb3_ppo_variants."):
                imported = (node.module or "").split(".")[1]
                assert FLOOR[imported] <= FLOOR[own], f"{path.name} imports {node.module}"
