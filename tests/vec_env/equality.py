"""How far EnvPool's MuJoCo environments follow Gymnasium's: ``python -m tests.vec_env.equality`` prints the table.

Equal seeds give different initial states, so Gymnasium's environment is set to the state from which EnvPool's begins,
and both get the same random actions. The initial states are compared by their distributions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib import metadata
from typing import Any

import gymnasium as gym
import numpy as np
from scipy import stats

from sb3_ppo_variants.vec_env import EnvPoolVecEnv

Array = np.ndarray[Any, Any]

ENVIRONMENTS = (
    "Ant-v5", "HalfCheetah-v5", "Hopper-v5", "Humanoid-v5", "HumanoidStandup-v5", "InvertedDoublePendulum-v5",
    "InvertedPendulum-v5", "Pusher-v5", "Reacher-v5", "Swimmer-v5", "Walker2d-v5",
)  # fmt: skip
# Their observations leave out positions, without which the state is not known.
POSITIONS_LEFT_OUT = ("Ant", "HalfCheetah", "Hopper", "Humanoid", "Swimmer", "Walker2d")
STEPS = (1, 10, 100)
EPISODES = 10
RESETS = 2000


@dataclass(frozen=True)
class Episode:
    """An episode in both environments, until the first of them ends.

    :param observations: largest difference of the observations of each step, divided by 1 + the size of Gymnasium's
    :param rewards: the same of the rewards
    :param ends_alike: whether both ended at the same step, both or neither of them because time was up
    """

    observations: Array
    rewards: Array
    ends_alike: bool


def initial_state(environment: Any, observation: Array) -> tuple[Array, Array]:
    """Positions and velocities, as MuJoCo has them, that an initial observation shows.

    :param environment: Gymnasium's, without wrappers
    """
    name, positions, velocities = environment.spec.name, environment.model.nq, environment.model.nv
    if name == "InvertedDoublePendulum":
        angles = np.arctan2(observation[1:3], observation[3:5])
        return np.array([observation[0], *angles]), observation[5:8]
    if name == "Reacher":
        angles = np.arctan2(observation[2:4], observation[0:2])
        return np.array([*angles, *observation[4:6]]), np.array([*observation[6:8], 0, 0])
    if name == "Pusher":
        environment.set_state(np.zeros(positions), np.zeros(velocities))
        # The first joint of the object moves it along y.
        along_x, along_y = observation[17:19] - environment.get_body_com("object")[:2]
        return np.array([*observation[:7], along_y, along_x, 0, 0]), np.array([*observation[7:14], 0, 0, 0, 0])
    return observation[:positions], observation[positions : positions + velocities]


def episodes(env_id: str, count: int) -> list[Episode]:
    """Play episodes with the same random actions in both environments."""
    whole: dict[str, Any] = (
        {"exclude_current_positions_from_observation": False} if env_id.startswith(POSITIONS_LEFT_OUT) else {}
    )
    vec_env: Any = EnvPoolVecEnv(env_id, 1, **whole)
    environment: Any = gym.make(env_id, disable_env_checker=True, **whole)
    environment.action_space.seed(0)
    inner = environment.unwrapped
    played = []
    for _ in range(count):
        state = initial_state(inner, vec_env.reset()[0])
        # Within a reset, which also clears what the solver begins with.
        inner.reset_model = partial(inner.set_state, *state)
        environment.reset()
        played.append(_played(vec_env, environment))
    return played


def _played(vec_env: Any, environment: Any) -> Episode:
    observations, rewards = [], []
    while True:
        action = environment.action_space.sample()
        expected, reward, terminated, truncated, _ = environment.step(action)
        found, (found_reward,), (done,), (info,) = vec_env.step(action[None])
        last = info["terminal_observation"] if done else found[0]
        observations.append((np.abs(last - expected) / (1 + np.abs(expected))).max())
        rewards.append(abs(found_reward - reward) / (1 + abs(reward)))
        if done or terminated or truncated:
            only_time = truncated and not terminated
            alike = done == (terminated or truncated) and info["TimeLimit.truncated"] == only_time
            return Episode(np.array(observations), np.array(rewards), bool(alike))


def initial_states(env_id: str) -> float:
    """The probability that initial observations so different come from one distribution.

    Two-sample Kolmogorov-Smirnov tests of each number of the observation, with Bonferroni's correction.
    """
    vec_env: Any = EnvPoolVecEnv(env_id, 100)
    environment: Any = gym.make(env_id)
    environment.reset(seed=0)
    pool = np.concatenate([vec_env.reset() for _ in range(RESETS // 100)])
    gymnasium = np.array([environment.reset()[0] for _ in range(RESETS)])
    vec_env.close()
    varied = np.flatnonzero(gymnasium.std(axis=0) + pool.std(axis=0))
    return float(min(1.0, len(varied) * min(stats.ks_2samp(pool[:, n], gymnasium[:, n]).pvalue for n in varied)))


def main() -> None:
    """Print the table."""
    steps = " | ".join(f"step {number}" for number in STEPS)
    rest = f"rewards, steps 1 to 10 | ends alike, of {EPISODES} | initial states, p"
    print(f"| environment, MuJoCo {metadata.version('mujoco')} | {steps} | {rest} |")
    print("| --- " * (len(STEPS) + 4) + "|")
    for env_id in ENVIRONMENTS:
        played = episodes(env_id, EPISODES)
        cells = [_largest(played, number) for number in STEPS]
        rewards = max(episode.rewards[:10].max() for episode in played)
        alike = sum(episode.ends_alike for episode in played)
        p_value = initial_states(env_id)
        print(f"| {env_id} | {' | '.join(cells)} | {rewards:.0e} | {alike} | {p_value:.2f} |", flush=True)


def _largest(played: list[Episode], step: int) -> str:
    """Of the episodes that get so far; none do where a pole falls over."""
    lasting = [episode.observations[step - 1] for episode in played if len(episode.observations) >= step]
    return f"{max(lasting):.0e}" if lasting else ""


if __name__ == "__main__":
    main()
