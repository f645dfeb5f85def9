"""The figures of the random kills, as JSON and as a page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sb3_ppo_variants.bench.runs.provenance import versions
from tests.bench.faults import RUNS

PHASES = ("starting", "claiming", "training", "publishing", "reporting")


@dataclass
class Figures:
    """What was done, and what was found wrong."""

    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    studies: Counter[str] = field(default_factory=Counter)
    restarts: Counter[str] = field(default_factory=Counter)
    equal: int = 0
    after_checkpoint: int = 0
    went_on: int = 0
    wrong: list[str] = field(default_factory=list)


def as_json(figures: Figures, asked: str, seconds: float) -> dict[str, Any]:
    """Write the figures as JSON can hold them."""
    kills: dict[str, dict[str, int]] = {}
    for (target, state), count in sorted(figures.kills.items()):
        kills.setdefault(target, {})[state] = count
    return {
        "asked": asked,
        "kills": figures.kills.total(),
        "kills_by_target_and_phase": kills,
        "studies": dict(figures.studies),
        "runs_per_study": RUNS,
        "restarts": dict(figures.restarts),
        "after_checkpoint": figures.after_checkpoint,
        "went_on": figures.went_on,
        "results_equal": figures.equal,
        "wrong": figures.wrong,
        "seconds": round(seconds),
        "versions": versions(),
    }


def as_markdown(record: dict[str, Any]) -> str:
    """Write the figures as a page."""
    kills = record["kills_by_target_and_phase"]
    rows = [[target, *(str(counts.get(phase, "")) for phase in PHASES)] for target, counts in kills.items()]
    totals = [str(sum(counts.values())) for counts in kills.values()]
    studies = sum(record["studies"].values())
    settings = ", ".join(f"{count} with {setting}" for setting, count in record["studies"].items())
    restarts = ", ".join(f"{name} {count}" for name, count in record["restarts"].items())
    lines = [
        "# Random kills",
        "",
        f"{record['kills']} SIGKILLs at random moments in {studies} studies of {record['runs_per_study']} runs each",
        f"({settings}), made by `python -m tests.bench.stress {record['asked']}`.",
        "",
        f"| killed | {' | '.join(PHASES)} | all |",
        f"| --- {'| --- ' * (len(PHASES) + 1)}|",
        *(f"| {' | '.join([*row, total])} |" for row, total in zip(rows, totals, strict=True)),
        "",
        f"- Started again: {restarts}.",
        f"- Kills of a run that had saved a checkpoint: {record['after_checkpoint']}.",
        f"- Killed in the middle of a run, and gone on from its checkpoint: {record['went_on']} times.",
        f"- Equal to the undisturbed results.csv, byte for byte: {record['results_equal']} of {studies} studies.",
        f"- Finished runs lost or made again, things that lie about, studies without end: {len(record['wrong'])}.",
        "",
        "A phase is what the killed run was doing, or the furthest of the runs at that moment when another process was",
        "killed. Starting: no run is there. Claiming: its folder is there, its training has not begun. Publishing: the",
        "run is complete, its folder is not yet in its place. Reporting: every run is finished, the report is not.",
    ]
    return "\n".join(lines) + "\n"
