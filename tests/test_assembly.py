"""What is assigned to an attribute of a model is followed from the next rollout on, as SB3's own attributes are."""

from __future__ import annotations

from typing import Any

import pytest
from stable_baselines3.common.callbacks import BaseCallback

from sb3_ppo_variants import KLPenaltyPPO, UpdateHook, VariantPPO
from tests.environments import SpacesEnv
from tests.models import BAND, SMALL, logged, same_weights


def learn(model: VariantPPO, steps: int = 64, **more: Any) -> VariantPPO:
    return model.learn(steps, reset_num_timesteps=False, **more)


@pytest.mark.parametrize(
    "given",
    [
        {"objective": "spo"},
        {"objective": ["clip", "kl_penalty"]},
        {"stop": {"kl": 1e-9}},
        {"regularizers": "churn"},
        {"rpo_noise": 0.5},
        {"reset_adam_step": True},
        {"adapt": {"clip_range": BAND}},
        {"hooks": [UpdateHook()]},
    ],
    ids=lambda given: next(iter(given)),
)
def test_an_assigned_argument_is_as_good_as_a_given_one(given: dict[str, Any]) -> None:
    assigned = VariantPPO("MlpPolicy", SpacesEnv(), **SMALL)
    for name, value in given.items():
        setattr(assigned, name, value)
    learn(assigned)
    expected = learn(VariantPPO("MlpPolicy", SpacesEnv(), **given, **SMALL))
    assert same_weights(assigned, expected)
    assert assigned.describe() == expected.describe()
    assert assigned.adaptive_state == expected.adaptive_state


class Retargets(BaseCallback):
    """Moves a target in the middle of training."""

    def _on_step(self) -> bool:
        model: Any = self.model
        if self.num_timesteps == 40:
            model.desired_kl = 1e9
        return True


def test_a_rule_goes_on_with_a_new_target() -> None:
    """Two updates are too large for the first target, 2 x 2; the third is too small for the second, / 2."""
    model = learn(KLPenaltyPPO("MlpPolicy", SpacesEnv(), desired_kl=1e-9, **SMALL), 96, callback=Retargets())
    assert model.adaptive_state["kl_coef"]["updates"] == 3
    assert model.adaptive_state["kl_coef"]["multiplier"] == 2.0
    assert model.describe()["adapt"]["kl_coef"]["target"] == 1e9


def test_what_was_changed_in_place_is_seen() -> None:
    model = learn(VariantPPO("MlpPolicy", SpacesEnv(), adapt={"clip_range": dict(BAND)}, **SMALL))
    model.adapt["clip_range"]["target"] = 0.5
    model.objective.append("dual_clip")
    learn(model)
    assert model.describe()["adapt"]["clip_range"]["target"] == 0.5
    assert "train/dual_clip_fraction" in logged(model)


def test_a_wrong_assignment_is_refused_by_name() -> None:
    model: Any = learn(KLPenaltyPPO("MlpPolicy", SpacesEnv(), **SMALL))
    model.desired_kl = -1.0
    with pytest.raises(ValueError, match="desired_kl=-1.0 is not allowed"):
        learn(model)
    model.desired_kl, model.objective = 0.01, ["clip"]
    with pytest.raises(ValueError, match="KLPenaltyPPO has the objective"):
        learn(model)


def test_nothing_is_built_twice_without_a_change() -> None:
    model = VariantPPO("MlpPolicy", SpacesEnv(), recompute_advantages=True, hooks=UpdateHook(), **SMALL)
    before = model._hooks
    assert learn(model)._hooks is before
