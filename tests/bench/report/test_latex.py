"""Tables in LaTeX."""

from __future__ import annotations

import pytest

from sb3_ppo_variants.bench.report.document import Cell, Table
from sb3_ppo_variants.bench.report.latex import escape, tabular


def test_a_table() -> None:
    rows = [[Cell("ppo"), Cell("-1.5 [-2.0, 1e-05]")], [Cell("kl_10"), Cell("n/a")]]
    assert tabular(Table(["arm", "100 %"], rows), bold={0}).splitlines() == [
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"arm & 100 \% \\",
        r"\midrule",
        r"\textbf{ppo} & $-1.5$ {\scriptsize [$-2.0$, $1e-05$]} \\",
        r"kl\_10 & n/a \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_a_row_that_begins_as_an_option_of_the_line_above() -> None:
    rows = [[Cell("[a]"), Cell("1")], [Cell("* b"), Cell("n/a")], [Cell("[c]"), Cell("2")]]
    assert tabular(Table(["*", "x"], rows), bold={2}).splitlines()[2:-2] == [
        r"{}* & x \\",
        r"\midrule",
        r"{}[a] & $1$ \\",
        r"{}* b & n/a \\",
        r"\textbf{[c]} & $2$ \\",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b & 5 %", r"a\_b \& 5 \%"),
        (r"{\x}", r"\{\textbackslash{}x\}"),
        (r"adaptive $\epsilon_t$ <1>", r"adaptive $\epsilon_t$ \textless{}1\textgreater{}"),
        ("5 $", r"5 \$"),
    ],
)
def test_text_is_shown_as_it_is(text: str, expected: str) -> None:
    assert escape(text) == expected
