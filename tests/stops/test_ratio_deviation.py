from __future__ import annotations

import pytest

from sb3_ppo_variants import VariantPPO
from sb3_ppo_variants.stops.ratio_deviation import ratio_deviation
from tests.environments import SpacesEnv
from tests.models import SMALL, logged
from tests.terms.minibatches import minibatch


def test_by_hand() -> None:
    # |0.5 - 1|, |1.5 - 1|, |1 - 1|, |1.2 - 1|: 1.2 / 4.
    batch = minibatch([1.0, -1.0, 2.0, 0.0], [0.5, 1.5, 1.0, 1.2])
    assert float(ratio_deviation(batch)) == pytest.approx(0.3)
    assert float(ratio_deviation(minibatch([1.0, 1.0], [1.0, 1.0]))) == 0.0


def test_ends_the_update_before_the_step_that_would_go_on() -> None:
    arguments = SMALL | {"learning_rate": 0.01, "objective": []}
    free = VariantPPO("MlpPolicy", SpacesEnv(), **arguments).learn(32)
    stopped = VariantPPO("MlpPolicy", SpacesEnv(), stop={"ratio_deviation": 1e-4}, **arguments).learn(32)
    # Two epochs of two minibatches; the ratio is 1 in the first.
    assert logged(free)["train/gradient_steps"] == 4
    assert logged(stopped)["train/gradient_steps"] == 1
    assert stopped._n_updates == 1
    assert logged(stopped)["train/ratio_deviation"] > 0
