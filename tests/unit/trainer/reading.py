"""What tests of readers read with: small files, and what came of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recsys_api.spec.data import Data
from recsys_trainer.data.interactions import TRAIN, Interactions
from recsys_trainer.data.preparing import without_repeats
from recsys_trainer.data.validation import load_interactions

GOOD = {"user_id": [1, 2, 1], "item_id": ["a", "b", "c"], "ts": [30, 20, 10]}


def load(path: Path | str, format_: str = "Parquet", **changes: Any) -> Interactions:
    uri = str(path) if "://" in str(path) else f"file://{path}"
    validation = {"minInteractions": 1, **changes.pop("validation", {})}
    columns = {"timestamp": "ts", **changes.pop("columns", {})}
    source = {"uri": uri, "format": format_}
    data = Data.model_validate({"source": source, "columns": columns, "validation": validation})
    found = load_interactions(data)
    return without_repeats(found, np.full(len(found), TRAIN, dtype=np.uint8))[0]


def parquet(folder: Path, **columns: Any) -> Path:
    path = folder / "a.parquet"
    pq.write_table(pa.table({**GOOD, **columns}), path)
    return path


def rows(data: Interactions) -> list[tuple[str, str, int]]:
    return [
        (data.users[user], data.items[item], int(time))
        for user, item, time in zip(data.user_I, data.item_I, data.timestamp_I, strict=True)
    ]


def text(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def parquet_of(folder: Path, columns: dict[str, Any]) -> Path:
    pq.write_table(pa.table(columns), folder / "a.parquet")
    return folder / "a.parquet"
