"""What ``load`` is given changes what it changes, and no more."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import pytest

from sb3_ppo_variants import (
    AdaptiveClipPPO,
    DualClipPPO,
    KLPenaltyPPO,
    MaskableAdaptiveClipPPO,
    MaskableRecurrentAdaptiveClipPPO,
    RecurrentAdaptiveClipPPO,
    VariantPPO,
)
from tests.environments import SpacesEnv
from tests.models import SMALL

# Far below any divergence of a real update, so that every update halves the range or divides it by 1.5.
TINY: dict[str, Any] = {"desired_kl": 1e-9}


def trained(cls: Any, policy: str = "MlpPolicy", **arguments: Any) -> Any:
    return cls(policy, SpacesEnv(action="discrete"), **(SMALL | arguments)).learn(64)


@pytest.mark.parametrize(
    ("cls", "policy"),
    [
        (AdaptiveClipPPO, "MlpPolicy"),
        (MaskableAdaptiveClipPPO, "MlpPolicy"),
        (RecurrentAdaptiveClipPPO, "MlpLstmPolicy"),
        (MaskableRecurrentAdaptiveClipPPO, "MlpLstmPolicy"),
    ],
)
def test_what_rl_zoo_passes_to_watch_a_model(cls: Any, policy: str, tmp_path: Path) -> None:
    """DLR-RM/stable-baselines3 #589: the objects that another Python cannot read are given, and nothing is trained."""
    model = trained(cls, policy, **TINY)
    model.save(tmp_path / "model.zip")
    zeros = {"learning_rate": 0.0, "lr_schedule": lambda _: 0.0, "clip_range": lambda _: 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = cls.load(tmp_path / "model.zip", custom_objects=zeros, env=SpacesEnv(action="discrete"))
    observation = SpacesEnv().reset(seed=0)[0]
    assert loaded.predict(observation, deterministic=True)[0] == model.predict(observation, deterministic=True)[0]
    with pytest.raises(ValueError, match=r"adapt\['clip_range'\]: clip_range starts at 0, which no multiplier"):
        loaded.learn(32)


def test_a_start_out_of_bounds_is_refused_when_training_begins(tmp_path: Path) -> None:
    trained(AdaptiveClipPPO).save(tmp_path / "model.zip")
    loaded = AdaptiveClipPPO.load(tmp_path / "model.zip", clip_range=0.9, env=SpacesEnv(action="discrete"))
    with pytest.raises(ValueError, match=r"clip_range starts at 0.9, outside low=0.05, high=0.4"):
        loaded.learn(32)
    with pytest.raises(ValueError, match=r"clip_range starts at 0.9, outside low=0.05, high=0.4"):
        AdaptiveClipPPO("MlpPolicy", SpacesEnv(), clip_range=0.9)


@pytest.mark.parametrize(
    ("saved", "given", "kept"),
    [
        (0.2, 0.2, True),
        (0.2, 0.25, False),
        ("lin_0.2", "lin_0.2", True),
        ("lin_0.2", lambda progress: 0.2 * progress, True),
        ("lin_0.2", 0.2, False),
        ("lin_0.2_0.1", "lin_0.2", False),
    ],
)
@pytest.mark.parametrize("way", ["keyword", "custom_objects"])
def test_what_was_learned_is_kept_where_the_value_is_the_same(saved: Any, given: Any, kept: bool, way: str) -> None:
    model = trained(AdaptiveClipPPO, clip_range=saved, **TINY)
    learned = model.adaptive_state["clip_range"]["multiplier"]
    assert learned < 0.7
    file = io.BytesIO()
    model.save(file)
    arguments = {"clip_range": given} if way == "keyword" else {"custom_objects": {"clip_range": given}}
    loaded = AdaptiveClipPPO.load(file, n_epochs=2, **arguments)
    assert loaded.adaptive_state["clip_range"]["multiplier"] == (learned if kept else 1.0)


def test_the_same_adapt_again_forgets_nothing(tmp_path: Path) -> None:
    adapt = {"clip_range": {"rule": "band", "follow": "approx_kl", "target": 1e-9, "low": 0.05, "high": 0.4}}
    model = trained(VariantPPO, adapt=adapt)
    model.save(tmp_path / "model.zip")
    same = VariantPPO.load(tmp_path / "model.zip", adapt={"clip_range": dict(adapt["clip_range"])}, clip_range=0.2)
    assert same.adaptive_state == model.adaptive_state
    other = VariantPPO.load(tmp_path / "model.zip", adapt={"clip_range": adapt["clip_range"] | {"target": 1e-8}})
    assert other.adaptive_state["clip_range"]["multiplier"] == 1.0


def gentle(state: Any, measured: float, *, direction: int, target: float) -> Any:
    return {"multiplier": state["multiplier"] * (0.5 if measured > target else 2.0) ** -direction}


@pytest.mark.parametrize("rule", ["band", gentle])
def test_the_same_rules_go_on_and_another_one_begins_anew(rule: Any, tmp_path: Path) -> None:
    """What is loaded holds the rule of the class beside the user's, and its function is another object."""
    adapt = {"vf_coef": {"rule": rule, "follow": "kl", "target": 1e-9, "low": 1e-3, "high": 10.0, "tighter": "up"}}
    model = trained(KLPenaltyPPO, adapt=adapt)
    model.save(tmp_path / "model.zip")
    learned = {name: state["multiplier"] for name, state in model.adaptive_state.items()}
    assert 1.0 not in learned.values()

    def multipliers(given: Any) -> dict[str, float]:
        loaded = KLPenaltyPPO.load(tmp_path / "model.zip", adapt=given)
        return {name: state["multiplier"] for name, state in loaded.adaptive_state.items()}

    assert multipliers(adapt) == learned
    other = {"vf_coef": adapt["vf_coef"] | {"target": 0.5}}
    assert multipliers(other) == {**learned, "vf_coef": 1.0}
    assert multipliers(None) == {"kl_coef": learned["kl_coef"]}


def test_another_statistic_begins_anew(tmp_path: Path) -> None:
    """A factor that was learned from the KL says nothing about the clip fraction."""
    trained(AdaptiveClipPPO, **TINY).save(tmp_path / "model.zip")

    def multiplier(**given: Any) -> float:
        return AdaptiveClipPPO.load(tmp_path / "model.zip", **given).adaptive_state["clip_range"]["multiplier"]

    assert multiplier() < 0.7
    assert multiplier(desired_kl=0.02) < 0.7
    assert multiplier(desired_clip_fraction=0.1) == 1.0
    adapt = {"clip_range": {"rule": "band", "follow": "approx_kl", "target": 1e-9, "low": 0.05, "high": 0.4}}
    trained(VariantPPO, adapt=adapt).save(tmp_path / "model.zip")
    assert multiplier() == 1.0


def test_arguments_of_another_class_are_refused(tmp_path: Path) -> None:
    """They would be attributes that nothing reads."""
    trained(AdaptiveClipPPO).save(tmp_path / "adaptive.zip")
    with pytest.raises(TypeError, match="VariantPPO: desired_kl=0.05 is an argument of KLPenaltyPPO and AdaptiveClip"):
        VariantPPO.load(tmp_path / "adaptive.zip", desired_kl=0.05)
    trained(DualClipPPO).save(tmp_path / "dual.zip")
    with pytest.raises(TypeError, match=r"dual_clip=4\.0 belongs to the term 'dual_clip'"):
        VariantPPO.load(tmp_path / "dual.zip", objective="clip", dual_clip=4.0)
    with pytest.raises(TypeError, match="VariantPPO: desired_kl=0.05 is an argument of KLPenaltyPPO and AdaptiveClip"):
        VariantPPO("MlpPolicy", SpacesEnv(), desired_kl=0.05)
