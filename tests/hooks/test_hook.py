"""Own hooks: what is promised."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sb3_ppo_variants import KLPenaltyPPO, MaskableVariantPPO, RecurrentVariantPPO, UpdateHook, VariantPPO
from tests.environments import SpacesEnv
from tests.models import SMALL, same_weights


class Notes(UpdateHook):
    """Writes down when it is called."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def on_step(self, model: Any, infos: Any, dones: Any) -> None:
        self.notes.append(f"step {model.rollout_buffer.pos}")

    @contextmanager
    def around_update(self, model: Any, update: Any) -> Iterator[None]:
        self.notes.append("begin")
        yield
        self.notes.append("end")

    def before_epoch(self, model: Any, update: Any, epoch: int) -> None:
        self.notes.append(f"epoch {epoch}")


@pytest.mark.parametrize("cls", [VariantPPO, MaskableVariantPPO, RecurrentVariantPPO])
def test_the_order_of_calls(cls: Any) -> None:
    notes = Notes()
    policy = "MlpLstmPolicy" if cls is RecurrentVariantPPO else "MlpPolicy"
    model = cls(policy, SpacesEnv(action="discrete"), hooks=[notes], n_steps=2, batch_size=2, n_epochs=2, device="cpu")
    model.learn(4)
    assert notes.notes == ["step 0", "step 1", "begin", "epoch 0", "epoch 1", "end"] * 2


def test_the_learning_rate_is_set_and_the_old_policy_is_known() -> None:
    class Looks(UpdateHook):
        @contextmanager
        def around_update(self, model: Any, update: Any) -> Iterator[None]:
            self.rate = model.policy.optimizer.param_groups[0]["lr"]
            assert update.old is not None
            yield
            self.logged = dict(model.logger.name_to_value)

    looks = Looks()
    KLPenaltyPPO("MlpPolicy", SpacesEnv(), learning_rate="lin_0.4_0.2", hooks=[looks], **SMALL).learn(64)
    assert looks.rate == 0.2
    assert "train/loss" not in looks.logged


def test_a_hook_that_does_nothing_changes_nothing() -> None:
    given: Any = ((), None, UpdateHook(), [UpdateHook()])
    models = [VariantPPO("MlpPolicy", SpacesEnv(), hooks=hooks, **SMALL).learn(64) for hooks in given]
    assert [len(model._hooks) for model in models] == [0, 0, 1, 1]
    assert all(same_weights(model, models[0]) for model in models)


class Refuses(UpdateHook):
    def check(self, model: Any) -> None:
        raise ValueError(f"not with {type(model.policy).__name__}")


def test_a_hook_that_refuses_the_model_does_so_before_training() -> None:
    with pytest.raises(ValueError, match="not with ActorCriticPolicy"):
        VariantPPO("MlpPolicy", SpacesEnv(), hooks=[Refuses()], **SMALL)
    with pytest.raises(TypeError, match="hooks: 3 is not an UpdateHook"):
        VariantPPO(
            "MlpPolicy",
            SpacesEnv(),
            hooks=[3],  # type: ignore[list-item]
            **SMALL,
        )


class Counts(UpdateHook):
    @contextmanager
    def around_update(self, model: Any, update: Any) -> Iterator[None]:
        model.hook_state["count"] = model.hook_state.get("count", 0) + 1
        yield


def test_what_a_hook_remembers_is_saved(tmp_path: Path) -> None:
    model = VariantPPO("MlpPolicy", SpacesEnv(), hooks=[Counts()], **SMALL).learn(64)
    assert model.hook_state == {"count": 2}
    model.save(tmp_path / "model.zip")
    loaded = VariantPPO.load(tmp_path / "model.zip", SpacesEnv())
    loaded.learn(32, reset_num_timesteps=False)
    assert loaded.hook_state == {"count": 3}


class CountsAndFails(Counts):
    def before_epoch(self, model: Any, update: Any, epoch: int) -> None:
        if (model.hook_state["count"], epoch) == (2, 1):
            raise RuntimeError("in the middle")


def test_what_a_hook_remembers_is_put_back_after_an_error() -> None:
    model = VariantPPO("MlpPolicy", SpacesEnv(), hooks=[CountsAndFails()], **SMALL).learn(32)
    with pytest.raises(RuntimeError, match="in the middle"):
        model.learn(32, reset_num_timesteps=False)
    assert model.hook_state == {"count": 1}


class Named(UpdateHook):
    """Writes into a list that several share."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self.name, self.notes = name, notes

    @contextmanager
    def around_update(self, model: Any, update: Any) -> Iterator[None]:
        self.notes.append(f"{self.name} begins")
        yield
        self.notes.append(f"{self.name} ends")

    def before_epoch(self, model: Any, update: Any, epoch: int) -> None:
        self.notes.append(f"{self.name} epoch {epoch}")


def test_the_block_of_a_later_hook_lies_within_that_of_an_earlier_one() -> None:
    notes: list[str] = []
    hooks = [Named("a", notes), Named("b", notes)]
    VariantPPO("MlpPolicy", SpacesEnv(), hooks=hooks, **SMALL | {"n_epochs": 1}).learn(32)
    assert notes == ["a begins", "b begins", "a epoch 0", "b epoch 0", "b ends", "a ends"]


def test_load_gives_a_model_other_hooks(tmp_path: Path) -> None:
    VariantPPO("MlpPolicy", SpacesEnv(), hooks=[Counts()], **SMALL).save(tmp_path / "model.zip")
    notes = Notes()
    loaded = VariantPPO.load(tmp_path / "model.zip", SpacesEnv(), hooks=[notes]).learn(32)
    assert notes.notes.count("begin") == 1
    assert "count" not in loaded.hook_state
    with pytest.raises(ValueError, match="not with ActorCriticPolicy"):
        VariantPPO.load(tmp_path / "model.zip", hooks=[Refuses()])
