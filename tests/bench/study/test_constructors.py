from __future__ import annotations

from typing import Any

import pytest
import torch as th
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.utils import LinearSchedule
from typing_extensions import TypedDict, Unpack

from sb3_ppo_variants.bench.study.constructors import constructor, import_algorithm, to_constructor, to_json


class Passing(PPO):
    def __init__(self, *args: Any, bonus: float = 0.5, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.bonus = bonus


class Keys(TypedDict, total=False):
    n_steps: int


class Closed(Passing):
    def __init__(self, policy: Any, env: Any, *, extra: int = 1, **kwargs: Unpack[Keys]) -> None:
        super().__init__(policy, env, **kwargs)
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


def test_constructor_is_closed_by_unpacked_keywords() -> None:
    accepted = constructor(Closed)
    assert not accepted.open_ended
    assert set(accepted.names) == {"extra", "n_steps"}
    # Defaults of what cannot be given still decide what happens, so they belong to a run's identity.
    assert accepted.defaults["bonus"] == 0.5


def test_ready_converts_what_yaml_cannot_say() -> None:
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


def test_plain_values_hold_no_addresses() -> None:
    assert to_json({"a": (1, None, "x"), "b": th.nn.ReLU, "c": object()}) == {
        "a": [1, None, "x"],
        "b": "torch.nn.modules.activation.ReLU",
        "c": "builtins.object",
    }


@pytest.mark.parametrize(
    "path", ["PPO", "stable_baselines3.PP", "no_such_package.PPO", "stable_baselines3.common.utils"]
)
def test_import_algorithm_refuses(path: str) -> None:
    with pytest.raises(ImportError):
        import_algorithm(path)
