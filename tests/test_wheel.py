"""What ``python -m build`` makes: the wheel is built from the source distribution, so that shows both are whole."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOT_CODE = [
    "sb3_ppo_variants/__init__.pyi",
    "sb3_ppo_variants/py.typed",
    *(
        f"sb3_ppo_variants/bench/report/templates/{name}"
        for name in (
            "card.md.jinja",
            "report.css",
            "report.html.jinja",
            "report.js",
            "report.md.jinja",
            "section.md.jinja",
        )
    ),
    *(
        f"sb3_ppo_variants/zoo/hyperparams/{name}.yml"
        for name in ("maskable", "maskable_recurrent", "mujoco", "ppo", "recurrent")
    ),
]
# What the tests and a reader of the sources need.
IN_SOURCES = [
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "constraints-oldest.txt",
    "constraints.txt",
    "benchmarks/studies/quickstart.yaml",
    "docs/using.md",
    "docs/figures/gallery.svg",
    "examples/masked.py",
    "tests/bench/conftest.py",
    "tests/test_wheel.py",
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with both, made from what git knows of, because a build leaves files in its folder."""
    pytest.importorskip("build")
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines():
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    # Outside the repository, where a folder `build` hides no module.
    command = [sys.executable, "-m", "build", "--outdir", str(out), str(source)]
    subprocess.run(command, cwd=out, check=True, capture_output=True)
    return out


@pytest.mark.slow
def test_the_wheel_has_the_code_and_its_data(built: Path) -> None:
    (wheel,) = built.glob("sb3_ppo_variants-*.whl")
    packed = zipfile.ZipFile(wheel)
    carried = {name for name in packed.namelist() if ".dist-info/" not in name}
    code = {path.relative_to(ROOT).as_posix() for path in (ROOT / "sb3_ppo_variants").rglob("*.py")}
    assert carried == code | set(NOT_CODE)
    (commands,) = [name for name in packed.namelist() if name.endswith("/entry_points.txt")]
    assert "ppo-bench = sb3_ppo_variants.bench.cli:main" in packed.read(commands).decode()


@pytest.mark.slow
def test_the_source_distribution_has_its_tests_and_no_results(built: Path) -> None:
    (archive,) = built.glob("sb3_ppo_variants-*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert set(IN_SOURCES) <= names
    tests = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py")}
    assert tests <= names
    assert not [name for name in names if name.startswith("benchmarks/published/") or "__pycache__" in name]
