"""Checkpoints of one training run: checkpoint/ below the version's URI (docs/adr/0008).

```
checkpoint/checkpoint.json           written last and is the truth: which run, where, what its files are and their digests
checkpoint/<fit>-<epoch>-<step>-<resumes>.safetensors
```
A run may fit more than once (pre-training, refit). What the finished fits gave is saved once, with the first checkpoint
after them. A file is removed when no checkpoint.json names it any more, so the checkpoint before stays until the next is complete.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from recsys_trainer.background import Background
from recsys_trainer.checkpoint_index import Entry, Index, Meta, damage, differences, parsed
from recsys_trainer.device import free_memory
from recsys_trainer.tensor_file import Empty, in_memory, read_tensors, write_tensors

if TYPE_CHECKING:
    from recsys_trainer.store import Store

FOLDER = "checkpoint"
INDEX = f"{FOLDER}/checkpoint.json"
BACKGROUND_BYTES = 2**26
"""A larger state is copied and written while the training goes on: hashed and on disk, a gigabyte takes seconds."""
MOST_OF_FREE = 0.5
"""Share of the free memory that the copy may take; a larger state is written where it lies, and the training waits."""


@dataclass(frozen=True)
class Identity:
    """What a checkpoint must be of to be resumed, and what it should be of to be resumed exactly."""

    key: str
    """Run spec and snapshot."""
    environment: dict[str, str]
    """Device, instruction set, libraries and their settings, precision, threads, torch, trainer."""


class Checkpoints:
    """The states of a run's fits. Without a store nothing is saved or found."""

    def __init__(
        self,
        store: Store | None = None,
        identity: Identity | None = None,
        seconds: float = 0.0,
        tell: Callable[[str], None] = lambda line: None,
        clock: Callable[[], float] = time.monotonic,
        *,
        writes: bool = True,
        empty: Empty = in_memory,
    ) -> None:
        """Where states of fits are kept.

        Args:
            writes: one process of a training; the others only go on from what it has left.
            empty: makes the tensors that a state is read into.
        """
        self._writes, self._empty = writes, empty
        self._store, self._seconds, self._tell, self._clock = store, seconds, tell, clock
        self._fit, self._last = -1, clock()
        self._unsaved: dict[int, tuple[Meta, Mapping[str, Tensor]]] = {}
        self._background = Background()
        self.index = Index("", {}) if identity is None else Index(identity.key, identity.environment)
        if store is not None and identity is not None:
            self._found = self._observe(store, identity)

    _found: Index | None = None

    @property
    def active(self) -> bool:
        """Whether it keeps anything."""
        return self._store is not None

    def begin(self) -> None:
        """The next fit of the run begins."""
        self._fit += 1

    def finished(self) -> tuple[Meta, Iterator[tuple[str, Tensor]]] | None:
        """What this fit gave, if a run before this one had finished it."""
        if self._found is None or self._fit >= len(self._found.finished):
            return None
        return self._opened(self._found.finished[self._fit])

    def resumed(self) -> tuple[Meta, Iterator[tuple[str, Tensor]]] | None:
        """Where this fit was interrupted."""
        found = self._found
        if found is None or found.current is None or self._fit != len(found.finished):
            return None
        meta = found.current.meta
        why = "; ".join(self.index.differences)
        exact = f"; not the bits of an uninterrupted run ({why})" if why else ""
        self._tell(f"resumed at epoch {meta['epoch']}, step {meta['step']}{exact}")
        return self._opened(found.current)

    def due(self) -> bool:
        """Whether it is time to save; not while a save is going on.

        Raises:
            TrainerError: the last save has failed.
        """
        if not self._writes or self._store is None or self._background.busy:
            return False
        self._background.settle()
        return 0 < self._seconds <= self._clock() - self._last

    def save(self, meta: Meta, tensors: Mapping[str, Tensor], *, now: bool = False) -> None:
        """Save where the current fit stands, and what the fits before it gave.

        Args:
            tensors: may change afterwards.
            now: on return it is saved, however large; a save that is going on is given up for it.
        """
        if not self._writes:
            return
        self._background.cancel()
        size = sum(values.nbytes for values in tensors.values())
        if now or size < BACKGROUND_BYTES or size > MOST_OF_FREE * free_memory("cpu"):
            self._save(meta, tensors)
        else:
            copies = {name: values.detach().to("cpu", copy=True) for name, values in tensors.items()}
            told = deepcopy(meta)  # it holds the run's history, which goes on
            self._background.start(lambda: self._save(told, copies))

    def _save(self, meta: Meta, tensors: Mapping[str, Tensor]) -> None:
        assert self._store is not None, "due() says no without"
        for fit in sorted(self._unsaved):
            self.index.finished.append(self._written(f"{fit}-finished", *self._unsaved[fit]))
            del self._unsaved[fit]
        self._commit(self._written(self._name(meta), meta, tensors))
        self._last = self._clock()

    def finish(self, meta: Meta, weights: Mapping[str, Tensor], *, now: bool = False) -> None:
        """The current fit has ended; saved with the next checkpoint, or at once.

        Args:
            weights: must not change afterwards.
        """
        self._background.settle()
        if self._store is None or not self._writes or len(self.index.finished) > self._fit:
            return
        self._unsaved[self._fit] = meta, weights
        if now:
            self.index.finished.append(self._written(f"{self._fit}-finished", *self._unsaved.pop(self._fit)))
            self._commit(None)

    def remove(self) -> None:
        """The run is over."""
        self._background.cancel()
        if self._store is not None:
            self._store.remove(FOLDER)

    def _name(self, meta: Meta) -> str:
        """Never that of a file which a process before has left."""
        return f"{self._fit}-{meta['epoch']}-{meta['step']}-{self.index.resumes}"

    def _written(self, name: str, meta: Meta, tensors: Mapping[str, Tensor]) -> Entry:
        assert self._store is not None, "the caller has looked"
        path = f"{FOLDER}/{name}.safetensors"
        with self._store.writing(path) as file:
            return Entry(path, write_tensors(file, tensors, self._background.look), meta)

    def _commit(self, current: Entry | None) -> None:
        """Let the index name what was saved, then remove the state that it named before."""
        assert self._store is not None, "the caller has looked"
        before, self.index.current = self.index.current, current
        with self._store.writing(INDEX) as file:
            file.write(json.dumps(asdict(self.index)).encode())
        if before is not None and (current is None or before.file != current.file):
            self._store.remove(before.file)

    def _opened(self, entry: Entry) -> tuple[Meta, Iterator[tuple[str, Tensor]]]:
        return entry.meta, self._tensors(entry.file)

    def _tensors(self, name: str) -> Iterator[tuple[str, Tensor]]:
        assert self._store is not None, "something was found in it"
        with closing(self._store.opened(name)) as file:
            yield from read_tensors(file, self._empty)

    def _observe(self, store: Store, identity: Identity) -> Index | None:
        """The run's latest checkpoint; one that is damaged or of something else is left alone."""
        if not store.exists(INDEX):
            return None
        found = parsed(store.read(INDEX))
        why = (
            "is damaged"
            if found is None
            else ("is of another manifest or snapshot" if found.key != identity.key else "")
        )
        if found is not None and not why:
            why = damage(store, found)
        if found is None or why:
            self._tell(f"{store.uri}/{INDEX} {why}: it is ignored, training starts from the beginning")
            return None
        self.index.finished, self.index.current = list(found.finished), found.current
        self.index.resumes = found.resumes + 1
        self.index.differences = found.differences + differences(found.environment, identity.environment)
        return found


def run_key(**parts: object) -> str:
    """A key that differs where any of the parts does."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
