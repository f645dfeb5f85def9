"""How report.html writes the texts, colours and figures of a document."""

from __future__ import annotations

import math
import re

from markupsafe import Markup, escape

from sb3_ppo_variants.bench.report.document import Code, Panel
from sb3_ppo_variants.bench.report.figures.colours import BASELINE_COLOUR, PALETTE, TEXT

# What a colour of a figure becomes on a dark page.
DARK = {
    TEXT: "#e4e6ea",
    "#595959": "#a3a8b1",
    "#8c8c8c": "#6f7580",
    "#e6e6e6": "#2b2f37",
    "#ffffff": "transparent",
    BASELINE_COLOUR: "#b9bdc6",
    **dict(zip(PALETTE, ("#3f94d6", "#f2803a", "#22c496", "#e294c0", "#f2b233", "#8fd0f7", "#f0e442"), strict=True)),
}
COLOUR = re.compile("|".join(DARK))


def prose(text: str) -> Markup:
    """Write a text, without a line break before a percent sign."""
    written = Markup(str(escape(text)).replace(" %", "&nbsp;%"))
    return Markup("<code>{}</code>").format(written) if isinstance(text, Code) else written


def variable(colour: str) -> str:
    """CSS variable of a colour; the colour itself where there is no such variable, as in a downloaded figure."""
    return f"var({variable_name(colour)}, {colour})"


def variable_name(colour: str) -> str:
    """Name of a colour's CSS variable."""
    return f"--c-{colour.removeprefix('#')}"


def sort_key(value: float) -> str:
    """Write a number so that JavaScript reads it; one that is missing sorts last."""
    if math.isnan(value):
        return ""
    return repr(float(value)) if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"


def svg(panel: Panel) -> Markup:
    """Turn an SVG file, in which matplotlib has escaped every text, into an element of the page.

    Its ids become unique, its colours follow the page, and its style sheet, which would change the page, is left out.
    """
    text = panel.svg[panel.svg.index("<svg") :]
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|"#|url\(#)', rf"\g<1>{panel.name}-", text)
    text = COLOUR.sub(lambda match: variable(match.group()), text)
    text = re.sub(r"\n\s*", "\n", text).strip()
    size = re.compile(r'width="([\d.]+)pt" height="[\d.]+pt"')
    return Markup(size.sub(lambda match: _attributes(float(match.group(1)), panel.title), text, count=1))


def _attributes(points: float, title: str) -> str:
    """Let a figure grow and shrink with the page, but not until its text cannot be read."""
    size = f"--most:{1.5 * points:.0f}px;--least:{0.85 * points:.0f}px"
    return f'role="img" aria-label="{escape(title)}" style="{size};stroke-linejoin:round;stroke-linecap:butt"'


FILTERS = {"prose": prose, "variable": variable, "variable_name": variable_name, "sort_key": sort_key, "svg": svg}
