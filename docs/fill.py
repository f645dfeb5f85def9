"""Write everything that is derived into the pages, and draw the figures: `make fill`, or `python -m docs.fill`.

A source says what stands between `<!-- fill: SOURCE, ARGUMENTS -->` and `<!-- end -->`; in reStructuredText the marks
are the comments `.. fill: SOURCE, ARGUMENTS` and `.. end`. So no table is typed, and a test tells which page is stale.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import checkpoint_cost, contact_forces, markdown, report_speed, screen, yardsticks
from benchmarks.coverage import PUBLISHED as COVERAGE
from benchmarks.limits import PUBLISHED as LIMITS
from benchmarks.measurements import publish, tables
from benchmarks.sequential import PUBLISHED as SEQUENTIAL
from benchmarks.symptoms import PUBLISHED as SYMPTOMS
from benchmarks.table1 import tables as table1_tables
from benchmarks.table1 import training
from docs import address, drawings, gallery
from docs.evidence import evidence
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.validation import read_study

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(
    r"^(?P<begin>(?:<!--|\.\.) fill: (?P<what>[^\n]+?)(?: -->)?\n).*?(?P<end>^(?:<!--|\.\.) end(?: -->)?$)",
    re.DOTALL | re.MULTILINE,
)
# Columns of the table of seeds until decided, and how their numbers are written.
SHOWN = {"power": ".2f", "seeds": ".1f", "baseline_seeds": ".1f", "fixed": "d", "saved": ".0%"}


def report(study: str, section: str) -> str:
    """The first table of a section of a published report.

    :param study: name of a published study
    :param section: its heading
    """
    text = (ROOT / "benchmarks/published" / study / "report.md").read_text()
    _, *after = re.split(rf"^#+ {re.escape(section)}$", text, maxsplit=1, flags=re.MULTILINE)
    table = re.search(r"(?:^\|.*\n?)+", "".join(after), re.MULTILINE)
    if table is None:
        raise ValueError(f"fill: the report of {study} has no table in a section {section!r}")
    return table[0].rstrip()


def speed(folder: str, table: str) -> str:
    """A table of a published measurement of speed.

    :param folder: of a published measurement of speed
    :param table: its name
    """
    return tables.render(table, publish.published(folder))


def coverage() -> str:
    """What the intervals hold, a row for each number and shape of scores, for 1, 2 and 5 tasks in each cell."""
    cells: dict[tuple[str, str], dict[int, list[str]]] = {}
    for cell in json.loads(COVERAGE.read_text())["coverage"]:
        of_seeds = cells.setdefault((cell["number"], cell["scores"]), {})
        of_seeds.setdefault(cell["seeds"], []).append(f"{cell['coverage']:.2f}")
    seeds = list(next(iter(cells.values())))
    rows = ([*name, *(", ".join(of_seeds[count]) for count in seeds)] for name, of_seeds in cells.items())
    return markdown.table(["number", "scores", *(f"{count} seeds" for count in seeds)], rows)


def sequential() -> str:
    """What seeds until decided cost and save, a row for each simulated kind of study."""
    heading = [
        "scores",
        "tasks",
        "arms",
        "differ",
        "by",
        "error",
        "power",
        "seeds",
        "of the baseline",
        "fixed",
        "saved",
    ]
    rows = (
        [
            *(str(cell[name]) for name in ("scores", "tasks", "arms", "differing")),
            f"{cell['shift']:g}" if cell["differing"] else "-",
            f"{cell['error']:.3f}" if cell["differing"] < cell["arms"] else "-",
            *(f"{cell[name]:{form}}" if cell[name] is not None else "-" for name, form in SHOWN.items()),
        ]
        for cell in json.loads(SEQUENTIAL.read_text())["cells"]
    )
    return markdown.table(heading, rows)


def checkpoints() -> str:
    """What a checkpoint costs, a row for each run."""
    return checkpoint_cost.table(json.loads(checkpoint_cost.PUBLISHED.read_text())["runs"])


def limits() -> str:
    """How far the harness goes, a row for each study."""
    studies = json.loads(LIMITS.read_text())["studies"]
    rows = (
        [
            f"{study['runs']:,}",
            f"{study['workers']} {study['executor']}",
            f"{study['runs'] / study['run']['seconds']:.1f}" if study["made"] == study["runs"] else "-",
            *(f"{study[name]['cpu']:.1f} s" for name in ("plan", "status", "report")),
            *(f"{study[name]['memory']:.0f} MiB" for name in ("run", "report")),
        ]
        for study in sorted(studies, key=lambda study: (study["executor"] == "dask", study["runs"], study["made"]))
    )
    heading = ["runs", "workers", "runs per second", "plan", "status", "report", "memory of run", "memory of report"]
    return markdown.table(heading, rows)


def files_of_a_run() -> str:
    """What a run leaves, and what it asks of a file system."""
    files = json.loads(LIMITS.read_text())["files"]
    left = [["files that it leaves", str(files["files"])], ["bytes that it leaves", f"{files['bytes']:,}"]]
    asked = [[f"operations: {name}", str(count)] for name, count in files["operations"].items()]
    return markdown.table(["of a run", "number"], [*left, *asked])


def time_of_reports() -> str:
    """What a report takes, a row for each size of a study."""
    return report_speed.table(json.loads(report_speed.PUBLISHED.read_text()))


def symptoms() -> str:
    """The runs of the page on troubleshooting."""
    heading = ["run", "median `kl`", "largest `kl`", "largest `ratio_max`", "mean `clip_fraction`"]
    rows = (
        [
            name,
            f"{run['median_kl']:.2g}",
            f"{run['largest_kl']:.2g}",
            f"{run['largest_ratio']:.3g}",
            f"{run['clip_fraction']:.2g}",
            f"{run['dual_clip']} of {run['updates']}" if "dual_clip" in run else "-",
        ]
        for name, run in json.loads(SYMPTOMS.read_text()).items()
    )
    return markdown.table([*heading, "updates with dual clip"], rows)


def paper(name: str) -> str:
    """A table of the page on Table 1 of the PPO paper, from the published study.

    :param name: ``progress`` or a key of ``OF_TRAINING`` or ``OF_STUDY`` in ``table1.tables``
    """
    rows = training.read(training.PUBLISHED)
    if name in table1_tables.OF_TRAINING:
        return table1_tables.OF_TRAINING[name](rows)
    study = read_study(training.STUDY)
    return table1_tables.progress(study, rows) if name == "progress" else table1_tables.OF_STUDY[name](study)


def screen_of_parts(name: str) -> str:
    """A part of the page on MuJoCo, from the published study ``mujoco_screen``.

    :param name: ``gains``, ``ends`` for the runs that have not learned their task, or ``choice`` for what goes on
    """
    study = read_study(screen.STUDY)
    found = screen.normalised(study)
    return {"gains": screen.gains_table, "ends": screen.ends, "choice": screen.choice}[name](study, found)


def contact_forces_on_ant() -> str:
    """Stock PPO on Ant-v5 with and without contact forces in the observation."""
    return contact_forces.contact_forces(_published("mujoco"), _published("mujoco_ant"))


def yardsticks_of(study: str) -> str:
    """What others publish on MuJoCo, beside stock PPO of a published study.

    :param study: its name
    """
    return yardsticks.yardsticks(*_published(study))


def _published(study: str) -> tuple[Study, Path]:
    """A published study and the folder with its tables."""
    return read_study(ROOT / f"benchmarks/studies/{study}.yaml"), ROOT / "benchmarks/published" / study


SOURCES: dict[str, Callable[..., str]] = {
    "checkpoints": checkpoints,
    "contact forces": contact_forces_on_ant,
    "coverage": coverage,
    "evidence": evidence,
    "files of a run": files_of_a_run,
    "gallery": gallery.table,
    "install": address.install,
    "limits": limits,
    "lines": gallery.lines,
    "modules": gallery.modules,
    "reference": gallery.reference,
    "report": report,
    "screen": screen_of_parts,
    "sequential": sequential,
    "sidebar": gallery.sidebar,
    "speed": speed,
    "studies": gallery.studies,
    "symptoms": symptoms,
    "table1": paper,
    "time of reports": time_of_reports,
    "yardsticks": yardsticks_of,
}


def filled(text: str) -> str:
    """A page with its derived parts as they have to be.

    :param text: of the page
    :raises ValueError: for a source or a section that does not exist
    """
    return BLOCK.sub(_block, text)


def _block(found: re.Match[str]) -> str:
    name, *arguments = found["what"].split(", ")
    if name not in SOURCES:
        raise ValueError(f"fill: {name!r} is unknown; the sources are {', '.join(SOURCES)}")
    return f"{found['begin']}\n{SOURCES[name](*arguments)}\n\n{found['end']}"


def derived() -> Iterator[tuple[Path, str]]:
    """Every page that is derived, in part or as a whole, with its text as it has to be."""
    for path in sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "docs/reference").glob("*.rst")}):
        text = path.read_text()
        if BLOCK.search(text):
            yield path, filled(text)
    for name, folder in publish.PUBLISHED.items():
        yield folder / "README.md", publish.page(publish.published(name))


def missing() -> list[str]:
    """One sentence for each thing that is missing or out of date, with what mends it."""
    stale = [
        f"{path.relative_to(ROOT)} is out of date: run `make fill`"
        for path, text in derived()
        if path.read_text() != text
    ]
    undrawn = [
        f"docs/figures/{name}.svg is missing: run `make fill`"
        for name in drawings.FIGURES
        if not drawings.path_of(name).exists()
    ]
    return [*gallery.missing(), *stale, *undrawn]


def main() -> None:
    """Write what has changed, and name it."""
    changed = [(path, text) for path, text in derived() if path.read_text() != text]
    changed += [
        (drawings.path_of(name), svg)
        for name in drawings.FIGURES
        if not drawings.is_drawn(name, svg := drawings.svg(name))
    ]
    for path, text in changed:
        path.write_text(text)
        print(path.relative_to(ROOT))
    for sentence in gallery.missing():
        print(sentence)


if __name__ == "__main__":
    main()
