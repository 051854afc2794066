"""From a folder to a scorer that has proved itself on the golden answers."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from recsys_api.artifact import ArtifactManifest
from recsys_api.idmap import IdMap, IdMapError
from recsys_serving.artifact import load_verified
from recsys_serving.errors import ArtifactError
from recsys_serving.golden import GoldenAnswer, find_difference, read_golden
from recsys_serving.scoring import Scorer
from recsys_serving.seen import SeenLists


def load_scorer(artifact: Path, digest: str, device: torch.device) -> Scorer:
    """Load the artifact at a folder and verify digests, rows and scores.

    Raises:
        ArtifactError: names the first thing that does not agree.
    """
    manifest = load_verified(artifact, digest)
    weights = load_file(artifact / "weights.safetensors")
    seen = SeenLists.open(artifact / "seen.safetensors", manifest.model.items)
    scorer = Scorer(weights, seen, device, manifest.model.fold_in)
    _check_sizes(scorer, manifest)
    check_golden(scorer, artifact)
    return scorer


def _check_sizes(scorer: Scorer, manifest: ArtifactManifest) -> None:
    found, said = (scorer.users, scorer.items), (manifest.model.users, manifest.model.items)
    if found != said:
        raise ArtifactError(
            f"weights.safetensors has (users, items) {found}, manifest.json says {said}; export it again"
        )


def check_golden(scorer: Scorer, artifact: Path) -> None:
    """Raise ArtifactError unless rows and scores of the golden users come out again."""
    answers = read_golden(artifact)
    try:
        with IdMap(artifact / "users.idmap") as users, IdMap(artifact / "items.idmap") as items:
            _check_maps(scorer, users, items)
            extras = [_check_rows(answer, users, items) for answer in answers]
    except IdMapError as error:
        raise ArtifactError(str(error)) from error
    for answer, extra in zip(answers, extras, strict=True):
        if answer.row >= 0 or answer.scores:
            _check_answer(scorer, answer, extra)


def _check_maps(scorer: Scorer, users: IdMap, items: IdMap) -> None:
    # Fewer users than rows is legal: those users get the fallback, and the share of UnknownUser tells.
    if len(users) > scorer.users or len(items) != scorer.items:
        raise ArtifactError(
            f"users.idmap has {len(users)} ids for {scorer.users} rows, items.idmap {len(items)} for {scorer.items}; "
            "export it again"
        )


def _check_rows(answer: GoldenAnswer, users: IdMap, items: IdMap) -> list[int]:
    """The user's row and the items' ids agree with the maps; returns the rows of `seen`."""
    row = users.row(str(answer.user))
    if row != answer.row:
        raise ArtifactError(f"golden user {answer.user!r}: row {row} in users.idmap, expected {answer.row}")
    for item, item_row in zip(answer.item_ids, answer.rows, strict=False):
        found = items.row(item)
        if found != item_row:
            raise ArtifactError(f"golden item {item!r}: row {found} in items.idmap, expected {item_row}")
    return [at for at in (items.row(str(item)) for item in answer.seen) if at >= 0]


def _check_answer(scorer: Scorer, answer: GoldenAnswer, extra: Sequence[int]) -> None:
    if answer.row < 0 and not scorer.folds_in:
        raise ArtifactError(f"golden user {answer.user!r}: has scores, but manifest.json says of no fold-in")
    rows_B = np.array([answer.row], np.int32)
    extra_BP = np.array(extra, np.int32)[None, :]
    items_BK, scores_BK = scorer.top_k(rows_B, extra_BP, max(1, len(answer.rows)))
    found = [int(row) for row in items_BK[0] if row >= 0][: len(answer.rows)]
    problem = find_difference(answer, found, scores_BK[0].tolist(), by_row=True)
    if problem:
        raise ArtifactError(f"{problem}; the artifact and this build of serving do not agree")
