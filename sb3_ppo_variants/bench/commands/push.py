"""``ppo-bench push``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sb3_ppo_variants.bench.commands.common import CommandError, add_command, require, say


def add_parser(commands: Any) -> None:
    """Add the command to a parser."""
    text = "upload a folder that card made to the Hugging Face Hub, as the user of hf auth login or of HF_TOKEN"
    parser = add_command(commands, "push", push, text)
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="what card made")
    parser.add_argument("repository", metavar="USER/NAME", help="made when it does not exist")
    parser.add_argument("--private", action="store_true", help="make it private")


def push(parsed: argparse.Namespace) -> int:
    """Upload a folder."""
    require("huggingface_hub", "hub")
    from sb3_ppo_variants.bench.hub import NotUploaded, push

    try:
        address = push(parsed.folder, parsed.repository, parsed.private)
    except FileNotFoundError as error:
        raise CommandError(str(error), 2) from error
    except NotUploaded as error:
        raise CommandError(f"Not uploaded: {error}", 1) from error
    say(f"Uploaded to {address}")
    return 0
