"""Speed of the classes against stock PPO: `python -m benchmarks.speed [--parts ...] [--other PYTHON] [--quick]`.

Every implementation runs in a separate process with one thread, all of them on the same CPU, and the processes take
turns within each repetition, in an order that rotates. They keep their memory. A ratio is stock's wall time divided by
the implementation's in the same repetition, above 1 for faster; the tables give the median over the repetitions in all
processes and the quartiles. The CPU time of every process and of those below it is measured beside the wall time: a
row where the two differ by more than 5 % is marked. Workers of SubprocVecEnv share the one CPU with the process that
they work for. The parts:

ratios    rollout, update and end to end, the first iteration with an empty and a filled cache of compiled code, peak
          memory. Settings A to D: stock, eager, log_kl, KL penalty, compiled, a single file of PyTorch, those of SBX,
          tianshou and rlox that `--other` has, and the environment and the matrix products alone; E to H, 32 and 64
          environments: stock, SubprocVecEnv, compiled, EnvPool, SBX, and what they have alone; I and J, LSTM
          policies: stock RecurrentPPO, RecurrentVariantPPO in eager mode and with compile=True
scaling   steps per second over the number of environments, time over the width of the network, and their figure
beside    work of an update besides its gradient steps
threads   two torch threads on two CPUs against one
allocator memory that glibc returns to the system and requests again, against memory that is kept
study     16 short runs of `ppo-bench run` against plain SB3 scripts, two at a time, once and only when asked for

All but the study take at most about 70 minutes on two slow cores, with all three libraries. To keep `--minutes`,
repetitions are left out where the machine is slow, but for two in each process. The study takes 20 minutes in addition:
ask for it alone, or give `--minutes 90`.

A line says what is done and how long the rest takes. The folder gets speed.json after every setting of a part, and
README.md and the figure at the end. What speed.json has from this processor and these versions is kept if it is not
measured again; after an interruption `--resume` measures only what it lacks. `make fill` then writes the tables of the
published folders into the pages on speed. The machine should do nothing else.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch as th

from benchmarks.measurements.plan import DEFAULT_PARTS, PARTS, Task, tasks
from benchmarks.measurements.processor import CAN_PIN
from benchmarks.measurements.progress import Progress
from benchmarks.measurements.publish import PUBLISHED, publish, versions_of
from benchmarks.measurements.settings import SETTINGS
from benchmarks.measurements.sides import OWN
from sb3_ppo_variants.bench.runs.provenance import cpu, versions


def available(settings: Sequence[str]) -> list[str]:
    """The settings whose environments can be made; a line says why another cannot.

    :param settings: names of them
    """
    found = []
    for name in settings:
        try:
            SETTINGS[name].env().close()
            found.append(name)
        except (gym.error.Error, ImportError) as error:
            print(f"setting {name} is left out: {error}")
    return found


def place(options: argparse.Namespace) -> dict[str, Any]:
    """Versions and machine.

    :param options: of the command line
    """
    found: dict[str, Any] = {
        "versions": {"python": platform.python_version(), **versions()} | versions_of(options.other),
        "cpu": cpu(),
        "platform": platform.platform(),
        "pinned": CAN_PIN,
    }
    if options.device != "cpu":
        found["gpu"] = th.cuda.get_device_name(options.device)
    return found


def kept(path: Path, here: dict[str, Any]) -> dict[str, Any]:
    """The earlier measurement if processor and versions in use are the same, else nothing.

    :param path: of the JSON
    :param here: versions and machine
    """
    before: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    # A library that takes no part now, or took none before, says nothing about the others.
    known, used = before.get("versions", {}), here["versions"]
    same = all(known[name] == used[name] for name in known.keys() & used)
    same &= all(before.get(name) == value for name, value in here.items() if name != "versions")
    return before if same else {}


def write(found: dict[str, Any], path: Path) -> None:
    """Replace the JSON as a whole, whenever the process ends.

    :param found: everything so far
    :param path: of the JSON
    """
    whole = path.with_suffix(".part")
    whole.write_text(json.dumps(found, indent=1) + "\n")
    whole.replace(path)


def measure(planned: Sequence[Task], found: dict[str, Any], path: Path, minutes: float) -> list[str]:
    """Do the tasks, and write the JSON after each.

    :param planned: the tasks
    :param found: versions, machine and what was kept; gets what is measured
    :param path: of the JSON
    :param minutes: that all of it should take at most
    :return: what failed, and why
    """
    failed = []
    with Progress({task.title: task.steps for task in planned}, 60.0 * minutes) as progress:
        for task in planned:
            progress.begin(task.title)
            try:
                entry = task.measure(progress.tick)
            except RuntimeError as error:
                failed.append(f"{task.title}: {error}")
                progress.end(f"FAILED, {error}")
                continue
            found[task.part] = found.get(task.part, {}) | {task.name: entry}
            write(found, path)
            progress.end()
    return failed


def main() -> None:
    """Measure, print the tables and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(DEFAULT_PARTS))
    parser.add_argument("--settings", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument(
        "--sides", nargs="+", choices=OWN, help="in place of those of the setting; stock is always the first"
    )
    parser.add_argument("--device", default="cpu", help="of torch; for another than the CPU only ratios are measured")
    parser.add_argument(
        "--other",
        metavar="PYTHON",
        help="interpreter of an environment that has Stable-Baselines3, and any of SBX, tianshou and rlox",
    )
    parser.add_argument(
        "--processes", type=int, default=2, help="of each implementation in A to D, one after the other"
    )
    parser.add_argument("--repetitions", type=int, default=5, help="in each process, at most")
    parser.add_argument(
        "--minutes", type=float, default=70.0, help="of the whole: more repetitions than two are left out to keep it"
    )
    parser.add_argument("--resume", action="store_true", help="measure only what speed.json in the folder lacks")
    parser.add_argument("--quick", action="store_true", help="one repetition in one process: does everything run?")
    parser.add_argument("--output", type=Path, help="folder; that of the published measurement when left out")
    options = parser.parse_args()
    if options.device != "cpu" and options.parts != ["ratios"]:
        parser.error(f"--device {options.device} measures ratios alone: add --parts ratios")
    if options.output is None:
        options.output = PUBLISHED["speed" if options.device == "cpu" else "speed_cuda"]
    if options.quick and options.output in PUBLISHED.values():
        parser.error("--quick measures nothing worth publishing: give --output another folder")
    if not CAN_PIN:
        print("This system cannot keep a process on one CPU: another one may use several.", flush=True)
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "speed.json"
    here = place(options)
    before = kept(path, here)
    found = before | here | {"versions": before.get("versions", {}) | here["versions"]}
    with tempfile.TemporaryDirectory() as cache:
        planned = tasks(options, available(options.settings), Path(cache))
        if options.resume:
            planned = [task for task in planned if task.name not in found.get(task.part, {})]
        failed = measure(planned, found, path, options.minutes)
    print(publish(found, options.output))
    if failed:
        sys.exit("\n".join(failed))


if __name__ == "__main__":
    main()
