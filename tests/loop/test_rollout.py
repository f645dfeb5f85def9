"""The buffer's minibatches with their indices, and the rollout in storage order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import RolloutBufferSamples

from sb3_ppo_variants import KLPenaltyPPO, MaskableKLPenaltyPPO, MaskableVariantPPO, RecurrentVariantPPO, VariantPPO
from sb3_ppo_variants.loop import rollout as rollout_module
from sb3_ppo_variants.loop.rollout import draw_minibatches, in_storage_order, select_rows, whole_rollout
from tests.environments import ACTION_SPACES, OBSERVATION_SPACES, SpacesEnv
from tests.models import SMALL, same_weights

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


class EverySecond(RolloutBuffer):
    """Trains on every second minibatch."""

    def get(self, batch_size: int | None = None) -> Any:
        yield from list(super().get(batch_size))[::2]


class Copies(RolloutBuffer):
    """Yields copies of what `_get_samples` makes."""

    def get(self, batch_size: int | None = None) -> Any:
        for samples in super().get(batch_size):
            yield samples._replace(returns=samples.returns)


def test_a_buffer_may_leave_minibatches_out() -> None:
    """The policy does not change, so its divergence from the old one is 0 in each sample, and in no other."""
    model = KLPenaltyPPO(
        "MlpPolicy",
        SpacesEnv(),
        rollout_buffer_class=EverySecond,
        policy_kwargs={"ortho_init": False},
        **{**SMALL, "batch_size": 8, "learning_rate": 0.0},
    ).learn(32)
    assert model.logger.name_to_value["train/kl_penalty"] == 0.0


def test_minibatches_whose_samples_are_not_known_are_refused_where_they_are_needed() -> None:
    VariantPPO("MlpPolicy", SpacesEnv(), rollout_buffer_class=Copies, **SMALL).learn(32)
    with pytest.raises(ValueError, match="rollout_buffer_class=Copies: its get yields minibatches that _get_samples"):
        KLPenaltyPPO("MlpPolicy", SpacesEnv(), rollout_buffer_class=Copies, **SMALL).learn(32)


@pytest.mark.parametrize(
    ("cls", "policy", "arguments"),
    [
        (MaskableVariantPPO, "MlpPolicy", {"log_kl": True, "regularizers": "churn"}),
        (MaskableKLPenaltyPPO, "MlpPolicy", {}),
        (RecurrentVariantPPO, "MlpLstmPolicy", {"log_kl": True, "recompute_advantages": True}),
    ],
)
def test_no_batch_size_is_the_whole_rollout(cls: Any, policy: str, arguments: dict[str, Any]) -> None:
    """As in sb3-contrib, whose buffers take it so."""
    models = [
        cls(policy, SpacesEnv(action="discrete"), **{**SMALL, "batch_size": size}, **arguments).learn(64)
        for size in (None, 32)
    ]
    assert same_weights(*models)


def test_constants_of_a_network_are_no_result_of_the_update() -> None:
    """Indices, and a mask of minus infinity, as parameters without a gradient."""

    class Shuffled(BaseFeaturesExtractor):
        def __init__(self, space: Any) -> None:
            super().__init__(space, 4)
            self.order = th.nn.Parameter(th.tensor([3, 1, 0, 2]), requires_grad=False)
            self.mask = th.nn.Parameter(th.tensor([0.0, -th.inf]), requires_grad=False)

        def forward(self, observations: th.Tensor) -> th.Tensor:
            return observations[:, self.order] + self.mask.softmax(0)[1]

    kwargs = {"features_extractor_class": Shuffled}
    models = [cls("MlpPolicy", SpacesEnv(), policy_kwargs=kwargs, **SMALL).learn(64) for cls in (PPO, VariantPPO)]
    assert same_weights(*models)


def test_an_epoch_that_an_error_has_left_open_does_not_count() -> None:
    """A notebook keeps the last error, and with it the epoch that it ended."""
    model, fresh = (VariantPPO("MlpPolicy", "CartPole-v1", **SMALL).learn(32) for _ in range(2))
    buffer = model.rollout_buffer
    left_open = draw_minibatches(buffer, 16, whole_rollout(buffer))
    state = np.random.get_state()
    next(left_open)
    np.random.set_state(state)
    assert whole_rollout(buffer) is not None
    assert all(samples is not None for samples in in_storage_order(buffer, 16))
    for each in (model, fresh):
        np.random.seed(1)
        each.set_random_seed(1)
        each.learn(32, reset_num_timesteps=False)
    assert same_weights(model, fresh)
    left_open.close()  # type: ignore[attr-defined]
    assert "_get_samples" not in vars(buffer)
