"""YAML as kubectl reads it, which PyYAML does not.

1e-3 is a number and 1e3 an integer, y and n are booleans, times and 1:30 are text, and a key that stands twice is an error.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml
from yaml.composer import ComposerError

_EXPONENT = re.compile(r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$")
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_EXACT = 2.0**53
"""Above this a float is no longer told from its neighbour."""


class _Loader(yaml.SafeLoader):
    """PyYAML's, with all of that."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own, without times
        first: [(tag, pattern) for tag, pattern in known if tag != _TIMESTAMP]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    bool_values = {**yaml.SafeLoader.bool_values, "y": True, "n": False}  # noqa: RUF012

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                raise ComposerError("in this mapping", node.start_mark, f"{key.value} stands twice", key.start_mark)
            seen.add(key.value)
        return node

    def number(self, node: yaml.ScalarNode) -> int | float | str:
        """A number as Go writes it in JSON: 4.0 is 4. What Go takes for none is text."""
        if ":" in node.value:
            return str(node.value)
        build = self.construct_yaml_int if node.tag.endswith("int") else self.construct_yaml_float
        try:
            value: int | float = build(node)
        except ValueError:
            return str(node.value)
        return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT else value


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^[yYnN]$"), list("yYnN"))
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.number)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.number)


def read_documents(text: str) -> Iterator[Any]:
    """Every document of a text that is not empty.

    Raises:
        yaml.YAMLError: with the place.
    """
    return (document for document in yaml.load_all(text, _Loader) if document is not None)


def said_of(error: Exception) -> str:
    """What is wrong and where, as one line."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return " ".join(str(error).split())
    words = ", ".join(filter(None, (error.context, error.problem)))
    return f"{words} (line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1})"
