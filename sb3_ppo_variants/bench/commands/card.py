"""``ppo-bench card``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sb3_ppo_variants.bench.commands.common import (
    CommandError,
    add_command,
    add_mixed_versions,
    add_run,
    add_study,
    check_named,
    finished_folder,
    folders_of,
    positive,
    require,
    say,
    working,
)


def add_parser(commands: Any) -> None:
    """Add the command to a parser."""
    text = "make a folder for the Hugging Face Hub of a finished run: the model, its files, a card with the table"
    parser = add_command(commands, "card", card, text)
    add_study(parser)
    add_run(parser, "the first of the study")
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
    from sb3_ppo_variants.bench.tuning.rounds import tuned
    from sb3_ppo_variants.bench.validation import load_study

    study = load_study(parsed.study)
    folders = folders_of(study, parsed)
    require("huggingface_hub", "hub")
    check_named(study, parsed)
    study = tuned(study, folders)
    run = study.run(parsed.arm, parsed.environment, study.seeds[0] if parsed.seed is None else parsed.seed)
    finished_folder(run, folders)
    from sb3_ppo_variants.bench.hub import export, taken

    if other := taken(study, run, parsed.output):
        raise CommandError(
            f"{other} has no card of arm {run.arm} of the study {study.name}, and is kept: choose another folder with "
            "--output",
            2,
        )
    with working("computing intervals and drawing figures") as say_now, folders.locked():
        report = make_report(study, study.text, folders, parsed.allow_mixed_versions)
        say_now(f"playing {parsed.episodes} episodes of the model")
        made = export(study, report, folders, run, parsed.episodes, parsed.output)
    say(f"Made {made}")
    return 0
