"""``ppo-bench table``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sb3_ppo_variants.bench.commands.chosen import add_chosen, chosen
from sb3_ppo_variants.bench.commands.common import (
    add_command,
    add_mixed_versions,
    add_study,
    check_suffix,
    folders_of,
    say,
)


def add_parser(commands: Any) -> None:
    """Add the command to a parser."""
    parser = add_command(commands, "table", table, "write the table of results for a paper")
    add_study(parser)
    parser.add_argument(
        "--latex", action="store_true", help="a tabular with the rules of booktabs, in place of Markdown"
    )
    add_chosen(parser)
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="where it is written (default: the terminal)")
    add_mixed_versions(parser, "as for report")


def table(parsed: argparse.Namespace) -> int:
    """Write the table of each metric of a study."""
    from sb3_ppo_variants.bench.report.latex import tabular
    from sb3_ppo_variants.bench.report.markdown import pipes
    from sb3_ppo_variants.bench.report.sections.results import results_table
    from sb3_ppo_variants.bench.results import results_of
    from sb3_ppo_variants.bench.validation import read_study

    if parsed.latex:
        check_suffix(parsed.output, (".tex",), "with --latex the table is LaTeX")
    else:
        check_suffix(parsed.output, (".md", ".markdown", ".txt"), "without --latex the table is Markdown")
    study = read_study(parsed.study)
    found = results_of(study, folders_of(study, parsed), parsed.allow_mixed_versions)
    parts = []
    for summary in chosen(found.summaries, parsed):
        bold = {place for place, arm in enumerate(summary.labels) if arm in summary.unbeaten}
        parts.append((tabular if parsed.latex else pipes)(results_table(summary), bold))
    text = "\n".join(parts)
    if parsed.output is None:
        say(text.rstrip())
    else:
        parsed.output.parent.mkdir(parents=True, exist_ok=True)
        parsed.output.write_text(text, "utf-8")
        say(f"Made {parsed.output}")
    return 0
