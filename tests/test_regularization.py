"""Own regularizers, what is asked for, what is logged and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch as th

from sb3_ppo_variants import (
    Coefficient,
    MaskableRecurrentVariantPPO,
    MaskableVariantPPO,
    Minibatch,
    RecurrentVariantPPO,
    Regularizer,
    UpdateHook,
    VariantPPO,
)
from sb3_ppo_variants.regularization import (
    BoundRegularizers,
    Regularization,
    build_regularization,
    regularizer_from_function,
)
from sb3_ppo_variants.regularizers import REGULARIZERS
from tests.environments import SpacesEnv
from tests.models import SMALL, logged, same_weights

HOSTS: list[tuple[Any, str, str]] = [
    (VariantPPO, "MlpPolicy", "box"),
    (VariantPPO, "MlpPolicy", "multibinary"),
    (MaskableVariantPPO, "MlpPolicy", "multidiscrete"),
    (RecurrentVariantPPO, "MlpLstmPolicy", "box"),
    (MaskableRecurrentVariantPPO, "MlpLstmPolicy", "discrete"),
]


def small_ratios(minibatch: Minibatch, *, ratio_coef: float = 2.0) -> th.Tensor:
    return ratio_coef * minibatch.log_ratio.square()


def close_in_kl(minibatch: Minibatch, *, close_coef: float) -> th.Tensor:
    return close_coef * minibatch.kl()


def still(minibatch: Minibatch) -> th.Tensor:
    now, before = minibatch.features
    return (now - before).abs().sum(dim=1) + minibatch.apart.kl()


def test_what_a_function_asks_for_is_found_out() -> None:
    def needs(function: Any) -> tuple[bool, bool, bool]:
        part = regularizer_from_function(function)
        return part.needs_kl, part.needs_features, part.needs_states_apart

    assert needs(small_ratios) == (False, False, False)
    assert needs(close_in_kl) == (True, False, False)
    assert needs(still) == (False, True, True)
    assert regularizer_from_function(small_ratios).coefficients == (Coefficient("ratio_coef", 2.0),)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("chrun", ValueError, "regularizers='chrun' is not known. Did you mean 'churn'?"),
        (["churn", "churn"], ValueError, r"\['churn'\] is there more than once"),
        (3, TypeError, "regularizers: 3 is neither a name nor a function"),
        (lambda minibatch: minibatch.ratio.mean(), ValueError, "must return one value per sample"),
        (lambda minibatch: 1.0, ValueError, "must return one value per sample"),
    ],
)
def test_mistakes_are_named_before_training(given: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        VariantPPO("MlpPolicy", SpacesEnv(), regularizers=given, **SMALL)


def test_coefficients_belong_to_their_regularizer() -> None:
    with pytest.raises(TypeError, match="churn_coef=1.0 belongs to 'churn', which is not among the regularizers"):
        VariantPPO("MlpPolicy", SpacesEnv(), churn_coef=1.0, **SMALL)
    with pytest.raises(ValueError, match="churn_coef=-1.0 is not allowed"):
        VariantPPO("MlpPolicy", SpacesEnv(), regularizers="churn", churn_coef=-1.0, **SMALL)

    def taken(minibatch: Minibatch, *, kl_coef: float = 1.0) -> th.Tensor:
        return kl_coef * minibatch.log_ratio

    with pytest.raises(ValueError, match="a term has a coefficient 'kl_coef' as well"):
        VariantPPO("MlpPolicy", SpacesEnv(), objective="kl_penalty", regularizers=taken, **SMALL)
    parts = [Regularizer(f"a {b}", lambda m, *, a: a * m.ratio, (Coefficient("a", b),)) for b in (1.0, 2.0)]
    with pytest.raises(ValueError, match="two parts have a coefficient 'a'"):
        Regularization(parts)


def test_one_that_is_switched_off_is_absent() -> None:
    model = VariantPPO("MlpPolicy", SpacesEnv(), regularizers=["churn"], churn_coef=0.0, **SMALL).learn(64)
    plain = VariantPPO("MlpPolicy", SpacesEnv(), **SMALL).learn(64)
    assert same_weights(model, plain)
    assert "train/churn_loss" not in logged(model)
    assert "states_apart" not in model.hook_state


def test_losses_and_shares_worked_by_hand() -> None:
    part = Regularizer("mine", small_ratios, (Coefficient("ratio_coef", 2.0),))
    bound = BoundRegularizers([part], {"ratio_coef": 2.0})
    # log ratios 1 and 3: 2 (1 + 9) / 2
    assert [loss.item() for loss in bound(Minibatch(th.zeros(2), th.tensor([1.0, 3.0])))] == [10.0]
    # Two steps: mean losses 0.3, policy losses of mean size 0.6.
    statistics = bound.statistics(th.tensor([[0.2], [0.4]]), th.tensor([-1.0, 0.2]))
    assert statistics == {"mine_loss": pytest.approx(0.3), "mine_share": pytest.approx(0.5)}


@pytest.mark.parametrize(("cls", "policy", "action"), HOSTS)
@pytest.mark.parametrize("name", REGULARIZERS)
def test_every_host(cls: Any, policy: str, action: str, name: str) -> None:
    def learn(**arguments: Any) -> Any:
        # Little to carry on, so that one update differs from the other by the regularizer.
        return cls(policy, SpacesEnv(action=action), learning_rate=0.01, **SMALL, **arguments).learn(64)

    coefficient = REGULARIZERS[name].coefficients[0].name
    with_it = learn(regularizers=name, **{coefficient: 1e4})
    generator = np.random.get_state()
    plain = learn()
    np.testing.assert_equal(np.random.get_state(), generator)  # the same minibatches
    assert not same_weights(with_it, plain)
    for key in ("loss", "share", "coef"):
        assert logged(with_it)[f"train/{name}_{key}"] > 0
    assert set(logged(with_it)) - set(logged(plain)) == {f"train/{name}_{key}" for key in ("loss", "share", "coef")}


def test_the_states_apart_are_seen_one_step_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The distribution before a step is that of the weights of one gradient step earlier, in the same states."""
    seen: list[tuple[th.Tensor, th.Tensor]] = []
    weights: list[dict[str, th.Tensor]] = []
    drawn: list[th.Tensor] = []
    samples_at = VariantPPO._samples_at

    def watch(minibatch: Minibatch, *, watch_coef: float = 0.0) -> th.Tensor:
        seen.append((minibatch.apart.before.tensors[0].clone(), minibatch.apart.now.tensors[0].detach().clone()))
        weights.append({name: tensor.clone() for name, tensor in model.policy.state_dict().items()})
        return watch_coef * minibatch.apart.kl()

    def recorded(self: VariantPPO, indices: np.ndarray, update: Any) -> Any:
        samples = samples_at(self, indices, update)
        drawn.append(samples.observations.clone())
        return samples

    monkeypatch.setattr(VariantPPO, "_samples_at", recorded)
    record = Regularizer("watch", watch, (Coefficient("watch_coef", 0.0),), needs_states_apart=True)
    model = VariantPPO("MlpPolicy", SpacesEnv(), regularizers=record, learning_rate=0.01, **SMALL)
    seen.clear()  # of the trial in the constructor
    model.learn(32)
    assert len(seen) == 4
    assert th.equal(*seen[0])  # no step was taken yet
    for step in range(1, 4):
        # Before the first step its states are drawn; in each step they are read, and those of the next one are drawn.
        states = drawn[2 * step + 1]
        for at_that_time, found in zip(weights[step - 1 : step + 1], seen[step], strict=True):
            model.policy.load_state_dict(at_that_time)
            with th.no_grad():
                expected = model.policy.get_distribution(states).distribution.mean
            th.testing.assert_close(found, expected)


def test_an_auxiliary_loss_reads_the_samples() -> None:
    """A user's own loss on the observations, through a Regularizer that says what it needs."""

    def of_observations(minibatch: Minibatch, *, observation_coef: float = 1.0) -> th.Tensor:
        assert minibatch.samples.observations.shape == (16, 4)
        loss: th.Tensor = observation_coef * minibatch.ratio * minibatch.samples.observations.sum(dim=1)
        return loss

    part = Regularizer("observations", of_observations, (Coefficient("observation_coef", 1.0),))
    model = VariantPPO("MlpPolicy", SpacesEnv(), regularizers=[part], observation_coef=0.5, **SMALL).learn(64)
    assert logged(model)["train/observation_coef"] == 0.5
    assert logged(model)["train/observations_loss"] != 0


def test_the_share_drives_its_coefficient() -> None:
    rule = {"rule": "rescale", "follow": "churn_share", "target": 0.1, "low": 1e-3, "high": 1e9}
    model = VariantPPO(
        "MlpPolicy", SpacesEnv(), regularizers="churn", adapt={"churn_coef": rule}, learning_rate=0.003, **SMALL
    )
    model.learn(32)
    assert logged(model)["train/churn_coef"] == 100.0
    share = logged(model)["train/churn_share"]
    assert model.adaptive_state["churn_coef"]["multiplier"] == pytest.approx(0.1 / share)
    with pytest.raises(ValueError, match=r"adapt\['clip_range'\]\['follow'\]='churn_share' is not known"):
        VariantPPO("MlpPolicy", SpacesEnv(), adapt={"clip_range": rule | {"rule": "band"}}, **SMALL)


def test_build_takes_one_or_several() -> None:
    assert build_regularization(None, REGULARIZERS).regularizers == ()
    assert [part.name for part in build_regularization("churn", REGULARIZERS).regularizers] == ["churn"]
    both = build_regularization(["feature_drift", small_ratios], REGULARIZERS)
    assert both.shares == ("feature_drift_share", "small_ratios_share")


class Fails(UpdateHook):
    def before_epoch(self, model: Any, update: Any, epoch: int) -> None:
        if epoch == 1 and model.num_timesteps == 64:
            raise RuntimeError("in the middle")


def test_an_update_left_in_the_middle_puts_the_draws_back() -> None:
    model = VariantPPO("MlpPolicy", SpacesEnv(), regularizers="churn", hooks=[Fails()], **SMALL)
    model.learn(32)
    before = dict(model.hook_state)
    with pytest.raises(RuntimeError, match="in the middle"):
        model.learn(32, reset_num_timesteps=False)
    assert model.hook_state == before


def test_a_loss_without_gradient_is_refused() -> None:
    def stuck(minibatch: Minibatch, *, stuck_coef: float = 1.0) -> th.Tensor:
        return stuck_coef * minibatch.log_ratio.detach().square()

    with pytest.raises(ValueError, match="regularizers: stuck returns a loss without gradient"):
        VariantPPO("MlpPolicy", SpacesEnv(), regularizers=stuck, **SMALL).learn(32)
