"""What the API refuses to load: an artifact whose digests agree and whose tensors are none."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from recsys_serving.errors import ArtifactError
from recsys_serving.library import load_library
from recsys_serving.loading import load_scorer
from recsys_serving.testing.artifacts import make, write, write_manifest


def popularity(items: list[int], scores: list[float], kind: str = "<f4") -> dict[str, np.ndarray]:
    return {"items": np.array(items, np.int32), "scores": np.array(scores, kind)}


def header(**entry: object) -> bytes:
    raw = json.dumps({"items": entry}).encode()
    return struct.pack("<Q", len(raw)) + raw


POPULARITY = {
    "a score is NaN": (popularity([1, 2], [2.0, np.nan]), "finite"),
    "a score is infinite": (popularity([1, 2], [np.inf, 1.0]), "finite"),
    "an item twice": (popularity([1, 1], [2.0, 2.0]), "twice"),
    "an item that is not there": (popularity([1, 200], [2.0, 1.0]), "from 0 to 199"),
    "no item": (popularity([], []), "at least one"),
    "another type": (popularity([1, 2], [2.0, 1.0], "<f2"), "'scores'.*F16"),
    "no offsets": (header(dtype="I32", shape=[1]), "'items'"),
    "offsets that are none": (header(dtype="I32", shape=[1], data_offsets="ab"), "'items'"),
    "no tensor": (struct.pack("<Q", 2) + b"[]", "header"),
}


@pytest.mark.parametrize("name", POPULARITY)
def test_a_fallback_that_could_not_be_answered_with_is_refused(tmp_path: Path, name: str) -> None:
    content, words = POPULARITY[name]
    made = make()
    write(made, tmp_path)
    path = tmp_path / "popularity.safetensors"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        save_file(content, path)
    with pytest.raises(ArtifactError, match=rf"popularity.safetensors.*{words}"):
        load_library(tmp_path, write_manifest(tmp_path, made))


SEEN = {
    "an item that is not there": ([0, 2], [0, 200]),
    "an item before the first": ([0, 2], [-1, 3]),
    "no bounds": ([], []),
    "bounds beyond the end": ([0, 5], [1]),
}


@pytest.mark.parametrize("name", SEEN)
def test_histories_that_would_hide_items_of_other_users_are_refused(tmp_path: Path, name: str) -> None:
    indptr, indices = SEEN[name]
    made = make()
    write(made, tmp_path)
    bounds = [*indptr, *([indptr[-1]] * (40 - len(indptr) + 1) if indptr else [])]
    tensors = {"indptr": np.array(bounds, np.int64), "indices": np.array(indices, np.int32)}
    save_file(tensors, tmp_path / "seen.safetensors")
    digest = write_manifest(tmp_path, made)
    with pytest.raises(ArtifactError, match=r"seen.safetensors: .*export it again"):
        load_scorer(tmp_path, digest, torch.device("cpu"))
    with pytest.raises(ArtifactError, match=r"seen.safetensors: .*export it again"):
        load_library(tmp_path, digest)
