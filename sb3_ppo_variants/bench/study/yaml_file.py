"""YAML files that people wrote, read within limits: no file takes long to refuse or ends in a traceback."""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

# Bytes of a file; values in it, with those that aliases repeat; levels of lists and mappings; characters of a number.
MOST_BYTES = 50_000
MOST_VALUES = 50_000
MOST_LEVELS = 50
MOST_DIGITS = 300
TOO_DEEP = f"has more than {MOST_LEVELS} levels of lists and mappings"
TAG = "tag:yaml.org,2002:"
# Values that no argument of a run can have: JSON does not hold them.
REFUSED = ("timestamp", "binary", "set", "omap", "pairs")


class StudyLoader(yaml.SafeLoader):
    """YAML 1.1 with its merge key ``<<``, but 3e-4 is a number, and a key said twice and .nan are mistakes."""


def _mapping(loader: StudyLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    said = set()
    for key_node in (key for key, _ in node.value if key.tag != f"{TAG}merge"):
        key = loader.construct_object(key_node, deep=True)
        if key in said:
            raise yaml.MarkedYAMLError(problem=f"{reprlib.repr(key)} is said twice", problem_mark=key_node.start_mark)
        said.add(key)
    return loader.construct_mapping(node, deep=True)


def _refuse(loader: StudyLoader, node: yaml.Node) -> None:
    kind = node.tag.removeprefix(TAG)
    raise yaml.MarkedYAMLError(problem=f"a {kind} cannot be an argument, quote it", problem_mark=node.start_mark)


def _number(loader: StudyLoader, node: yaml.ScalarNode) -> float:
    found = loader.construct_yaml_float(node)
    if math.isnan(found):
        raise yaml.MarkedYAMLError(
            problem=f"{node.value} is no number that anything can have", problem_mark=node.start_mark
        )
    return found


StudyLoader.add_implicit_resolver(
    f"{TAG}float", re.compile(r"^[-+]?(\d[\d_]*(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)
StudyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
StudyLoader.add_constructor(f"{TAG}float", _number)
for _name in REFUSED:
    StudyLoader.add_constructor(f"{TAG}{_name}", _refuse)


def read_text(path: Path) -> str:
    """Read the text of a file.

    :raises OSError: when it cannot be read
    :raises ValueError: when it is too large, or not UTF-8
    """
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"is larger than {MOST_BYTES} bytes")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError("is not a text in UTF-8, save it as such") from error


def load(text: str, loader: type[yaml.SafeLoader]) -> Any:
    """Read a YAML text.

    :param loader: what its tags mean
    :raises ValueError: in one line, when it is no YAML or exceeds a limit
    """
    try:
        _check_brackets(text)
        opened = loader(text)
        node = opened.get_single_node()
        if node is None:
            return None
        _measure(node, {})
        return opened.construct_document(node)
    except yaml.YAMLError as error:
        raise ValueError(_one_line(f"is not YAML: {error}")) from error
    except RecursionError as error:
        raise ValueError(TOO_DEEP) from error
    except _Excess as error:
        raise ValueError(str(error)) from error
    except Exception as error:  # whatever a constructor makes of a value that is not of its tag
        raise ValueError(_one_line(f"is not YAML: {type(error).__name__}: {error}")) from error


def _check_brackets(text: str) -> None:
    """Refuse nesting that takes PyYAML long; brackets of texts and comments count too, so there is room for these."""
    level = 0
    for bracket in re.findall(r"[\[\]{}]", text):
        level += 1 if bracket in "[{" else -1
        if level > 10 * MOST_LEVELS:
            raise _Excess(TOO_DEEP)


class _Excess(Exception):
    """A limit is exceeded."""


def _measure(node: yaml.Node, measured: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    """Return how many values a node stands for and how many levels it has; a node that aliases repeat is visited once.

    :param measured: by id of the node; None while its parts are visited
    """
    if id(node) in measured:
        found = measured[id(node)]
        if found is None:
            raise _Excess("has an alias within what it stands for")
        return found
    if isinstance(node, yaml.ScalarNode):
        if node.tag == f"{TAG}int" and len(node.value) > MOST_DIGITS:
            raise _Excess(f"has a number of {len(node.value)} characters, at most {MOST_DIGITS} are read")
        return 1, 0
    measured[id(node)] = None
    parts = [_measure(part, measured) for part in _parts(node)]
    values, levels = 1 + sum(count for count, _ in parts), 1 + max((below for _, below in parts), default=0)
    if values > MOST_VALUES:
        raise _Excess(f"stands for more than {MOST_VALUES} values")
    if levels > MOST_LEVELS:
        raise _Excess(TOO_DEEP)
    measured[id(node)] = values, levels
    return values, levels


def _parts(node: yaml.Node) -> Iterable[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value)


def _one_line(text: str) -> str:
    return " ".join(text.split())
