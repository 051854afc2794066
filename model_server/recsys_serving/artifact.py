"""A verified artifact on local disk: its manifest, its digests and its memory-mapped tensors."""

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from recsys_api.artifact import ARTIFACT_FILES, ArtifactManifest, artifact_digest
from recsys_serving.errors import ArtifactError

MANIFEST = "manifest.json"
_CHUNK = 1 << 20
_HEADER_LIMIT = 1 << 24
_DTYPES = {"F32": "<f4", "I32": "<i4", "I64": "<i8", "U8": "|u1"}


def parse_manifest(raw: bytes, *, expected_digest: str) -> ArtifactManifest:
    """The manifest, once its digest is the expected one and it lists exactly the files of an artifact.

    Raises:
        ArtifactError: not a manifest, another artifact's, or it lists a file that an artifact does not have.
    """
    try:
        manifest = ArtifactManifest.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ArtifactError(f"manifest.json: {where or 'file'}: {first['msg']}; export it again") from error
    check_files(manifest.files)
    found = artifact_digest(manifest.files)
    if found != manifest.digest or found != expected_digest:
        raise ArtifactError(
            f"manifest.json: digest of its files is {found}, manifest.digest is {manifest.digest}, "
            f"RECSYS_ARTIFACT_DIGEST is {expected_digest}; they must be equal"
        )
    return manifest


def check_files(names: Mapping[str, object] | set[str]) -> None:
    """Refuse an artifact that lacks a file or carries one that is not data we know."""
    extra = sorted(set(names) - set(ARTIFACT_FILES) - {MANIFEST})
    if extra:
        raise ArtifactError(
            f"artifact holds {extra[0]!r} ({len(extra)} unknown files); it must hold data only: remove it"
        )
    missing = sorted(set(ARTIFACT_FILES) - set(names))
    if missing:
        raise ArtifactError(f"artifact lacks {missing[0]!r} ({len(missing)} files missing); export it again")


def sha256_file(path: Path) -> str:
    """sha256 of a file's content in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def check_digests(root: Path, files: Mapping[str, str]) -> None:
    """Raise ArtifactError unless every file has the sha256 that the manifest gives."""
    for name, expected in sorted(files.items()):
        path = root / name
        if not path.is_file():
            raise ArtifactError(f"artifact lacks {name!r}; fetch it again")
        found = sha256_file(path)
        if found != expected:
            raise ArtifactError(f"{name}: sha256 is {found}, manifest.json says {expected}; fetch it again")


def load_verified(root: Path, expected_digest: str) -> ArtifactManifest:
    """The manifest of the artifact at `root` after checking every digest."""
    try:
        raw = (root / MANIFEST).read_bytes()
    except OSError as error:
        raise ArtifactError(f"{root / MANIFEST}: {error.strerror}; run the fetch container first") from error
    manifest = parse_manifest(raw, expected_digest=expected_digest)
    check_digests(root, manifest.files)
    return manifest


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors of a safetensors file, from its header alone."""
    header, _ = _read_header(path)
    return {name: tuple(entry["shape"]) for name, entry in header.items()}


def map_tensors(path: Path) -> dict[str, NDArray[np.generic]]:
    """The tensors of a safetensors file, memory-mapped read-only (format: https://github.com/huggingface/safetensors).

    Raises:
        ArtifactError: the header is none, has a type that no artifact has, or points outside the file.
    """
    header, data_at = _read_header(path)
    size = path.stat().st_size
    tensors: dict[str, NDArray[np.generic]] = {}
    for name, entry in header.items():
        dtype, shape, start, end = _parse_entry(path, name, entry)
        if start < 0 or data_at + end > size or end - start != dtype.itemsize * int(np.prod(shape, dtype=np.int64)):
            raise ArtifactError(
                f"{path.name}: tensor {name!r} of shape {shape} does not fit its bytes; export it again"
            )
        tensors[name] = _map(path, dtype, data_at + start, shape)
    return tensors


def _parse_entry(
    path: Path, name: str, entry: dict[str, Any]
) -> tuple[np.dtype[np.generic], tuple[int, ...], int, int]:
    try:
        start, end = map(int, entry["data_offsets"])
        return np.dtype(_DTYPES[entry["dtype"]]), tuple(map(int, entry["shape"])), start, end
    except (KeyError, TypeError, ValueError) as error:
        expected = f"a dtype of {', '.join(_DTYPES)}, a shape and data_offsets"
        raise ArtifactError(f"{path.name}: tensor {name!r} is {entry}; expected {expected}: export it again") from error


def _map(path: Path, dtype: np.dtype[np.generic], offset: int, shape: tuple[int, ...]) -> NDArray[np.generic]:
    if 0 in shape:
        return np.zeros(shape, dtype)
    return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)


def _read_header(path: Path) -> tuple[dict[str, dict[str, Any]], int]:
    with path.open("rb") as file:
        prefix = file.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else _HEADER_LIMIT + 1
        if length > _HEADER_LIMIT:
            raise ArtifactError(f"{path.name}: not a safetensors file; export it again")
        try:
            header = json.loads(file.read(length))
        except ValueError as error:
            raise ArtifactError(f"{path.name}: its header is no JSON; export it again") from error
    if not isinstance(header, dict):
        raise ArtifactError(f"{path.name}: its header names no tensors; export it again")
    header.pop("__metadata__", None)
    return header, 8 + length
