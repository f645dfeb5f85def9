"""Saving, loading and continuing, with what the rules have learned."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from stable_baselines3 import PPO

from sb3_ppo_variants import AdaptiveClipPPO, DualClipPPO, KLPenaltyPPO, VariantPPO
from tests.environments import SpacesEnv
from tests.models import BAND, NAMED, SMALL, logged, same_weights, slow_down


@pytest.mark.parametrize("cls", [VariantPPO, *NAMED])
def test_save_and_load_continue_alike(cls: type[VariantPPO], tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"desired_kl": 1e-9} if cls in (KLPenaltyPPO, AdaptiveClipPPO) else {}
    model = cls("MlpPolicy", SpacesEnv(), **arguments, **SMALL).learn(96)
    model.save(tmp_path / "model.zip")
    loaded = cls.load(tmp_path / "model.zip", env=SpacesEnv())
    assert same_weights(loaded, model)
    assert loaded.adaptive_state == model.adaptive_state
    if arguments:
        assert next(iter(loaded.adaptive_state.values()))["multiplier"] != 1.0
    loaded.learn(32, reset_num_timesteps=False)
    loaded.save(tmp_path / "again.zip")
    with zipfile.ZipFile(tmp_path / "again.zip") as archive:
        saved = json.loads(archive.read("data"))
    assert saved["adaptive_state"] == loaded.adaptive_state
    assert not {"_chain", "_adaptation"} & set(saved)


@pytest.mark.parametrize("cls", [VariantPPO, *NAMED])
def test_zips_load_both_ways_with_stock(cls: type[VariantPPO], tmp_path: Path) -> None:
    model = cls("MlpPolicy", SpacesEnv(), **SMALL).learn(64)
    model.save(tmp_path / "variant.zip")
    as_stock = PPO.load(tmp_path / "variant.zip", env=SpacesEnv())
    assert same_weights(as_stock, model)
    as_stock.learn(32)
    stock = PPO("MlpPolicy", SpacesEnv(), **SMALL).learn(32)
    stock.save(tmp_path / "stock.zip")
    as_variant = cls.load(tmp_path / "stock.zip", env=SpacesEnv())
    assert same_weights(as_variant, stock)
    as_variant.learn(32)


@pytest.mark.parametrize("cls", NAMED)
def test_any_zip_loads_as_variant_ppo(cls: type[VariantPPO], tmp_path: Path) -> None:
    model = cls("MlpPolicy", SpacesEnv(), **SMALL).learn(64)
    model.save(tmp_path / "model.zip")
    loaded = VariantPPO.load(tmp_path / "model.zip", env=SpacesEnv())
    assert loaded.objective == cls.fixed_objective
    assert loaded.adapt == model.adapt
    assert loaded.adaptive_state == model.adaptive_state
    loaded.learn(32)


def test_functions_of_ones_own_are_saved() -> None:
    model = VariantPPO("MlpPolicy", SpacesEnv(), objective=["clip", slow_down], slow_coef=0.7, **SMALL).learn(32)
    file = io.BytesIO()
    model.save(file)
    loaded = VariantPPO.load(file, env=SpacesEnv())
    assert loaded.slow_coef == 0.7  # type: ignore[attr-defined]
    loaded.learn(32)


def test_load_overrides(tmp_path: Path) -> None:
    DualClipPPO("MlpPolicy", SpacesEnv(), **SMALL).save(tmp_path / "dual.zip")
    assert (
        logged(DualClipPPO.load(tmp_path / "dual.zip", env=SpacesEnv(), dual_clip=4.0).learn(32))["train/dual_clip"]
        == 4.0
    )
    assert DualClipPPO.load(tmp_path / "dual.zip", n_epochs=7).n_epochs == 7
    other = VariantPPO.load(tmp_path / "dual.zip", env=SpacesEnv(), objective=["clip", "kl_penalty"], kl_coef=0.3)
    assert logged(other.learn(32))["train/kl_coef"] == 0.3
    with pytest.raises(TypeError, match=r"'dual_clp'.*Did you mean 'dual_clip'"):
        DualClipPPO.load(tmp_path / "dual.zip", dual_clp=4.0)
    with pytest.raises(TypeError, match=r"kl_coef=1.0 belongs to the term 'kl_penalty'"):
        DualClipPPO.load(tmp_path / "dual.zip", kl_coef=1.0)
    with pytest.raises(ValueError, match=r"dual_clip=0.5.*\(1.0, inf\)"):
        DualClipPPO.load(tmp_path / "dual.zip", dual_clip=0.5)
    with pytest.raises(TypeError, match="'objective'"):
        DualClipPPO.load(tmp_path / "dual.zip", objective=["clip", "dual_clip"])


def test_overriding_a_coefficient_forgets_its_learned_factor(tmp_path: Path) -> None:
    KLPenaltyPPO("MlpPolicy", SpacesEnv(), desired_kl=1e-9, **SMALL).learn(64).save(tmp_path / "kl.zip")
    assert KLPenaltyPPO.load(tmp_path / "kl.zip").adaptive_state["kl_coef"]["multiplier"] == 4.0
    assert KLPenaltyPPO.load(tmp_path / "kl.zip", desired_kl=0.1).adaptive_state["kl_coef"]["multiplier"] == 4.0
    assert KLPenaltyPPO.load(tmp_path / "kl.zip", kl_coef=0.3).adaptive_state["kl_coef"]["multiplier"] == 1.0
    changed = KLPenaltyPPO.load(tmp_path / "kl.zip", custom_objects={"kl_coef": 0.3})
    assert (changed.kl_coef, changed.adaptive_state["kl_coef"]["multiplier"]) == (0.3, 1.0)  # type: ignore[attr-defined]
    assert KLPenaltyPPO.load(tmp_path / "kl.zip", desired_kl=None).adaptive_state == {}
    fresh = VariantPPO.load(tmp_path / "kl.zip", adapt={"kl_coef": BAND})
    assert fresh.adaptive_state["kl_coef"]["multiplier"] == 1.0


def test_a_clip_zip_loads_into_the_adaptive_class(tmp_path: Path) -> None:
    VariantPPO("MlpPolicy", SpacesEnv(), **SMALL).save(tmp_path / "clip.zip")
    assert AdaptiveClipPPO.load(tmp_path / "clip.zip").adaptive_state["clip_range"]["multiplier"] == 1.0


def test_another_objective_is_not_loaded_into_a_named_class(tmp_path: Path) -> None:
    KLPenaltyPPO("MlpPolicy", SpacesEnv(), **SMALL).save(tmp_path / "kl.zip")
    with pytest.raises(ValueError, match=r"DualClipPPO has the objective .*VariantPPO\.load"):
        DualClipPPO.load(tmp_path / "kl.zip")


RAN: list[bool] = []


def leave_a_trace() -> str:
    RAN.append(True)
    return "harm"


class Dangerous:
    """Its unpickling runs code."""

    def __reduce__(self) -> Any:
        return (leave_a_trace, ())


def test_parameters_alone_are_loaded_without_running_pickled_code(tmp_path: Path) -> None:
    theirs: Any = DualClipPPO("MlpPolicy", SpacesEnv(), **SMALL).learn(32)
    theirs.surprise = Dangerous()
    theirs.save(tmp_path / "theirs.zip")
    mine = DualClipPPO("MlpPolicy", SpacesEnv(), **(SMALL | {"seed": 1}))
    mine.set_parameters(str(tmp_path / "theirs.zip"))
    assert same_weights(mine, theirs)
    assert RAN == []
    DualClipPPO.load(tmp_path / "theirs.zip")
    assert RAN == [True]
