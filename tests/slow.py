"""Which parameters of a test run in ``make test-all`` alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest


def slow_where(is_slow: Callable[[Any], bool], values: Iterable[Any], name: Callable[[Any], str] = str) -> list[Any]:
    """Parameters of a test, some of them marked as slow.

    :param is_slow: which of them
    :param values: all of them
    :param name: of a value in the test's name
    """
    return [pytest.param(value, marks=[pytest.mark.slow] * is_slow(value), id=name(value)) for value in values]
