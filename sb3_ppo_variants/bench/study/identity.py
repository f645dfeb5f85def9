"""Which defaults of a constructor belong to the identity of a run.

A new argument at its default does what the class did without it, so it must not change the identity of older runs. The
defaults of user-defined classes all belong to it.
"""

from __future__ import annotations

from typing import Any

PACKAGES = ("stable_baselines3", "sb3_contrib", "sb3_ppo_variants")
# The arguments that these packages had when the first runs were published. This list never changes.
FIRST_ARGUMENTS = frozenset((
    "action_noise", "adapt", "alive_bonus_offset", "batch_size", "buffer_size", "cg_damping", "cg_max_steps",
    "clip_range", "clip_range_bounds", "clip_range_vf", "delta_std", "desired_kl", "device", "dual_clip", "ent_coef",
    "exploration_final_eps", "exploration_fraction", "exploration_initial_eps", "gae_lambda", "gamma",
    "gradient_steps", "kl_coef", "kl_coef_bounds", "kl_direction", "kl_estimator", "learning_rate", "learning_starts",
    "line_search_max_iter", "line_search_shrinking_factor", "log_kl", "max_grad_norm", "n_critic_updates", "n_delta",
    "n_epochs", "n_eval_episodes", "n_steps", "n_top", "normalize_advantage", "objective", "optimize_memory_usage",
    "policy_delay", "policy_kwargs", "replay_buffer_class", "replay_buffer_kwargs", "rms_prop_eps",
    "rollout_buffer_class", "rollout_buffer_kwargs", "sde_sample_freq", "stats_window_size", "sub_sampling_factor",
    "target_entropy", "target_kl", "target_noise_clip", "target_policy_noise", "target_update_interval", "tau",
    "tensorboard_log", "top_quantiles_to_drop_per_net", "train_freq", "use_rms_prop", "use_sde", "use_sde_at_warmup",
    "verbose", "vf_coef", "zero_policy",
))  # fmt: skip
# Later argument -> its first default, for those whose default has changed since; see CONTRIBUTING.md.
CHANGED_DEFAULTS: dict[str, Any] = {}


def is_hashed(argument: str, default: Any, owner: type) -> bool:
    """Whether a default belongs to the identity of a run.

    :param default: its default, as JSON
    :param owner: the class whose constructor declares it
    """
    if argument in FIRST_ARGUMENTS or owner.__module__.partition(".")[0] not in PACKAGES:
        return True
    return argument in CHANGED_DEFAULTS and default != CHANGED_DEFAULTS[argument]
