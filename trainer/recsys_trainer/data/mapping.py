"""Files as arrays: tensors and id maps are mapped, not copied, and id maps are written in bulk."""

import json
import mmap
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys_api.idmap import DEFAULT_KEY, hash_bytes, read_sections, write_sections
from recsys_trainer.data.idlist import Ids

_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1", "U8": "|u1",
    "BOOL": "|b1",
}  # fmt: skip


_NO_RESERVE = 0x4000 if sys.platform == "linux" else 0
"""MAP_NORESERVE, which Python 3.11 does not name: nobody writes to all of a file, so it need not fit memory."""


def write_ids(path: Path, ids: Ids) -> None:
    """What `recsys_api.idmap.write_idmap` writes, without a Python object for each id."""
    hashes = np.empty(len(ids), dtype="<u8")
    at = 0
    for page in ids.pages():
        found = b"".join([hash_bytes(raw, DEFAULT_KEY) for raw in page])
        hashes[at : at + len(page)] = np.frombuffer(found, dtype="<u8")
        at += len(page)
    order = np.argsort(hashes, kind="stable")
    offsets, text = ids.buffers()
    rows = order.astype("<i4")
    write_sections(path, len(ids), DEFAULT_KEY, hashes[order].data, rows.data, offsets.data, text)


def read_ids(path: Path) -> Ids:
    """All ids of an id map in row order.

    Raises:
        IdMapError: it is no complete id map.
    """
    at = read_sections(path)
    content = memoryview(_mapped(path))
    return Ids.of_buffers(content[at.text :], content[at.offsets : at.text], at.n)


def mapped_tensors(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The tensors of a safetensors file that was verified (format: https://github.com/huggingface/safetensors)."""
    content = _mapped(path)
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    header.pop("__metadata__", None)
    found = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        dtype = np.dtype(_DTYPES[entry["dtype"]])
        values = np.frombuffer(content, dtype, (end - start) // dtype.itemsize, 8 + length + start)
        found[name] = values.reshape(entry["shape"])
    return found


def _mapped(path: Path) -> mmap.mmap:
    """The content of a file; what is written to it stays in memory (torch wants writable arrays)."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE | _NO_RESERVE, mmap.PROT_READ | mmap.PROT_WRITE)
