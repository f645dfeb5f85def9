"""Write the measured costs into the table of docs/variants/README.md: `python docs/fill_costs.py`.

The numbers are medians from benchmarks/published/cost/cost.json, on CartPole-v1 and on Pendulum-v1.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/variants/README.md"
COSTS = ROOT / "benchmarks/published/cost/cost.json"
CELL = re.compile(r"<!-- cost:(\w+) -->( [\d.]+ / [\d.]+)?")


def filled(page: str) -> str:
    """The page with a number behind every mark.

    :param page: its text
    """
    medians: dict[str, list[str]] = {}
    for row in json.loads(COSTS.read_text())["update_time_over_clip"]:
        medians.setdefault(row["variant"], []).append(f"{row['median']:.2f}")
    return CELL.sub(lambda found: f"<!-- cost:{found[1]} --> {' / '.join(medians[found[1]])}", page)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
