"""The runs of a study dealt out to the jobs of an array."""

from __future__ import annotations

from collections.abc import Sequence

from sb3_ppo_variants.bench.run import Run


def shard(runs: Sequence[Run], index: int, count: int) -> list[Run]:
    """Return one of several shares of the runs of a study, in their order.

    Every run is in exactly one share. The seeds of each environment and arm are dealt out in turn, so that the shares
    differ by one run at most, in all and of each environment and arm, and take about equally long.

    :param runs: all runs of the study; the same runs give the same shares everywhere
    :param index: which share, from 1 to count
    :param count: number of shares
    """
    in_turn = sorted(range(len(runs)), key=lambda position: (runs[position].environment, runs[position].arm))
    return [runs[position] for position in sorted(in_turn[index - 1 :: count])]
