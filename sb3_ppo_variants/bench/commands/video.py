"""``ppo-bench video``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sb3_ppo_variants.bench.commands.common import (
    CommandError,
    add_command,
    add_run,
    add_study,
    check_named,
    finished_folder,
    folders_of,
    positive,
    require,
    say,
)


def add_parser(commands: Any) -> None:
    """Add the command to a parser."""
    parser = add_command(commands, "video", video, "record episodes of the best model of an arm in an environment")
    add_study(parser)
    add_run(parser, "that with the highest score")
    parser.add_argument("--episodes", metavar="N", type=positive, default=1, help="one video each (default: 1)")
    parser.add_argument(
        "--output", metavar="DIR", type=Path, help="where the videos are written (default: RESULTS/STUDY/videos)"
    )


def video(parsed: argparse.Namespace) -> int:
    """Record the best model of one finished run."""
    from sb3_ppo_variants.bench.tuning.rounds import tuned
    from sb3_ppo_variants.bench.validation import read_study

    study = read_study(parsed.study)
    folders = folders_of(study, parsed)
    require("moviepy", "video")
    check_named(study, parsed)
    study = tuned(study, folders)
    from sb3_ppo_variants.bench.video import NotRendered, best_run, record

    if parsed.seed is None:
        run = best_run(study, folders, parsed.arm, parsed.environment)
        if run is None:
            raise CommandError(f"No run of {parsed.arm} on {parsed.environment} is finished", 2)
    else:
        run = study.run(parsed.arm, parsed.environment, parsed.seed)
    folder = finished_folder(run, folders)
    try:
        videos = record(run, folder, parsed.episodes, parsed.output or folders.root / "videos")
    except NotRendered as error:
        raise CommandError(str(error), 2) from error
    for made in videos:
        say(f"Made {made.path}: return {made.total_reward:.6g}, best model of seed {run.seed}")
    return 0
