"""What a wheel has to carry beside the code."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOT_CODE = [
    "sb3_ppo_variants/py.typed",
    "sb3_ppo_variants/bench/templates/report.md.jinja",
    "sb3_ppo_variants/zoo/hyperparams/maskable.yml",
    "sb3_ppo_variants/zoo/hyperparams/ppo.yml",
    "sb3_ppo_variants/zoo/hyperparams/recurrent.yml",
]


@pytest.mark.slow
def test_the_wheel_has_the_code_and_its_data(tmp_path: Path) -> None:
    source = tmp_path / "source"
    package = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "sb3_ppo_variants", source / "sb3_ppo_variants", ignore=package)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(source)]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("sb3_ppo_variants-*.whl")
    packed = zipfile.ZipFile(wheel)
    carried = {name for name in packed.namelist() if name.startswith("sb3_ppo_variants/")}
    code = {path.relative_to(ROOT).as_posix() for path in (ROOT / "sb3_ppo_variants").rglob("*.py")}
    assert carried == code | set(NOT_CODE)
    (commands,) = [name for name in packed.namelist() if name.endswith("/entry_points.txt")]
    assert "ppo-bench = sb3_ppo_variants.bench.cli:main" in packed.read(commands).decode()
