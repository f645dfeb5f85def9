"""The games of MinAtar as a study uses them, and the network of their paper."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th

from sb3_ppo_variants import VariantPPO

pytest.importorskip("minatar", reason="needs the extra minatar")

from benchmarks.minatar_games import ConvolutionOfPlanes

# Game -> number of its planes and of the actions that it uses (MinAtar's README).
GAMES = {"Asterix": (4, 5), "Breakout": (4, 3), "Freeway": (7, 3), "Seaquest": (10, 6), "SpaceInvaders": (6, 4)}


def make(game: str, **arguments: Any) -> gym.Env[Any, Any]:
    return gym.make(f"benchmarks.minatar_games:MinAtar/{game}-v1", **arguments)


def play(env: gym.Env[Any, Any], seed: int, steps: int = 200) -> list[Any]:
    actions = np.random.default_rng(0)
    seen = [env.reset(seed=seed)[0]]
    for _ in range(steps):
        observation, reward, terminated, _, _ = env.step(actions.integers(env.action_space.n))  # type: ignore[attr-defined]
        seen += [observation, reward]
        if terminated:
            seen.append(env.reset()[0])
    return seen


@pytest.mark.parametrize("game", GAMES)
def test_gymnasium_finds_the_games_and_a_seed_repeats_them(game: str) -> None:
    planes, actions = GAMES[game]
    env = make(game)
    assert env.observation_space.shape == (10, 10, planes)
    assert env.action_space == gym.spaces.Discrete(actions)
    first, again, other = play(env, 3), play(make(game), 3), play(make(game), 4)
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert len(first) != len(other) or not all(np.array_equal(one, two) for one, two in zip(first, other, strict=True))


def test_a_limit_of_steps_ends_a_game() -> None:
    env = make("Freeway", max_episode_steps=5)
    env.reset(seed=0)
    assert [env.step(0)[3] for _ in range(5)] == [False] * 4 + [True]


def test_the_network_sees_the_planes_of_a_place_together() -> None:
    network = ConvolutionOfPlanes(gym.spaces.Box(0.0, 1.0, (10, 10, 4)))
    assert network.features_dim == 16 * 8 * 8
    filters = network.get_parameter("layers.0.weight")
    assert filters.shape == (16, 4, 3, 3)
    # One filter that looks at the third plane.
    with th.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        filters[0, 2, 1, 1] = 1.0
    observation = th.zeros(2, 10, 10, 4)
    observation[0, 4:6, 5, 2] = 1.0
    observation[0, 3, 3, 1] = 1.0
    observation[0, 0, 5, 2] = 1.0  # at the edge no filter has its middle
    features = network(observation)
    assert features.shape == (2, 1024)
    seen = features[0].reshape(16, 8, 8).nonzero()
    assert seen.tolist() == [[0, 3, 4], [0, 4, 4]]
    assert not features[1].any()


def test_a_model_trains_on_a_game() -> None:
    policy_kwargs = {"features_extractor_class": ConvolutionOfPlanes, "net_arch": [8]}
    env = make("Breakout")
    model = VariantPPO("MlpPolicy", env, n_steps=64, n_epochs=1, device="cpu", policy_kwargs=policy_kwargs)
    before = model.policy.features_extractor.get_parameter("layers.0.weight").clone()
    assert model.learn(64).num_timesteps == 64
    assert not th.equal(model.policy.features_extractor.get_parameter("layers.0.weight"), before)
