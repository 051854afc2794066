"""The distinct values of many batches: sorted bytewise at the end, and the row of every batch's values then.

A batch gives its values once and refers to them by position. They wait on disk until all are known; in memory are the
distinct ones, some 12 bytes more than their text.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsys_trainer.data.budget import SORTED, Budget, temporary_file
from recsys_trainer.data.interactions import Rows
from recsys_trainer.disk import full_disk_said

TEXT = pa.large_string()
"""With 64-bit offsets: ten million ids may have more than 2 GiB."""
_SCHEMA = pa.schema([("value", TEXT)])


class Distinct:
    """Values of one kind, for example users. To be entered before it is used, because it has a file."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._stack = ExitStack()
        self._known = pa.array([], TEXT)
        self._new: list[Any] = []
        self._waiting = 0

    def __enter__(self) -> "Distinct":
        self._file = self._stack.enter_context(temporary_file())
        self._writer = pa.ipc.new_stream(self._file, _SCHEMA, options=pa.ipc.IpcWriteOptions(compression="lz4"))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()

    def add(self, values: Any) -> None:
        """The values of the next batch, an Arrow array of text."""
        values = pc.cast(values, TEXT)
        with full_disk_said(SORTED):
            self._writer.write_batch(pa.record_batch([values], schema=_SCHEMA))
        self._new.append(values)
        self._waiting += len(values)
        if self._waiting > max(self._budget.values, len(self._known)):  # so that each value is hashed a few times only
            self._merge()

    def finish(self) -> Any:
        """The distinct values, sorted bytewise."""
        self._merge()
        with full_disk_said(SORTED):
            self._writer.close()
            self._file.flush()
        self._known = pc.take(self._known, pc.sort_indices(self._known))
        return self._known

    def rows(self) -> Iterator[Rows]:
        """For every batch in turn the row of each of its values."""
        self._file.seek(0)
        group: list[Any] = []
        for batch in pa.ipc.open_stream(self._file):
            group.append(batch.column(0))
            if sum(map(len, group)) >= self._budget.values:
                yield from self._looked_up(group)
                group = []
        yield from self._looked_up(group)

    def _merge(self) -> None:
        self._known = pc.unique(pa.chunked_array([self._known, *self._new], TEXT))
        self._new, self._waiting = [], 0

    def _looked_up(self, group: list[Any]) -> Iterator[Rows]:
        """Together, because the values are hashed again for every look-up."""
        if not group:
            return
        found = pc.index_in(pa.chunked_array(group, TEXT), value_set=self._known)
        rows = found.to_numpy().astype(np.int32, copy=False)
        yield from np.split(rows, np.cumsum([len(values) for values in group])[:-1])
