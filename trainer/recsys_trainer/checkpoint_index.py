"""checkpoint.json: which run a checkpoint is of, where it was saved, and what its files are."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from recsys_trainer.errors import TrainerError
from recsys_trainer.tensor_file import file_digest

if TYPE_CHECKING:
    from recsys_trainer.store import Store

FORMAT = "recsys.dev/checkpoint/v3"
Meta = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """A saved state: numbers here, tensors in a file."""

    file: str
    digest: str
    meta: Meta


@dataclass
class Index:
    """checkpoint.json"""

    key: str
    environment: dict[str, str]
    """Of the process that saved it."""
    differences: list[str] = field(default_factory=list)
    """Between the environments of all processes so far."""
    resumes: int = 0
    finished: list[Entry] = field(default_factory=list)
    """Of the fits before the current one."""
    current: Entry | None = None
    format: str = FORMAT

    @property
    def exact(self) -> bool:
        """Whether the bits are those of an uninterrupted run."""
        return not self.differences


def differences(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """What two environments do not have in common, for a person."""
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return [f"{name}: {before.get(name, 'not recorded')}, then {now.get(name, 'not recorded')}" for name in names]


def parsed(content: bytes) -> Index | None:
    """The file's content; None where it is no such file."""
    try:
        document = json.loads(content)
        finished = [Entry(**each) for each in document.pop("finished")]
        current = document.pop("current")
        index = Index(finished=finished, current=None if current is None else Entry(**current), **document)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return index if index.format == FORMAT else None


def damage(store: Store, index: Index) -> str:
    """What is wrong with its files, or nothing."""
    for entry in (*index.finished, *([] if index.current is None else [index.current])):
        try:
            with closing(store.opened(entry.file)) as file:
                found = file_digest(file)
        except TrainerError:
            return f"names {entry.file}, which cannot be read"
        if found != entry.digest:
            return f"names {entry.file}, which is damaged"
    return ""
