"""Random kills: `python -m tests.bench.stress [--kills 60] [--after-checkpoint 0] [--seed 0] [--publish FOLDER]`, or
`make test-faults`.

Small studies run from the command line: by one runner, by two runners on one results folder, and on a dask scheduler
with two workers. Parts of them are killed with SIGKILL at random moments, or just when a run is being published or the
report is being written, or a run itself some time after it has saved a checkpoint, and what was killed is started again
as its user would. In the end nothing that was finished at
a kill may be lost or made again, nothing may lie about, and results.csv must be that of an undisturbed study, byte for
byte, though runs go on from their checkpoints. The choices are seeded; what the processes do meanwhile is not.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from sb3_ppo_variants.bench.runs.record import CHECKPOINT, RECORD
from tests.bench.faults import RUNS, STUDY, bench, finished, gone
from tests.bench.stress_figures import Figures, as_json, as_markdown

# Long enough to be killed in the middle, with a checkpoint before every second rollout.
LONGER_STUDY = STUDY.replace("total_timesteps: 256", "total_timesteps: 2048\n    checkpoint: {every: 256}")
SETTINGS = ("one runner", "two runners", "dask")
MOMENTS = {"any time": 4, "a publication": 3, "the report": 1, "a checkpoint": 4}
LONGEST_PAUSE = 8.0
KILLS_PER_STUDY = 8
STUDY_SECONDS = 600.0


class Parts:
    """The processes of one study that a user starts, each started again until every runner has ended well.

    :param setting: one of :data:`SETTINGS`
    :param study: the study file
    :param results: the results folder; what the processes say is in ``log.txt`` beside it
    """

    def __init__(self, setting: str, study: Path, results: Path) -> None:
        self.commands = {f"runner {number}": bench(study, results) for number in range(2 if setting[0] == "t" else 1)}
        if setting == "dask":
            self._use_dask()
        self.log = (results.parent / "log.txt").open("a")
        self.processes = {name: self._start(name) for name in self.commands}
        self.restarts: Counter[str] = Counter()

    def _use_dask(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        module, address = [sys.executable, "-m"], f"tcp://127.0.0.1:{port}"
        local = ["--host", "127.0.0.1", "--port", port, "--dashboard-address", "127.0.0.1:0"]
        one_thread = ["--nthreads", "1", "--no-nanny", "--no-dashboard"]
        self.commands["runner 0"] += ["--executor", "dask", "--scheduler", address]
        self.commands["dask scheduler"] = [*module, "distributed.cli.dask_scheduler", *local]
        for number in range(2):
            self.commands[f"dask worker {number}"] = [*module, "distributed.cli.dask_worker", address, *one_thread]

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.commands[name], stdout=self.log, stderr=self.log, start_new_session=True)

    def over(self) -> bool:
        """Start again what has ended badly; whether every runner has ended well."""
        for name, process in self.processes.items():
            if process.poll() is not None and not (kind(name) == "runner" and process.returncode == 0):
                self.restarts[kind(name)] += 1
                self.processes[name] = self._start(name)
        return all(process.poll() == 0 for name, process in self.processes.items() if kind(name) == "runner")

    def pids(self) -> dict[str, list[int]]:
        """Living processes, by kind."""
        found: dict[str, list[int]] = {}
        for name, process in self.processes.items():
            if process.poll() is None:
                found.setdefault(kind(name), []).append(process.pid)
        return found

    def end(self) -> None:
        """Kill what is left, and wait for it."""
        for process in self.processes.values():
            process.kill()
            process.wait()
        self.log.close()


def kind(name: str) -> str:
    """Name of a process without its number."""
    return name.rstrip(" 0123456789")


def partials(results: Path) -> dict[int, Path]:
    """Folders in which living processes make runs, by process."""
    with contextlib.suppress(FileNotFoundError):
        found = {int(path.name.rpartition("-")[2]): path for path in (results / "interrupted" / ".partial").iterdir()}
        return {pid: path for pid, path in found.items() if not gone(pid)}
    return {}


def fork_server(run: int) -> list[int]:
    """Return the process that forked a run, unless the run is gone meanwhile."""
    with contextlib.suppress(OSError):
        return [int(Path(f"/proc/{run}/stat").read_text().rpartition(")")[2].split()[1])]
    return []


def phase(results: Path, folders: list[Path]) -> str:
    """Say what is going on in some folders that runs are made in."""
    if any((folder / "run.json").exists() for folder in folders):
        return "publishing"
    if any((folder / "progress.csv").exists() for folder in folders):
        return "training"
    if folders:
        return "claiming"
    return "reporting" if len(finished(results)) == RUNS else "starting"


def with_checkpoint(results: Path) -> dict[int, Path]:
    """The partial folders of runs that are being trained and have a checkpoint, by process."""
    found = partials(results).items()
    return {pid: path for pid, path in found if (path / CHECKPOINT).exists() and not (path / RECORD).exists()}


def kill_run(results: Path, chance: random.Random, figures: Figures) -> None:
    """Kill a run that has a checkpoint, if there is one."""
    runs = with_checkpoint(results)
    if runs:
        with contextlib.suppress(ProcessLookupError):
            os.kill(chance.choice(list(runs)), signal.SIGKILL)
            figures.kills["run", "training"] += 1
            figures.after_checkpoint += 1


def kill_one(parts: Parts, results: Path, chance: random.Random, figures: Figures) -> None:
    """Kill one of the living processes; every kind is as likely."""
    runs = partials(results)
    candidates = parts.pids()
    candidates["run"] = list(runs)
    candidates["fork server"] = [pid for run in runs for pid in fork_server(run) if pid != 1]
    target = chance.choice([kind for kind, pids in candidates.items() if pids])
    victim = chance.choice(candidates[target])
    state = phase(results, [runs[victim]] if target == "run" else list(runs.values()))
    with contextlib.suppress(ProcessLookupError):
        os.kill(victim, signal.SIGKILL)
        figures.kills[target, state] += 1


def moment(name: str, parts: Parts, results: Path, chance: random.Random) -> bool:
    """Wait for one of :data:`MOMENTS`; False when the study is over before it."""
    latest = time.monotonic() + (chance.uniform(0.0, LONGEST_PAUSE) if name == "any time" else 3 * LONGEST_PAUSE)
    conditions: dict[str, Callable[[], bool]] = {
        "any time": lambda: False,
        "a publication": lambda: any((path / "run.json").exists() for path in partials(results).values()),
        "the report": lambda: len(finished(results)) == RUNS,
        "a checkpoint": lambda: bool(with_checkpoint(results)),
    }
    while not conditions[name]() and time.monotonic() < latest:
        if parts.over():
            return False
        time.sleep(0.001)
    if name != "any time":
        time.sleep(chance.choice([0.0, chance.uniform(0.0, 0.02), chance.uniform(0.0, 2.0)]))
    return not parts.over()


def disturbed(
    setting: str, folder: Path, chance: random.Random, kills: int, figures: Figures, moments: dict[str, int] = MOMENTS
) -> Path:
    """Run a study with so many kills at most and return its results folder."""
    (folder / "study.yaml").write_text(textwrap.dedent(LONGER_STUDY))
    results = folder / "results"
    parts = Parts(setting, folder / "study.yaml", results)
    seen: dict[Path, int] = {}
    before, end = figures.kills.total(), time.monotonic() + STUDY_SECONDS
    try:
        while figures.kills.total() - before < kills and time.monotonic() < end:
            name = chance.choices(list(moments), list(moments.values()))[0]
            if not moment(name, parts, results, chance):
                break
            seen |= finished(results)
            if name == "a checkpoint":
                kill_run(results, chance, figures)
            else:
                kill_one(parts, results, chance, figures)
        while not parts.over():
            if time.monotonic() > end:
                figures.wrong.append(f"{setting}: not over after {STUDY_SECONDS:g} seconds")
                break
            time.sleep(0.05)
    finally:
        parts.end()
        figures.restarts += parts.restarts
    now = finished(results)
    figures.wrong += [
        f"{setting}: {path.parent.name} was lost or made again" for path in seen if now.get(path) != seen[path]
    ]
    return results


def names(results: Path) -> Iterator[str]:
    """Names of everything in a study's folder, down to the run folders."""
    for pattern in ("*", "*/*"):
        yield from (str(path.relative_to(results)) for path in (results / "interrupted").glob(pattern))


def judge(setting: str, results: Path, undisturbed: Path, figures: Figures) -> None:
    """Compare a study with the undisturbed one."""
    expected, found = set(names(undisturbed)), set(names(results))
    figures.wrong += [f"{setting}: {name} is missing" for name in sorted(expected - found)]
    figures.wrong += [f"{setting}: {name} lies about" for name in sorted(found - expected)]
    tables = [folder / "interrupted" / "results.csv" for folder in (undisturbed, results)]
    equal = all(table.exists() for table in tables) and tables[0].read_bytes() == tables[1].read_bytes()
    for record in (json.loads(path.read_bytes()) for path in finished(results)):
        went_on = record.get("resumed", [])
        figures.went_on += len(went_on)
        figures.wrong += [f"{setting}: differs, {one['differs']}" for one in went_on if one["differs"]]
    figures.studies[setting] += 1
    figures.equal += equal
    if not equal:
        figures.wrong.append(f"{setting}: results.csv differs")


def stress(folder: Path, kills: int, after_checkpoint: int, seed: int) -> Figures:
    """Kill until there were enough kills, at the end only runs that have a checkpoint."""
    figures, chance = Figures(), random.Random(seed)
    quiet = folder / "undisturbed"
    quiet.mkdir()
    undisturbed = disturbed("one runner", quiet, chance, 0, figures)
    while (missing := kills - figures.kills.total()) > 0 or figures.after_checkpoint < after_checkpoint:
        number = figures.studies.total()
        setting = SETTINGS[number % len(SETTINGS)]
        here = folder / str(number)
        here.mkdir()
        moments = MOMENTS if missing > 0 else {"a checkpoint": 1}
        most = min(KILLS_PER_STUDY, max(missing, after_checkpoint - figures.after_checkpoint))
        results = disturbed(setting, here, chance, most, figures, moments)
        judge(setting, results, undisturbed, figures)
        print(
            f"{setting}: {figures.kills.total()} of {kills} kills, {figures.after_checkpoint} of {after_checkpoint} "
            f"after a checkpoint, {len(figures.wrong)} wrong",
            flush=True,
        )
        if figures.wrong:
            print((here / "log.txt").read_text()[-10_000:])
            break
    return figures


def main() -> int:
    """Print the figures; 1 when anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument(
        "--after-checkpoint", type=int, default=0, help="so many of them at least of runs that have a checkpoint"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--publish", metavar="FOLDER", type=Path, help="write kills.json and README.md there")
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        figures = stress(Path(folder), options.kills, options.after_checkpoint, options.seed)
    asked = f"--kills {options.kills} --after-checkpoint {options.after_checkpoint} --seed {options.seed}"
    record = as_json(figures, asked, time.monotonic() - started)
    text = as_markdown(record)
    print(text)
    if options.publish:
        options.publish.mkdir(parents=True, exist_ok=True)
        (options.publish / "kills.json").write_text(json.dumps(record, indent=2) + "\n")
        (options.publish / "README.md").write_text(text)
    return 1 if figures.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
