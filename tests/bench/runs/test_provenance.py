from __future__ import annotations

from importlib import metadata

from sb3_ppo_variants.bench.runs.provenance import describe_versions, distinct, provenance, versions


def test_versions_of_what_can_change_a_result() -> None:
    assert set(versions()) == {"stable_baselines3", "torch", "gymnasium", "numpy", "sb3_ppo_variants"}
    assert versions()["numpy"] == metadata.version("numpy")


def test_different_values_in_the_order_of_their_appearance() -> None:
    assert distinct([{"b": 1, "a": 2}, None, {"a": 2, "b": 1}, [3]]) == [{"b": 1, "a": 2}, None, [3]]


def test_only_versions_that_differ_are_named() -> None:
    made_with: list[dict[str, str | None]] = [{"numpy": numpy, "torch": "2.0"} for numpy in ("1.0", "1.1", None)]
    assert describe_versions(made_with) == "numpy: 1.0, 1.1, None"


def test_the_command_is_kept() -> None:
    assert provenance("ppo-bench run mine.yaml")["command"] == "ppo-bench run mine.yaml"
