"""Arguments are checked before any environment step; what the rules have learned is saved and loaded."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.utils import set_random_seed

from sb3_ppo_variants import AdaptiveClipPPO, Coefficient, DualClipPPO, KLPenaltyPPO, Minibatch, Term, VariantPPO
from sb3_ppo_variants.schedules import as_schedule
from tests.environments import SpacesEnv
from tests.models import BAND, NAMED, SMALL, logged, same_weights, slow_down


class NeverSteps(SpacesEnv):
    """Bad arguments must be refused before any environment step."""

    def step(self, action: Any) -> Any:
        raise AssertionError("an environment step was taken")


def gamma_term(surrogate: th.Tensor, minibatch: Minibatch, *, gamma: float = 0.5) -> th.Tensor:
    return surrogate * gamma


def policy_term(surrogate: th.Tensor, minibatch: Minibatch, *, rollout_buffer: float = 0.5) -> th.Tensor:
    return surrogate * rollout_buffer


def needy_term(surrogate: th.Tensor, minibatch: Minibatch, *, needed_coef: float) -> th.Tensor:
    return surrogate * needed_coef


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"objective": "clpi"}, ValueError, "objective='clpi'.*Did you mean 'clip'"),
        ({"objective": ["kl_penalty", "clip"]}, ValueError, "cannot come after"),
        ({"dual_clip": 3.0}, TypeError, "dual_clip=3.0 belongs to the term 'dual_clip', which is not in the objective"),
        ({"n_stepz": 3}, TypeError, "argument='n_stepz'.*Did you mean 'n_steps'"),
        ({"net_arch": [8]}, TypeError, r"an argument of the policy; policy_kwargs=\{'net_arch': \[8\]\} gives"),
        ({"n_bins": 5}, TypeError, r"an argument of the policy; policy_kwargs=\{'n_bins': 5\} gives"),
        ({"layer_norm": True}, TypeError, r"policy_kwargs=\{'layer_norm': True\} gives"),
        ({"regularizers": {"churn": 10}}, TypeError, "neither a name nor a function; coefficients are arguments of"),
        ({"objective": "dual_clip", "dual_clip": 1.0}, ValueError, r"dual_clip=1.0 is not allowed.*\(1.0, inf\)"),
        ({"objective": "dual_clip", "dual_clip": "lin_3"}, ValueError, "dual_clip='lin_3' reaches"),
        ({"objective": "dual_clip", "dual_clip": None}, TypeError, "dual_clip"),
        ({"ent_coef": float("inf")}, ValueError, "ent_coef=inf is not allowed: a finite number"),
        (
            {"objective": "kl_penalty", "kl_coef": float("inf")},
            ValueError,
            "kl_coef=inf is not allowed: a finite number",
        ),
        ({"learning_rate": "lin_inf"}, ValueError, "learning_rate=.* reaches inf"),
        ({"clip_range": -0.1}, ValueError, "clip_range=-0.1 is not allowed"),
        ({"objective": "kl_penalty", "kl_coef": float("nan")}, ValueError, "kl_coef=nan"),
        ({"objective": "kl_penalty", "kl_direction": "up"}, ValueError, "kl_direction='up'.*'forward', 'reverse'"),
        ({"adapt": {"clip_range": BAND | {"rule": "bang"}}}, ValueError, r"\['rule'\]='bang'.*'band'"),
        ({"adapt": {"kl_coef": BAND}}, ValueError, "adapt='kl_coef'"),
        ({"objective": "kl_penalty", "kl_coef": 0.0, "adapt": {"kl_coef": BAND}}, ValueError, "kl_coef starts at 0"),
        ({"objective": ["clip", gamma_term]}, ValueError, "'gamma' is taken by VariantPPO"),
        ({"objective": ["clip", policy_term]}, ValueError, "'rollout_buffer' is taken by VariantPPO"),
        ({"objective": ["clip", needy_term]}, TypeError, "needed_coef is needed"),
        ({"learning_rate": "fast"}, ValueError, "learning_rate='fast'"),
        ({"log_kl": "no"}, ValueError, "log_kl='no'.*True, False"),
        ({"hooks": "my.Hook"}, ValueError, "hooks: 'my.Hook': "),
        ({"stop": ["kl"]}, TypeError, r"stop=\['kl'\]: a list has pairs"),
        ({"adapt": {"clip_range": BAND | {"low": 0.4, "high": 0.1}}}, ValueError, r"\['low'\]=0.4 is above .*=0.1"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        VariantPPO("MlpPolicy", NeverSteps(), **arguments).learn(1)


@pytest.mark.parametrize(
    ("cls", "arguments", "message"),
    [
        (DualClipPPO, {"dual_clip": 0.9}, "dual_clip=0.9"),
        (KLPenaltyPPO, {"desired_kl": 0.0}, "desired_kl=0.0"),
        (KLPenaltyPPO, {"kl_coef_bounds": (0.0, 1.0)}, r"kl_coef_bounds=\(0.0, 1.0\)"),
        (KLPenaltyPPO, {"kl_coef_bounds": (1.0,)}, r"kl_coef_bounds=\(1.0,\).*a pair"),
        (KLPenaltyPPO, {"kl_estimator": "k9"}, "kl_estimator='k9'"),
        (AdaptiveClipPPO, {"desired_kl": None}, "desired_kl=None"),
        (AdaptiveClipPPO, {"clip_range": 0.9}, "clip_range starts at 0.9, outside"),
        (AdaptiveClipPPO, {"clip_range_bounds": (0.4, 0.05)}, r"clip_range_bounds=\(0.4, 0.05\): the smallest value"),
        (AdaptiveClipPPO, {"clip_range_bounds": 0.3}, "clip_range_bounds=0.3: a pair"),
        (AdaptiveClipPPO, {"adapt": {"clip_range": BAND}}, "AdaptiveClipPPO adapts clip_range by arguments of its own"),
        (KLPenaltyPPO, {"adapt": {"kl_coef": BAND}, "desired_kl": None}, "KLPenaltyPPO adapts kl_coef by arguments"),
    ],
)
def test_bad_arguments_of_named_classes(cls: type[VariantPPO], arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cls("MlpPolicy", NeverSteps(), **arguments).learn(1)


@pytest.mark.parametrize(("cls", "own"), [(AdaptiveClipPPO, "clip_range"), (KLPenaltyPPO, "kl_coef")])
def test_a_named_class_adapts_other_coefficients_too(cls: type[VariantPPO], own: str, tmp_path: Path) -> None:
    """Its own rule stood in place of the user's (issue 22)."""
    model = cls("MlpPolicy", SpacesEnv(), adapt={"learning_rate": BAND | {"low": 1e-5}}, **SMALL).learn(64)
    assert set(model.adaptive_state) == {own, "learning_rate"}
    assert all(state["updates"] == 2 for state in model.adaptive_state.values())
    model.save(tmp_path / "model.zip")
    loaded = cls.load(tmp_path / "model.zip", desired_kl=0.5)
    assert {name: rule["target"] for name, rule in loaded.describe()["adapt"].items()} == {
        own: 0.5,
        "learning_rate": BAND["target"],
    }
    assert set(cls.load(tmp_path / "model.zip", adapt=None).adaptive_state) == {own}
    with pytest.raises(ValueError, match=f"adapts {own} by arguments of its own"):
        cls.load(tmp_path / "model.zip", adapt={own: BAND})


def test_a_rule_that_is_switched_off_says_what_is_lost(tmp_path: Path) -> None:
    model = KLPenaltyPPO("MlpPolicy", SpacesEnv(), desired_kl=1e-9, **SMALL).learn(64)
    assert model.adaptive_state["kl_coef"]["multiplier"] == 4.0
    model.save(tmp_path / "model.zip")
    with pytest.warns(UserWarning, match="kl_coef has no rule any more and goes back from 4 to 1; give kl_coef=4"):
        KLPenaltyPPO.load(tmp_path / "model.zip", desired_kl=None)


def test_target_kl_and_a_rule_on_the_kl_draw_a_warning() -> None:
    with pytest.warns(UserWarning, match="target_kl=0.01 stops an update before"):
        KLPenaltyPPO("MlpPolicy", SpacesEnv(), target_kl=0.01, **SMALL)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DualClipPPO("MlpPolicy", SpacesEnv(), target_kl=0.01, **SMALL)


def test_a_record_of_ones_own() -> None:
    record = Term(
        "slow", slow_down, stage="penalty", coefficients=(Coefficient("slow_coef", 0.1, low=0.0, tighter="up"),)
    )
    model = VariantPPO("MlpPolicy", SpacesEnv(), objective=["clip", record], adapt={"slow_coef": BAND}, **SMALL).learn(
        32
    )
    assert logged(model)["train/slow_coef"] == 0.1
    with pytest.raises(ValueError, match="slow_coef=-1.0"):
        VariantPPO("MlpPolicy", NeverSteps(), objective=["clip", record], slow_coef=-1.0)


@pytest.mark.parametrize("cls", [VariantPPO, *NAMED])
def test_a_zip_holds_what_was_learned_and_no_built_parts(cls: type[VariantPPO], tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"desired_kl": 1e-9} if cls in (KLPenaltyPPO, AdaptiveClipPPO) else {}
    model = cls("MlpPolicy", SpacesEnv(), **arguments, **SMALL).learn(96)
    model.save(tmp_path / "model.zip")
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        saved = json.loads(archive.read("data"))
    assert saved["adaptive_state"] == model.adaptive_state
    assert not {"_chain", "_adaptation"} & set(saved)


def test_stock_ppo_goes_on_with_the_base_clip_range(tmp_path: Path) -> None:
    model = AdaptiveClipPPO("MlpPolicy", SpacesEnv(), desired_kl=1e-9, ent_coef="lin_0.01", **SMALL).learn(64)
    assert model.adaptive_state["clip_range"]["multiplier"] < 1.0
    model.save(tmp_path / "model.zip")
    stock = PPO.load(tmp_path / "model.zip", SpacesEnv(), ent_coef=0.01).learn(32)
    assert logged(stock)["train/clip_range"] == 0.2


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


@pytest.mark.parametrize("verbose", [0, 1])
def test_a_model_says_that_it_compiles_only_when_it_may_print(verbose: int, capsys: pytest.CaptureFixture[str]) -> None:
    VariantPPO("MlpPolicy", SpacesEnv(), **SMALL, compile=True, verbose=verbose)
    assert ("TORCHINDUCTOR_CACHE_DIR" in capsys.readouterr().out) == bool(verbose)


@pytest.mark.parametrize("clip_range", ["lin_0.1", 0.1])
def test_a_clip_range_may_be_given_between_two_calls_of_learn(clip_range: Any) -> None:
    """Up to the last update, whose value is 0 with the schedule."""
    models = [VariantPPO("MlpPolicy", SpacesEnv(), objective="spo", **SMALL).learn(32) for _ in range(2)]
    models[0].clip_range = models[0].clip_range_vf = clip_range
    models[1].clip_range = models[1].clip_range_vf = as_schedule("clip_range", clip_range)
    for model in models:
        set_random_seed(1)
        model.learn(96)
    assert same_weights(*models)
