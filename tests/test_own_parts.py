"""Terms and regularizers as users give them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from sb3_ppo_variants.coefficients import CLIP_RANGE, Coefficient, Option
from sb3_ppo_variants.own_parts import by_name, coefficients_of, name_of, refuse_repeated, resolve, trial_values


@dataclass(frozen=True)
class Record:
    """A part.

    :param name: of it
    """

    name: str


KNOWN = {"one": Record("one")}


def wrap(function: Any) -> Record:
    """A record of a function."""
    return Record(name_of(function))


class Callable:
    """An object that can be called."""

    def __call__(self) -> None:
        """Do nothing."""


def own() -> None:
    """A user's function."""


@pytest.mark.parametrize(
    ("part", "name"), [("one", "one"), (Record("mine"), "mine"), (own, "own"), (Callable(), "Callable")]
)
def test_names_records_functions_and_objects(part: Any, name: str) -> None:
    assert resolve("parts", part, Record, KNOWN, wrap) == Record(name)


@pytest.mark.parametrize(
    ("part", "error", "message"),
    [
        ("oen", ValueError, "parts='oen' is not known. Did you mean 'one'"),
        (3, TypeError, "parts: 3 is neither a name nor a function; names: one"),
    ],
)
def test_what_is_none_of_these_is_refused(part: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        resolve("parts", part, Record, KNOWN, wrap)


def test_coefficients_are_the_keyword_only_arguments() -> None:
    def function(minibatch: Any, *, clip_range: float, first: float = 2.0, second: Any = None) -> None:
        """A user's function."""

    coefficients = coefficients_of(function)

    assert coefficients == (CLIP_RANGE, Coefficient("first", 2.0), Coefficient("second"))
    assert trial_values(coefficients) == {"clip_range": 0.2, "first": 2.0, "second": 1.0}


def test_a_default_that_is_no_number_is_refused() -> None:
    def function(minibatch: Any, *, first: str = "a") -> None:
        """A user's function."""

    with pytest.raises(ValueError, match="function: default of first='a' is not allowed"):
        coefficients_of(function)


def test_a_part_named_twice_is_refused() -> None:
    refuse_repeated("parts", ["a", "b"])
    with pytest.raises(ValueError, match=r"parts=\['a', 'b', 'a'\]: \['a'\] is there more than once"):
        refuse_repeated("parts", ["a", "b", "a"])


def test_parts_share_a_coefficient_only_if_it_means_the_same() -> None:
    shared = Coefficient("a", 1.0)

    assert by_name("parts", [shared, Coefficient("a", 1.0)]) == {"a": shared}
    with pytest.raises(ValueError, match="parts: two parts have a coefficient 'a'; rename one"):
        by_name("parts", [shared, Coefficient("a", 2.0)])


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("tests.own_code.NOTHING", "parts='tests.own_code.NOTHING': module tests.own_code has no NOTHING"),
        ("nowhere.PART", "parts='nowhere.PART': module nowhere is neither installed nor in "),
        ("nn.functional.relu", "module nn is neither installed nor in .*; write torch.nn$"),
        (
            "tests.own_code:oen",
            r"parts='oen' is not known. Did you mean 'one'\?.* Importing tests.own_code does",
        ),
        ("else", "Choices: 'one'. Your own: 'my_module.my_part'."),
    ],
)
def test_a_path_that_leads_nowhere_says_why(path: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        resolve("parts", path, Record, KNOWN, wrap)


def test_a_path_leads_to_a_function_or_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.own_code.DISTANCE", Record("mine"))
    assert resolve("parts", "tests.own_code.distance", Record, KNOWN, wrap) == Record("distance")
    assert resolve("parts", "tests.own_code.DISTANCE", Record, KNOWN, wrap) == Record("mine")


def test_a_function_that_takes_other_arguments_is_refused_by_name() -> None:
    def wrong(part: Any) -> Record:
        return part()  # type: ignore[no-any-return]

    with pytest.raises(TypeError, match="parts: largest cannot be called as one: .*minibatch"):
        resolve("parts", "tests.own_code.largest", Record, KNOWN, wrong)


def test_no_coefficient_has_the_name_of_a_statistic() -> None:
    with pytest.raises(ValueError, match="objective: 'kl_max' would replace train/kl_max; rename it"):
        by_name("objective", [Coefficient("kl_max", 0.1)])
    assert by_name("objective", [CLIP_RANGE]) == {"clip_range": CLIP_RANGE}


def test_parts_share_an_option_only_if_it_means_the_same() -> None:
    option = Option("mode", ("x", "y"), "x")
    assert by_name("objective", [option, option]) == {"mode": option}
    with pytest.raises(ValueError, match="'mode'; rename one"):
        by_name("objective", [option, Option("mode", ("z",), "z")])
