"""What a report says before its numbers."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from sb3_ppo_variants.bench.report.sections.cautions import shortfalls
from sb3_ppo_variants.bench.statistics.scores import Shortfall
from sb3_ppo_variants.bench.statistics.summary import summarise
from tests.bench.statistics.numbers import make_study, rows


def test_arms_that_lack_the_same_in_an_environment_share_a_line() -> None:
    study = make_study(environments={"Known-v0": {}}, seeds=1)
    made = pd.DataFrame([row for arm in study.arms for row in rows(arm, "Known-v0", 0, [1.0, 2.0])])
    first, second = study.arms
    summary = replace(
        summarise(made, study),
        shortfalls=[
            Shortfall(first, "Known-v0", missing=(), short=(0,), not_finite=()),
            Shortfall(first, "Swing-v0", missing=(1, 2), short=(), not_finite=()),
            Shortfall(second, "Known-v0", missing=(), short=(0,), not_finite=(0,)),
            Shortfall(second, "Swing-v0", missing=(1, 2), short=(), not_finite=()),
        ],
    )
    assert list(shortfalls(summary)) == [
        f"Known-v0, {first}: fewer evaluations than a score takes in seed 0",
        "Swing-v0, every arm: no finished run of seed 1, 2",
        f"Known-v0, {second}: fewer evaluations than a score takes in seed 0; returns that are not finite in seed 0",
    ]
