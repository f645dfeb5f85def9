from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings

# How long an example takes says more about the machine than about the code.
settings.register_profile("any machine", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
# Of mutation tests: the same few examples for every mutant, and no search for the smallest that fails.
settings.register_profile(
    "mutants",
    settings.get_profile("any machine"),
    max_examples=20,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "any machine"))


@pytest.fixture
def eager_rollouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rollouts of eager mode, bit for bit, with ``compile=True``."""
    monkeypatch.setattr("sb3_ppo_variants.compiled.actor.CompiledActor.begin", lambda *_: False)
