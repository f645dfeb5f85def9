from __future__ import annotations

from typing import Any

import pytest
import torch as th

from sb3_ppo_variants import VariantPPO
from sb3_ppo_variants.stops.kl import mean_kl
from tests.environments import SpacesEnv
from tests.models import SMALL, logged, same_weights


def test_by_hand() -> None:
    assert float(mean_kl(th.tensor([0.01, 0.0, 0.05]))) == pytest.approx(0.02)


def final(**arguments: Any) -> VariantPPO:
    return VariantPPO("MlpPolicy", SpacesEnv(), **arguments, **(SMALL | {"n_epochs": 5})).learn(32)


def test_ends_the_update_with_the_epoch() -> None:
    assert logged(final())["train/gradient_steps"] == 10
    stopped = final(stop={"kl": 1e-9})
    assert logged(stopped)["train/gradient_steps"] == 2
    assert logged(stopped)["train/kl"] > 1e-9
    assert same_weights(final(stop={"kl": 1e9}), final())


def test_what_is_logged_is_what_was_looked_at() -> None:
    """The divergence after the last epoch, the same number that ``log_kl`` gives."""
    measured = logged(final(stop={"kl": 1e9}))["train/kl"]
    assert measured == logged(final(log_kl=True))["train/kl"]


def test_an_epoch_that_another_stop_cuts_short_is_measured_anew() -> None:
    cut = {"target_kl": 3e-3, "learning_rate": 1e-3}
    both = final(stop={"kl": 1e9}, **cut)
    assert 2 < logged(both)["train/gradient_steps"] < 10
    assert logged(both)["train/kl"] == logged(final(log_kl=True, **cut))["train/kl"]
