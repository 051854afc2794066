"""One file's rows: which are good, what is wrong with the others, and what of the good ones is kept."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recsys_api.spec.data import Columns
from recsys_trainer.data.columns import GroupReader
from recsys_trainer.data.ids import IdColumn, IdReader, used
from recsys_trainer.data.interactions import Mask, Rows
from recsys_trainer.data.quarantine import Quarantine
from recsys_trainer.data.ratings import RatingReader
from recsys_trainer.data.readers import SourceFile
from recsys_trainer.data.times import Seconds, TimeReader


@dataclass(frozen=True)
class Batch:
    """The good rows of one batch."""

    codes: dict[str, Rows]
    """`user`, `item` and, where the manifest has them, `user_group` and `item_group` (-1 none): positions in `values`."""
    values: dict[str, Any]
    """Arrow text."""
    timestamp: Seconds
    rating: npt.NDArray[np.float32] | None


class FileReader:
    """Checks the batches of one file and counts what it sets aside."""

    def __init__(self, file: SourceFile, columns: Columns, quarantine: Quarantine, *, weights: bool = False) -> None:
        """Raises DataError for a column whose type cannot be what it should be.

        Args:
            weights: ratings say how much an interaction counts.
        """
        self._columns, self._uri, self._quarantine = columns, file.uri, quarantine
        self.rows = 0
        self.problems: Counter[str] = Counter()
        uri = file.uri
        self._user = IdReader(uri, columns.user, text=file.text)
        self._item = IdReader(uri, columns.item, text=file.text)
        self._time = TimeReader(uri, columns.timestamp) if columns.timestamp else None
        self._rating = RatingReader(uri, columns.rating, weights=weights) if columns.rating else None
        places = file.groups
        self._groups = {
            kind: (name, GroupReader(uri, name, first_word=kind in places.sequences))
            for kind, name in places.here.items()
        }
        self._beside = tuple(places.beside)
        readers = [
            (columns.user, self._user), (columns.item, self._item), (columns.timestamp, self._time),
            (columns.rating, self._rating), *self._groups.values(),
        ]  # fmt: skip
        self._all = [(name, reader) for name, reader in readers if name and reader]
        for name, reader in self._all:
            if name in file.kinds:
                reader.refuse_type(file.kinds[name], file.rows)

    def read(self, table: Any) -> Batch:
        """The good rows of the next batch.

        Raises:
            DataError: for bytes that are no text.
        """
        columns, rows = self._columns, table.num_rows
        user, item = self._user.read(table[columns.user]), self._item.read(table[columns.item])
        seconds, missing = np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.bool_)
        if self._time:
            seconds, missing = self._time.read(table[columns.timestamp])
        found = {**_id_problems(user, "User"), **_id_problems(item, "Item"), "nullTimestamp": missing}
        rating = None
        if self._rating:
            rating, found["nullRating"] = self._rating.read(table[columns.rating])
        keep = ~_any(found.values(), rows)
        self._quarantine.add(self._uri, self.rows, table, found)
        self.rows += rows
        self.problems += Counter({name: int(mask.sum()) for name, mask in found.items() if mask.any()})
        values, codes = {}, {}
        for kind, column in (("user", user), ("item", item)):
            values[kind], codes[kind] = used(column, keep)
        for kind, (name, reader) in self._groups.items():
            text = reader.read(table[name].filter(pa.array(keep)))
            values[kind], codes[kind] = text.dictionary, text.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        for kind in self._beside:
            values[kind], codes[kind] = pa.array([], pa.string()), np.full(int(keep.sum()), -1, dtype=np.int32)
        return Batch(codes, values, seconds[keep], None if rating is None else rating[keep])

    def finish(self) -> None:
        """Refuse what is wrong with the whole file.

        Raises:
            DataError: with the number of rows.
        """
        for _, reader in self._all:
            reader.finish()


def _id_problems(column: IdColumn, kind: str) -> dict[str, Mask]:
    null = column.codes < 0
    good, empty = (_by_row(flags, column.codes) for flags in (column.good, column.empty))
    return {f"null{kind}": null, f"empty{kind}": ~null & empty, f"invalid{kind}": ~null & ~good & ~empty}


def _by_row(flags: Mask, codes: npt.NDArray[np.int64]) -> Mask:
    return np.append(flags, False)[codes]  # code -1 takes the appended one


def _any(masks: Iterable[Mask], rows: int) -> Mask:
    result = np.zeros(rows, dtype=np.bool_)
    for mask in masks:
        result |= mask
    return result
