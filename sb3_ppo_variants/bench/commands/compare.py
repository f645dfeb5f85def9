"""``ppo-bench compare``."""

from __future__ import annotations

import argparse
from typing import Any

from sb3_ppo_variants.bench.commands.common import (
    CommandError,
    add_command,
    add_mixed_versions,
    add_study,
    folders_of,
    say,
)


def add_parser(commands: Any) -> None:
    """Add the command to a parser."""
    text = "compare any two arms, with the statistics of the report"
    parser = add_command(commands, "compare", compare, text)
    add_study(parser)
    parser.add_argument("arm", metavar="ARM", help="an arm")
    parser.add_argument("other", metavar="OTHER", help="the arm that it is compared with")
    add_mixed_versions(parser, "as for report")


def compare(parsed: argparse.Namespace) -> int:
    """Show the difference of two arms in every environment, the test of it, and a sentence."""
    from rich.console import Console

    from sb3_ppo_variants.bench.compare import compare_arms, pair_lines, pair_table
    from sb3_ppo_variants.bench.report.report import own_tables
    from sb3_ppo_variants.bench.table.imported import read_imported, with_imported
    from sb3_ppo_variants.bench.table.metrics import check_metrics
    from sb3_ppo_variants.bench.tuning.rounds import tuned
    from sb3_ppo_variants.bench.validation import read_study
    from sb3_ppo_variants.messages import did_you_mean

    study = read_study(parsed.study)
    for name in (parsed.arm, parsed.other):
        if name not in study.compared:
            near = did_you_mean(name, study.compared)
            raise CommandError(f"the study has no arm {name}{near}; it has {', '.join(study.compared)}", 2)
    if parsed.arm == parsed.other:
        raise CommandError(f"{parsed.arm} is given twice, give two of {', '.join(study.compared)}", 2)
    folders = folders_of(study, parsed)
    study = tuned(study, folders)
    own = own_tables(study, folders, parsed.allow_mixed_versions)
    results = with_imported(own, read_imported(study)).results
    check_metrics(study, results, folders)
    console = Console(highlight=False)
    for metric in study.metrics:
        pair = compare_arms(study, results, parsed.arm, parsed.other, metric)
        console.print(pair_table(study, pair))
        for line in pair_lines(study, pair):
            say(line)
    return 0
