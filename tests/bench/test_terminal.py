"""The table that ends a study fits the terminal."""

from __future__ import annotations

import pytest
from rich.console import Console

from sb3_ppo_variants.bench.statistics.summary import summarise
from sb3_ppo_variants.bench.terminal import results_lines, results_tables
from sb3_ppo_variants.messages import cut
from tests.bench.statistics.numbers import RESULTS, make_study


@pytest.mark.parametrize(("width", "parts"), [(20, 5), (41, 2), (63, 2), (64, 1)])
def test_a_narrow_terminal_gets_the_table_in_parts(width: int, parts: int) -> None:
    summary = summarise(RESULTS, make_study())
    tables = results_tables(make_study(), summary, width)
    assert len(tables) == parts
    console = Console(width=width)
    with console.capture() as capture:
        for table in tables:
            console.print(table)
    shown = capture.get()
    headings = [word for line in shown.splitlines() if line.startswith(" arm") for word in line.split()]
    assert [word for word in headings if word != "arm"] == ["Known-v0", "Range-v0", "IQM", "beats", "PPO", "seeds"]
    assert "[0.21, 0.75]" in shown
    assert "baseline" in shown
    assert "…" not in shown


def test_the_terminal_says_what_weakens_the_numbers() -> None:
    scores, advice, few = results_lines(summarise(RESULTS, make_study()), "ppo-bench scores mine.yaml")
    assert scores.startswith(
        "Scores: Known-v0 from 10 (0) to 110 (1), random and reference score of the study file; Range"
    )
    assert advice.endswith("ppo-bench scores mine.yaml measures 0 and 1.")
    assert few.startswith("Few seeds: At least one cell of the table is a mean over 2 seeds.")


def test_long_names_keep_both_ends() -> None:
    assert cut("kl,n_epochs=10", 14) == "kl,n_epochs=10"
    assert cut("kl,n_epochs=10", 9) == "kl,n…s=10"
    assert cut("kl,n_epochs=10", 10) == "kl,n_…s=10"
