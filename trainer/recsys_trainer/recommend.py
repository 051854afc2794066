"""`recsys-trainer recommend`: the answers that serving gives from an artifact, without a server; and how sure the model is of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recsys_api.ids import InvalidIdError, canonical_id
from recsys_api.spec.model import Model
from recsys_trainer.again import load_artifact, resolved_spec
from recsys_trainer.artifact.served import Rows, Served
from recsys_trainer.data.idlist import Ids
from recsys_trainer.data.ids import rows_of
from recsys_trainer.errors import ManifestError
from recsys_trainer.evaluation.uncertainty import rating_deviations

Floats = npt.NDArray[np.floating]
DIGITS = 4


@dataclass(frozen=True)
class Answer:
    """Of one user."""

    user: str
    source: str
    """Model or Popularity, as serving says it."""
    fallback_reason: str
    """None or UnknownUser, as serving says it."""
    items: list[str]
    scores: Floats
    """Of the popularity answer: training interactions."""
    deviations: Floats
    """Standard deviation of a rating; empty where the family does not know it."""

    def to_dict(self) -> dict[str, object]:
        """A line of `--json`; items as `/v1/recommend` gives them."""
        items = [
            {"id": each, "score": float(score)} | ({"deviation": float(self.deviations[at])} if len(self.deviations) else {})
            for at, (each, score) in enumerate(zip(self.items, self.scores, strict=True))
        ]  # fmt: skip
        return {"user": self.user, "source": self.source, "fallbackReason": self.fallback_reason, "items": items}


def recommend(folder: Path, users: Sequence[str], seen: Sequence[str], k: int) -> list[Answer]:
    """The best k items of each user.

    Args:
        folder: an artifact, or an output folder of `fit` with one in it.
        seen: items that are left out of every answer; unknown users are answered from them where the family folds in.

    Raises:
        ManifestError: an id that cannot be one, or k below 1.
        UnreadableError: no complete artifact.
    """
    if k < 1:
        raise ManifestError(f"-k {k}: is below 1; ask for at least one item")
    user_ids, seen_ids = _ids("--user", users), _ids("--seen", seen)
    loaded = load_artifact(folder)
    served, model = loaded.served, resolved_spec(loaded.manifest, folder, None).model
    seen_rows = rows_of(seen_ids, served.item_ids)
    known = np.unique(seen_rows[seen_rows >= 0]).astype(np.int32)
    rows = rows_of(user_ids, served.users)
    return [_answer(served, model, user, int(row), known, k) for user, row in zip(user_ids, rows, strict=True)]


def _ids(option: str, texts: Sequence[str]) -> Ids:
    try:
        return Ids.of([canonical_id(text) for text in texts])
    except InvalidIdError as error:
        raise ManifestError(f"{option}: {error}") from error


def _answer(served: Served, model: Model, user: str, row: int, seen: Rows, k: int) -> Answer:
    """By docs/contracts.md section 3."""
    if row >= 0:
        items, scores = served.top(row, seen, k)
        deviations = rating_deviations(model, served, np.full(len(items), row), items)
        sure = np.zeros(0) if deviations is None else deviations
        return Answer(user, "Model", "None", _names(served, items), scores, sure)
    items, found = served.top_unknown(seen, k)
    source = "Popularity" if found is None else "Model"
    scores = served.popularity().cpu().numpy()[items] if found is None else found
    return Answer(user, source, "UnknownUser", _names(served, items), scores, np.zeros(0))


def _names(served: Served, rows: Rows) -> list[str]:
    return list(served.item_ids.take(rows))


def render_answer(answer: Answer) -> str:
    """A table for a person."""
    reason = "" if answer.fallback_reason == "None" else f", {answer.fallback_reason}"
    lines = [f"user {answer.user}  ({answer.source}{reason})"]
    if not answer.items:
        return f"{lines[0]}\n  nothing is left that this user has not seen"
    width = max(len(item) for item in answer.items)
    for at, (item, score) in enumerate(zip(answer.items, answer.scores, strict=True)):
        sure = f" ± {answer.deviations[at]:.2f}" if len(answer.deviations) else ""
        lines.append(f"  {at + 1:>3}  {item:<{width}}  {score:>9.{DIGITS}f}{sure}")
    return "\n".join(lines)
