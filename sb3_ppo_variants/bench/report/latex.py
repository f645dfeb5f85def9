"""Tables of a report in LaTeX."""

from __future__ import annotations

import re
from collections.abc import Collection

from sb3_ppo_variants.bench.report.document import Table

SPECIAL = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", **{letter: f"\\{letter}" for letter in "&%#_{}"},
}  # fmt: skip
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def tabular(table: Table, bold: Collection[int]) -> str:
    """Write a table with the rules of booktabs, which the document has to load.

    :param table: the table
    :param bold: indices of the rows whose first cell is bold
    """
    lines = [rf"\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}", r"\toprule"]
    lines += [_row([escape(column) for column in table.columns]), r"\midrule"]
    for index, (head, *cells) in enumerate(table.rows):
        name = escape(head.text)
        lines.append(_row([rf"\textbf{{{name}}}" if index in bold else name, *(_number(each.text) for each in cells)]))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def escape(text: str) -> str:
    """Write a text so that LaTeX shows it as it is; what stands between two dollars is mathematics, as in matplotlib.

    :param text: in one line
    """
    parts = text.split("$")
    if len(parts) % 2 == 0:
        return r"\$".join(map(_plain, parts))
    return "$".join(part if place % 2 else _plain(part) for place, part in enumerate(parts))


def _plain(text: str) -> str:
    return "".join(SPECIAL.get(letter, letter) for letter in text)


def _row(cells: list[str]) -> str:
    row = " & ".join(cells)
    # Behind the end of a row these two would belong to it, as an option.
    guard = "{}" if row.lstrip().startswith(("[", "*")) else ""
    return f"{guard}{row} \\\\"


def _number(text: str) -> str:
    """Write numbers as mathematics, for the sake of the minus sign, and an interval smaller."""
    value, bracket, bounds = text.partition(" [")
    small = rf" {{\scriptsize [{NUMBER.sub(_mathematics, bounds)}}}" if bracket else ""
    return NUMBER.sub(_mathematics, value) + small


def _mathematics(found: re.Match[str]) -> str:
    return f"${found[0]}$"
