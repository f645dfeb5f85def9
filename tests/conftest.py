from __future__ import annotations

import os
import sys
from collections.abc import Iterator

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


@pytest.fixture(autouse=True)
def own_modules_forgotten(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Modules that a test wrote are not found by the next one: a stand-in of RL Zoo looked like RL Zoo."""
    before, path = set(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    written = str(tmp_path_factory.getbasetemp())
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(written):
            del sys.modules[name]


@pytest.fixture(autouse=True)
def checked_distributions(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's distributions check their arguments, which `torch.compile` turns off for the whole process."""
    monkeypatch.setattr("torch.distributions.Distribution._validate_args", True)


@pytest.fixture
def eager_rollouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rollouts of eager mode, bit for bit, with ``compile=True``."""
    monkeypatch.setattr("sb3_ppo_variants.compiled.actor.CompiledActor.begin", lambda *_: False)
