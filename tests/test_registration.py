"""Names for a user's own parts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sb3_ppo_variants import Stop, Term, VariantPPO, register
from sb3_ppo_variants.coefficients import Number
from sb3_ppo_variants.own_parts import REGISTERED
from tests import own_code


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = {record: dict(parts) for record, parts in REGISTERED.items()}
    yield
    REGISTERED.clear()
    REGISTERED.update(before)


def objective(name: Any, **arguments: Any) -> list[str]:
    model = VariantPPO("MlpPolicy", "CartPole-v1", n_steps=32, objective=["clip", name], **arguments)
    return list(model.describe()["objective"])


def test_the_name_of_a_record_works_where_built_in_ones_do() -> None:
    assert register(own_code.DISTANCE) is own_code.DISTANCE
    assert objective("distance", distance_coef=0.3) == ["clip", "distance"]


def test_a_decorated_function_stays_a_function_and_has_its_name() -> None:
    assert callable(own_code.plain)
    assert objective("plain", plain_coef=0.3) == ["clip", "plain"]


def test_the_module_before_the_name_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    text = "from sb3_ppo_variants import register\n@register(argument='objective')\ndef late(surrogate, minibatch):\n"
    (tmp_path / "own_late.py").write_text(text + "    return surrogate * 0.5\n")
    assert objective("own_late:late") == ["clip", "late"]


def test_a_zip_has_the_name(tmp_path: Path) -> None:
    model = VariantPPO("MlpPolicy", "CartPole-v1", n_steps=32, objective="tests.own_code:plain", plain_coef=0.3)
    model.save(tmp_path / "model")
    loaded = VariantPPO.load(tmp_path / "model")
    assert loaded.objective == ["tests.own_code:plain"]
    assert loaded.describe()["coefficients"]["plain_coef"] == 0.3


def test_registered_again_the_last_one_counts() -> None:
    register(Term("distance", own_code.distance))
    assert register(Term("distance", own_code.plain, coefficients=()))
    assert REGISTERED[Term]["distance"].function is own_code.plain


@pytest.mark.parametrize(
    ("part", "arguments", "error", "said"),
    [
        (Term("clip", own_code.distance), {}, ValueError, "register: 'clip' is a name of the package, for objective"),
        (
            Stop("kl", Number("limit"), of_rollout=max),
            {},
            ValueError,
            "register: 'kl' is a name of the package, for stop",
        ),
        (own_code.distance, {}, TypeError, "is no Term, Regularizer, Rule or Stop; say argument= for a function"),
        (own_code.distance, {"argument": "objectiv"}, ValueError, "argument='objectiv' is not known. Did you mean"),
        (lambda surrogate, minibatch: 1.0, {"argument": "objective"}, ValueError, "must return one value per sample"),
    ],
)
def test_what_cannot_be_registered(part: Any, arguments: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        register(part, **arguments)
