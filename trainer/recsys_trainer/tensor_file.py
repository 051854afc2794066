"""Tensors in the layout of safetensors, written and read one at a time: tables of gigabytes are never in memory twice."""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import BinaryIO

import torch
from torch import Tensor

_DTYPES = {"F32": torch.float32, "F64": torch.float64, "I64": torch.int64, "I32": torch.int32}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_CHUNK = 2**24
Empty = Callable[[Sequence[int], torch.dtype], Tensor]


def write_tensors(file: BinaryIO, tensors: Mapping[str, Tensor], look: Callable[[], None] = lambda: None) -> str:
    """Write; returns the SHA-256 of the file in hex.

    Args:
        look: is called between pieces; what it raises ends the writing.
    """
    header, end = {}, 0
    for name, values in tensors.items():
        begin, end = end, end + values.numel() * values.element_size()
        header[name] = {"dtype": _NAMES[values.dtype], "shape": list(values.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    digest = hashlib.sha256()
    for part in (len(text).to_bytes(8, "little"), text):
        digest.update(part)
        file.write(part)
    for values in tensors.values():
        content = _bytes_of(values.detach().cpu().contiguous())
        for start in range(0, len(content), _CHUNK):
            look()
            digest.update(content[start : start + _CHUNK])
            file.write(content[start : start + _CHUNK])
    return digest.hexdigest()


def file_digest(file: BinaryIO) -> str:
    """The SHA-256 of the whole file in hex."""
    digest = hashlib.sha256()
    while part := file.read(_CHUNK):
        digest.update(part)
    return digest.hexdigest()


def in_memory(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """A tensor with any content on the CPU."""
    return torch.empty(tuple(shape), dtype=dtype)


def read_tensors(file: BinaryIO, empty: Empty = in_memory) -> Iterator[tuple[str, Tensor]]:
    """(name, tensor on the CPU) in the order in which they were written, of a file whose digest was right.

    Args:
        empty: makes the tensors to read into.
    """
    length = int.from_bytes(file.read(8), "little")
    for name, entry in json.loads(file.read(length)).items():
        values = empty(entry["shape"], _DTYPES[entry["dtype"]])
        content, done = _bytes_of(values), 0
        while done < len(content):
            part = file.read(min(_CHUNK, len(content) - done))
            content[done : done + len(part)] = part
            done += len(part)
        yield name, values


def _bytes_of(values: Tensor) -> memoryview:
    if not math.prod(values.shape):
        return memoryview(bytearray())
    return values.reshape(-1).view(torch.uint8).numpy().data
