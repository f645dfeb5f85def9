"""``ppo-bench figure``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sb3_ppo_variants.bench.commands.chosen import add_chosen, chosen
from sb3_ppo_variants.bench.commands.common import (
    CommandError,
    add_command,
    add_mixed_versions,
    add_study,
    check_suffix,
    folders_of,
    say,
)

if TYPE_CHECKING:
    from sb3_ppo_variants.bench.statistics.summary import Summary


def add_parser(commands: Any) -> None:
    """Add the command to a parser."""
    text = "draw a figure of the report for a paper, as PDF, with its numbers as CSV beside it"
    parser = add_command(commands, "figure", figure, text)
    add_study(parser)
    parser.add_argument("name", metavar="NAME", help="name of a figure of the report, such as curves or profiles")
    parser.add_argument(
        "--width",
        choices=("one", "two"),
        default="one",
        help="columns that it spans: 3.25 or 6.75 inches (default: one)",
    )
    add_chosen(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE.pdf",
        type=Path,
        help="where it is written (default: in figures of the results)",
    )
    add_mixed_versions(parser, "as for report")


def figure(parsed: argparse.Namespace) -> int:
    """Draw one figure, and write its numbers."""
    from sb3_ppo_variants.bench.report.drawings import drawings
    from sb3_ppo_variants.bench.report.figures.style import ONE_COLUMN, TWO_COLUMNS, drawn_for, pdf
    from sb3_ppo_variants.bench.results import results_of
    from sb3_ppo_variants.bench.tuning.numbers import numbers_of
    from sb3_ppo_variants.bench.tuning.table import read_searches
    from sb3_ppo_variants.bench.validation import read_study
    from sb3_ppo_variants.messages import did_you_mean

    check_suffix(parsed.output, (".pdf",), "a figure is written as PDF")
    study = read_study(parsed.study)
    folders = folders_of(study, parsed)
    found = results_of(study, folders, parsed.allow_mixed_versions)
    tuning = [numbers_of(search) for search in read_searches(study, folders)]
    summaries = chosen(found.summaries, parsed)
    _check_drawable(summaries[0])
    known = drawings(found.study, found.evaluations, found.updates, summaries, tuning)
    if parsed.name not in known:
        near = did_you_mean(parsed.name, known)
        raise CommandError(f"the study has no figure {parsed.name}{near}; it has {', '.join(known)}", 2)
    path = parsed.output or folders.root / "figures" / f"{parsed.name}.pdf"
    path.parent.mkdir(parents=True, exist_ok=True)
    with drawn_for({"one": ONE_COLUMN, "two": TWO_COLUMNS}[parsed.width]):
        drawing = known[parsed.name]()
        path.write_bytes(pdf(drawing.figure))
    data = path.with_suffix(".csv")
    data.write_text(drawing.data.to_csv(index=False, lineterminator="\n"), "utf-8")
    say(f"Made {path} and {data}")
    return 0


def _check_drawable(summary: Summary) -> None:
    """Check that some arm that is shown has a finished run, and that matplotlib knows the mathematics of the labels."""
    from matplotlib.cbook import is_math_text
    from matplotlib.mathtext import MathTextParser

    if not set(summary.labels) - set(summary.unscored):
        arms = " ".join(summary.labels)
        raise CommandError(f"--arms {arms}: none of them has a finished run, so there is nothing to draw", 2)
    parser = MathTextParser("path")
    for label in summary.labels.values():
        try:
            if is_math_text(label):
                parser.parse(label)
        except ValueError as error:
            reason = str(error).strip().splitlines()[-1].partition(": ")[2]
            raise CommandError(f"--labels: matplotlib cannot draw {label}: {reason}", 2) from error
