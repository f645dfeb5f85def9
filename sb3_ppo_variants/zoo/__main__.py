"""``python -m sb3_ppo_variants.zoo``: RL Zoo's own command line, with the variants among its algorithms."""

from __future__ import annotations

import importlib
import runpy
import sys
from collections.abc import Callable
from functools import partial
from unittest import mock

from sb3_ppo_variants.messages import one_of
from sb3_ppo_variants.zoo.settings import with_conf_file

# RL Zoo's commands, imported one at a time: plots need packages that training does not.
COMMANDS = {
    "train": "rl_zoo3.train",
    "enjoy": "rl_zoo3.enjoy",
    "plot_train": "rl_zoo3.plots.plot_train",
    "all_plots": "rl_zoo3.plots.all_plots",
    "plot_from_file": "rl_zoo3.plots.plot_from_file",
}
# Scripts without a function to call.
SCRIPTS = ("load_from_hub", "push_to_hub")
USAGE = f"""usage: python -m sb3_ppo_variants.zoo COMMAND ...

COMMAND is one of {", ".join((*COMMANDS, *SCRIPTS))};
COMMAND --help lists its arguments, which are RL Zoo's."""


def main() -> None:
    """Run one of RL Zoo's commands with its own arguments; without a command, print the usage.

    :raises SystemExit: for an unknown command, naming the known ones, and if RL Zoo is not installed
    """
    command, *arguments = sys.argv[1:] or ["--help"]
    if command in ("-h", "--help"):
        print(USAGE)
        return
    if command not in (*COMMANDS, *SCRIPTS):
        raise SystemExit(f"zoo: {one_of('command', command, (*COMMANDS, *SCRIPTS))}")
    try:
        importlib.import_module("sb3_ppo_variants.zoo.register").register()
        run = _command(command)
    except ImportError as error:
        raise SystemExit(
            f"zoo: {command} needs RL Zoo ({error}): pip install 'sb3-ppo-variants[zoo]'; "
            "plot_from_file needs rl_zoo3[plots] as well"
        ) from error
    if command == "train":
        arguments = with_conf_file(arguments)
    sys.argv = [f"{sys.argv[0]} {command}", *arguments]
    run()


def _command(name: str) -> Callable[[], object]:
    if name in SCRIPTS:
        return partial(_run_script, f"rl_zoo3.{name}")
    command: Callable[[], object] = getattr(importlib.import_module(COMMANDS[name]), name)
    return command


def _run_script(module: str) -> None:
    """Run a script of RL Zoo that talks to the Hub.

    For a model without normalisation RL Zoo 2.9 expects an error of requests, but huggingface_hub raises its own error
    since release 1.

    :param module: to run
    """
    from huggingface_hub.errors import EntryNotFoundError
    from requests import exceptions

    with mock.patch.object(exceptions, "HTTPError", (exceptions.HTTPError, EntryNotFoundError)):
        runpy.run_module(module, run_name="__main__")


if __name__ == "__main__":
    main()
