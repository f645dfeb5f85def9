"""Every figure of docs/figures that is drawn from the code or from a published study."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from docs import draw_cliff, draw_screen, draw_speed, draw_table1, draw_variants
from sb3_ppo_variants.bench.report.figures.style import STYLE

FIGURES: dict[str, Callable[[], Figure]] = draw_variants.FIGURES | {
    "cliff": draw_cliff.draw,
    "screen": draw_screen.draw,
    "speed": draw_speed.draw,
    "table1": draw_table1.draw,
}
NUMBER = re.compile(r"(?<![\w.#-])-?\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.])")


def path_of(name: str) -> Path:
    """The file of a figure.

    :param name: a key of ``FIGURES``
    """
    return Path(__file__).parent / "figures" / f"{name}.svg"


def svg(name: str) -> str:
    """A figure as SVG; the same code gives the same text.

    :param name: a key of ``FIGURES``
    """
    with mpl.rc_context(STYLE), io.StringIO() as file:
        figure = FIGURES[name]()
        FigureCanvasAgg(figure)
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        return file.getvalue()


def is_drawn(name: str, drawn: str) -> bool:
    """Whether the file of a figure has this SVG. Numbers may differ by the rounding of another processor.

    :param name: a key of ``FIGURES``
    :param drawn: the SVG
    """
    if not path_of(name).exists():
        return False
    kept = path_of(name).read_text()
    if NUMBER.sub("", drawn) != NUMBER.sub("", kept):
        return False
    numbers, expected = ([float(number) for number in NUMBER.findall(text)] for text in (drawn, kept))
    return bool(np.allclose(numbers, expected, rtol=0, atol=0.001))
