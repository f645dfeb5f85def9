"""What every listed stop keeps to; a new one is covered as soon as it is in ``STOPS``."""

from __future__ import annotations

import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import sb3_ppo_variants.stops
from sb3_ppo_variants import VariantPPO
from sb3_ppo_variants.stopping import Stop
from sb3_ppo_variants.stops import STOPS
from tests.environments import SpacesEnv
from tests.models import BAND, SMALL

each_stop = pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)


@each_stop
def test_has_one_measure(stop: Stop) -> None:
    assert (stop.of_minibatch is None) != (stop.of_rollout is None)


@each_stop
def test_a_rule_on_the_kl_beside_it_draws_a_warning(stop: Stop) -> None:
    with pytest.warns(UserWarning, match=rf"stop\['{stop.name}'\]=0.5 stops an update before"):
        VariantPPO(
            "MlpPolicy", SpacesEnv(), objective="kl_penalty", adapt={"kl_coef": BAND}, stop={stop.name: 0.5}, **SMALL
        )


@each_stop
@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan"), None, "lin_0.1"])
def test_bad_limits_are_named(stop: Stop, limit: object) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(f"stop['{stop.name}']={limit!r}")):
        VariantPPO("MlpPolicy", SpacesEnv(), stop={stop.name: limit}, **SMALL)  # type: ignore[dict-item]


def test_unknown_stops_are_named() -> None:
    with pytest.raises(ValueError, match="stop='ratio_deviaton'.*Did you mean 'ratio_deviation'"):
        VariantPPO("MlpPolicy", SpacesEnv(), stop={"ratio_deviaton": 0.2}, **SMALL)
    with pytest.raises(TypeError, match="stop='kl': a dictionary"):
        VariantPPO("MlpPolicy", SpacesEnv(), stop="kl", **SMALL)  # type: ignore[arg-type]


@each_stop
def test_the_docstring_has_what_a_reader_needs(stop: Stop) -> None:
    measure = stop.of_minibatch or stop.of_rollout
    text = inspect.getdoc(measure) or ""
    assert ".. math::" in text
    assert re.search(r"arXiv[ :]\d{4}\.\d{4,5}", text)
    assert "usual" in text, "which limits are usual"


def test_every_file_is_listed_and_tested() -> None:
    assert {module.name for module in pkgutil.iter_modules(sb3_ppo_variants.stops.__path__)} == set(STOPS)
    for name, stop in STOPS.items():
        measure = stop.of_minibatch or stop.of_rollout
        assert stop.name == name
        assert measure is not None
        assert measure.__module__ == f"sb3_ppo_variants.stops.{name}"
        assert (Path(__file__).parents[1] / "stops" / f"test_{name}.py").exists()
