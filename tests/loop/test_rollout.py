"""The buffer's minibatches with their indices, and the rollout in storage order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.type_aliases import RolloutBufferSamples

from sb3_ppo_variants import KLPenaltyPPO, VariantPPO
from sb3_ppo_variants.loop import rollout as rollout_module
from sb3_ppo_variants.loop.rollout import draw_minibatches, in_storage_order, select_rows, whole_rollout
from tests.environments import ACTION_SPACES, OBSERVATION_SPACES, SpacesEnv
from tests.models import SMALL

FLAT = [0.0, 10.0, 20.0, 1.0, 11.0, 21.0]  # one environment after the other


def numbered() -> RolloutBuffer:
    """Three steps of two environments; the return of step s in environment e is 10 s + e."""
    buffer = RolloutBuffer(3, OBSERVATION_SPACES["vector"], ACTION_SPACES["box"], device="cpu", n_envs=2)
    buffer.full = True
    buffer.returns = np.array([[0.0, 1.0], [10.0, 11.0], [20.0, 21.0]], dtype=np.float32)
    return buffer


def test_each_minibatch_comes_with_its_indices() -> None:
    np.random.seed(0)
    expected = [samples.returns.tolist() for samples in numbered().get(4)]
    np.random.seed(0)
    buffer = numbered()
    drawn = list(draw_minibatches(buffer, 4))
    assert [draw.samples.returns.tolist() for draw in drawn] == expected
    assert [[FLAT[index] for index in draw.indices] for draw in drawn if draw.indices is not None] == expected
    assert [len(part) for part in expected] == [4, 2]
    assert "_get_samples" not in vars(buffer)


def test_the_buffer_is_its_own_again_after_an_early_end() -> None:
    buffer = numbered()
    epoch = draw_minibatches(buffer, 2)
    next(epoch)
    assert "_get_samples" in vars(buffer)
    epoch.close()  # type: ignore[attr-defined]
    assert "_get_samples" not in vars(buffer)


def test_storage_order_draws_no_random_number() -> None:
    np.random.seed(0)
    chunks = [samples.returns.tolist() for samples in in_storage_order(numbered(), 4)]
    drawn = np.random.random()
    assert chunks == [FLAT[:4], FLAT[4:]]
    np.random.seed(0)
    assert np.random.random() == drawn


def test_rows_of_the_whole_rollout() -> None:
    rollout = whole_rollout(numbered())
    assert rollout.returns.tolist() == FLAT
    chosen = select_rows(rollout, np.array([5, 0]))
    assert type(chosen) is RolloutBufferSamples
    assert chosen.returns.tolist() == [21.0, 0.0]
    assert chosen.observations.shape == (2, 4)
    parts = select_rows(rollout._replace(observations={"a": rollout.returns}), np.array([1]))
    assert parts.observations["a"].tolist() == [10.0]


def test_the_whole_rollout_is_the_memory_of_the_buffer() -> None:
    buffer = numbered()
    rollout = whole_rollout(buffer)
    assert rollout.observations.data_ptr() == buffer.observations.ctypes.data
    assert "to_torch" not in vars(buffer)
    assert buffer._get_samples(np.array([0])).observations.data_ptr() != rollout.observations.data_ptr()


def test_a_rollout_that_is_too_large_for_the_device_moves_by_the_minibatch(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = numbered()
    monkeypatch.setattr(rollout_module, "_room", lambda device: rollout_module._number_of_bytes(buffer) - 1)
    assert whole_rollout(buffer) is None
    (draw,) = draw_minibatches(buffer, 6)
    assert draw.samples.returns.sum() == sum(FLAT)
    monkeypatch.setattr(rollout_module, "_room", lambda device: rollout_module._number_of_bytes(buffer))
    assert whole_rollout(buffer) is not None


class OwnBuffer(RolloutBuffer):
    """Makes its minibatches in its own way."""

    _get_samples = property()

    def get(self, batch_size: int | None = None) -> Any:
        flat = [self.swap_and_flatten(getattr(self, name)) for name in ("observations", "actions")]
        rest = [
            self.swap_and_flatten(getattr(self, name)).flatten()
            for name in ("values", "log_probs", "advantages", "returns")
        ]
        yield RolloutBufferSamples(*map(self.to_torch, [*flat, *rest]))


class NeverSteps(SpacesEnv):
    def step(self, action: Any) -> Any:
        raise AssertionError("an environment step was taken")


def test_a_buffer_without_indices_trains_but_is_refused_where_the_kl_is_needed() -> None:
    VariantPPO("MlpPolicy", SpacesEnv(), rollout_buffer_class=OwnBuffer, **SMALL).learn(64)
    with pytest.raises(ValueError, match="rollout_buffer_class=OwnBuffer"):
        KLPenaltyPPO("MlpPolicy", NeverSteps(), rollout_buffer_class=OwnBuffer, **SMALL).learn(1)


def test_a_buffer_of_the_user_makes_its_own_minibatches() -> None:
    class Doubled(RolloutBuffer):
        def _get_samples(self, batch_inds: np.ndarray, env: Any = None) -> Any:
            samples = super()._get_samples(batch_inds, env)
            return samples._replace(returns=2.0 * samples.returns)

    buffer = numbered()
    buffer.__class__ = Doubled
    assert whole_rollout(buffer) is None
    (draw,) = draw_minibatches(buffer, 6)
    assert draw.samples.returns.sum() == 2 * sum(FLAT)
