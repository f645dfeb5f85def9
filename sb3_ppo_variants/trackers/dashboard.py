"""A model and the keys that it has logged -> which chart of a dashboard shows which keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sb3_ppo_variants.algorithm import VariantAlgorithm

Charts = dict[str, list[str]]

# Keys of one chart have one scale. The keys of SB3 and of the training loop are known, those of the terms are not.
RETURNS = {"return of an episode": ["rollout/ep_rew_mean", "eval/mean_reward"]}
UPDATE = {
    "KL(old || new), nats": ["train/kl", "train/approx_kl"],
    "largest KL of a state, nats": ["train/kl_max"],
    "mean |ratio - 1|": ["train/ratio_deviation"],
    "largest ratio": ["train/ratio_max"],
    "share of ratios outside the clip range": ["train/clip_fraction"],
    "steps of the optimiser": ["train/gradient_steps"],
}
TRAINING = {
    "loss of the last minibatch": ["train/loss"],
    "policy loss": ["train/policy_gradient_loss"],
    "value loss": ["train/value_loss"],
    "entropy loss": ["train/entropy_loss"],
    "standard deviation of the actions": ["train/std"],
    "norm of the gradient": ["train/grad_norm"],
    "explained variance": ["train/explained_variance"],
}
SHARES = "shares of the samples"


def dashboard(model: VariantAlgorithm, logged: Iterable[str]) -> dict[str, Charts]:
    """The charts of a model's own objective, coefficients and rules, in the categories of a dashboard.

    :param model: a variant of any host
    :param logged: the keys that its logger writes; SB3 writes returns apart from ``train/``, so these are assumed
    :return: category to title to keys; every key under ``train/`` is one of ``logged`` and is in one chart
    """
    present = set(logged)
    variant = model.describe()
    adaptive: dict[str, dict[str, Any]] = variant["adapt"]
    steady = [name for name in (*variant["coefficients"], "clip_range", "clip_range_vf") if name not in adaptive]
    known: dict[str, Mapping[str, list[str]]] = {
        "Size of the update": UPDATE,
        **{f"Adaptive {name}": _of_rule(name, rule) for name, rule in adaptive.items()},
        "Coefficients": {name: [f"train/{name}"] for name in steady},
        "Training": TRAINING,
    }
    found = {category: _only(charts, present) for category, charts in known.items()}
    shown = {key for charts in found.values() for keys in charts.values() for key in keys}
    terms = _of_terms(sorted(key for key in present - shown if key.startswith("train/")))
    ordered = {"Returns": RETURNS, "Size of the update": found.pop("Size of the update"), "Terms": terms, **found}
    return {category: charts for category, charts in ordered.items() if charts}


def _of_rule(name: str, rule: Mapping[str, Any]) -> Charts:
    towards = f", towards {rule['follow']} = {rule['target']:g}" if "target" in rule else ""
    return {
        f"{name}{towards}": [f"train/{name}"],
        f"share of updates with {name} at a bound": [f"train/{name}_at_bound"],
    }


def _of_terms(keys: list[str]) -> Charts:
    """All shares in one chart, and a chart for each other key, because its scale is not known."""
    shares = [key for key in keys if "fraction" in key]
    others = {key.removeprefix("train/"): [key] for key in keys if key not in shares}
    return ({SHARES: shares} if shares else {}) | others


def _only(charts: Mapping[str, list[str]], present: set[str]) -> Charts:
    """The charts without absent keys, and without those that would be empty."""
    left = {title: [key for key in keys if key in present] for title, keys in charts.items()}
    return {title: keys for title, keys in left.items() if keys}
