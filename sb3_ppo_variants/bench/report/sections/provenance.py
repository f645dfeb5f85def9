"""What was run, where, and with what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sb3_ppo_variants.bench.report.document import Cell, Code, Definition, Section, Table
from sb3_ppo_variants.bench.runs.folders import raised
from sb3_ppo_variants.bench.runs.provenance import distinct, versions
from sb3_ppo_variants.bench.runs.sources import changes
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.imported import ImportedArm, ImportedRun
from sb3_ppo_variants.bench.table.table import Tables, continued_differently, differences

RETURNS = {
    "evaluations": "returns of evaluations (evaluations.npz)",
    "training": (
        "returns of training episodes (monitor.csv), whose actions are sampled, so that they tend to be lower than "
        "those of evaluations"
    ),
}


def what_was_run(study: Study, tables: Tables, failed: int, missing: int, parquet: bool) -> Section:
    """Numbers of runs, and where they were made.

    :param study: the study
    :param tables: its tables
    :param failed: number of failed runs
    :param missing: number of runs that neither finished nor failed
    :param parquet: whether results.parquet was written
    """
    places = [record["provenance"] for record in tables.records]
    hours = float(tables.timings["seconds"].sum()) / 3600
    return Section(
        "What was run",
        definitions=[
            Definition(
                "Runs",
                [
                    f"{len(tables.records)} finished, {failed} failed, {missing} missing; {hours:.1f} hours of "
                    "computing, one thread per run"
                ],
            ),
            *_resumed(tables.records),
            *_continued(tables.records),
            *_ended(tables.records),
            Definition("Evaluation", [_evaluation(study)]),
            Definition("Tables", [_files(parquet)]),
            Definition("Command", [Code(command) for command in distinct(place["command"] for place in places)]),
            Definition("Machine", distinct(f"{place['cpu']}, {place['platform']}" for place in places)),
            Definition("Python", distinct(place["python"] for place in places)),
            Definition("Versions", [_versions(found) for found in distinct(place["versions"] for place in places)]),
            Definition(
                "sb3_contrib",
                [found or "not installed" for found in distinct(place.get("sb3_contrib") for place in places)],
            ),
            *_envpool(places),
            *_own_code(tables.records),
            Definition("Commit of sb3_ppo_variants", [_commit(git) for git in distinct(p["git"] for p in places)]),
        ],
    )


def imported_runs(arms: Sequence[ImportedArm]) -> Section:
    """Where the runs of other programs come from.

    :param arms: the imported arms
    """
    note = (
        "Read from the logs of another program, not made by this study: their code, other packages and machine are not "
        "known, and their evaluations may have differed. Only returns within the study's budget of steps count."
    )
    return Section(
        "Imported runs", notes=[note], definitions=[Definition(arm.arm, list(_imported(arm))) for arm in arms]
    )


def failed_runs(failed: Sequence[tuple[Run, str]]) -> Section:
    """The failed runs and why they failed.

    :param failed: runs with their tracebacks
    """
    rows = [[*_labels(run), Cell(raised(traceback), details=traceback)] for run, traceback in failed]
    return Section("Failed runs", table=Table(["arm", "environment", "seed", "error"], rows))


def missing_runs(missing: Sequence[Run]) -> Section:
    """The runs that neither finished nor failed.

    :param missing: these runs
    """
    return Section("Missing runs", table=Table(["arm", "environment", "seed"], [_labels(run) for run in missing]))


def left_out_folders(named: Sequence[str]) -> Section:
    """The folders that no number comes from.

    :param named: each with its reason
    """
    note = "No number comes from these. Remove a damaged folder, and ppo-bench run makes its run again."
    return Section("Left out", notes=[note], definitions=[Definition("Folders", named)])


def _labels(run: Run) -> list[Cell]:
    return [Cell(run.arm), Cell(run.environment), Cell(str(run.seed), run.seed)]


def _evaluation(study: Study) -> str:
    actions = {name: study.judged(name).deterministic for name in study.environments}
    named = {True: "deterministic actions", False: "sampled actions"}
    if len(set(actions.values())) == 1:
        how = named[next(iter(actions.values()))]
    else:
        how = " and ".join(
            f"{text} in {', '.join(name for name in actions if actions[name] is kind)}" for kind, text in named.items()
        )
    return f"{how}, returns without normalisation, in a separate environment with seed + 10000"


def _files(parquet: bool) -> str:
    if parquet:
        return "results.csv, timings.csv, results.parquet"
    return "results.csv, timings.csv; no results.parquet, because neither pyarrow nor fastparquet is installed"


def _versions(found: dict[str, str | None]) -> str:
    listed = ", ".join(f"{package} {version}" for package, version in found.items())
    return listed if found == versions() else f"{listed} (stale: other versions are installed now)"


def _resumed(records: Sequence[dict[str, Any]]) -> list[Definition]:
    """The runs that went on from a checkpoint, if any did, and why some of them differ."""
    resumed = [record for record in records if record.get("resumed")]
    reasons = Counter(reason for record in resumed for reason in differences(record))
    if not resumed:
        return []
    exact = len(resumed) - sum(bool(differences(record)) for record in resumed)
    lines = (
        [f"{exact} went on from a checkpoint, with the results of a run that was never interrupted"] if exact else []
    )
    lines += [f"{count} went on from a checkpoint and may differ: {reason}" for reason, count in reasons.items()]
    return [Definition("Interrupted runs", lines)]


def _continued(records: Sequence[dict[str, Any]]) -> list[Definition]:
    """The runs that began at the last state of a shorter run, if any did, and why some of them differ."""
    reasons = Counter(continued_differently(record) for record in records if record.get("continued"))
    exact = reasons.pop(None, 0)
    lines = [f"{exact} began at the last state of a shorter run, with the results of a run anew"] if exact else []
    lines += [
        f"{count} began at the last state of a shorter run and may differ: {why}" for why, count in reasons.items()
    ]
    return [Definition("Continued runs", lines)] if lines else []


def ended_early(records: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Say which callbacks ended how many runs before their budget was used up, and at which steps.

    :param records: the ``run.json`` of runs
    """
    steps: dict[str, list[int]] = {}
    for record in records:
        if ended := record.get("ended"):
            steps.setdefault(ended["callback"] or "a callback that is not known", []).append(ended["timesteps"])
    for callback, found in steps.items():
        low, high = min(found), max(found)
        yield f"{len(found)} ended by {callback}, at {low if low == high else f'{low} to {high}'} steps"


def _ended(records: Sequence[dict[str, Any]]) -> list[Definition]:
    lines = list(ended_early(records))
    carried = "their last evaluation is carried forward to the budget, in rows of results.csv with 0 episodes"
    return [Definition("Runs that ended early", [*lines, carried])] if lines else []


def _envpool(places: Sequence[dict[str, Any]]) -> list[Definition]:
    """The versions of EnvPool that runs were trained with, if any were."""
    found = distinct(place["envpool"] for place in places if "envpool" in place)
    return [Definition("EnvPool", found)] if found else []


def _own_code(records: Sequence[dict[str, Any]]) -> list[Definition]:
    """The hashes of the source of the user's own code in the runs, and what has changed since."""
    found = distinct(item for record in records for item in record["provenance"].get("sources", {}).items())
    lines = [*(f"{path}, source {digest}" for path, digest in found), *(f"stale: {line}" for line in changes(records))]
    return [Definition("Own code", lines)] if lines else []


def _commit(git: dict[str, Any] | None) -> str:
    if git is None:
        return "not in a checkout"
    return f"{git['commit']} with uncommitted changes" if git["dirty"] else Code(git["commit"])


def _imported(arm: ImportedArm) -> Iterator[str]:
    yield f"from {arm.source.folder}, Stable-Baselines3 {', '.join(arm.versions)}: {RETURNS[arm.source.returns]}"
    yield from map(_imported_run, arm.runs)
    yield from (f"left out: {line}" for line in arm.left_out)


def _imported_run(run: ImportedRun) -> str:
    episodes = [len(returns) for returns in run.series.returns]
    return (
        f"{run.log.path.name}: {run.log.algorithm} on {run.log.environment}, seed {run.log.seed}, "
        f"{len(run.series.timesteps)} points of {min(episodes)} to {max(episodes)} episodes"
    )
