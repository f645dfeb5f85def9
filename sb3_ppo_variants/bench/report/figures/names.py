"""Names of arms and environments in a figure; those that do not fit are shortened."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cbook import is_math_text
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sb3_ppo_variants.bench.report.figures.style import Styles, columns, scaled
from sb3_ppo_variants.messages import cut

# Inches of a letter: of a label, and of a title.
LETTER, _TITLE_LETTER = 0.075, 0.112
# Inches in a legend: beside a name, and of a letter with its share of the space between columns.
_KEY, _LEGEND_LETTER = 0.55, 0.085


def shortened(name: str, letters: int) -> str:
    """Put an ellipsis in the middle of a long name; mathematics stay whole.

    :param name: the name
    :param letters: how many it may have
    """
    return name if is_math_text(name) else cut(name, letters)


def room(figure: Figure, panels: int, letter: float = LETTER) -> int:
    """Return how many letters fit across one of the panels of a figure.

    :param figure: of equal panels
    :param panels: how many
    :param letter: inches of a letter on the screen
    """
    return int((figure.get_figwidth() / columns(panels) - scaled(0.5)) / scaled(letter))


def titles(figure: Figure, panels: Sequence[Axes], names: Iterable[str]) -> None:
    """Write names above the panels of a figure.

    :param figure: of equal panels
    :param panels: all of them
    :param names: of each
    """
    for axes, name in zip(panels, names, strict=True):
        axes.set_title(shortened(name, room(figure, len(panels), _TITLE_LETTER)))


def legend(figure: Figure, styles: Styles, labels: Mapping[str, str]) -> None:
    """Put one legend above all panels of a figure, which becomes higher when it takes more than one line.

    :param figure: with a layout engine
    :param styles: by arm
    :param labels: arm -> what it is called, of the arms that are shown
    """
    longest = int((figure.get_figwidth() - scaled(_KEY)) / scaled(_LEGEND_LETTER))
    names = [shortened(label, longest) for label in labels.values()]
    across = _across(names, figure.get_figwidth())
    figure.set_figheight(figure.get_figheight() + scaled(0.2) * (math.ceil(len(names) / across) - 1))
    lines = [Line2D([], [], **{**styles[arm], "linewidth": scaled(3.0)}) for arm in labels]
    figure.legend(lines, names, loc="outside upper left", ncols=across, handlelength=1.6, columnspacing=1.6)


def _across(names: Sequence[str], width: float) -> int:
    """Return how many columns of names fit into a width in inches; names fill one column after the other."""
    for count in range(min(len(names), 5), 1, -1):
        # As matplotlib deals them out: no column has more than one name more than another.
        longest = [max(part) for part in np.array_split(list(map(len, names)), count)]
        if sum(scaled(_KEY + _LEGEND_LETTER * letters) for letters in longest) <= width:
            return count
    return 1
