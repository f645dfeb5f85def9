"""What the models of a study file have in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, FiniteFloat


class Strict(BaseModel):
    """A model that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _no_boolean(written: Any) -> Any:
    """Refuse yes and no, which are 1 and 0 to Python."""
    if isinstance(written, bool):
        raise ValueError("must be a number")
    return written


Whole = Annotated[int, BeforeValidator(_no_boolean)]
Real = Annotated[FiniteFloat, BeforeValidator(_no_boolean)]
