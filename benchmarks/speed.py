"""Speed of the classes against stock PPO: `python -m benchmarks.speed [--parts ...] [--other PYTHON] [--quick]`.

Every implementation runs in a separate process with one thread, and the processes take turns within each repetition,
in an order that rotates. They keep their memory. A ratio is stock's time divided by the implementation's in the same
repetition, above 1 for faster; the tables give the median over the repetitions in all processes and the quartiles.
The parts:

ratios    stock, eager, log_kl, KL penalty, compiled, a single file of PyTorch, and those of SBX, tianshou and rlox that
          `--other` has: rollout, update and end to end, the first iteration with an empty and a filled cache of
          compiled code, peak memory
limits    the bare environment's steps, and the matrix products of an update
scaling   the number of environments, the minibatch and the width of the network
threads   two torch threads against one
beside    work of an update besides its gradient steps
allocator memory that glibc returns to the system and requests again, against memory that is kept
study     16 short runs of `ppo-bench run` against plain SB3 scripts, once and only when it is asked for

The folder gets speed.json, README.md and the figure. It keeps the parts that are not measured again if they are from
this processor and these versions. `make fill` then writes the tables of the published folders into docs/speed.md. The
machine should do nothing else.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch as th

from benchmarks.measurements import beside, limits, ratios, scaling, study, variables
from benchmarks.measurements.publish import PUBLISHED, publish, versions_of
from benchmarks.measurements.settings import SETTINGS
from benchmarks.measurements.sides import ON_CPU, OTHERS, OWN
from sb3_ppo_variants.bench.runs.provenance import cpu, versions

PARTS = ("ratios", "limits", "beside", "scaling", "threads", "allocator", "study")
DEFAULT_PARTS = PARTS[:-1]
# Seconds on two idle cores, for the announcement: those of starting and compiling, and those of a repetition.
START_SECONDS = {"ratios": 50, "scaling": 350, "limits": 5, "beside": 5, "threads": 12, "allocator": 12, "study": 0}
REPETITION_SECONDS = {
    "ratios": 10,
    "scaling": 14,
    "limits": 1,
    "beside": 1,
    "threads": 4,
    "allocator": 4,
    "study": 1100,
}
PER_SETTING = {"ratios", "threads", "allocator", "limits", "beside"}
PER_PROCESS = {"ratios", "threads", "allocator"}


def expected(parts: list[str], repetitions: dict[str, int], settings: list[str], processes: int) -> float:
    """Rough seconds of the whole, from the numbers above.

    :param parts: to be measured
    :param repetitions: of each part
    :param settings: to be measured
    :param processes: how often an implementation is started
    """
    times = {part: len(settings) if part in PER_SETTING else 1 for part in parts}
    times |= {part: count * processes for part, count in times.items() if part in PER_PROCESS}
    return sum(times[p] * (START_SECONDS[p] + repetitions[p] * REPETITION_SECONDS[p]) for p in parts)


def available(settings: list[str]) -> list[str]:
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


def measure(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Everything that is asked for, and each time something is there, all that was found so far.

    :param options: of the command line
    """
    settings = available(options.settings)
    repetitions = {part: 1 if options.quick or part == "study" else options.repetitions for part in PARTS}
    if not options.quick:
        minutes = expected(options.parts, repetitions, settings, options.processes) / 60
        print(f"about {minutes:.0f} minutes on two idle cores", flush=True)
    pythons = {side: options.other for side in OTHERS if options.other}
    sides = [*options.sides, *pythons]
    found: dict[str, Any] = {
        "versions": {"python": platform.python_version(), **versions()} | versions_of(options.other),
        "cpu": cpu(),
        "platform": platform.platform(),
    }
    if options.device != "cpu":
        found["gpu"] = th.cuda.get_device_name(options.device)
    before = kept(options.output / "speed.json", found)
    found = before | found | {"versions": before.get("versions", {}) | found["versions"]}
    for part in options.parts:
        print(f"{part}:", flush=True)
        start = time.perf_counter()
        count = repetitions[part]
        if part == "ratios":
            found[part] = {}
            for name in settings:
                found[part][name] = ratios.measure(
                    name, sides, pythons, count, device=options.device, processes=options.processes
                )
                yield found
        elif part == "limits":
            found[part] = limits.measure(settings, count, 200 if options.quick else 10_000)
        elif part == "beside":
            found[part] = beside.measure(settings, count)
        elif part == "scaling":
            found[part] = scaling.measure(count, options.quick)
        elif part in variables.OTHER:
            found[part] = variables.measure(part, settings, count, options.processes)
        else:
            runs, steps = (2, 2048) if options.quick else (study.RUNS, 20_480)
            found[part] = study.measure(count, runs, steps)
        print(f"  {time.perf_counter() - start:.0f} seconds", flush=True)
        yield found


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


def main() -> None:
    """Measure, print the tables and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(DEFAULT_PARTS))
    parser.add_argument("--settings", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--sides", nargs="+", choices=[*OWN, *ON_CPU], default=OWN, help="stock is always the first")
    parser.add_argument("--device", default="cpu", help="of torch; for another than the CPU only ratios are measured")
    parser.add_argument(
        "--other",
        metavar="PYTHON",
        help="interpreter of an environment that has Stable-Baselines3, and any of SBX, tianshou and rlox",
    )
    parser.add_argument("--processes", type=int, default=2, help="of each implementation, one after the other")
    parser.add_argument("--repetitions", type=int, default=5, help="in each process")
    parser.add_argument("--quick", action="store_true", help="one repetition in one process: does everything run?")
    parser.add_argument("--output", type=Path, help="folder; that of the published measurement when left out")
    options = parser.parse_args()
    options.processes = 1 if options.quick else options.processes
    options.sides = ["stock", *(side for side in options.sides if side != "stock")]
    if options.device != "cpu" and options.parts != ["ratios"]:
        parser.error(f"--device {options.device} measures ratios alone: add --parts ratios")
    if options.output is None:
        options.output = PUBLISHED["speed" if options.device == "cpu" else "speed_cuda"]
    if options.quick and options.output in PUBLISHED.values():
        parser.error("--quick measures nothing worth publishing: give --output another folder")
    options.output.mkdir(parents=True, exist_ok=True)
    for found in measure(options):
        (options.output / "speed.json").write_text(json.dumps(found, indent=1) + "\n")
    print(publish(found, options.output))


if __name__ == "__main__":
    main()
