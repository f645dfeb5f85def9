"""A newcomer's path, timed: a fresh environment, the built wheel, RL Zoo, a study, its report.

``python -m benchmarks.newcomer`` writes the transcript to ``benchmarks/published/newcomer/README.md``. All that it runs
is outside the repository, in a folder that is removed afterwards; versions are those of constraints.txt.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).parents[1]
TRANSCRIPT = ROOT / "benchmarks" / "published" / "newcomer" / "README.md"
TRAINED = "--algo dual_clip_ppo --env CartPole-v1"
STUDY = """\
name: first
total_timesteps: 20_480
seeds: 3
evaluation: {every: 4_096, episodes: 10}
arguments: {device: cpu, n_steps: 256}
environments: [CartPole-v1]
arms:
  dual_clip: {algorithm: sb3_ppo_variants.DualClipPPO}
  kl_penalty: {algorithm: sb3_ppo_variants.KLPenaltyPPO}
"""
# Longer output is cut in the middle.
LINES = 24


@dataclass(frozen=True)
class Step:
    """One thing that a newcomer does.

    :param title: what it is
    :param command: for a shell
    """

    title: str
    command: str


@dataclass(frozen=True)
class Done:
    """A step that went well.

    :param step: which
    :param seconds: that it took
    :param output: what it printed
    """

    step: Step
    seconds: float
    output: str


def steps(wheel: str) -> list[Step]:
    """All of them, in order.

    :param wheel: name of the file
    """
    return [
        Step("make an environment", f"{sys.executable} -m venv new"),
        Step("install torch", "new/bin/pip install --quiet --constraint constraints.txt torch"),
        Step(
            "install the wheel with its extras",
            f"new/bin/pip install --quiet --constraint constraints.txt './{wheel}[bench,zoo,hub]'",
        ),
        Step(
            "train through RL Zoo, 100 000 steps",
            f"new/bin/python -m sb3_ppo_variants.zoo train {TRAINED} --verbose 0",
        ),
        Step(
            "watch it, without a window",
            f"new/bin/python -m sb3_ppo_variants.zoo enjoy {TRAINED} -f logs --no-render -n 1500",
        ),
        Step("ask what a study would cost", "new/bin/ppo-bench plan first.yaml"),
        Step("run the study: three arms, three seeds", "new/bin/ppo-bench run first.yaml"),
        Step("open the report", "head -n 15 results/first/report.md"),
        Step(
            "make a folder for the Hugging Face Hub",
            "new/bin/ppo-bench card first.yaml --arm dual_clip --environment CartPole-v1 && ls hub/*",
        ),
    ]


def main() -> int:
    """Take the path and write it down; 1 when a step fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=TRANSCRIPT, help="the transcript")
    parser.add_argument("--remark", default="", help="about the machine, a sentence of the transcript")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="newcomer") as name:
        folder = Path(name)
        wheel = prepare(folder)
        done: list[Done] = []
        for step in steps(wheel):
            done.append(take(step, folder))
            print(f"{done[-1].seconds:6.1f} s  {step.title}", flush=True)
        text = transcript(done, wheel, arguments.remark)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text)
    return 0


def prepare(folder: Path) -> str:
    """Lay what a newcomer has into the folder: the wheel, the pinned versions and a study; the name of the wheel."""
    with tempfile.TemporaryDirectory() as source:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "sb3_ppo_variants", Path(source) / "sb3_ppo_variants", ignore=ignored)
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, source)
        build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), source]
        subprocess.run(build, check=True)
    shutil.copy(ROOT / "constraints.txt", folder)
    (folder / "first.yaml").write_text(STUDY)
    (wheel,) = folder.glob("*.whl")
    return wheel.name


def take(step: Step, folder: Path) -> Done:
    """Carry out a step.

    :param step: which
    :param folder: where
    :raises SystemExit: when it fails, with what it printed
    """
    alone = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    started = time.monotonic()
    result = subprocess.run(
        step.command,
        shell=True,
        cwd=folder,
        env=alone | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "COLUMNS": "110"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    seconds = time.monotonic() - started
    if result.returncode != 0:
        raise SystemExit(f"{step.command} failed:\n{result.stdout}")
    return Done(step, seconds, clean(result.stdout, folder))


def clean(output: str, folder: Path) -> str:
    """What a terminal shows in the end, without the folders of this machine."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output)
    text = text.replace(f"{folder}/", "").replace(str(folder), ".")
    lines = [line.rpartition("\r")[2].rstrip() for line in text.splitlines()]
    # pip's remarks on where it looks for packages belong to the machine.
    lines = [line for line in lines if line and not line.startswith("WARNING: Location")]
    if len(lines) > LINES:
        half = LINES // 2
        lines = [*lines[:half], "...", *lines[-half:]]
    return "\n".join(lines)


def transcript(done: list[Done], wheel: str, remark: str) -> str:
    """The path as a page.

    :param done: all steps
    :param wheel: name of the file
    :param remark: about the machine
    """
    date = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    total = sum(step.seconds for step in done)
    rows = [f"| {item.step.title} | {item.seconds:.0f} |" for item in done]
    shown = [f"## {item.step.title[0].upper()}{item.step.title[1:]}\n\n{block(item)}" for item in done]
    made = f"Made {date} by `python -m benchmarks.newcomer` on {os.cpu_count()} cores with Python "
    return "\n".join(
        [
            "# A newcomer's path",
            "",
            f"{made}{platform.python_version()}, outside the repository. {remark}".strip(),
            f"The folder holds `{wheel}`, `constraints.txt` and `first.yaml`, which is shown at the end.",
            "",
            "| step | seconds |",
            "| --- | --- |",
            *rows,
            f"| together | {total:.0f} |",
            "",
            "\n\n".join(shown),
            "",
            "## The study",
            "",
            f"```yaml\n{STUDY}```",
            "",
        ]
    )


def block(item: Done) -> str:
    """A command and its output."""
    command = item.step.command.replace(sys.executable, "python3")
    return f"```\n$ {command}\n{item.output}\n```" if item.output else f"```\n$ {command}\n```"


if __name__ == "__main__":
    sys.exit(main())
