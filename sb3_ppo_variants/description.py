"""What a model is, as plain data: for trackers and records of runs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def describe(model: Any) -> dict[str, Any]:
    """A model as JSON can hold it; an infinite number is a string, ``"inf"``.

    :param model: of any host, set up
    """
    described: dict[str, Any] = _plain(_described(model))
    return described


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    value = value.item() if isinstance(value, np.generic) else value
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _described(model: Any) -> dict[str, Any]:
    starts, ends = model._values_at(1.0), model._values_at(0.0)
    return {
        "objective": [term.name for term in model._chain.terms],
        "regularizers": [part.name for part in model._regularization.regularizers],
        "hooks": [type(hook).__name__ for hook in model._hooks],
        "coefficients": {
            name: start if start == ends[name] else {"start": start, "end": ends[name]}
            for name, start in starts.items()
        },
        "options": model._options()
        | {
            argument.name: getattr(model, argument.name, argument.default)
            for hook in model._hooks
            for argument in hook.arguments
        },
        "adapt": {
            name: {
                "rule": controller.rule.name,
                "follow": controller.follow,
                "tighter": controller.coefficient.tighter,
                **controller.arguments,
                "low": controller.low,
                "high": controller.high,
            }
            for name, controller in model._adaptation.controllers.items()
        },
        "stop": dict(model._stopping.limits),
    }
