"""The colours of a report: those of its figures, and of the squares and bars in its tables."""

from __future__ import annotations

from collections.abc import Sequence

BASELINE_COLOUR = "#4d4d4d"
# Okabe and Ito's palette, told apart by colour-blind readers; its yellow, too pale for lines on white, comes last.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442")
TEXT = "#262626"


def colours_of(arms: Sequence[str]) -> dict[str, str]:
    """One colour per arm; the baseline is a neutral dark grey.

    :param arms: names of all arms, the baseline first; the order decides the colours
    """
    others = {arm: PALETTE[position % len(PALETTE)] for position, arm in enumerate(arms[1:])}
    return {arms[0]: BASELINE_COLOUR, **others}
