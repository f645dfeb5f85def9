"""What a model is, as plain data: for trackers and records of runs."""

from __future__ import annotations

from typing import Any


def describe(model: Any) -> dict[str, Any]:
    """A model as JSON can hold it.

    :param model: of any host, set up
    """
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
                **controller.arguments,
                "low": controller.low,
                "high": controller.high,
            }
            for name, controller in model._adaptation.controllers.items()
        },
        "stop": dict(model._stopping.limits),
    }
