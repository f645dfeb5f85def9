from __future__ import annotations

from typing import Any

import pytest

from sb3_ppo_variants.bench.study.seeds import UntilDecided
from sb3_ppo_variants.bench.study.study import Study
from tests.bench.conftest import WriteStudy
from tests.bench.studies import FULL, mistakes

DECIDED = {"from": 10, "to": 20, "step": 5, "until": "decided"}
TEXT = """
    name: mine
    total_timesteps: 1000
    seeds: {seeds}
    evaluation: {{every: 100}}
    environments: [CartPole-v1]
    arms: {{other: {{algorithm: stable_baselines3.PPO}}}}
"""


def study(**overrides: Any) -> Study:
    return Study.model_validate({**FULL, **overrides})


def test_numbers_and_lists_are_as_ever() -> None:
    assert (study(seeds=2).seeds, study(seeds=[5, 3]).seeds) == ((0, 1), (5, 3))
    assert study(seeds=2).until_decided is None


def test_batches_by_hand() -> None:
    until = UntilDecided.model_validate(DECIDED)
    assert until.looks == [10, 15, 20]
    assert until.batches == [range(10), range(10, 15), range(15, 20)]
    assert until.shares == [0.5, 0.25, 0.25]
    # 100 comparisons of a weight of 1 and 25 of 2: twice as many seeds count twice.
    assert until.weights == [1, 2, 2]
    assert UntilDecided.model_validate({**DECIDED, "from": 6, "to": 10, "step": 4}).weights == [2, 3]
    assert UntilDecided.model_validate({"from": 5, "to": 30, "until": "decided"}).step == 5


def test_runs_are_those_of_a_number_of_seeds() -> None:
    decided = study(seeds=DECIDED)
    assert decided.seeds == tuple(range(20))
    assert decided.until_decided == UntilDecided.model_validate(DECIDED)
    assert [run.identity for run in decided.runs] == [run.identity for run in study(seeds=20).runs]


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [
        (
            "{from: 1, to: x, step: 0, until: friday}",
            [
                "seeds.from: Input should be greater than or equal to 2 (given: 1)",
                "seeds.to: Input should be a valid integer, unable to parse string as an integer (given: 'x')",
                "seeds.step: Input should be greater than or equal to 1 (given: 0)",
                "seeds.until: Input should be 'decided' (given: 'friday')",
            ],
        ),
        (
            "{from: 51, to: 1001, step: 51, until: decided, stpe: 5}",
            [
                "seeds.from: Input should be less than or equal to 50 (given: 51)",
                "seeds.to: Input should be less than or equal to 1000 (given: 1001)",
                "seeds.step: Input should be less than or equal to 50 (given: 51)",
                "seeds.stpe: unknown key; did you mean step?",
            ],
        ),
        ("{from: 5, to: 30}", ["seeds.until: is missing"]),
        ("{from: 5, to: 4, until: decided}", ["seeds: to must be from or more, 5 (given: 4)"]),
        (
            "{from: 5, to: 33, until: decided}",
            ["seeds: to must be from and a number of steps, such as 30 or 35 (given: 33)"],
        ),
        (
            "{from: 5, to: 55, step: 1, until: decided}",
            ["seeds: from, to and step make 51 batches; 50 are the most"],
        ),
        (
            "{from: 2, to: 4, step: 2, until: decided}",
            [
                "seeds: with 4 seeds no arm can be shown to differ, not even those that win every comparison with the "
                "baseline; raise seeds.to"
            ],
        ),
        ("[1, 1]", ["seeds: 1 is in the list more than once"]),
        (
            "many",
            [
                "seeds: must be a number of seeds, 1 to 1000, a list of so many different seeds, or {from: 5, to: 30, "
                "step: 5, until: decided} (given: 'many')"
            ],
        ),
    ],
)
def test_mistakes(seeds: str, expected: list[str], write_study: WriteStudy) -> None:
    assert mistakes(write_study(TEXT.format(seeds=seeds))) == expected


def test_fifty_batches_are_not_too_many() -> None:
    assert len(UntilDecided.model_validate({"from": 5, "to": 54, "step": 1, "until": "decided"}).looks) == 50


def test_what_gets_no_more_seeds_cannot_be_decided(write_study: WriteStudy) -> None:
    text = TEXT.format(seeds=DECIDED).replace("'", "")
    alone = write_study(text.replace("arms: {other: {algorithm: stable_baselines3.PPO}}", "arms: {}"))
    assert mistakes(alone) == ["seeds: ppo is the only arm, until decided needs one to compare it with"]
    (alone.parent / "logs").mkdir()
    assert mistakes(write_study(f"{text}\n    imported: {{zoo: {{folder: logs}}}}")) == [
        "imported: the runs of zoo get no more seeds, and seeds until decided compare arms of which all do; give seeds "
        "a number, or leave them out"
    ]
