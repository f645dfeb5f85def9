"""Install each extra of the built wheel into a fresh environment, and use it there: ``make test-extras``.

``python -m tests.extras [EXTRA ...]``, all of pyproject.toml by default. Versions are those of constraints.txt. A test
that is skipped counts as failed: it says that the extra did not bring what it is there for.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[2]
USE = "tests/extras/test_use.py"
TOOLS = ("pytest", "hypothesis")


@dataclass(frozen=True)
class Check:
    """How an extra is used.

    :param tests: for pytest, run in the fresh environment
    :param beside: extras that it does not work without
    :param loose: packages that constraints.txt pins to something that the extra refuses
    """

    tests: tuple[str, ...]
    beside: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()


# An extra that is not here is installed, and what it requires is imported.
CHECKS = {
    "": Check((f"{USE}::test_none",)),
    "bench": Check((f"{USE}::test_bench",)),
    "cluster": Check((f"{USE}::test_cluster",), beside=("bench",)),
    "parquet": Check((f"{USE}::test_parquet",), beside=("bench",)),
    "rliable": Check(("tests/bench/statistics/test_rliable.py",), beside=("bench",), loose=("pandas",)),
    "zoo": Check(("tests/zoo",)),
    "mujoco": Check((f"{USE}::test_mujoco",)),
    "box2d": Check((f"{USE}::test_box2d",)),
    "minatar": Check(("tests/test_minatar_games.py",)),
    "envpool": Check(("tests/vec_env",), beside=("mujoco",)),
    "tensorboard": Check(("tests/trackers/test_tensorboard.py",)),
    "wandb": Check(("tests/trackers/test_weights_and_biases.py",)),
    "hub": Check(("tests/bench/test_hub.py",), beside=("zoo",)),
    "tune": Check(("tests/bench/tuning",)),
    "video": Check(("tests/bench/test_video.py",)),
}
IMPORTS = """
import importlib, sys
from importlib.metadata import packages_distributions
wanted = {name.lower().replace("-", "_") for name in sys.argv[1:]}
modules = [module for module, names in packages_distributions().items() if not module.startswith("_")
           and wanted & {name.lower().replace("-", "_") for name in names}]
assert modules
for module in modules:
    importlib.import_module(module)
"""


def main(names: list[str]) -> int:
    """Check the named extras, or all of them; 1 when one fails."""
    with tempfile.TemporaryDirectory() as folder:
        wheel, sources = build(Path(folder))
        requirements = requirements_of_extras(wheel)
        unknown = set(names) - set(requirements)
        if unknown:
            raise SystemExit(
                f"no extra {', '.join(sorted(unknown))}; there are {', '.join(filter(None, requirements))}"
            )
        # Without an extra, what the sources make is installed.
        failed = [
            name
            for name in names or requirements
            if not passes(name, wheel if name else sources, requirements[name], Path(folder))
        ]
    print(f"failed: {', '.join(failed)}" if failed else "all extras passed")
    return bool(failed)


def build(folder: Path) -> tuple[Path, Path]:
    """Build the wheel and the source distribution of this checkout, from a copy: a build leaves files in its folder."""
    source, built = folder / "source", folder / "built"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "results"))
    # Outside the repository, where a folder `build` hides no module.
    run(sys.executable, "-m", "build", "--outdir", str(built), str(source), cwd=folder)
    (wheel,), (sources,) = built.glob("*.whl"), built.glob("*.tar.gz")
    return wheel, sources


def requirements_of_extras(wheel: Path) -> dict[str, list[str]]:
    """The names of the packages that each extra asks for, by the wheel's own metadata; ``""`` is no extra."""
    with ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = message_from_bytes(archive.read(name))
    found: dict[str, list[str]] = {"": [], **{extra: [] for extra in metadata.get_all("Provides-Extra", [])}}
    for requirement in metadata.get_all("Requires-Dist", []):
        extra = re.search(r"extra == ['\"]([\w-]+)", requirement)
        package = re.match(r"[\w.-]+", requirement)
        assert package
        if extra and package[0] != metadata["Name"]:
            found[extra[1]].append(package[0])
    return found


def passes(name: str, package: Path, requirements: list[str], folder: Path) -> bool:
    """Install an extra into an environment of its own and use it."""
    check, started = CHECKS.get(name, Check(())), time.monotonic()
    environment = folder / f"env-{name}"
    venv.create(environment, with_pip=True)
    python = str(environment / "bin" / "python")
    pins = folder / f"constraints-{name}.txt"
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins.write_text("\n".join(line for line in lines if re.split(r"[=<>; ]", line)[0] not in check.loose))
    install = (python, "-m", "pip", "install", "--quiet", "--no-compile", "--constraint", str(pins))
    extras = ",".join(filter(None, (name, *check.beside)))
    try:
        # torch first and pinned: left to the resolver it may bring gigabytes of CUDA packages.
        run(*install, "torch")
        run(*install, f"{package}[{extras}]" if extras else str(package), *TOOLS)
        if check.tests:
            use(python, check.tests, folder / f"work-{name}")
        else:
            run(python, "-c", IMPORTS, *requirements)
    except subprocess.CalledProcessError as error:
        print(error.stdout + error.stderr)
        passed = False
    except AssertionError as error:
        print(error)
        passed = False
    else:
        passed = True
    shutil.rmtree(environment)
    print(f"{name or 'no extra':12} {'passed' if passed else 'FAILED'} {time.monotonic() - started:5.0f} s", flush=True)
    return passed


def use(python: str, tests: tuple[str, ...], folder: Path) -> None:
    """Run tests against the installed package: beside a copy of the tests, where there is no other."""
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    report = folder / "report.xml"
    run(python, "-m", "pytest", "-m", "slow or not slow", f"--junitxml={report}", *tests, cwd=folder)
    suite = ET.parse(report).getroot()[0].attrib
    assert int(suite["tests"]) > 0, f"no test was run of {', '.join(tests)}"
    assert suite["skipped"] == "0", f"{suite['skipped']} of {suite['tests']} tests were skipped in {', '.join(tests)}"


def run(*command: str, cwd: Path | None = None) -> None:
    """Run a command; its output is in the error that it raises when it fails."""
    subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
