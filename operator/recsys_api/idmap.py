"""Memory-mapped id maps: id -> row and row -> id without a Python dict (docs/contracts.md section 4)."""

import hashlib
import mmap
import struct
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

MAGIC = b"RSIDMAP1"
_HEADER = struct.Struct("<8s7Q")
DEFAULT_KEY = 0x5EED


class IdMapError(ValueError):
    """The file is not a complete id map."""


def id_hash(text: str, key: int) -> int:
    """The 64-bit keyed hash that the file is sorted by."""
    digest = hashlib.blake2b(text.encode(), digest_size=8, key=key.to_bytes(8, "little")).digest()
    return int.from_bytes(digest, "little")


def write_idmap(path: Path, ids: Sequence[str], *, key: int = DEFAULT_KEY) -> None:
    """Write ids (row = position) to `path`. Ids must be distinct and canonical."""
    encoded = [text.encode() for text in ids]
    order = sorted((id_hash(text, key), row) for row, text in enumerate(ids))
    n = len(ids)
    hashes_at = _HEADER.size
    rows_at = hashes_at + 8 * n
    offsets_at = rows_at + 4 * n + (4 * n) % 8
    bytes_at = offsets_at + 8 * (n + 1)
    length = bytes_at + sum(map(len, encoded))
    with path.open("wb") as file:
        file.write(_HEADER.pack(MAGIC, n, key, hashes_at, rows_at, offsets_at, bytes_at, length))
        file.write(struct.pack(f"<{n}Q", *(item[0] for item in order)))
        file.write(struct.pack(f"<{n}i", *(item[1] for item in order)))
        file.write(b"\0" * (offsets_at - file.tell()))
        offset, offsets = 0, [0]
        for raw in encoded:
            offset += len(raw)
            offsets.append(offset)
        file.write(struct.pack(f"<{n + 1}Q", *offsets))
        file.write(b"".join(encoded))


class IdMap:
    """A read-only, shared id map. `len()`, `row(id)`, `id(row)` and iteration over ids in row order."""

    def __init__(self, path: Path) -> None:
        size = path.stat().st_size
        if size < _HEADER.size:
            raise IdMapError(f"{path}: {size} bytes is too short for an id map")
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        magic, self._n, self._key, hashes, rows, offsets, self._bytes_at, length = _HEADER.unpack_from(self._map)
        if magic != MAGIC or length != size:
            self._map.close()
            raise IdMapError(f"{path}: not a complete id map (magic {magic!r}, {size} of {length} bytes)")
        view = memoryview(self._map)
        self._hashes = view[hashes : hashes + 8 * self._n].cast("Q")
        self._rows = view[rows : rows + 4 * self._n].cast("i")
        self._offsets = view[offsets : offsets + 8 * (self._n + 1)].cast("Q")

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
