"""The compiled step does what the eager one does, for every term and distribution."""

from __future__ import annotations

import copy
import io
import itertools
from pathlib import Path
from typing import Any

import pytest
import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.utils import LinearSchedule

from sb3_ppo_variants import (
    KLPenaltyPPO,
    MaskableVariantPPO,
    Minibatch,
    RecurrentVariantPPO,
    ResumeCallback,
    VariantPPO,
    resume_model,
)
from sb3_ppo_variants.compiled.compiler import Compiler
from sb3_ppo_variants.compiled.step import CompiledStep
from sb3_ppo_variants.compiled.unsupported import Unsupported
from sb3_ppo_variants.loop.hook import UpdateHook
from sb3_ppo_variants.terms import TERMS
from tests.compiled.conftest import Traces, needs_compiler
from tests.environments import SpacesEnv
from tests.models import BAND, SMALL, logged, same_weights, slow_down
from tests.slow import slow_where

# Far enough from the old policy that ratios leave the clip range.
FAR: dict[str, Any] = SMALL | {"learning_rate": 0.01}


def learn(cls: type[Any] = VariantPPO, action: str = "box", updates: int = 2, **arguments: Any) -> Any:
    observation = arguments.pop("observation", "vector")
    env = make_vec_env(SpacesEnv, n_envs=2, env_kwargs={"action": action, "observation": observation}, seed=0)
    usual = {"vector": "MlpPolicy", "image": "CnnPolicy", "dict": "MultiInputPolicy"}[observation]
    model = cls(arguments.pop("policy", usual), env, **(FAR | arguments))
    return model.learn(64 * updates)


def assert_alike(compiled: PPO, eager: PPO) -> None:
    """The same decisions, and numbers that differ by rounding."""
    pairs = zip(compiled.policy.parameters(), eager.policy.parameters(), strict=True)
    assert all(th.allclose(mine, theirs, rtol=1e-4, atol=2e-5) for mine, theirs in pairs)
    assert logged(compiled).keys() == logged(eager).keys()
    for key in logged(eager):
        if key.startswith("train/"):
            assert logged(compiled)[key] == pytest.approx(logged(eager)[key], rel=1e-2, abs=1e-4), key
    for key in ("train/clip_fraction", "train/gradient_steps", "train/n_updates"):
        assert logged(compiled)[key] == logged(eager)[key]
    states = zip(compiled.policy.optimizer.state.values(), eager.policy.optimizer.state.values(), strict=True)
    assert all(mine["step"] == theirs["step"] for mine, theirs in states)


def both(**arguments: Any) -> tuple[Any, Any]:
    return learn(compile="strict", **arguments), learn(**arguments)


@pytest.mark.parametrize(
    "action",
    ["box", *(pytest.param(name, marks=pytest.mark.slow) for name in ("discrete", "multidiscrete", "multibinary"))],
)
@pytest.mark.parametrize("term", TERMS)
def test_every_term_and_distribution(traces: Traces, term: str, action: str) -> None:
    arguments = {c.name: 0.5 for c in TERMS[term].coefficients if c.default is None}
    assert_alike(*both(objective=term, action=action, **arguments))
    assert traces.count == 1


ORDINAL = {"ordinal": True, "n_bins": 7, "layer_norm": True, "residual_actor": True}


def own_regularizer(minibatch: Minibatch, *, own_coef: float = 0.5) -> th.Tensor:
    return own_coef * minibatch.kl("reverse") + minibatch.apart.kl()


CASES: dict[str, dict[str, Any]] = {
    "gsde": {"use_sde": True},
    "squashed": {"use_sde": True, "policy_kwargs": {"squash_output": True}},
    "image": {"observation": "image", "updates": 1},
    "dict": {"observation": "dict"},
    "masked": {"cls": MaskableVariantPPO, "action": "multidiscrete", "objective": ["clip", "kl_penalty"]},
    "masked dict": {"cls": MaskableVariantPPO, "action": "discrete", "observation": "dict"},
    "no limit": {"objective": []},
    "all at once": {"objective": ["clip", "dual_clip", slow_down, "kl_penalty"], "kl_direction": "reverse"},
    "sampled kl": {"objective": "kl_penalty", "kl_estimator": "k3"},
    "clipped values": {"clip_range_vf": LinearSchedule(0.3, 0.1, 1.0)},
    "raw advantages": {"normalize_advantage": False},
    "entropy": {"ent_coef": 0.1, "vf_coef": 0.3},
    "one temperature": {"objective": "soft_clip"},
    "binned": {"policy": "BinnedMlpPolicy", "objective": ["trust_region_clip", "kl_penalty"]},
    "ordinal": {"policy": "BinnedMlpPolicy", "objective": "trust_region", "policy_kwargs": ORDINAL, "ent_coef": 0.01},
    "frozen": {"policy_kwargs": {"activation_fn": th.nn.ReLU, "log_std_init": -1.0}, "max_grad_norm": 0.01},
    "one network": {"policy_kwargs": {"net_arch": [16]}},
    "churn": {"regularizers": "churn", "churn_coef": 1e3},
    "churn of choices": {"regularizers": "churn", "cls": MaskableVariantPPO, "action": "multidiscrete"},
    "feature drift": {"regularizers": "feature_drift", "feature_drift_coef": 10.0},
    "own regularizer": {"regularizers": [own_regularizer], "objective": ["clip", "kl_penalty"]},
    "rates of actor and critic": {"vf_learning_rate": "lin_0.02"},
    "recomputed advantages": {"recompute_advantages": True},
    "noise on the mean": {"rpo_noise": 0.2},
    "outer step": {"outer_step": 1.3, "outer_momentum": 0.3, "reset_adam_step": True},
    "all hooks and regularizers": {
        "regularizers": ["churn", "feature_drift"],
        "vf_learning_rate": 0.003,
        "recompute_advantages": True,
        "rpo_noise": 0.2,
        "outer_step": 0.9,
        "reset_adam_step": True,
    },
}


# What others have a part of too.
SLOW = {
    "churn of choices",
    "entropy",
    "feature drift",
    "masked dict",
    "no limit",
    "noise on the mean",
    "one network",
    "one temperature",
    "ordinal",
    "outer step",
    "own regularizer",
    "rates of actor and critic",
    "raw advantages",
    "recomputed advantages",
    "sampled kl",
}


@pytest.mark.parametrize("case", slow_where(SLOW.__contains__, CASES))
def test_every_kind_of_model(traces: Traces, case: str) -> None:
    assert_alike(*both(**CASES[case]))


@pytest.mark.parametrize("limit", [{"target_kl": 0.002}, {"stop": {"ratio_deviation": 0.05}}, {"stop": {"kl": 1e-4}}])
def test_stops_where_the_eager_one_stops(traces: Traces, limit: dict[str, Any]) -> None:
    compiled, eager = both(n_epochs=10, **limit)
    assert 0 < logged(eager)["train/gradient_steps"] < 40
    assert_alike(compiled, eager)


def test_coefficients_that_move_are_not_compiled_again(traces: Traces) -> None:
    moving: dict[str, Any] = {
        "clip_range": LinearSchedule(0.2, 0.1, 1.0),
        "learning_rate": LinearSchedule(0.01, 0.001, 1.0),
        "ent_coef": "lin_0.1",
        "kl_coef": 1.0,
        "adapt": {"kl_coef": BAND | {"target": 1e-6}},
        "objective": ["clip", "kl_penalty"],
    }
    compiled, eager = both(updates=5, **moving)
    assert traces.count == 1
    assert eager.adaptive_state["kl_coef"]["multiplier"] > 2.0
    assert_alike(compiled, eager)


def test_a_term_that_is_switched_off_on_the_way_is_compiled_away(traces: Traces) -> None:
    model = learn(compile="strict", updates=4, objective=["clip", "kl_penalty"], kl_coef="lin_1_0")
    assert traces.count == 2  # the last update has a coefficient of 0
    assert "train/kl_penalty" not in logged(model)


def test_a_smaller_last_minibatch_is_an_eager_step(traces: Traces) -> None:
    with pytest.warns(UserWarning, match="runs in eager mode the last minibatch") as warned:
        compiled = learn(compile=True, batch_size=20)
    assert sum("eager mode" in str(warning.message) for warning in warned) == 1
    assert_alike(compiled, learn(batch_size=20))
    with pytest.raises(Unsupported, match="compile='strict' would run in eager mode the last minibatch"):
        learn(compile="strict", batch_size=20)


class OfEpoch(UpdateHook):
    """Sets the learning rate, a coefficient and what is trained for each epoch."""

    def before_epoch(self, model: Any, update: Any, epoch: int) -> None:
        for group in model.policy.optimizer.param_groups:
            group["lr"] = [3e-3, 1e-3][epoch % 2]
        update.values["ent_coef"] = float(epoch)
        model.policy.action_net.requires_grad_(epoch % 2 == 0)


def test_what_a_hook_changes_between_epochs_is_followed(traces: Traces) -> None:
    """Native code went on with the numbers of the first epoch, and said nothing."""
    compiled, eager = both(n_epochs=4, hooks=[OfEpoch()])
    assert traces.count == 2
    assert_alike(compiled, eager)


def test_a_switch_to_eager_in_the_middle(traces: Traces, monkeypatch: pytest.MonkeyPatch) -> None:
    switched = learn(compile="strict")
    switched.compile = False
    with monkeypatch.context() as without:
        without.delattr(Compiler, "step")
        without.delattr(Compiler, "collect_rollouts")
        switched.learn(64, reset_num_timesteps=False)
    switched.compile = "strict"
    switched.learn(64, reset_num_timesteps=False)
    eager = learn()
    for _ in range(2):
        eager.learn(64, reset_num_timesteps=False)
    assert_alike(switched, eager)
    assert traces.count == 1


def test_saved_and_loaded_it_goes_on(traces: Traces) -> None:
    models = []
    for compile in (False, "strict"):
        file = io.BytesIO()
        learn(KLPenaltyPPO, compile=compile).save(file)
        env = make_vec_env(SpacesEnv, n_envs=2, seed=0)
        loaded = KLPenaltyPPO.load(file, env=env)
        assert loaded.compile == compile
        loaded.set_random_seed(0)
        models.append(loaded.learn(128))
    assert_alike(*models)


def test_parameters_that_are_set_are_used(traces: Traces) -> None:
    compiled, other = learn(compile="strict"), learn(seed=1)
    compiled.set_parameters(copy.deepcopy(other.get_parameters()))
    assert same_weights(compiled, other)
    for model in (compiled, other):
        model.set_random_seed(0)
        model.learn(64)
    assert_alike(compiled, other)


def nan_from_the_third(surrogate: th.Tensor, minibatch: Minibatch, *, spoil_coef: float = 1.0) -> th.Tensor:
    return surrogate + (minibatch.ratio - 1 + spoil_coef).log()


def test_a_term_that_goes_wrong_leaves_the_model_as_it_was(traces: Traces) -> None:
    model = learn(compile="strict", objective=["clip", nan_from_the_third])
    before = {name: tensor.clone() for name, tensor in model.policy.state_dict().items()}
    model.spoil_coef = -100.0
    with pytest.raises(FloatingPointError, match="the policy loss is not finite in epoch 0"):
        model.learn(64)
    assert all(th.equal(tensor, before[name]) for name, tensor in model.policy.state_dict().items())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"policy_kwargs": {"optimizer_class": th.optim.RMSprop}}, "the optimiser is RMSprop .* not a plain Adam"),
        (
            {"policy_kwargs": {"optimizer_kwargs": {"weight_decay": 0.1}}},
            "the optimiser is Adam with",
        ),
    ],
)
def test_what_it_cannot_do_runs_in_eager_mode_with_a_warning(
    traces: Traces, eager_rollouts: None, arguments: dict[str, Any], message: str
) -> None:
    with pytest.warns(UserWarning, match=f"compile=True runs in eager mode the update: {message}"):
        model = learn(compile=True, **arguments)
    assert same_weights(model, learn(**arguments))
    with pytest.raises(Unsupported, match=message):
        learn(compile="strict", **arguments)


def test_updates_of_recurrent_policies_run_in_eager_mode(traces: Traces, eager_rollouts: None) -> None:
    arguments: dict[str, Any] = SMALL | {"policy_kwargs": {"lstm_hidden_size": 8}}
    cls: Any = RecurrentVariantPPO
    with pytest.raises(Unsupported, match="compile='strict' would run in eager mode the update's losses and gradient"):
        cls("MlpLstmPolicy", SpacesEnv(), compile="strict", **arguments)
    with pytest.warns(
        UserWarning, match="runs in eager mode the update's losses and gradient, because every minibatch"
    ):
        compiled = cls("MlpLstmPolicy", SpacesEnv(), compile=True, **arguments).learn(64)
    stock = cls("MlpLstmPolicy", SpacesEnv(), **arguments).learn(64)
    for mine, theirs in zip(compiled.policy.parameters(), stock.policy.parameters(), strict=True):
        assert th.allclose(mine, theirs, atol=1e-5)  # over whole sequences


def looks(surrogate: th.Tensor, minibatch: Minibatch) -> th.Tensor:
    return surrogate * 2 if minibatch.ratio.mean() > 10 else surrogate


def test_a_term_that_looks_at_its_numbers_runs_in_eager_mode(traces: Traces, eager_rollouts: None) -> None:
    with pytest.warns(UserWarning, match="runs in eager mode the update"):
        model = learn(compile=True, objective=["clip", looks])
    assert same_weights(model, learn(objective=["clip", looks]))


def test_a_machine_without_a_compiler_runs_in_eager_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch._inductor.aoti_compile_and_package", _no_compiler)
    monkeypatch.setattr("sb3_ppo_variants.compiled.native._fingerprint", lambda *_: "never made")
    with pytest.warns(UserWarning, match="runs in eager mode the update: no g"):
        model = learn(compile=True)
    assert same_weights(model, learn())


def _no_compiler(*_: Any, **__: Any) -> None:
    raise RuntimeError("no g++")


@pytest.mark.parametrize("value", ["fast", 2, None])
def test_bad_values_are_named(value: Any) -> None:
    with pytest.raises(ValueError, match=r"compile=.*Choices: False, True, 'strict'"):
        VariantPPO("MlpPolicy", SpacesEnv(), compile=value)


def test_a_run_that_was_killed_goes_on_bit_for_bit(traces: Traces, tmp_path: Path) -> None:
    def make() -> Any:
        return VariantPPO("MlpPolicy", make_vec_env(SpacesEnv, n_envs=2, seed=0), compile="strict", **FAR)

    whole = make().learn(64 * 4)
    make().learn(64 * 2, callback=ResumeCallback(tmp_path / "resume.zip", every=64))
    resumed = resume_model(VariantPPO, tmp_path / "resume.zip")
    resumed.learn(64 * 2, reset_num_timesteps=False)
    assert same_weights(resumed, whole)


NATIVE = {"clip": {"objective": "clip"}, **{name: case for name, case in CASES.items() if name != "image"}}


@needs_compiler
@pytest.mark.parametrize(
    "case", [pytest.param(name, marks=[] if name == "clip" else [pytest.mark.slow]) for name in NATIVE]
)
def test_native_code_does_the_same(case: str) -> None:
    assert_alike(*both(**NATIVE[case]))


PAIRS = list(itertools.product(TERMS, ["box", "multidiscrete"]))


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize(("term", "action"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
def test_native_code_of_every_term(term: str, action: str) -> None:
    arguments = {c.name: 0.5 for c in TERMS[term].coefficients if c.default is None}
    assert_alike(*both(objective=term, action=action, **arguments))


class BeforeEachEpoch(UpdateHook):
    def before_epoch(self, model: Any, update: Any, epoch: int) -> None:
        pass


@pytest.mark.parametrize("hooks", [[], [BeforeEachEpoch()]], ids=["without", "with"])
def test_an_epoch_of_one_minibatch_is_checked_again(
    hooks: list[UpdateHook], traces: Traces, eager_rollouts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a hook before each epoch a step is of one epoch, and its second minibatch never came."""
    checked, check = [], CompiledStep._checked

    def count(self: CompiledStep, draw: Any, gradient: bool = True) -> Any:
        checked.append(gradient)
        return check(self, draw, gradient)

    monkeypatch.setattr(CompiledStep, "_checked", count)
    arguments: dict[str, Any] = SMALL | {"batch_size": 32, "n_epochs": 2, "hooks": hooks}
    VariantPPO("MlpPolicy", SpacesEnv(), compile="strict", **arguments).learn(32 * 4)
    assert checked.count(True) > 1
