"""docs/paper.md: the table and the figures of a study in a paper."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from sb3_ppo_variants.bench.cli import main
from sb3_ppo_variants.bench.report.figures.profiles import profiles
from sb3_ppo_variants.bench.report.figures.style import ONE_COLUMN, SCREEN, TWO_COLUMNS, Page, drawn_for, line_styles
from sb3_ppo_variants.bench.statistics.summary import summarise
from tests.bench.conftest import Finished
from tests.bench.statistics.numbers import RESULTS, make_study
from tests.pages import DOCS, blocks

PUBLISHED = Path(__file__).parents[2] / "benchmarks/published"
ABLATION = [str(PUBLISHED / "ablation/study.yaml"), "--results", str(PUBLISHED), "--allow-mixed-versions"]


def table(capsys: pytest.CaptureFixture[str], *options: str) -> list[list[str]]:
    assert main(["table", *ABLATION, *options]) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    return [row.strip("| ").split(" | ") for row in rows]


def test_arms_that_are_beaten_are_not_bold(capsys: pytest.CaptureFixture[str]) -> None:
    heads = [row[0] for row in table(capsys)]
    assert heads[0] == "**ppo**"
    assert [head for head in heads if "*" not in head] == ["limits, no part"]


def test_arms_order_and_labels(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = ["--arms", "limits-base", "ppo", "--labels", "ppo=PPO, $c=1$"]
    rows = table(capsys, *chosen)
    assert [row[0] for row in rows] == ["limits, no part", "**PPO, $c=1$**"]
    assert rows[0][1] == "278 [171, 409]"
    assert [row[0] for row in table(capsys, *chosen, "--order", "score")] == ["**PPO, $c=1$**", "limits, no part"]


def test_all_mistakes_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", *ABLATION, "--arms", "limit", "ppo", "ppo", "--labels", "pp=a"]) == 2
    unknown, twice, label = capsys.readouterr().err.splitlines()
    assert unknown.startswith("--arms limit: the study has no such arm; did you mean limits?; it has ppo, limits, ")
    assert twice == "--arms: ppo is given twice"
    assert label.startswith("--labels pp=a: give an arm of the study=LABEL; it has ppo, limits, ")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["table", "--latex", "-o", "t.md"], "-o t.md: with --latex the table is LaTeX; give a name that ends in .tex"),
        (
            ["table", "-o", "t.tex"],
            "-o t.tex: without --latex the table is Markdown; give a name that ends in .md or .markdown or .txt",
        ),
        (
            ["figure", "profiles", "-o", "p.png"],
            "-o p.png: a figure is written as PDF; give a name that ends in .pdf",
        ),
        (["figure", "profiles", "-o", "p.csv"], "-o p.csv: a figure is written as PDF; give a name that ends in .pdf"),
    ],
)
def test_a_name_of_another_format_is_refused(
    command: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([command[0], *ABLATION, *command[1:]]) == 2
    assert capsys.readouterr().err == f"{message}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_table_in_a_new_folder(tmp_path: Path) -> None:
    path = tmp_path / "new/t.tex"
    assert main(["table", *ABLATION, "--latex", "-o", str(path)]) == 0
    assert path.read_text().startswith(r"\begin{tabular}{lrrrr}")


def test_the_columns_of_the_paper_are_as_wide_as_figures() -> None:
    (text,) = blocks(DOCS / "paper.md", "latex")
    found = re.search(r"textwidth=([\d.]+)in, columnsep=([\d.]+)in", text.code)
    assert found is not None
    width, between = map(float, found.groups())
    assert (width - between) / 2 == ONE_COLUMN.width
    assert width == TWO_COLUMNS.width


def test_a_figure_and_its_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new/p.pdf"
    assert main(["figure", *ABLATION, "profiles", "--arms", "ppo", "limits-base", "-o", str(path)]) == 0
    drawn = path.read_bytes()
    # Points of an inch; TrueType fonts are of the type CIDFontType2.
    assert b"/MediaBox [ 0 0 234 " in drawn
    assert b"/CIDFontType2" in drawn
    assert b"/Type3" not in drawn
    assert set(pd.read_csv(path.with_suffix(".csv"))["arm"]) == {"ppo", "limits-base"}
    assert main(["figure", *ABLATION, "profile"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("the study has no figure profile; did you mean profiles?; it has curves, intervals, ")


def test_a_label_that_cannot_be_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    label = r"limits=$\textsc{ours}$"
    assert main(["figure", *ABLATION, "profiles", "--labels", label, "-o", str(tmp_path / "p.pdf")]) == 2
    assert capsys.readouterr().err == (
        r"--labels: matplotlib cannot draw $\textsc{ours}$: Expected \text, found 'sc'  (at char 5), (line:1, col:6)"
        "\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_figure_of_arms_without_a_run(
    finished: Finished, half: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(half / "tiny/narrow")
    command = ["figure", str(finished.path), "curves", "--results", str(half), "-o", str(tmp_path / "c.pdf")]
    assert main([*command, "--arms", "narrow"]) == 2
    assert capsys.readouterr().err == "--arms narrow: none of them has a finished run, so there is nothing to draw\n"
    assert main([*command, "--arms", "narrow", "ppo"]) == 0


def test_an_arm_keeps_its_colour() -> None:
    summary = summarise(RESULTS, make_study())
    (axes,) = profiles(replace(summary, labels={"mine": "mine"})).figure.axes
    assert [line.get_color() for line in axes.lines] == [line_styles(["ppo", "mine"])["mine"]["color"]]


@pytest.mark.parametrize(("page", "width"), [(SCREEN, 5.6), (ONE_COLUMN, 3.25), (TWO_COLUMNS, 6.75)])
def test_the_width_of_the_page(page: Page, width: float) -> None:
    with drawn_for(page):
        figure = profiles(summarise(RESULTS, make_study())).figure
    assert figure.get_figwidth() == width
    assert figure.axes[0].xaxis.label.get_fontsize() == 9.5 * page.scale


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_the_paper_compiles(tmp_path: Path) -> None:
    """The text of the page, with what its commands write for another study."""
    (text,) = blocks(DOCS / "paper.md", "latex")
    (tmp_path / "paper.tex").write_text(text.code)
    labels = ["--labels", "limits=a_b $\\epsilon$"]
    assert main(["table", *ABLATION, "--latex", "-o", str(tmp_path / "results.tex"), *labels]) == 0
    commands = blocks(DOCS / "paper.md", "bash")[0].code
    for name in re.findall(r"\\includegraphics\{(\w+)\}", text.code):
        width = "two" if f"{name} --width two" in commands else "one"
        assert main(["figure", *ABLATION, name, "--width", width, "-o", str(tmp_path / f"{name}.pdf")]) == 0
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "Overfull" not in done.stdout
    assert (tmp_path / "paper.pdf").stat().st_size > 10_000
