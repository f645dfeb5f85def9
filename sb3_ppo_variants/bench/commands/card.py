"""``ppo-bench card``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sb3_ppo_variants.bench.commands.common import (
    CommandError,
    add_command,
    add_mixed_versions,
    add_study,
    folders_of,
    positive,
    require_hub,
    say,
)

if TYPE_CHECKING:
    from sb3_ppo_variants.bench.study.run import Run
    from sb3_ppo_variants.bench.study.study import Study


def add_parser(commands: Any) -> None:
    """Add the command to a parser."""
    text = "make a folder for the Hugging Face Hub of a finished run: the model, its files, a card with the table"
    parser = add_command(commands, "card", card, text)
    add_study(parser)
    parser.add_argument("--arm", required=True, help="the arm")
    parser.add_argument("--environment", required=True, help="the environment")
    parser.add_argument("--seed", metavar="N", type=int, help="the seed (default: the first of the study)")
    parser.add_argument(
        "--episodes", metavar="N", type=positive, default=100, help="of the evaluation of the model (default: 100)"
    )
    parser.add_argument(
        "--output", metavar="DIR", type=Path, default="hub", help="where the folder is made (default: hub)"
    )
    add_mixed_versions(parser, "as for report")


def card(parsed: argparse.Namespace) -> int:
    """Make the report, and from it the folder for the Hub."""
    from sb3_ppo_variants.bench.report.report import make_report
    from sb3_ppo_variants.bench.validation import load_study

    study = load_study(parsed.study)
    folders = folders_of(study, parsed)
    require_hub()
    run = _named_run(study, parsed)
    if not folders.is_finished(run):
        raise CommandError(f"{folders.finished(run)} does not exist: the run is not finished", 2)
    from sb3_ppo_variants.bench.hub import export
    from sb3_ppo_variants.bench.runs.record import NotWhole, read_record

    try:
        read_record(run, folders.finished(run), thorough=True)
    except NotWhole as error:
        raise CommandError(f"{folders.finished(run)}: {error}", 1) from error

    with folders.locked():
        report = make_report(study, study.text, folders, parsed.allow_mixed_versions)
        made = export(study, report, folders, run, parsed.episodes, parsed.output)
    say(f"Made {made}")
    return 0


def _named_run(study: Study, parsed: argparse.Namespace) -> Run:
    """Return the run that the options name."""
    seed = study.seeds[0] if parsed.seed is None else parsed.seed
    for option, value, choices in (
        ("--arm", parsed.arm, study.arms),
        ("--environment", parsed.environment, study.environments),
        ("--seed", seed, study.seeds),
    ):
        if value not in choices:
            raise CommandError(f"{option} {value}: the study has {', '.join(map(str, choices))}", 2)
    return study.run(parsed.arm, parsed.environment, seed)
