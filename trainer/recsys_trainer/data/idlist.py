"""Ids by row without a Python object for each: text in one buffer, where it begins in another."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_TEXT = pa.large_string()
_PAGE = 1 << 16


class Ids(Sequence[str]):
    """A sequence of ids; `texts` is its Arrow array (large_string)."""

    def __init__(self, texts: Any) -> None:
        self.texts = texts

    @classmethod
    def of(cls, ids: Iterable[str]) -> "Ids":
        """From Python strings."""
        return cls(pa.array(ids, _TEXT))

    @classmethod
    def of_buffers(cls, text: Any, offsets: Any, length: int) -> "Ids":
        """From UTF-8 text and int64 [length + 1] offsets, both used where they lie."""
        return cls(pa.LargeStringArray.from_buffers(length, pa.py_buffer(offsets), pa.py_buffer(text)))

    def __len__(self) -> int:
        return len(self.texts)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> "Ids": ...
    def __getitem__(self, row: int | slice) -> "str | Ids":
        if isinstance(row, slice):
            return self.take(np.arange(len(self))[row])
        text: str = self.texts[int(row)].as_py()
        return text

    def __iter__(self) -> Iterator[str]:
        return (raw.decode() for page in self.pages() for raw in page)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(str.__eq__, self, other))

    def __contains__(self, text: object) -> bool:
        return isinstance(text, str) and bool(pc.any(pc.equal(self.texts, pa.scalar(text, _TEXT))).as_py())

    def take(self, rows: npt.NDArray[np.integer]) -> "Ids":
        """The ids at some rows, in that order."""
        return Ids(pc.take(self.texts, pa.array(rows)))

    def pages(self) -> Iterator[list[bytes]]:
        """The ids as UTF-8, some at a time."""
        for start in range(0, len(self), _PAGE):
            yield self.texts.slice(start, _PAGE).cast(pa.large_binary()).to_pylist()

    def buffers(self) -> tuple[npt.NDArray[np.uint64], memoryview]:
        """(offsets [length + 1], UTF-8 text), the first offset 0."""
        _, offsets, text = self.texts.buffers()
        bounds = np.frombuffer(offsets, np.int64)[self.texts.offset :][: len(self) + 1] if offsets else np.zeros(1, int)
        first, last = int(bounds[0]), int(bounds[-1])
        return (bounds - first).astype("<u8"), memoryview(text or b"")[first:last]

    def starting_with(self, text: str) -> set[str]:
        """The ids that begin with a text."""
        return set(self.texts.filter(pc.starts_with(self.texts, text)).to_pylist())
