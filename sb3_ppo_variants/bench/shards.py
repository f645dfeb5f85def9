"""The runs of a study dealt out to the jobs of an array."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from sb3_ppo_variants.bench.run import Run


def shard(runs: Iterable[Run], index: int, count: int) -> list[Run]:
    """Return one of several shares of the runs of a study, in their order.

    Every run is in exactly one share, and the numbers of runs differ by one at most. Of the shares that are shortest so
    far, a run goes to the one that has least of its arm and its environment, so that every share is a mixture and takes
    about as long as the others.

    :param runs: all runs of the study; the same list gives the same shares everywhere
    :param index: which share, from 1 to count
    :param count: number of shares
    """
    dealt: list[list[Run]] = [[] for _ in range(count)]
    having: list[Counter[tuple[str, ...]]] = [Counter() for _ in range(count)]
    for run in runs:
        kinds = [("arm", run.arm), ("environment", run.environment), ("both", run.arm, run.environment)]
        costs = [(len(dealt[i]), sum(having[i][kind] for kind in kinds), i) for i in range(count)]
        chosen = min(costs)[-1]
        dealt[chosen].append(run)
        having[chosen].update(kinds)
    return dealt[index - 1]
