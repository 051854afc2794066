"""One manifest of a table: a change to a good one, and what is said to it."""

import copy
from dataclasses import dataclass
from typing import Any

Manifest = dict[str, Any]
ABSENT = object()
"""As a value: take the field away."""

STEPS = "spec.rollout.steps"
GATE = "spec.evaluation.gates.0"
SLO = "spec.rollout.slos.0"
POD_METADATA = "spec.training.podTemplate.metadata"
"""Where much is changed."""


@dataclass(frozen=True)
class Case:
    """A change, and words that the refusal must hold."""

    name: str
    changes: dict[str, Any]
    """{path: value}; `gates.0` is the first element of a list."""
    expected: tuple[str, ...]
    only_cluster: bool = False
    """The CLI accepts it, or never sees it."""

    def apply(self, manifest: Manifest) -> Manifest:
        """The manifest with the changes."""
        result = copy.deepcopy(manifest)
        for path, value in self.changes.items():
            change(result, path, value)
        return result


def change(manifest: Any, path: str, value: Any) -> None:
    """Set (or take away) what a path names, making objects on the way."""
    *parents, last = [int(part) if part.isdigit() else part for part in path.replace("\\.", "\0").split(".")]
    for part in parents:
        manifest = manifest[part] if isinstance(part, int) else manifest.setdefault(part, {})
    last = last.replace("\0", ".") if isinstance(last, str) else last
    if value is ABSENT:
        del manifest[last]
    elif isinstance(manifest, list) and last == len(manifest):
        manifest.append(value)
    else:
        manifest[last] = value
