"""The named variants, whatever their host: an objective, its own arguments, and what they adapt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch as th
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from typing_extensions import TypedDict, Unpack

from sb3_ppo_variants.algorithm import VariantAlgorithm
from sb3_ppo_variants.coefficients import Number
from sb3_ppo_variants.kl import Direction, Estimator
from sb3_ppo_variants.loop.hook import UpdateHook


class StockArguments(TypedDict, total=False):
    """The keyword arguments of the stock classes, for editors and type checkers; their meanings are SB3's.

    The last ones are this package's own. MaskablePPO has no state-dependent exploration and RecurrentPPO no rollout
    buffer class: those raise there.
    """

    learning_rate: float | Schedule | str
    n_steps: int
    batch_size: int
    n_epochs: int
    gamma: float
    gae_lambda: float
    clip_range: float | Schedule | str
    clip_range_vf: float | Schedule | str | None
    normalize_advantage: bool
    ent_coef: float | Schedule | str
    vf_coef: float | Schedule | str
    max_grad_norm: float
    use_sde: bool
    sde_sample_freq: int
    rollout_buffer_class: type[RolloutBuffer] | None
    rollout_buffer_kwargs: dict[str, Any] | None
    target_kl: float | None
    stats_window_size: int
    tensorboard_log: str | None
    policy_kwargs: dict[str, Any] | None
    verbose: int
    seed: int | None
    device: th.device | str
    adapt: Mapping[str, Mapping[str, Any]] | None
    stop: Mapping[Any, float] | None
    regularizers: Any
    hooks: UpdateHook | str | Sequence[UpdateHook | str] | None
    vf_learning_rate: float | Schedule | str | None
    outer_step: float
    outer_momentum: float
    reset_adam_step: bool
    recompute_advantages: bool
    rpo_noise: float
    compile: bool | str
    _init_setup_model: bool


class NamedVariant(VariantAlgorithm):
    """A variant whose objective is that of its class.

    :param policy: as in the stock class, and so are all further positional arguments
    :param env: as in the stock class
    :param kwargs: keyword arguments of the host's Variant class, but for ``objective``
    :raises TypeError: for another objective
    """

    def __init__(self, policy: str | type[BasePolicy], env: GymEnv | str, *args: Any, **kwargs: Any) -> None:
        if "objective" in kwargs:
            raise TypeError(
                f"{type(self).__name__} has the objective {self.fixed_objective}, so it takes no "
                f"objective={kwargs['objective']!r}; for another one use the Variant class of the same host, such as "
                "VariantPPO"
            )
        super().__init__(policy, env, *args, objective=self.fixed_objective, **kwargs)


class DualClip(NamedVariant):
    """PPO with a floor under the surrogate of bad actions, see :mod:`.terms.dual_clip`.

    Made for stale data from many machines; on one machine the floor is seldom reached (``train/dual_clip_fraction``).

    :param policy: as in the stock class, and so are all further positional arguments
    :param env: as in the stock class
    :param dual_clip: the bound ``c``, above 1; usually 2 to 5
    :param log_kl: log the exact KL of every update
    :param kwargs: keyword arguments of the stock class
    """

    fixed_objective: ClassVar[list[str] | None] = ["clip", "dual_clip"]

    def __init__(
        self,
        policy: str | type[BasePolicy],
        env: GymEnv | str,
        *args: Any,
        dual_clip: float | Schedule | str = 3.0,
        log_kl: bool = False,
        **kwargs: Unpack[StockArguments],
    ) -> None:
        super().__init__(policy, env, *args, dual_clip=dual_clip, log_kl=log_kl, **kwargs)


class KLPenalty(NamedVariant):
    r"""PPO with a penalty on the exact KL in place of the clip, its coefficient adapted by the rule of the PPO paper.

    After each update, with :math:`d` the mean KL(old || new) over the rollout: :math:`\beta` is doubled where
    :math:`d > 1.5\, d_{targ}` and halved where :math:`d < d_{targ} / 1.5`; the new value is used from the next update
    on. Schulman et al., "Proximal Policy Optimization Algorithms", 2017, arXiv 1707.06347, section 4.

    :param policy: as in the stock class, and so are all further positional arguments
    :param env: as in the stock class
    :param kl_coef: :math:`\beta` at the start; 0 with ``desired_kl=None`` is no penalty and costs nothing
    :param desired_kl: :math:`d_{targ}` in nats, summed over action dimensions; usually 0.003 to 0.03; ``None`` keeps
        :math:`\beta` fixed. Not SB3's ``target_kl``, which stops an update early and would hide the KL from the rule
    :param kl_coef_bounds: smallest and largest :math:`\beta`
    :param kl_direction: ``"forward"`` for KL(old || new), ``"reverse"`` for KL(new || old); the rule always measures
        the forward one
    :param kl_estimator: ``"exact"``, or ``"k1"``, ``"k2"``, ``"k3"`` from the action taken, see :func:`.kl.estimate_kl`
    :param log_kl: log the exact KL of every update, even where no rule needs it
    :param kwargs: keyword arguments of the stock class
    """

    fixed_objective: ClassVar[list[str] | None] = ["kl_penalty"]
    adapted: ClassVar[str | None] = "kl_coef"

    def __init__(
        self,
        policy: str | type[BasePolicy],
        env: GymEnv | str,
        *args: Any,
        kl_coef: float | Schedule | str = 1.0,
        desired_kl: float | None = 0.01,
        kl_coef_bounds: tuple[float, float] = (1e-4, 1e4),
        kl_direction: Direction = "forward",
        kl_estimator: Estimator = "exact",
        log_kl: bool = False,
        **kwargs: Unpack[StockArguments],
    ) -> None:
        self.desired_kl = desired_kl
        self.kl_coef_bounds = kl_coef_bounds
        super().__init__(
            policy,
            env,
            *args,
            kl_coef=kl_coef,
            kl_direction=kl_direction,
            kl_estimator=kl_estimator,
            log_kl=log_kl,
            **kwargs,
        )

    def _own_rule(self) -> dict[str, Any] | None:
        if self.desired_kl is None:
            return None
        return _band("kl", self.desired_kl, "kl_coef_bounds", self.kl_coef_bounds, factor=2.0)


class AdaptiveClip(NamedVariant):
    r"""Adaptive epsilon: PPO whose clip range is driven by the measured KL.

    "Adaptive epsilon" has no single established meaning. This is a feedback controller of this project: the band rule
    that Schulman et al. 2017 (arXiv 1707.06347, section 4) gave for the KL coefficient, turned on the clip range. After
    each update, with :math:`d` the mean exact KL(old || new) over the rollout:

    .. math::

        \epsilon \leftarrow \epsilon / 1.5 \ \text{ where } d > 1.5\, d_{targ}, \qquad
        \epsilon \leftarrow 1.5\, \epsilon \ \text{ where } d < d_{targ} / 1.5,

    within bounds, used from the next update on. The other meanings of the words: a schedule (PPO's own Atari settings;
    pass ``clip_range="lin_0.2"`` to any class, this one included: the learned factor then multiplies the schedule), and
    bounds for each sample from a KL ball (Wang et al. 2019, arXiv 1901.10314).

    The clip range limits the KL only loosely: learning rate and epochs matter as much. Where the range sits at a bound
    (``train/clip_range_at_bound``), it has lost its hold on the KL.

    :param policy: as in the stock class, and so are all further positional arguments
    :param env: as in the stock class
    :param desired_kl: :math:`d_{targ}` in nats, summed over action dimensions. The default is what stock PPO does with
        SB3's arguments on MuJoCo tasks: the median over updates is 0.011 on Hopper-v5 and 0.014 on HalfCheetah-v5, but
        0.003 to 0.006 on CartPole-v1, Acrobot-v1 and Pendulum-v1 (``benchmarks/published/stock_kl``), where 0.01 allows
        larger updates than stock
    :param desired_clip_fraction: follow ``train/clip_fraction``, the share of ratios outside the range, in place of the
        KL, and bring it to this value: the range *widens* where more than 1.5 times as many are outside. Usually 0.05
        to 0.2; needs no pass over the rollout. ``None`` follows the KL
    :param clip_range_bounds: smallest and largest clip range; where a schedule falls below the smallest, the clip
        range follows the schedule
    :param log_kl: log the exact KL of every update, even where the rule does not follow it
    :param kwargs: keyword arguments of the stock class, with ``clip_range`` as the base, 0.2 by default
    """

    fixed_objective: ClassVar[list[str] | None] = ["clip"]
    adapted: ClassVar[str | None] = "clip_range"

    def __init__(
        self,
        policy: str | type[BasePolicy],
        env: GymEnv | str,
        *args: Any,
        desired_kl: float = 0.01,
        desired_clip_fraction: float | None = None,
        clip_range_bounds: tuple[float, float] = (0.05, 0.4),
        log_kl: bool = False,
        **kwargs: Unpack[StockArguments],
    ) -> None:
        self.desired_kl = desired_kl
        self.desired_clip_fraction = desired_clip_fraction
        self.clip_range_bounds = clip_range_bounds
        super().__init__(policy, env, *args, log_kl=log_kl, **kwargs)

    def _own_rule(self) -> dict[str, Any] | None:
        follow = "kl" if self.desired_clip_fraction is None else "clip_fraction"
        target = getattr(self, f"desired_{follow}")
        return _band(follow, target, "clip_range_bounds", self.clip_range_bounds, factor=1.5)


def _band(follow: str, target: float, name: str, bounds: tuple[float, float], factor: float) -> dict[str, Any]:
    """The band rule of PPO's section 4."""
    highest = 1.0 if follow == "clip_fraction" else math.inf
    Number(f"desired_{follow}", low=0.0, high=highest, above_low=True).check(target)
    if not isinstance(bounds, Sequence) or len(bounds) != 2:
        raise ValueError(f"{name}={bounds!r}: a pair of numbers, the smallest and the largest value")
    for bound in bounds:
        Number(name, low=0.0, above_low=True).check(bound, shown=bounds)
    low, high = bounds
    if low > high:
        raise ValueError(f"{name}={bounds!r}: the smallest value comes first")
    return {"rule": "band", "follow": follow, "target": target, "factor": factor, "low": low, "high": high}
