"""The interactive reports of published studies, made from their tables when the site is built.

A report has half a megabyte and more, and is derived: so the repository has the tables alone.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from benchmarks.remake import from_tables
from sb3_ppo_variants.bench.table.files import RECORDS_FILE

PUBLISHED = "benchmarks/published"
FRONT = "docs/index"
# Beside report.html, which is the page of report.md.
NAME = "interactive.html"


def studies(root: Path) -> list[Path]:
    """The folders of the published studies whose reports can be made from their tables.

    :param root: of the repository
    """
    return sorted(path.parent for path in (root / PUBLISHED).glob(f"*/{RECORDS_FILE}"))


def link(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Link the page of a published report to the interactive one, and the gallery of the front page too."""
    for folder in studies(Path(app.srcdir)):
        if pagename == f"{PUBLISHED}/{folder.name}/report":
            words = "The interactive report: choose arms, sort tables, download the numbers of a figure"
            context["body"] = f'<p><a href="{NAME}">{words}</a></p>{context["body"]}'
        if pagename == FRONT:
            place = f"{PUBLISHED}/{folder.name}/"
            context["body"] = context["body"].replace(f"{place}report.html", f"{place}{NAME}")


def make(app: Sphinx, exception: Exception | None) -> None:
    """Make the reports whose tables have changed since the site was built last."""
    if exception is not None or app.builder.format != "html":
        return
    for folder in studies(Path(app.srcdir)):
        page = Path(app.outdir) / PUBLISHED / folder.name / NAME
        if not page.exists() or page.stat().st_mtime < max(path.stat().st_mtime for path in folder.iterdir()):
            page.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory() as temporary:
                shutil.copyfile(from_tables(folder, Path(temporary) / folder.name).page, page)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the handlers."""
    app.connect("html-page-context", link)
    app.connect("build-finished", make)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
