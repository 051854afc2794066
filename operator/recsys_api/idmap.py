"""Memory-mapped id maps: id -> row and row -> id without a Python dict (docs/contracts.md section 4)."""

import hashlib
import mmap
import struct
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

MAGIC = b"RSIDMAP1"
_HEADER = struct.Struct("<8s7Q")
DEFAULT_KEY = 0x5EED
Buffer: TypeAlias = bytes | bytearray | memoryview


class IdMapError(ValueError):
    """The file is not a complete id map."""


@dataclass(frozen=True)
class Sections:
    """Where the parts of a file lie, in bytes from its beginning."""

    n: int
    key: int
    hashes: int
    rows: int
    offsets: int
    text: int
    length: int


def id_hash(text: str, key: int) -> int:
    """The 64-bit keyed hash that the file is sorted by."""
    return int.from_bytes(hash_bytes(text.encode(), key), "little")


def hash_bytes(raw: bytes, key: int) -> bytes:
    """The same of UTF-8 text, as the 8 bytes that the file has."""
    return hashlib.blake2b(raw, digest_size=8, key=key.to_bytes(8, "little")).digest()


def write_idmap(path: Path, ids: Sequence[str], *, key: int = DEFAULT_KEY) -> None:
    """Write ids (row = position) to `path`. Ids must be distinct and canonical."""
    encoded = [text.encode() for text in ids]
    order = sorted((id_hash(text, key), row) for row, text in enumerate(ids))
    n = len(ids)
    hashes = struct.pack(f"<{n}Q", *(item[0] for item in order))
    rows = struct.pack(f"<{n}i", *(item[1] for item in order))
    offsets = struct.pack(f"<{n + 1}Q", 0, *accumulate(map(len, encoded)))
    write_sections(path, n, key, hashes, rows, offsets, b"".join(encoded))


def write_sections(path: Path, n: int, key: int, hashes: Buffer, rows: Buffer, offsets: Buffer, text: Buffer) -> None:
    """Write the parts of a file of `n` ids, each little endian as docs/contracts.md says."""
    hashes_at = _HEADER.size
    rows_at = hashes_at + 8 * n
    offsets_at = rows_at + 4 * n + (4 * n) % 8
    text_at = offsets_at + 8 * (n + 1)
    with path.open("wb") as file:
        length = text_at + memoryview(text).nbytes
        file.write(_HEADER.pack(MAGIC, n, key, hashes_at, rows_at, offsets_at, text_at, length))
        file.write(hashes)
        file.write(rows)
        file.write(b"\0" * (offsets_at - file.tell()))
        file.write(offsets)
        file.write(text)


def read_sections(path: Path) -> Sections:
    """Where the parts of a file lie.

    Raises:
        IdMapError: it is no complete id map.
    """
    size = path.stat().st_size
    if size < _HEADER.size:
        raise IdMapError(f"{path}: {size} bytes is too short for an id map")
    with path.open("rb") as file:
        magic, *found = _HEADER.unpack(file.read(_HEADER.size))
    sections = Sections(*found)
    if magic != MAGIC or sections.length != size:
        raise IdMapError(f"{path}: not a complete id map (magic {magic!r}, {size} of {sections.length} bytes)")
    return sections


class IdMap:
    """A read-only, shared id map. `len()`, `row(id)`, `id(row)` and iteration over ids in row order."""

    def __init__(self, path: Path) -> None:
        at = read_sections(path)
        self._n, self._key, self._bytes_at = at.n, at.key, at.text
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        view = memoryview(self._map)
        self._hashes = view[at.hashes : at.hashes + 8 * at.n].cast("Q")
        self._rows = view[at.rows : at.rows + 4 * at.n].cast("i")
        self._offsets = view[at.offsets : at.offsets + 8 * (at.n + 1)].cast("Q")

    def __len__(self) -> int:
        return int(self._n)

    def __iter__(self) -> Iterator[str]:
        return (self.id(row) for row in range(self._n))

    def row(self, text: str) -> int:
        """The row of an id, or -1."""
        wanted, raw = id_hash(text, self._key), text.encode()
        at = bisect_left(self._hashes, wanted)
        while at < self._n and self._hashes[at] == wanted:
            row = self._rows[at]
            if self._raw(row) == raw:
                return row
            at += 1
        return -1

    def id(self, row: int) -> str:
        """The id at a row (0 <= row < len)."""
        if not 0 <= row < self._n:
            raise IndexError(f"row {row} outside 0..{self._n - 1}")
        return self._raw(row).decode()

    def _raw(self, row: int) -> bytes:
        start, end = self._offsets[row], self._offsets[row + 1]
        return self._map[self._bytes_at + start : self._bytes_at + end]

    def close(self) -> None:
        """Release the mapping."""
        for view in (self._hashes, self._rows, self._offsets):
            view.release()
        self._map.close()

    def __enter__(self) -> "IdMap":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
