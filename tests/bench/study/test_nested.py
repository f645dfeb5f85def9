from __future__ import annotations

from sb3_ppo_variants.bench.study.nested import repeated, replaced, shared


def test_what_two_groups_share() -> None:
    assert shared(["gamma", "n_steps"], ["n_steps", "n_epochs"]) == ["n_steps"]
    assert shared(["policy_kwargs"], ["policy_kwargs.net_arch", "gamma"]) == ["policy_kwargs.net_arch"]
    assert shared(["adapt.kl_coef.target"], ["adapt.kl_coef"]) == ["adapt.kl_coef.target"]
    # Neither reaches into the other.
    assert shared(["adapt.kl_coef.target"], ["adapt.kl_coef.low", "adapt.kl", "adapt.clip_range"]) == []


def test_what_a_group_sets_more_than_once() -> None:
    assert repeated(["gamma", "policy_kwargs.net_arch", "gamma", "policy_kwargs"]) == [
        "gamma",
        "policy_kwargs.net_arch",
    ]
    assert repeated(["policy_kwargs.net_arch", "policy_kwargs.activation_fn", "policy"]) == []


def test_a_changed_argument_takes_with_it_what_reaches_into_it() -> None:
    written = {"policy_kwargs.net_arch": [64], "policy": 1, "gamma": 0.9}
    assert replaced(written, {"policy_kwargs": {}, "gamma": 0.8}) == {"policy": 1, "gamma": 0.8, "policy_kwargs": {}}
    # A dotted name leaves the rest of what it reaches into.
    assert replaced({"policy_kwargs": {"ortho_init": False}}, {"policy_kwargs.net_arch": [8]}) == {
        "policy_kwargs": {"ortho_init": False},
        "policy_kwargs.net_arch": [8],
    }
    assert list(replaced({"a": 1, "b": 2}, {"a": 3})) == ["a", "b"]
