"""Golden answers: what serving must reproduce, recomputed from the exported files in fp32 (docs/contracts.md section 3)."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recsys_api.artifact import ArtifactModel
from recsys_trainer.artifact.served import Rows, Served, load_served
from recsys_trainer.data.idlist import Ids
from recsys_trainer.disk import save_arrays

USERS = 64
UNKNOWN_USERS = 4
TOP = 50
_EXTRA_EVERY = 4
"""Every fourth user comes with a `seen` of its own, the others with an empty one."""
_EXTRA = 5


@dataclass(frozen=True)
class GoldenAnswer:
    """One user's request and answer."""

    user: str
    row: int
    seen: list[str]
    extra_seen: Rows
    rows: Rows
    scores: npt.NDArray[np.float32]

    def to_dict(self, served: Served) -> dict[str, object]:
        """As golden.json has it."""
        return {
            "user": self.user,
            "row": self.row,
            "seen": self.seen,
            "items": [served.item_ids[row] for row in self.rows],
            "rows": self.rows.tolist(),
            "scores": self.scores.tolist(),
        }


def write_golden(folder: Path, model: ArtifactModel) -> None:
    """Write golden.json and golden.safetensors from the other files of `folder`."""
    served = load_served(folder, model)
    answers = golden_answers(served)
    text = json.dumps([answer.to_dict(served) for answer in answers], ensure_ascii=False)
    (folder / "golden.json").write_text(text, encoding="utf-8")
    known = [answer for answer in answers if answer.row >= 0]
    tensors = {
        "user_rows": np.array([answer.row for answer in known], dtype=np.int32),
        "extra_seen": _padded([answer.extra_seen for answer in known], _EXTRA, -1),
        "item_rows": _padded([answer.rows for answer in known], TOP, -1),
        "scores": _padded([answer.scores for answer in known], TOP, 0.0),
    }
    save_arrays(tensors, folder / "golden.safetensors")


def golden_answers(served: Served) -> list[GoldenAnswer]:
    """Known users spread over the table, then unknown ones."""
    count = min(len(served.users), USERS - UNKNOWN_USERS)
    rows = np.linspace(0, len(served.users) - 1, count).astype(int)
    known = [_known(served, int(row), position) for position, row in enumerate(rows)]
    return known + [_unknown(served, position) for position in range(UNKNOWN_USERS)]


def _known(served: Served, row: int, position: int) -> GoldenAnswer:
    best, _ = served.top(row, _nothing(), TOP)
    extra = best[:_EXTRA] if position % _EXTRA_EVERY == 1 else _nothing()
    rows, scores = served.top(row, extra, TOP)
    return GoldenAnswer(served.users[row], row, _seen_ids(served, extra), extra, rows, scores)


def _unknown(served: Served, position: int) -> GoldenAnswer:
    extra = served.popular[:_EXTRA] if position % 2 else _nothing()
    rows, found = served.top_unknown(extra, TOP)
    scores = np.zeros(0, dtype=np.float32) if found is None else found
    user = _absent(served.users, f"golden-unknown-{position}")
    return GoldenAnswer(user, -1, _seen_ids(served, extra), extra, rows, scores)


def _seen_ids(served: Served, extra: Rows) -> list[str]:
    """Ids of `extra`, with one that the artifact lacks: serving must ignore it."""
    if not len(extra):
        return []
    return [*(served.item_ids[row] for row in extra), _absent(served.item_ids, "golden-unknown-item")]


def _absent(ids: Ids, wish: str) -> str:
    taken = ids.starting_with(wish)
    while wish in taken:
        wish += "x"
    return wish


def _nothing() -> Rows:
    return np.zeros(0, dtype=np.int32)


def _padded(lists: list[npt.NDArray[np.generic]], width: int, padding: float) -> npt.NDArray[np.generic]:
    result = np.full((len(lists), width), padding, dtype=lists[0].dtype)
    for row, values in enumerate(lists):
        result[row, : len(values)] = values
    return result
