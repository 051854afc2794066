"""YAML as kubectl reads it, which PyYAML does not: 1e-3 is a number, and a key that stands twice is an error."""

import re
from collections.abc import Iterator
from typing import Any

import yaml
from yaml.composer import ComposerError

_EXPONENT = re.compile(r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$")


class _Loader(yaml.SafeLoader):
    """PyYAML's, with both."""

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


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))


def read_documents(text: str) -> Iterator[Any]:
    """Every document of a text that is not empty.

    Raises:
        yaml.YAMLError: with the place.
    """
    return (document for document in yaml.load_all(text, _Loader) if document is not None)
