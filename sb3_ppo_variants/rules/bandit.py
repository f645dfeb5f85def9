"""A bandit over multipliers that maximises the returns."""

import math

from sb3_ppo_variants.coefficients import Number
from sb3_ppo_variants.feedback import EPISODE_RETURN, Rule, State


def bandit(
    state: State,
    measured: float,
    *,
    direction: int,
    arms: float,
    spread: float,
    discount: float,
    exploration: float,
) -> State:
    r"""Discounted upper confidence bounds over :math:`n` multipliers, spaced evenly in logarithm.

    .. math::

        m_i = w^{\,2 i / (n - 1) - 1}, \qquad
        i \leftarrow \mathrm{arg}\max_i\ \frac{S_i}{N_i} + c \sqrt{\frac{\log \sum_j N_j}{N_i}}

    .. math::

        N_i \leftarrow \gamma N_i + 1_i, \quad S_i \leftarrow \gamma S_i + 1_i\, x

    An arm that was never pulled comes first. The reward :math:`x` of a pull is the *change* of the return from the last
    measured rollout, in units of a running mean of its absolute value and clipped to [-1, 1]: while a policy learns,
    its returns rise with any arm, and a bandit on the returns prefers the arm that it pulled last. The discount forgets
    old pulls for the same reason. A return belongs to the policy that the *previous* update made, so it is credited to
    the arm of that update. A rollout in which no episode ends is not a pull.

    Zhang et al., "A dynamical clipping approach with task feedback for Proximal Policy Optimization", 2023,
    arXiv 2312.07624 (Pb-PPO), choose the clip range by upper confidence bounds on the return; the discount is that of
    Garivier and Moulines, "On Upper-Confidence Bound Policies for Non-Stationary Bandit Problems", 2008,
    arXiv 0805.3415. In short runs of some hundred updates the bandit explores more than it learns.

    :param state: the multiplier and the memory of the bandit
    :param measured: mean return of the episodes that ended in the rollout
    :param direction: not used: the bandit does not control the size of the update
    :param arms: :math:`n`, a whole number of at least 2
    :param spread: :math:`w`: the multipliers reach from ``1 / spread`` to ``spread``
    :param discount: :math:`\gamma`, 0 to 1; with 1 nothing is forgotten
    :param exploration: :math:`c`, at least 0
    :return: the new multiplier and memory
    """
    count = int(arms)
    pulls = [discount * state.get(f"pulls_{arm}", 0.0) for arm in range(count)]
    rewards = [discount * state.get(f"rewards_{arm}", 0.0) for arm in range(count)]
    change = measured - state.get("measured", measured)
    changes = discount * state.get("changes", 0.0) + abs(change)
    measurements = discount * state.get("measurements", 0.0) + 1.0
    credited = _credited_arm(state)
    if credited is not None and credited < count:  # there may have been more arms
        pulls[credited] += 1.0
        rewards[credited] += min(max(change * measurements / changes, -1.0), 1.0) if changes else 0.0
    chosen = _best_arm(pulls, rewards, exploration)
    remembered = {f"pulls_{arm}": pulls[arm] for arm in range(count)} | {
        f"rewards_{arm}": rewards[arm] for arm in range(count)
    }
    return remembered | {
        "multiplier": spread ** (2 * chosen / (count - 1) - 1),
        "measured": measured,
        "measured_at": state["updates"],
        "changes": changes,
        "measurements": measurements,
        "arm": float(chosen),
        "arm_before": state.get("arm", -1.0),
    }


def _credited_arm(state: State) -> int | None:
    """The arm that made the policy whose returns were measured; none before the first arm was pulled.

    With a measurement in every update this is the arm of the previous update, not that of the update just done. After
    rollouts in which no episode ended, it is the arm that all updates since have shared.
    """
    if "arm" not in state:
        return None
    at_once = state["updates"] - state["measured_at"] <= 1
    arm = int(state["arm_before"] if at_once else state["arm"])
    return arm if arm >= 0 else None


def _best_arm(pulls: list[float], rewards: list[float], exploration: float) -> int:
    total = math.log(max(sum(pulls), 1.0))

    def bound(arm: int) -> float:
        if pulls[arm] == 0.0:
            return math.inf
        return rewards[arm] / pulls[arm] + exploration * math.sqrt(total / pulls[arm])

    return max(range(len(pulls)), key=bound)


BANDIT = Rule(
    "bandit",
    bandit,
    arguments=(
        Number("arms", default=5.0, low=2.0, whole=True),
        Number("spread", default=2.0, low=1.0, above_low=True, finite=True),
        Number("discount", default=0.95, low=0.0, high=1.0, above_low=True),
        Number("exploration", default=0.5, low=0.0, finite=True),
    ),
    follows=(EPISODE_RETURN,),
    directed=False,
)
