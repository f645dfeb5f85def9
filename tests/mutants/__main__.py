"""Mutation tests of what computes: ``python -m tests.mutants [MODULE ...]``.

cosmic-ray changes one thing at a time, a number, a sign, a comparison or a truth value, in a copy of the project, and
runs the tests of the changed module. A change that no test notices is a survivor: a test is missing, or nobody can see
the change, and then ``judged.yaml`` says why. The exit code is 1 when there is another survivor.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

import yaml
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkItem, WorkResult

PROJECT = Path(__file__).parents[2]
HERE = Path(__file__).parent
PACKAGE = "sb3_ppo_variants"
FOLDERS = ("terms", "rules", "stops", "bench/statistics")
FILES = ("kl", "kl_ball", "adaptation", "schedules", "loop/losses")
# Tests of a module beside those that bear its name: of each what has its name too, or all of a file.
BESIDE = {
    "terms": ("tests/terms/test_logs.py", "tests/contract/test_arguments.py", "tests/contract/test_terms.py"),
    "rules": ("tests/contract/test_arguments.py", "tests/contract/test_rules.py"),
    "stops": ("tests/contract/test_arguments.py", "tests/contract/test_stops.py"),
}
SECONDS = 120
# Changes of annotations (BitOr), and those that say the same as another: one operator for each is enough.
KEPT = (
    "NumberReplacer|AddNot|ReplaceTrueWithFalse|ReplaceFalseWithTrue|ReplaceAndWithOr|ReplaceOrWithAnd"
    "|ReplaceUnaryOperator_Delete_Not|ReplaceUnaryOperator_Delete_USub|ZeroIterationForLoop"
    "|ReplaceBinaryOperator_(Add_Sub|Sub_Add|Mul_Div|Div_Mul|Pow_Mul|FloorDiv_Div|Mod_Mul|BitAnd_BitOr)"
    "|ReplaceComparisonOperator_(Lt_LtE|LtE_Lt|Gt_GtE|GtE_Gt|Lt_GtE|LtE_Gt|Gt_LtE|GtE_Lt|Eq_NotEq|NotEq_Eq|Is_IsNot|IsNot_Is)"
)


@dataclass(frozen=True)
class Survivor:
    """A change that no test noticed.

    :param module: path of the module
    :param line: number of the line
    :param becomes: the changed line
    """

    module: str
    line: int
    becomes: str


def modules() -> list[str]:
    """Paths of all modules that are mutated."""
    found = [path for folder in FOLDERS for path in sorted((PROJECT / PACKAGE / folder).glob("*.py"))]
    found += [PROJECT / PACKAGE / f"{name}.py" for name in FILES]
    return [str(path.relative_to(PROJECT)) for path in found if path.name != "__init__.py"]


def tests(module: str) -> list[str]:
    """Arguments of pytest that choose the tests of a module."""
    path = Path(module).relative_to(PACKAGE)
    own = Path("tests") / path.with_name(f"test_{path.name}")
    beside = BESIDE.get(str(path.parent), ())
    chosen = ["-k", f"{path.stem} or test_arguments.py or test_logs.py"] if beside else []
    return [str(own), *beside, *chosen]


@contextmanager
def server(folder: Path) -> Iterator[Path]:
    """Start the server, give the path of its socket, and end it.

    :raise SystemExit: the server ended before it listened
    """
    socket = folder / "socket"
    process = subprocess.Popen([sys.executable, str(HERE / "server.py"), str(socket)])
    try:
        while not socket.exists():
            if process.poll() is not None:
                raise SystemExit(f"the server of tests ended with exit code {process.returncode} before it listened")
            time.sleep(0.1)
        yield socket
    finally:
        process.kill()
        process.wait()


def mutate(module: str, tree: Path, socket: Path) -> list[tuple[WorkItem, WorkResult]]:
    """Run all mutants of a module in a copy of the project; changes that are filtered out are not among the results."""
    client = [sys.executable, "-I", "-S", str(HERE / "client.py"), str(socket), str(SECONDS)]
    run = ["-x", "-q", "-p", "no:cacheprovider", *tests(module)]
    command = shlex.join([*client, *run])
    # Without the server, which writes no bytecode: that of the tests, and of all that does not change, is read later.
    if subprocess.run([sys.executable, "-m", "pytest", *run], cwd=tree).returncode != 0:
        raise SystemExit(f"the tests of {module} fail without a change: pytest {shlex.join(tests(module))}")
    configuration, session = tree / "mutants.toml", tree / "mutants.sqlite"
    session.unlink(missing_ok=True)
    configuration.write_text(
        f"[cosmic-ray]\nmodule-path = {json.dumps(module)}\ntimeout = {SECONDS + 10}\n"
        f"test-command = {json.dumps(command)}\n[cosmic-ray.distributor]\nname = 'local'\n"
        f"[cosmic-ray.filters.operators-filter]\nexclude-operators = [{json.dumps(f'core/(?!({KEPT})$)')}]\n"
    )
    cosmic_ray = [sys.executable, "-m", "cosmic_ray.cli"]
    for step in (
        [*cosmic_ray, "init", configuration.name, session.name],
        [sys.executable, "-m", "cosmic_ray.tools.filters.operators_filter", session.name, configuration.name],
        [*cosmic_ray, "exec", configuration.name, session.name],
    ):
        subprocess.run(step, cwd=tree, check=True)
    with use_db(str(session), WorkDB.Mode.open) as database:
        items = {item.job_id: item for item in database.work_items}
        return [
            (items[job], result)
            for job, result in database.results
            if result.worker_outcome is not WorkerOutcome.SKIPPED
        ]


def survivors(module: str, results: list[tuple[WorkItem, WorkResult]]) -> list[Survivor]:
    """The changes that no test noticed, and how the line reads with them."""
    return [
        Survivor(module, item.mutations[0].start_pos[0], _becomes(result.diff or ""))
        for item, result in results
        if result.test_outcome is TestOutcome.SURVIVED
    ]


def _becomes(diff: str) -> str:
    added = [line[1:].strip() for line in diff.splitlines() if line.startswith("+") and not line.startswith("+++")]
    return " ".join(added)


def judged() -> set[tuple[str, str]]:
    """Changes that nobody can see, by module and changed line."""
    written = yaml.safe_load((HERE / "judged.yaml").read_text(encoding="utf-8"))
    return {(f"{PACKAGE}/{module}", becomes) for module, changes in written.items() for becomes in changes}


def main() -> int:
    """Print the counts of each module and the survivors that were not judged."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", default=modules(), help="paths; all by default")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    known, left = judged(), 0
    with tempfile.TemporaryDirectory() as temporary:
        trees: Queue[Path] = Queue()
        for number in range(options.processes):
            tree = Path(temporary) / str(number)
            ignored = shutil.ignore_patterns("__pycache__", ".*", "results", "_build")
            shutil.copytree(PROJECT, tree, ignore=ignored)
            trees.put(tree)
        with server(Path(temporary)) as socket, ThreadPoolExecutor(options.processes) as pool:

            def run(module: str) -> list[tuple[WorkItem, WorkResult]]:
                tree = trees.get()
                try:
                    return mutate(module, tree, socket)
                finally:
                    trees.put(tree)

            for module, results in zip(options.modules, pool.map(run, options.modules), strict=True):
                found = survivors(module, results)
                unknown = [one for one in found if (module, one.becomes) not in known]
                left += len(unknown)
                silent = sum("no answer" in (result.output or "") for _, result in results)
                print(
                    f"{module}: {len(results)} mutants, {len(found)} survive, {len(unknown)} not judged; "
                    f"{silent} took over {SECONDS} s or ended the process",
                    flush=True,
                )
                for one in unknown:
                    print(f"    {one.line}: {one.becomes}", flush=True)
    return int(left > 0)


if __name__ == "__main__":
    sys.exit(main())
