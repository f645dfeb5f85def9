from __future__ import annotations

import pytest

from sb3_ppo_variants.bench.study.dotted import dotted


def test_the_forms_of_rl_zoo() -> None:
    assert dotted(None, "callback") == []
    assert dotted("a.B", "callback") == [{"a.B": {}}]
    assert dotted({"a.B": {"x": 1}}, "callback") == [{"a.B": {"x": 1}}]
    assert dotted(["a.B", {"c.D": None}], "callback") == [{"a.B": {}}, {"c.D": {}}]
    with pytest.raises(ValueError, match=r"a callback is a dotted path, .*, not \{'a.B': \{\}, 'c.D': \{\}\}"):
        dotted([{"a.B": {}, "c.D": {}}], "callback")
