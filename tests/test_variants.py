"""The classes as a user meets them: what they train and what they log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.utils import LinearSchedule

from sb3_ppo_variants import AdaptiveClipPPO, DualClipPPO, KLPenaltyPPO, VariantPPO
from tests.environments import SpacesEnv
from tests.models import BAND, NAMED, SMALL, logged, same_weights, slow_down


@pytest.mark.parametrize("cls", NAMED)
@pytest.mark.parametrize("action", ["box", "discrete", "multidiscrete", "multibinary"])
def test_trains_and_predicts(cls: type[VariantPPO], action: str) -> None:
    env = make_vec_env(SpacesEnv, n_envs=2, env_kwargs={"action": action}, seed=0)
    model = cls("MlpPolicy", env, log_kl=True, **SMALL).learn(128)
    assert model.num_timesteps == 128
    assert np.isfinite(list(logged(model).values())).all()
    actions, _ = model.predict(env.reset(), deterministic=True)  # type: ignore[arg-type]
    assert len(actions) == 2


def test_direction_and_estimator_are_used() -> None:
    def final(**arguments: Any) -> PPO:
        return KLPenaltyPPO("MlpPolicy", SpacesEnv(), kl_coef=100.0, desired_kl=None, **arguments, **SMALL).learn(64)

    models = [
        final(),
        final(kl_direction="reverse"),
        *(final(kl_estimator=name) for name in ("k1", "k2", "k3")),
        final(kl_estimator="k3", kl_direction="reverse"),
    ]
    for i, one in enumerate(models):
        for other in models[i + 1 :]:
            assert not same_weights(one, other)


def test_a_large_penalty_makes_small_updates() -> None:
    def kl(kl_coef: float) -> float:
        model = KLPenaltyPPO(
            "MlpPolicy", SpacesEnv(), kl_coef=kl_coef, desired_kl=None, learning_rate=3e-3, log_kl=True, **SMALL
        )
        return float(logged(model.learn(64))["train/kl"])

    assert kl(1000.0) < 0.3 * kl(0.0)


def test_zero_penalty_is_no_limit_and_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = VariantPPO("MlpPolicy", SpacesEnv(), objective=[], **SMALL).learn(64)
    monkeypatch.setattr(VariantPPO, "_rollout_distributions", lambda self: pytest.fail("the old policy was computed"))
    free = KLPenaltyPPO("MlpPolicy", SpacesEnv(), kl_coef=0.0, desired_kl=None, **SMALL).learn(64)
    assert same_weights(free, plain)
    assert "train/kl_penalty" not in logged(free)


def test_the_rule_acts_from_the_next_update_on() -> None:
    model = KLPenaltyPPO("MlpPolicy", SpacesEnv(), desired_kl=1e-9, **SMALL)
    used = []
    for _ in range(3):
        model.learn(32, reset_num_timesteps=False)
        used.append(logged(model)["train/kl_coef"])
    assert used == [1.0, 2.0, 4.0]
    assert model.adaptive_state["kl_coef"]["multiplier"] == 8.0


def test_the_clip_range_is_driven_within_bounds() -> None:
    model = AdaptiveClipPPO("MlpPolicy", SpacesEnv(), desired_kl=1e-9, clip_range_bounds=(0.1, 0.4), **SMALL)
    used = []
    for _ in range(4):
        model.learn(32, reset_num_timesteps=False)
        used.append(logged(model)["train/clip_range"])
    assert used == pytest.approx([0.2, 0.2 / 1.5, 0.1, 0.1])
    assert logged(model)["train/clip_range_at_bound"] == 0.5


def test_an_adaptive_clip_range_rides_on_a_schedule() -> None:
    model = AdaptiveClipPPO("MlpPolicy", SpacesEnv(), desired_kl=1e3, clip_range="lin_0.2", **SMALL).learn(64)
    # Two updates, at progress 0.5 and 0: the first at 0.1; the second has no range left, whatever was learned.
    assert model.adaptive_state["clip_range"]["multiplier"] == pytest.approx(1.5)
    assert logged(model)["train/clip_range"] == 0.0


def test_dual_clip_is_ppo_where_the_bound_is_out_of_reach() -> None:
    stock = PPO("MlpPolicy", SpacesEnv(), **SMALL).learn(64)
    assert same_weights(DualClipPPO("MlpPolicy", SpacesEnv(), **SMALL).learn(64), stock)
    with pytest.warns(UserWarning, match="dual_clip=1.001"):
        bounded = DualClipPPO("MlpPolicy", SpacesEnv(), dual_clip=1.001, learning_rate=0.01, **SMALL)
    bounded.learn(64)
    assert logged(bounded)["train/dual_clip_fraction"] > 0


def test_log_keys() -> None:
    everything = VariantPPO(
        "MlpPolicy", SpacesEnv(), objective=["clip", "dual_clip", "kl_penalty"], adapt={"kl_coef": BAND}, **SMALL
    ).learn(64)
    stock = PPO("MlpPolicy", SpacesEnv(), **SMALL).learn(64)
    assert set(logged(everything)) - set(logged(stock)) == {
        "train/kl",
        "train/kl_max",
        "train/ratio_max",
        "train/ratio_deviation",
        "train/grad_norm",
        "train/gradient_steps",
        "train/ent_coef",
        "train/vf_coef",
        "train/clip_fraction_removed",
        "train/clip_fraction_alive",
        "train/dual_clip",
        "train/dual_clip_fraction",
        "train/kl_coef",
        "train/kl_coef_at_bound",
        "train/kl_penalty",
    }
    assert set(logged(stock)) <= set(logged(everything))
    values = logged(everything)
    fractions = values["train/clip_fraction_removed"] + values["train/clip_fraction_alive"]
    assert fractions == pytest.approx(values["train/clip_fraction"], abs=1e-6)


def test_combination_as_data_with_a_function_of_ones_own() -> None:
    model = VariantPPO(
        "MlpPolicy",
        SpacesEnv(),
        objective=["clip", "dual_clip", slow_down, "kl_penalty"],
        dual_clip=2.5,
        slow_coef="lin_0.2",
        kl_coef=LinearSchedule(1.0, 0.5, 1.0),
        kl_estimator="k3",
        adapt={"slow_coef": BAND | {"follow": "clip_fraction", "tighter": "up"}},
        **SMALL,
    ).learn(64)
    assert logged(model)["train/dual_clip"] == 2.5
    assert logged(model)["train/kl_coef"] == 0.5


@pytest.mark.parametrize("cls", [VariantPPO, *NAMED])
def test_positional_arguments_of_ppo(cls: type[VariantPPO]) -> None:
    model = cls("MlpPolicy", SpacesEnv(), 1e-3, 64, 32, 5)
    assert (model.learning_rate, model.n_steps, model.batch_size, model.n_epochs) == (1e-3, 64, 32, 5)
    with pytest.raises(TypeError, match="learning_rate"):
        cls("MlpPolicy", SpacesEnv(), 1e-3, learning_rate=1e-3)
    half_built = cls("MlpPolicy", SpacesEnv(), _init_setup_model=False)
    assert not hasattr(half_built, "policy")


@pytest.mark.parametrize("cls", [VariantPPO, *NAMED])
def test_tensorboard_name_is_that_of_the_class(cls: type[VariantPPO], tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    cls("MlpPolicy", SpacesEnv(), tensorboard_log=str(tmp_path), **SMALL).learn(32)
    assert [path.name for path in tmp_path.iterdir()] == [f"{cls.__name__}_1"]
