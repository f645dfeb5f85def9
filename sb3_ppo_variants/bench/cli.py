"""The command ``ppo-bench``."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import Any

REQUIRED = ("pydantic", "yaml", "rich", "scipy", "pandas", "matplotlib", "jinja2")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    :param arguments: command line arguments, those of the process by default
    :return: 0; 1 when a run failed; 2 when the study, the call or the installation is wrong; 130 after Ctrl-C
    """
    missing = [name for name in REQUIRED if importlib.util.find_spec(name) is None]
    if missing:
        print(
            f'ppo-bench needs {", ".join(missing)}: pip install "sb3-ppo-variants[bench]"',
            file=sys.stderr,
        )
        return 2
    parser = _parser()
    parsed = parser.parse_args(arguments)
    if parsed.command == "run" and parsed.executor != "dask" and (parsed.scheduler or parsed.cluster):
        parser.error("--scheduler and --cluster need --executor dask")
    # Classes and environments of one's own are found beside the study, as they are with python -m.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    from sb3_ppo_variants.bench import commands

    return commands.run_command(parsed, ["ppo-bench", *(sys.argv[1:] if arguments is None else arguments)])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ppo-bench", description="Compare PPO variants with stock PPO: one YAML file, one report."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    helps = {
        "run": "run what is missing of a study, then report",
        "status": "show what is finished, stale, failed and missing",
        "report": "make the report from the runs that are finished",
    }
    for name, text in helps.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("study", metavar="STUDY.yaml", help="the study file")
        command.add_argument(
            "--results", metavar="DIR", default="results", help="where studies are kept (default: results)"
        )
        if name == "run":
            _add_run_options(command)
        if name != "status":
            command.add_argument(
                "--allow-mixed-versions",
                action="store_true",
                help="compare runs that were made with different package versions; the report says so",
            )
    _add_plan(commands)
    _add_scores(commands)
    _add_card(commands)
    _add_push(commands)
    return parser


def _add_run_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--workers",
        metavar="N",
        type=_positive,
        default=os.cpu_count() or 1,
        help="runs at once, here or on a cluster started here (default: one per core)",
    )
    command.add_argument(
        "--time-limit", metavar="MINUTES", type=_minutes, help="end a run that takes longer; it counts as failed"
    )
    command.add_argument(
        "--shard", metavar="I/N", type=_shard, help="make only share I (1 to N) of the runs, for job arrays"
    )
    command.add_argument("--executor", choices=("local", "dask"), default="local", help="who runs (default: local)")
    place = command.add_mutually_exclusive_group()
    place.add_argument("--scheduler", metavar="ADDRESS", help="address or scheduler file of a running dask scheduler")
    place.add_argument(
        "--cluster",
        choices=("local", "slurm", "pbs", "sge", "lsf", "htcondor", "oar", "moab"),
        help="dask cluster to start for this study, configured by dask's own files (default: local)",
    )


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = float("nan")
    if not 0 < minutes < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of minutes above 0")
    return minutes


def _shard(text: str) -> tuple[int, int]:
    index, slash, count = text.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text} is not I/N with I from 1 to N")
    return int(index), int(count)


def _add_plan(commands: Any) -> None:
    command = _reading(commands, "plan", "show what would run, how long that takes and what it can show")
    command.add_argument(
        "--workers", metavar="N", type=_positive, default=os.cpu_count() or 1, help="as for run (default: one per core)"
    )
    command.add_argument(
        "--no-calibration", action="store_true", help="time no trials; times are known of finished runs only"
    )


def _add_scores(commands: Any) -> None:
    command = _reading(commands, "scores", "measure the scores that count as 0 and 1, as lines for the study file")
    command.add_argument(
        "--episodes", metavar="N", type=_positive, default=100, help="of random actions (default: 100)"
    )
    command.add_argument(
        "--reference", metavar="ARM", default="ppo", help="whose mean score counts as 1 (default: ppo)"
    )


def _add_card(commands: Any) -> None:
    text = "make a folder for the Hugging Face Hub of a finished run: the model, its files, a card with the table"
    command = _reading(commands, "card", text)
    command.add_argument("--arm", required=True, help="the arm")
    command.add_argument("--environment", required=True, help="the environment")
    command.add_argument("--seed", metavar="N", type=int, help="the seed (default: the first of the study)")
    command.add_argument(
        "--episodes", metavar="N", type=_positive, default=100, help="of the evaluation of the model (default: 100)"
    )
    command.add_argument("--output", metavar="DIR", default="hub", help="where the folder is made (default: hub)")
    command.add_argument("--allow-mixed-versions", action="store_true", help="as for report")


def _add_push(commands: Any) -> None:
    text = "upload a folder that card made to the Hugging Face Hub, as the user of hf auth login or of HF_TOKEN"
    command = commands.add_parser("push", help=text, description=text)
    command.add_argument("folder", metavar="FOLDER", help="what card made")
    command.add_argument("repository", metavar="USER/NAME", help="made when it does not exist")
    command.add_argument("--private", action="store_true", help="make it private")


def _reading(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    """Add a command that reads a study and its results, and makes no runs."""
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    command.add_argument("study", metavar="STUDY.yaml", help="the study file")
    command.add_argument(
        "--results", metavar="DIR", default="results", help="where studies are kept (default: results)"
    )
    return command


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number
