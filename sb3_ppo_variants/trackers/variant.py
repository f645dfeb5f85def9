"""The variant of a model as plain data, for records of runs."""

from __future__ import annotations

from typing import Any

from sb3_ppo_variants.algorithm import VariantAlgorithm


def variant(model: VariantAlgorithm) -> dict[str, Any]:
    """The variant of a model as JSON: objective, coefficients, options, rules and stops.

    :param model: of any host
    :return: ``coefficients`` has a number for each constant, ``{"start": ..., "end": ...}`` for each schedule
    """
    starts, ends = model._scheduled_values(1.0), model._scheduled_values(0.0)
    return {
        "objective": [term.name for term in model._chain.terms],
        "coefficients": {
            name: start if start == ends[name] else {"start": start, "end": ends[name]}
            for name, start in starts.items()
        },
        "options": model._options(),
        "adapt": {name: dict(rule) for name, rule in (model.adapt or {}).items()},
        "stop": dict(model.stop or {}),
    }
