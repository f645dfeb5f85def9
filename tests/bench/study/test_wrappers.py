from __future__ import annotations

import pytest

from sb3_ppo_variants.bench.study.wrappers import wrappers


def test_the_forms_of_wrappers() -> None:
    assert wrappers(None) == []
    assert wrappers("a.B") == [{"a.B": {}}]
    assert wrappers({"a.B": {"x": 1}}) == [{"a.B": {"x": 1}}]
    assert wrappers(["a.B", {"c.D": None}]) == [{"a.B": {}}, {"c.D": {}}]


def test_what_is_no_wrapper() -> None:
    with pytest.raises(ValueError, match="a wrapper is a dotted path"):
        wrappers([{"a.B": {}, "c.D": {}}])
    with pytest.raises(ValueError, match=r"say env_kwargs: \{max_episode_steps: N\}"):
        wrappers([{"gymnasium.wrappers.TimeLimit": {"max_episode_steps": 100}}])
