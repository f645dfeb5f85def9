"""Ranges of numbers, and the coefficients that stock PPO has too: scheduled and adapted."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from sb3_ppo_variants import AdaptiveClipPPO, UpdateHook, VariantPPO
from sb3_ppo_variants.coefficients import Number
from tests.environments import SpacesEnv
from tests.models import SMALL, Dumps, logged, same_weights

HALVES: dict[str, Any] = {"rule": "band", "follow": "kl", "target": 1e-9, "low": 1e-6, "high": 1.0}
BANDIT: dict[str, Any] = {"rule": "bandit", "follow": "episode_return", "low": 0.05, "high": 0.4}


@pytest.mark.parametrize(
    ("number", "allowed", "refused", "range_"),
    [
        (Number("x"), [-1e9, 0, float("inf")], [float("nan"), True, "1", None], r"a number in \(-inf, inf\)"),
        (Number("x", low=0.0, high=1.0), [0.0, 1], [-0.1, 1.1], r"a number in \[0.0, 1.0\]"),
        (Number("x", low=0.0, above_low=True), [1e-9], [0.0, -1.0], r"a number in \(0.0, inf\)"),
        (Number("x", low=0.0, finite=True), [0.0], [float("inf")], r"a finite number in \[0.0, inf\)"),
        (Number("x", low=2.0, whole=True), [2, 3.0], [2.5, 1], r"a whole number in \[2.0, inf\)"),
    ],
)
def test_the_range_of_a_number(number: Number, allowed: list[Any], refused: list[Any], range_: str) -> None:
    for value in allowed:
        number.check(value)
    for value in refused:
        with pytest.raises(ValueError, match=rf"^x={value!r} is not allowed: {range_}$"):
            number.check(value)
    with pytest.raises(ValueError, match=rf"^x='lin' reaches nan, which is not allowed: {range_}$"):
        number.check(float("nan"), "lin")


def over_updates(model: PPO, key: str, updates: int) -> list[float]:
    """What is logged in each of some updates of 32 steps."""
    seen = []
    for _ in range(updates):
        model.learn(32, reset_num_timesteps=False)
        seen.append(logged(model)[key])
    return seen


@pytest.mark.parametrize("name", ["ent_coef", "vf_coef"])
def test_follows_a_schedule(name: str) -> None:
    dumps = Dumps()
    model = VariantPPO("MlpPolicy", SpacesEnv(), **(SMALL | {name: LinearSchedule(0.4, 0.2, 1.0)}))
    model.set_logger(Logger(None, [dumps]))
    model.learn(160)
    used = [dump[f"train/{name}"] for dump in dumps.dumps if f"train/{name}" in dump]
    # Five updates, at progress 0.8, 0.6, 0.4, 0.2 and 0; the last is not dumped any more.
    assert used == pytest.approx([0.36, 0.32, 0.28, 0.24])
    assert logged(model)[f"train/{name}"] == pytest.approx(0.2)


@pytest.mark.parametrize("name", ["ent_coef", "vf_coef"])
def test_a_constant_schedule_is_stock_bit_for_bit(name: str) -> None:
    stock = PPO("MlpPolicy", SpacesEnv(), **(SMALL | {name: 0.3})).learn(64)
    scheduled = VariantPPO("MlpPolicy", SpacesEnv(), **(SMALL | {name: lambda progress: 0.3})).learn(64)
    assert same_weights(scheduled, stock)
    assert not same_weights(VariantPPO("MlpPolicy", SpacesEnv(), **(SMALL | {name: "lin_0.3"})).learn(64), stock)


@pytest.mark.parametrize("name", ["ent_coef", "vf_coef"])
def test_is_driven_by_a_rule(name: str) -> None:
    spec = HALVES | {"tighter": "down"}
    model = VariantPPO("MlpPolicy", SpacesEnv(), adapt={name: spec}, **(SMALL | {name: 0.4}))
    assert over_updates(model, f"train/{name}", 3) == pytest.approx([0.4, 0.2, 0.1])


def test_a_rule_on_the_entropy_coefficient_needs_a_direction() -> None:
    with pytest.raises(ValueError, match=r"adapt\['ent_coef'\]\['tighter'\]=None.*'down' or 'up'"):
        VariantPPO("MlpPolicy", SpacesEnv(), ent_coef=0.4, adapt={"ent_coef": HALVES}, **SMALL)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ent_coef": "lin"}, "ent_coef='lin'"),
        ({"ent_coef": float("nan")}, "ent_coef=nan"),
        ({"vf_coef": lambda progress: float("nan")}, "vf_coef=.*reaches nan"),
        ({"learning_rate": -0.1}, "learning_rate=-0.1 is not allowed"),
    ],
)
def test_bad_values_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VariantPPO("MlpPolicy", SpacesEnv(), **arguments, **SMALL)


def rate(model: PPO) -> float:
    return float(model.policy.optimizer.param_groups[0]["lr"])


def test_the_learning_rate_follows_the_kl_and_survives_load() -> None:
    model = VariantPPO("MlpPolicy", SpacesEnv(), learning_rate=0.001, adapt={"learning_rate": HALVES}, **SMALL)
    assert over_updates(model, "train/learning_rate", 3) == pytest.approx([0.001, 0.0005, 0.00025])
    assert rate(model) == pytest.approx(0.00025)
    file = io.BytesIO()
    model.save(file)
    loaded = VariantPPO.load(file, env=SpacesEnv())
    assert over_updates(loaded, "train/learning_rate", 1) == pytest.approx([0.000125])
    assert rate(loaded) == pytest.approx(0.000125)


def test_an_adaptive_learning_rate_of_one_is_stock() -> None:
    rests = HALVES | {"target": 1e-3, "width": 1e9}
    adaptive = VariantPPO("MlpPolicy", SpacesEnv(), adapt={"learning_rate": rests}, **SMALL).learn(96)
    assert same_weights(adaptive, PPO("MlpPolicy", SpacesEnv(), **SMALL).learn(96))


@pytest.mark.parametrize("schedule", ["lin_0.001", LinearSchedule(1e-3, 1e-4, 1.0), lambda progress: 1e-3 * progress])
def test_an_adaptive_learning_rate_refuses_a_schedule(schedule: Any) -> None:
    with pytest.raises(ValueError, match=r"adapt\['learning_rate'\].*is a schedule"):
        VariantPPO("MlpPolicy", SpacesEnv(), learning_rate=schedule, adapt={"learning_rate": HALVES}, **SMALL)


def test_load_with_a_schedule_refuses_an_adaptive_learning_rate() -> None:
    file = io.BytesIO()
    VariantPPO("MlpPolicy", SpacesEnv(), adapt={"learning_rate": HALVES}, **SMALL).save(file)
    with pytest.raises(ValueError, match="is a schedule"):
        VariantPPO.load(file, env=SpacesEnv(), learning_rate="lin_0.001")


class Plain(SpacesEnv):
    """Told to SB3 as a vector environment without a Monitor."""


def test_a_rule_on_returns_needs_a_monitor() -> None:
    bare = DummyVecEnv([Plain])
    model = VariantPPO("MlpPolicy", bare, adapt={"clip_range": BANDIT}, **SMALL)
    with pytest.raises(ValueError, match="Monitor and VecMonitor record"):
        model.learn(32)
    for env in (VecMonitor(DummyVecEnv([Plain])), DummyVecEnv([lambda: Monitor(Plain())])):
        model = VariantPPO("MlpPolicy", env, adapt={"clip_range": BANDIT}, **SMALL).learn(64)
        assert model.adaptive_state["clip_range"]["updates"] == 2.0


class OneLongEpisode(gym.Wrapper[Any, Any, Any, Any]):
    """The first episode alone ends."""

    ended = False

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        over = (terminated or truncated) and not self.ended
        self.ended = self.ended or over
        return observation, reward, over and terminated, over and truncated, info


def test_a_rollout_without_an_end_of_an_episode_is_no_pull() -> None:
    env = OneLongEpisode(SpacesEnv())
    model = VariantPPO("MlpPolicy", env, adapt={"clip_range": BANDIT}, **SMALL).learn(96)
    state = model.adaptive_state["clip_range"]
    assert (state["updates"], state["measured_at"]) == (3.0, 1.0)


def test_too_many_ratios_outside_widen_the_clip_range() -> None:
    model = AdaptiveClipPPO("MlpPolicy", SpacesEnv(), desired_clip_fraction=1e-9, learning_rate=0.01, **SMALL)
    assert over_updates(model, "train/clip_range", 3) == pytest.approx([0.2, 0.3, 0.4])
    assert "train/kl" not in logged(model)
    model = AdaptiveClipPPO("MlpPolicy", SpacesEnv(), desired_clip_fraction=1.0, learning_rate=0.01, **SMALL)
    assert over_updates(model, "train/clip_range", 3) == pytest.approx([0.2, 0.2 / 1.5, 0.2 / 2.25])


def test_whole_numbers_are_asked_for() -> None:
    with pytest.raises(ValueError, match=r"adapt\['clip_range'\]\['arms'\]=2.5.*whole"):
        VariantPPO("MlpPolicy", SpacesEnv(), adapt={"clip_range": BANDIT | {"arms": 2.5}}, **SMALL)


SOFT: dict[str, Any] = SMALL | {"objective": "soft_clip"}
# The update grows until the KL is reached, so that the temperature falls.
FALLS: dict[str, Any] = {"rule": "band", "follow": "kl", "target": 100.0, "low": 1e-3, "high": 100.0}


def soft(**arguments: Any) -> VariantPPO:
    return VariantPPO("MlpPolicy", SpacesEnv(), **(SOFT | arguments)).learn(96)


def in_force(model: VariantPPO) -> set[str]:
    return {name for name in model.describe()["coefficients"] if name.endswith("temperature")}


@pytest.mark.parametrize(
    "first",
    [
        {"soft_clip_temperature": 2.0},
        {"soft_clip_temperature": "lin_4_1"},
        {"adapt": {"soft_clip_temperature": FALLS}},
    ],
    ids=["number", "schedule", "rule"],
)
def test_an_optional_coefficient_that_is_left_out_is_the_other_one_bit_for_bit(first: dict[str, Any]) -> None:
    same = {"negative_soft_clip_temperature": first.get("soft_clip_temperature", 4.0)}
    if "adapt" in first:
        same["adapt"] = first["adapt"] | {"negative_soft_clip_temperature": FALLS}
    alone, both = soft(**first), soft(**(first | same))
    assert same_weights(alone, both)
    assert not same_weights(alone, soft())
    assert in_force(alone) == {"soft_clip_temperature"}
    assert in_force(both) == {"soft_clip_temperature", "negative_soft_clip_temperature"}
    assert {key for key in logged(both).keys() - logged(alone).keys() if not key.endswith("_at_bound")} == (
        {"train/negative_soft_clip_temperature"}
    )


def test_an_optional_coefficient_has_a_rule_of_its_own() -> None:
    adapt = {"negative_soft_clip_temperature": FALLS}
    model = soft(negative_soft_clip_temperature=4.0, adapt=adapt)
    assert logged(model)["train/negative_soft_clip_temperature"] == pytest.approx(1.0)
    assert logged(model)["train/soft_clip_temperature"] == 4.0
    assert not same_weights(model, soft())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"adapt": {"negative_soft_clip_temperature": FALLS}},
            r"adapt\['negative_soft_clip_temperature'\]: negative_soft_clip_temperature is None; give it a value",
        ),
        ({"negative_soft_clip_temperature": 0.0}, r"negative_soft_clip_temperature=0.0 is not allowed: a finite.*\(0"),
        ({"negative_soft_clip_temperature": "lin_1"}, "negative_soft_clip_temperature='lin_1' reaches 0"),
    ],
)
def test_bad_values_of_an_optional_coefficient_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        soft(**arguments)


def test_only_an_optional_coefficient_may_be_none() -> None:
    with pytest.raises(TypeError, match="soft_clip_temperature is needed by a term or a regularizer: give it a number"):
        soft(soft_clip_temperature=None)


def test_an_optional_coefficient_is_saved_given_and_left_out_again(tmp_path: Path) -> None:
    soft(negative_soft_clip_temperature=1.5).save(tmp_path / "two.zip")
    soft().save(tmp_path / "one.zip")
    name = "negative_soft_clip_temperature"
    assert getattr(VariantPPO.load(tmp_path / "two.zip"), name) == 1.5
    assert getattr(VariantPPO.load(tmp_path / "one.zip"), name) is None
    assert in_force(VariantPPO.load(tmp_path / "one.zip", negative_soft_clip_temperature=3.0)) == (
        {"soft_clip_temperature", name}
    )
    left_out = VariantPPO.load(tmp_path / "two.zip", env=SpacesEnv(), negative_soft_clip_temperature=None)
    assert in_force(left_out.learn(32)) == {"soft_clip_temperature"}


def falls(progress_remaining: float) -> float:
    return 0.2 * progress_remaining + 0.02


def test_a_schedule_ends_where_training_does() -> None:
    """The last of four rollouts goes beyond the budget, to a progress of -0.28: there spo_range was negative."""
    model = VariantPPO("MlpPolicy", SpacesEnv(), objective=["spo"], spo_range=falls, ent_coef=falls, **SMALL)
    model.learn(100)
    assert model.num_timesteps == 128
    values = logged(model)
    assert (values["train/spo_range"], values["train/ent_coef"]) == (0.02, 0.02)


def test_the_clip_range_is_looked_at_beyond_the_end_as_in_stock() -> None:
    given = {**SMALL, "clip_range": falls}
    models: list[PPO] = [cls("MlpPolicy", SpacesEnv(), **given).learn(65) for cls in (PPO, VariantPPO)]
    assert same_weights(*models)
    # 96 of 65 steps: 0.2 * (1 - 96 / 65) + 0.02.
    assert logged(models[1])["train/clip_range"] == pytest.approx(-0.0754, abs=1e-4)


def test_what_is_nearly_right_is_answered_with_what_is_wrong() -> None:
    for arguments, error, message in (
        (
            {"recompute_advantages": "True"},
            ValueError,
            "='True' is not known. Choices: True, False, without quotes",
        ),
        ({"compile": "True"}, ValueError, "compile='True' is not known. Choices: False, True, 'strict'"),
        ({"ent_coef": "lin_0.2_0.3"}, ValueError, r"ent_coef='lin_0.2_0.3': LinearDecay: floor=0.3"),
        ({"hooks": [UpdateHook]}, TypeError, r"is not an UpdateHook; give an instance, UpdateHook\(\)"),
    ):
        with pytest.raises(error, match=message):
            VariantPPO("MlpPolicy", SpacesEnv(), **SMALL, **arguments)


def test_a_share_is_at_most_one_and_a_target_finite() -> None:
    with pytest.raises(ValueError, match="desired_clip_fraction=20"):
        AdaptiveClipPPO("MlpPolicy", SpacesEnv(), desired_clip_fraction=20, **SMALL)
    for rule in ("band", "proportional"):
        adapt = {"clip_range": {"rule": rule, "follow": "kl", "target": math.inf, "low": 0.1, "high": 0.3}}
        with pytest.raises(ValueError, match="target.*inf"):
            VariantPPO("MlpPolicy", SpacesEnv(), adapt=adapt, **SMALL)
