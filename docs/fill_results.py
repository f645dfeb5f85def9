"""Write tables of published reports into the pages that show them: `python docs/fill_results.py`.

Between `<!-- report: STUDY, SECTION -->` and `<!-- end -->` stands the first table of that section of the study's
report.md, so that no number is typed.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "docs/classic.md", ROOT / "docs/cliff.md"]
BLOCK = re.compile(r"(<!-- report: (\w+), (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def first_table(study: str, section: str) -> str:
    """The first table of a section.

    :param study: name of a published study
    :param section: its heading
    """
    report = (ROOT / "benchmarks/published" / study / "report.md").read_text()
    text = re.split(rf"^#+ {re.escape(section)}$", report, maxsplit=1, flags=re.MULTILINE)[1]
    table = re.search(r"(?:^\|.*\n?)+", text, re.MULTILINE)
    assert table is not None
    return table[0].rstrip()


def filled(page: str) -> str:
    """The page with a table between every pair of marks.

    :param page: its text
    """
    return BLOCK.sub(lambda found: f"{found[1]}\n{first_table(found[2], found[3])}\n\n{found[4]}", page)


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(filled(path.read_text()))
