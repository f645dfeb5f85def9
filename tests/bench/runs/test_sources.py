"""Hashes of the source of a user's own code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sb3_ppo_variants.bench.runs.sources import changes, source_hash, sources
from tests.bench.studies import RUN

PARTS = """
import torch as th
import own_third
from own_other import helper
from own_between import PASSED_ON, THRICE
from sb3_ppo_variants import Stop, Number, Term, register

SCALE = 2.0

def term(surrogate, minibatch):
    return surrogate * used(SCALE) * helper()

def used(number):
    return number

def other():
    return 1

def scaled(surrogate, minibatch):
    return surrogate * PASSED_ON * THRICE(2.0)

TERM = Term("own_term", term)
register(Stop("own_stop", Number("limit"), of_minibatch=used))

@register(argument="objective")
def whole(surrogate, minibatch):
    return surrogate * own_third.VALUE
"""
OTHER = "def helper():\n    return 1.0\n\ndef unrelated():\n    return 2.0\n"
BETWEEN = "from own_numbers import NUMBER as PASSED_ON, thrice as THRICE\n"
NUMBERS = (
    "import functools\nNUMBER = 1.0\nOTHER = 2.0\n\n@functools.cache\ndef thrice(number):\n    return 3 * number\n"
)
ENVIRONMENT = "import gymnasium as gym\nclass Own(gym.Env):\n    pass\ngym.register('Own-v0', entry_point=Own)\n"
Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write the modules, with a text of one replaced."""
    monkeypatch.syspath_prepend(tmp_path)
    texts = {"own_module": PARTS, "own_other": OTHER, "own_third": "VALUE = 1.0\n", "own_envs": ENVIRONMENT}
    texts |= {"own_between": BETWEEN, "own_numbers": NUMBERS}

    def write(module: str = "own_module", old: str = "", new: str = "") -> None:
        for name, text in texts.items():
            (tmp_path / f"{name}.py").write_text(text.replace(old, new) if name == module else text)

    write()
    return write


@pytest.mark.parametrize(
    ("path", "module", "old", "new", "changes"),
    [
        ("own_module.TERM", "own_module", "surrogate * used", "surrogate * 2 * used", True),
        ("own_module.TERM", "own_module", '"own_term"', '"own_turn"', True),
        ("own_module.TERM", "own_module", "return number", "return -number", True),
        ("own_module.term", "own_module", "SCALE = 2.0", "SCALE = 3.0", True),
        ("own_module.TERM", "own_module", "return 1\n", "return 2\n", False),
        ("own_module.TERM", "own_other", "1.0", "1.5", True),
        ("own_module.TERM", "own_other", "2.0", "2.5", False),
        ("own_module.TERM", "own_third", "1.0", "1.5", False),
        ("own_module:whole", "own_third", "1.0", "1.5", True),
        ("own_module:whole", "own_module", "@register(argument", "@register(  argument", True),
        ("own_module:own_stop", "own_module", "return number", "return -number", True),
        ("own_module:own_stop", "own_module", "surrogate * used", "surrogate * 2 * used", False),
        ("own_module.scaled", "own_numbers", "NUMBER = 1.0", "NUMBER = 1.5", True),
        ("own_module.scaled", "own_numbers", "3 * number", "4 * number", True),
        ("own_module.scaled", "own_numbers", "OTHER = 2.0", "OTHER = 2.5", False),
        ("own_envs:Own-v0", "own_envs", "    pass", "    metadata = {}", True),
    ],
)
def test_what_the_code_uses_counts_and_nothing_else(
    write: Write, path: str, module: str, old: str, new: str, changes: bool
) -> None:
    before = source_hash(path)
    assert before is not None
    write(module, old, new)
    assert (source_hash(path) != before) == changes


@pytest.mark.parametrize(
    "path", ["stable_baselines3.PPO", "sb3_ppo_variants.VariantPPO", "MlpPolicy", "CartPole-v1", "nowhere.PART",
             "nowhere:Id-v0", "gymnasium.wrappers.RescaleAction", "json.dumps"],
)  # fmt: skip
def test_what_is_installed_or_nowhere_has_none(path: str) -> None:
    assert source_hash(path) is None


def test_everything_that_a_run_names_is_looked_at(write: Write) -> None:
    run = replace(
        RUN,
        environment="own_envs:Own-v0",
        env_wrapper=[{"own_module.other": {}}],
        callbacks=[{"own_other.unrelated": {}}],
        arguments={"objective": ["clip", "own_module.TERM"]},
    )
    assert set(sources(run)) == {"own_envs:Own-v0", "own_module.other", "own_other.unrelated", "own_module.TERM"}


def test_what_differs_from_today_is_named_once(write: Write) -> None:
    digests = {path: str(source_hash(path)) for path in ("own_module.TERM", "own_module.other")}
    records: list[dict[str, Any]] = [
        {"provenance": {"sources": digests}},
        {"provenance": {"sources": digests}},
        {"provenance": {}},
    ]
    assert changes(records) == []
    write("own_module", "SCALE = 2.0", "SCALE = 3.0")
    assert changes(records) == ["own_module.TERM is not as it was in 2 runs"]
    gone: list[dict[str, Any]] = [{"provenance": {"sources": {"nowhere.PART": "0"}}}]
    assert changes(gone) == []
