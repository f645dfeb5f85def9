"""What the tests of the classes share."""

from __future__ import annotations

from typing import Any

import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.logger import KVWriter

from sb3_ppo_variants import AdaptiveClipPPO, DualClipPPO, KLPenaltyPPO, Minibatch, VariantPPO

SMALL: dict[str, Any] = {"n_steps": 32, "batch_size": 16, "n_epochs": 2, "seed": 0, "device": "cpu"}
NAMED: list[type[VariantPPO]] = [DualClipPPO, KLPenaltyPPO, AdaptiveClipPPO]
BAND: dict[str, Any] = {"rule": "band", "follow": "kl", "target": 0.01, "low": 1e-3, "high": 1e3}


def logged(model: PPO) -> dict[str, Any]:
    return dict(model.logger.name_to_value)


def same_weights(one: PPO, other: PPO) -> bool:
    pairs = zip(one.policy.state_dict().values(), other.policy.state_dict().values(), strict=True)
    return all(th.equal(mine, theirs) for mine, theirs in pairs)


def slow_down(surrogate: th.Tensor, minibatch: Minibatch, *, slow_coef: float = 0.1) -> th.Tensor:
    return surrogate - slow_coef * minibatch.log_ratio.square()


class Dumps(KVWriter):
    """Keeps every dump of the logger."""

    def __init__(self) -> None:
        self.dumps: list[dict[str, Any]] = []

    def write(self, key_values: dict[str, Any], key_excluded: Any, step: int = 0) -> None:
        self.dumps.append(dict(key_values))

    def close(self) -> None:
        pass
