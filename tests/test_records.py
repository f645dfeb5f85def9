"""Parts of one's own as records: mistakes in them are named, most before any training."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
import torch as th

from sb3_ppo_variants import (
    Coefficient,
    DualClipPPO,
    Minibatch,
    Number,
    RecurrentVariantPPO,
    Regularizer,
    Rule,
    Stop,
    Term,
    UpdateHook,
    VariantPPO,
    register,
)
from sb3_ppo_variants.own_parts import LOGGED
from tests.environments import SpacesEnv
from tests.models import SMALL, same_weights

COEFFICIENT = Coefficient("own_coef", default=0.1, off=0.0, optional=True)
LIMIT = Number("limit")


def model(cls: Any = VariantPPO, **arguments: Any) -> Any:
    return cls("MlpPolicy", SpacesEnv(), **{**SMALL, **arguments})


def forward(surrogate: th.Tensor, minibatch: Minibatch, *, own_coef: float = 0.1) -> th.Tensor:
    return surrogate - own_coef * minibatch.kl("forward")


def plain(surrogate: th.Tensor, minibatch: Minibatch, *, own_coef: float = 0.1) -> th.Tensor:
    return surrogate - own_coef * minibatch.log_ratio.square()


def term(function: Any = plain, **fields: Any) -> Term:
    return Term("own", function, **{"coefficients": (COEFFICIENT,), **fields})


def logs(what: Callable[[Minibatch], Any]) -> Callable[..., Any]:
    def log(minibatch: Minibatch, *, own_coef: float) -> Any:
        return what(minibatch)

    return log


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: term(stage="penalties"), ValueError, "Term 'own': stage='penalties' is not known"),
        (lambda: term(coefficients=COEFFICIENT), TypeError, "Term 'own': coefficients must be a tuple"),
        (lambda: term(lambda s, m, *, other: s), ValueError, "Term 'own': <lambda> does not take 'own_coef'"),
        (lambda: term(lambda s, m, *, own_coef, other: s), ValueError, "needs 'other', which the record does not name"),
        (lambda: term(log=lambda m: {}), ValueError, "<lambda> does not take 'own_coef'"),
        (lambda: Stop("own", LIMIT), ValueError, "Stop 'own' measures nothing"),
        (lambda: Rule("own", lambda s, m: s, ()), ValueError, "Rule 'own': <lambda> does not take 'direction'"),
        (
            lambda: Rule("own", lambda s, m, *, direction, low: s, (Number("low"),)),
            ValueError,
            "'low' is a key of adapt",
        ),
        (lambda: Rule("own", lambda s, m, *, direction: s, (), follows="kl"), TypeError, "follows must be a tuple"),  # type: ignore[arg-type]
        (lambda: Regularizer("value", lambda m: m.ratio), ValueError, "would replace train/value_loss"),
        (lambda: register(Term("own.term", lambda s, m: s)), ValueError, "'own.term' would be read as a path"),
    ],
)
def test_records_that_nobody_can_use(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def unasked(direction: str) -> Any:
    return logs(lambda minibatch: {"own_kl": minibatch.kl(direction).mean()})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"objective": term(forward)}, "objective: own: the exact forward KL is not known"),
        ({"objective": term(forward, log=unasked("reverse"), needs_kl=True)}, "own: the exact reverse KL is not known"),
        ({"objective": term(log=unasked("forward"), needs_kl=True)}, "own: the exact forward KL is not known"),
        # Another term's divergence is known only until that term is off.
        (
            {"objective": [term(log=unasked("forward")), "kl_penalty"], "kl_coef": "lin_0.5"},
            "own: the exact forward KL is not known",
        ),
        ({"stop": {Stop("own", LIMIT, of_minibatch=lambda m: m.kl().mean()): 1.0}}, "stop: own asks for the exact KL"),
        ({"stop": {Stop("own", LIMIT, of_minibatch=lambda m: m.ratio): 1.0}}, "stop: own must return one number"),
        ({"stop": {Stop("own", LIMIT, of_rollout=lambda kl: kl): 1.0}}, "stop: own must return one number"),
        (
            {"adapt": {"clip_range": {"rule": Rule("own", lambda s, m, *, direction: s, (), follows=("own",)),
                                      "follow": "own", "low": 0.1, "high": 0.3}}},
            "own follows 'own', which no model measures",
        ),
    ],
)  # fmt: skip
def test_what_no_update_can_do_is_refused_before_training(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model(**arguments)


def test_an_unknown_direction_is_refused() -> None:
    def typo(surrogate: th.Tensor, minibatch: Minibatch) -> th.Tensor:
        return surrogate - minibatch.kl("Forward")  # type: ignore[arg-type]

    with pytest.raises(ValueError, match="direction='Forward' is not known. Did you mean 'forward'"):
        model(objective=typo)


def test_a_function_that_asks_for_the_kl_at_other_values_needs_a_record() -> None:
    def sometimes(surrogate: th.Tensor, minibatch: Minibatch, *, weight: float = 0.0) -> th.Tensor:
        return surrogate - weight * minibatch.kl() if weight else surrogate

    model(objective=sometimes)
    with pytest.raises(ValueError, match="objective: sometimes: the exact forward KL is not known .* needs a record"):
        model(objective=sometimes, weight="lin_0.5")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (lambda m: m.ratio.mean(), "the log of own must return a dictionary"),
        (lambda m: {"own": m.ratio}, r"own logs 'own', which must be one number, not \(\d+,\)"),
        (lambda m: {"own": "much"}, "own logs 'own', which must be one number, not str"),
        (lambda m: {"loss": m.ratio.mean()}, "own logs 'loss', which is logged already"),
        (lambda m: {"clip_range": m.ratio.mean()}, "own logs 'clip_range', which is logged already"),
        (lambda m: {"clip_fraction_removed": m.ratio.mean()}, "own logs 'clip_fraction_removed', which is logged"),
    ],
)
def test_what_a_log_cannot_return_is_refused_before_training(what: Callable[[Minibatch], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model(objective=["clip", term(log=logs(what))])


def test_a_log_may_return_plain_numbers() -> None:
    trained = model(objective=["clip", term(log=logs(lambda m: {"own": 1.5}))]).learn(32)
    assert trained.logger.name_to_value["train/own"] == 1.5


def test_the_names_that_are_taken_are_those_that_the_loop_logs() -> None:
    trained = model(log_kl=True, clip_range_vf=0.2, vf_learning_rate=1e-3).learn(32)
    logged = {key.removeprefix("train/") for key in trained.logger.name_to_value if key.startswith("train/")}
    # The terms of the objective log the parts of the clip fraction.
    assert logged - LOGGED == {"clip_fraction_removed", "clip_fraction_alive"}
    # gSDE and discrete actions have no log_std to take the exponential of.
    assert LOGGED - logged <= {"std"}


def test_two_terms_cannot_prepare_one_name() -> None:
    def made(name: str, value: float) -> Term:
        def prepare(old: Any, actions: th.Tensor) -> dict[str, th.Tensor]:
            return {"scale": value * th.ones(len(actions))}

        return Term(name, lambda s, m: s * m.prepared["scale"], prepare=prepare)

    with pytest.raises(ValueError, match="objective: second prepares 'scale', as another term does"):
        model(objective=[made("first", 1.0), made("second", 0.0)]).learn(32)


def test_an_optional_coefficient_with_a_value_that_is_off_may_be_left_out() -> None:
    left_out = Coefficient("own_coef", off=0.0, optional=True)
    for arguments in (
        {"objective": ["clip", term(coefficients=(left_out,))]},
        {"regularizers": Regularizer("own", lambda m, *, own_coef=0.1: own_coef * m.log_ratio.square(), (left_out,))},
    ):
        assert model(**arguments).learn(32).own_coef is None


def test_a_regularizer_may_read_the_clip_range() -> None:
    def beyond(minibatch: Minibatch, *, clip_range: float) -> th.Tensor:
        return (minibatch.log_ratio.abs() - clip_range).clamp(min=0)

    assert "train/beyond_loss" in model(regularizers=beyond).learn(32).logger.name_to_value


@pytest.mark.parametrize("name", ["outer_step", "gamma"])
def test_names_that_are_taken_are_refused_later_too(name: str) -> None:
    taken = Term("own", lambda s, m, **values: s, coefficients=(Coefficient(name, default=1.5),))
    with pytest.raises(ValueError, match=f"objective: '{name}' is "):
        model(objective=taken)
    later = model()
    later.objective = ["clip", taken]
    with pytest.raises(ValueError, match=f"objective: '{name}' is "):
        later.learn(32)


def test_arguments_with_defaults_must_be_keyword_only() -> None:
    def own(surrogate: th.Tensor, minibatch: Minibatch, weight: float = 0.5) -> th.Tensor:
        return surrogate

    with pytest.raises(ValueError, match=r"own: weight=0.5 must be keyword-only .* write \* before it"):
        model(objective=own)


def test_a_function_that_needs_observations_needs_a_record() -> None:
    def smooth(minibatch: Minibatch) -> th.Tensor:
        return minibatch.samples.observations.mean(dim=1)  # type: ignore[no-any-return]

    with pytest.raises(ValueError, match="regularizers: smooth fails on three artificial samples, .* record"):
        model(regularizers=smooth)


@pytest.mark.parametrize("multiplier", [float("nan"), None, "2"])
def test_a_rule_that_returns_no_multiplier_later_is_named(multiplier: Any) -> None:
    def breaks(state: Any, measured: float, *, direction: int) -> Any:
        return {"multiplier": multiplier if state["updates"] > 1 else 1}

    spec = {"rule": breaks, "follow": "clip_fraction", "low": 0.1, "high": 0.3}
    broken = model(adapt={"clip_range": spec})
    with pytest.raises(ValueError, match="adapt: breaks must return a dictionary with a number"):
        broken.learn(128)


def test_a_loss_that_is_not_finite_is_named() -> None:
    def broken(minibatch: Minibatch) -> th.Tensor:
        return minibatch.log_ratio / 0

    with pytest.raises(FloatingPointError, match="the loss of broken"):
        model(regularizers=broken).learn(32)


class Counts(UpdateHook):
    """Counts the epochs."""

    def __init__(self) -> None:
        self.epochs = 0

    def before_epoch(self, model: Any, update: Any, epoch: int) -> None:
        self.epochs += 1


def rule(state: Any, measured: float, *, direction: int) -> Any:
    return state


class CallableRule:
    """A rule with a lock, which cannot be copied."""

    def __init__(self) -> None:
        self.calls, self.lock = 0, threading.Lock()

    def __call__(self, state: Any, measured: float, *, direction: int) -> Any:
        self.calls += 1
        return state


def test_parts_stay_while_nothing_is_changed() -> None:
    own = CallableRule()
    spec = {"rule": own, "follow": "clip_fraction", "low": 0.1, "high": 0.3}
    trained = model(adapt={"clip_range": spec}, hooks="tests.test_records.Counts").learn(64)
    # Once when it is made, and after each of the two updates.
    assert own.calls == 3
    (hook,) = trained._hooks
    trained.objective = ["clip", "dual_clip"]
    trained.learn(32, reset_num_timesteps=False)
    assert trained._hooks == [hook]
    assert hook.epochs == 3 * SMALL["n_epochs"]


def test_an_attribute_out_of_range_is_refused_before_the_next_rollout() -> None:
    trained = model(DualClipPPO)
    trained.dual_clip = 0.5
    with pytest.raises(ValueError, match="dual_clip=0.5 is not allowed"):
        trained.learn(32)


@pytest.mark.parametrize("n_epochs", [0, 1.5])
def test_an_update_has_a_whole_number_of_epochs(n_epochs: Any) -> None:
    with pytest.raises(ValueError, match=f"n_epochs={n_epochs} is not allowed: a whole number"):
        model(n_epochs=n_epochs).learn(32)


def test_arguments_of_lstm_policies_are_sent_to_the_policy() -> None:
    with pytest.raises(TypeError, match=r"policy_kwargs=\{'lstm_hidden_size': 16\} gives it to it"):
        RecurrentVariantPPO("MlpLstmPolicy", SpacesEnv(), lstm_hidden_size=16)


def test_adaptive_state_may_be_replaced() -> None:
    spec = {"rule": rule, "follow": "clip_fraction", "low": 0.05, "high": 0.3}
    trained = model(adapt={"clip_range": spec}).learn(32)
    trained.adaptive_state = {"clip_range": {"multiplier": 0.5, "updates": 1.0, "updates_at_bound": 0.0}}
    trained.learn(32)
    assert trained.logger.name_to_value["train/clip_range"] == pytest.approx(0.1)


class OfAroundUpdate(UpdateHook):
    """Replaces the advantages of the rollout."""

    @contextmanager
    def around_update(self, model: Any, update: Any) -> Iterator[None]:
        model.rollout_buffer.advantages[...] = 0
        yield


class OfEpoch(UpdateHook):
    """Replaces them before each epoch."""

    def before_epoch(self, model: Any, update: Any, epoch: int) -> None:
        model.rollout_buffer.advantages = 0 * model.rollout_buffer.advantages


@pytest.mark.parametrize("hook", [OfAroundUpdate(), OfEpoch()])
def test_a_hook_may_change_the_advantages(hook: UpdateHook) -> None:
    trained = model(hooks=hook, normalize_advantage=False).learn(32)
    assert trained.logger.name_to_value["train/policy_gradient_loss"] == 0.0


def test_a_hook_may_change_a_coefficient() -> None:
    class Sets(UpdateHook):
        def before_epoch(self, model: Any, update: Any, epoch: int) -> None:
            update.values["own_coef"] = 0.0

    without = model(objective=["clip"]).learn(32)
    assert same_weights(without, model(objective=["clip", plain], own_coef=10.0, hooks=Sets()).learn(32))


class NeedsArgument(UpdateHook):
    """Cannot be made from its path."""

    def __init__(self, scale: float) -> None:
        self.scale = scale


class NoBlock(UpdateHook):
    """Has forgotten the decorator."""

    def around_update(self, model: Any, update: Any) -> Any:
        yield


INSTANCE = NeedsArgument(2.0)


def test_hooks_by_path() -> None:
    assert model(hooks="tests.test_records.INSTANCE")._hooks == [INSTANCE]
    with pytest.raises(TypeError, match="hooks: 'tests.test_records.NeedsArgument' cannot be made without arguments"):
        model(hooks="tests.test_records.NeedsArgument")
    with pytest.raises(TypeError, match="hooks: around_update of NoBlock must be a contextlib.contextmanager"):
        model(hooks=NoBlock()).learn(32)


def test_an_own_hook_with_arguments_is_described() -> None:
    class Own(UpdateHook):
        arguments = (Number("own_scale", default=2.0),)

    assert model(hooks=Own()).describe()["options"]["own_scale"] == 2.0


class Closed(VariantPPO):
    """A subclass that passes nothing on."""

    def __init__(self, policy: Any, env: Any, device: str = "auto", _init_setup_model: bool = True) -> None:
        super().__init__(policy, env, **{**SMALL, "device": device}, _init_setup_model=_init_setup_model)


class OwnObjective(VariantPPO):
    """A named class with a term of its own."""

    fixed_objective: ClassVar[Any] = ["clip", plain]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, objective=["clip", plain], **kwargs)


def test_loading_takes_arguments_of_stock_and_saved_attributes(tmp_path: Any) -> None:
    Closed("MlpPolicy", SpacesEnv()).learn(32).save(tmp_path / "closed")
    loaded = Closed.load(tmp_path / "closed", gamma=0.5, num_timesteps=0)
    assert (loaded.gamma, loaded.num_timesteps) == (0.5, 0)
    with pytest.raises(TypeError, match="argument='gama' is not known"):
        Closed.load(tmp_path / "closed", gama=0.5)


def test_a_class_with_an_own_function_loads_what_it_saved(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # A function of __main__ comes out of a zip as another object.
    monkeypatch.setattr(plain, "__module__", "__main__")
    saved = model(OwnObjective).learn(32)
    saved.save(tmp_path / "own")
    loaded = OwnObjective.load(tmp_path / "own")
    assert loaded.objective == ["clip", plain]
    assert same_weights(saved, loaded)
