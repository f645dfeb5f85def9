from __future__ import annotations

from typing import Any

import pytest
import torch as th
from sb3_contrib import RecurrentPPO
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.utils import LinearSchedule

from sb3_ppo_variants import DualClipPPO, VariantPPO
from sb3_ppo_variants.bench.study.constructors import constructor, import_algorithm, to_constructor, to_json


class Passing(PPO):
    def __init__(self, *args: Any, bonus: float = 0.5, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.bonus = bonus


class Named(DualClipPPO):
    def __init__(self, *args: Any, extra: int = 1, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.extra = extra


def test_constructor_reads_stock_classes() -> None:
    accepted = constructor(PPO)
    assert not accepted.open_ended
    assert accepted.names[:3] == ("learning_rate", "n_steps", "batch_size")
    assert not {"self", "policy", "env", "seed", "_init_setup_model"} & {*accepted.names, *accepted.defaults}
    assert accepted.defaults["clip_range"] == 0.2
    assert "clip_range" not in constructor(A2C).names


def test_constructor_follows_keywords_to_the_parent() -> None:
    accepted = constructor(Passing)
    assert accepted.open_ended
    assert {"bonus", "n_steps", "clip_range"} <= set(accepted.names)
    assert accepted.defaults["bonus"] == 0.5
    assert accepted.defaults["n_steps"] == 2048


def test_a_named_class_accepts_what_its_signature_shows() -> None:
    accepted = constructor(Named)
    assert not accepted.open_ended
    assert {"extra", "dual_clip", "n_steps", "adapt", "stop"} <= set(accepted.names)
    assert "objective" not in accepted.names
    # The defaults of hidden arguments still decide what happens, so they belong to a run's identity.
    assert (accepted.defaults["objective"], accepted.defaults["extra"]) == ("clip", 1)
    assert {"objective", "extra"} <= accepted.hashed


def test_a_class_for_any_objective_takes_the_coefficients_of_its_terms() -> None:
    accepted = constructor(VariantPPO)
    assert accepted.open_ended
    assert "coefficients" not in accepted.names
    assert {"objective", "adapt", "stop", "clip_range"} <= set(accepted.names)


def test_to_constructor_converts_what_yaml_cannot_say() -> None:
    converted = to_constructor(
        {
            "learning_rate": "lin_0.002",
            "clip_range": 0.2,
            "kl_coef": "lin_1.0",
            "policy_kwargs": {"activation_fn": "torch.nn.ReLU", "net_arch": [8]},
        }
    )
    assert isinstance(converted["learning_rate"], LinearSchedule)
    assert converted["learning_rate"](1.0) == 0.002
    assert converted["learning_rate"](0.5) == 0.001
    assert converted["learning_rate"](0.0) == 0.0
    assert converted["kl_coef"] == "lin_1.0"
    assert converted["policy_kwargs"] == {"activation_fn": th.nn.ReLU, "net_arch": [8]}


@pytest.mark.parametrize("name", ["learning_rate", "clip_range", "clip_range_vf"])
def test_schedules_with_a_floor_and_exponential_ones(name: str) -> None:
    floor, exponential = (to_constructor({name: given})[name] for given in ("lin_4_2", "exp_0.2"))
    assert [floor(1.0), floor(0.75), floor(0.25)] == [4.0, 3.0, 2.0]
    assert exponential(1.0) == 0.2
    assert exponential(0.0) == pytest.approx(0.2 * 0.366032, rel=1e-5)  # 0.99 to the power of 100


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("lin_x", "a schedule as a string is 'lin_' or 'exp_'"),
        ("exp_", "a schedule as a string is 'lin_' or 'exp_'"),
        ("lin_1_2", "LinearDecay: floor=2.0 is not allowed"),
    ],
)
def test_a_string_that_names_no_schedule(given: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"clip_range='{given}': {reason}"):
        to_constructor({"clip_range": given})


def test_words_of_other_classes_are_left_to_them() -> None:
    given = {"learning_rate": "cosine", "policy_kwargs": {"features_extractor_kwargs": {"clip_range": "auto"}}}
    assert to_constructor(given) == given
    assert constructor(PPO).wanted("augment_kwargs", [{"a": 1}]) is None
    # Their annotation allows None.
    assert constructor(RecurrentPPO).wanted("batch_size", None) is None
    assert constructor(RecurrentPPO).wanted("batch_size", "64") is None
    assert constructor(RecurrentPPO).wanted("batch_size", 0) == "1 or more"
    assert constructor(PPO).wanted("policy_kwargs", "dict()") == "a mapping, such as {net_arch: [64, 64]}"


def test_weights_of_the_loss_are_numbers_for_the_stock_class_alone() -> None:
    assert constructor(PPO).wanted("ent_coef", "lin_0.01") == "a number"
    assert constructor(VariantPPO).wanted("ent_coef", "lin_0.01") is None
    assert constructor(DualClipPPO).wanted("vf_coef", "lin_0.5") is None
    assert constructor(VariantPPO).wanted("gae_lambda", "lin_0.5") == "a number"


def test_whole_numbers_with_a_point() -> None:
    """SB3 takes them, and a run would end at its first update."""
    written = {"n_epochs": 10.0, "batch_size": 64.0, "n_steps": 2.5, "gamma": 1.0, "target_kl": 1.0, "verbose": True}
    read = constructor(PPO).in_kind(written)
    assert read == {"n_epochs": 10, "batch_size": 64, "n_steps": 2.5, "gamma": 1.0, "target_kl": 1.0, "verbose": True}
    assert [type(value) for value in read.values()] == [int, int, float, float, float, bool]


def test_json_holds_no_addresses() -> None:
    assert to_json({"a": (1, None, "x"), "b": th.nn.ReLU, "c": object()}) == {
        "a": [1, None, "x"],
        "b": "torch.nn.modules.activation.ReLU",
        "c": "builtins.object",
    }


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("PPO", "'PPO' is not a dotted path"),
        ("stable_baselines3.PP", "module stable_baselines3 has no PP"),
        ("no_such_package.PPO", "no_such_package"),
        ("stable_baselines3.common.utils", "utils is not a Stable-Baselines3 algorithm class"),
    ],
)
def test_import_algorithm_refuses(path: str, message: str) -> None:
    with pytest.raises(ImportError, match=message):
        import_algorithm(path)
