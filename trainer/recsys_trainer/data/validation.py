"""What must hold of interactions before a GPU is asked for, and what is set aside."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from decimal import ROUND_UP, Decimal

from recsys_api.ids import MAX_ID_BYTES
from recsys_api.spec.data import Columns, Data
from recsys_trainer.data.attributes import AttributeFile, with_attributes
from recsys_trainer.data.budget import BUDGET, Budget
from recsys_trainer.data.checking import FileReader
from recsys_trainer.data.interactions import TEST, TRAIN, VALIDATION, Interactions
from recsys_trainer.data.ordering import Collected, in_time_order
from recsys_trainer.data.quarantine import Quarantine
from recsys_trainer.data.readers import SourceFile, read_source
from recsys_trainer.errors import DataError


def load_interactions(
    data: Data, budget: Budget = BUDGET, quarantine: Quarantine | None = None, *, weights: bool = False
) -> Interactions:
    """Read, check and order the interactions of a manifest's `spec.data`, repeats included.

    Args:
        quarantine: gets the rows that are set aside.
        weights: ratings say how much an interaction counts, so that negative ones are refused.

    Raises:
        UnreadableError: the source cannot be read.
        DataError: the data is not what the manifest says; the message has file, column, counts and fix.
        OutOfMemoryError: the disk is full.
    """
    aside = quarantine or Quarantine()
    with Collected(data, budget) as collected:
        problems: Counter[str] = Counter()
        rows = 0
        beside: dict[str, dict[AttributeFile, None]] = {}
        for file, part in _files(data, budget):
            reader = FileReader(file, data.columns, aside, weights=weights)
            for batch in file.batches:
                collected.add(reader.read(batch), part)
            reader.finish()
            for kind, attributes in file.groups.beside.items():
                beside.setdefault(kind, {})[attributes] = None
            rows += reader.rows
            problems += reader.problems
        quarantined = rows - collected.rows
        _refuse_quarantine(quarantined, rows, problems, data, aside.place)
        refuse_too_few(rows - quarantined, data)
        found = _filled(in_time_order(collected, data, budget), beside, budget)
    return replace(found, quarantined=quarantined, problems=dict(sorted(problems.items())))


def _filled(found: Interactions, beside: dict[str, dict[AttributeFile, None]], budget: Budget) -> Interactions:
    """With the groups that files beside the interactions say."""
    users, items = found.user_groups, found.item_groups
    if users is not None:
        users = with_attributes(users, found.users, beside.get("user_group", ()), budget)
    if items is not None:
        items = with_attributes(items, found.items, beside.get("item_group", ()), budget)
    return replace(found, user_groups=users, item_groups=items)


def _files(data: Data, budget: Budget) -> Iterator[tuple[SourceFile, int]]:
    """Every file with the part that it belongs to, all of them TRAIN where the split decides later."""
    given = data.split.predefined
    parts = ((data.source.uri, TRAIN),)
    if given is not None:
        parts = ((given.train, TRAIN), (given.validation, VALIDATION), (given.test, TEST))  # type: ignore[assignment]
    for uri, part in parts:
        for file in read_source(data.source.model_copy(update={"uri": uri}), data.columns, budget):
            yield file, part


def _refuse_quarantine(quarantined: int, rows: int, problems: Counter[str], data: Data, place: str) -> None:
    if rows == 0:
        raise DataError.at(data.source.uri, "", "there are no rows", "write interactions into it")
    limit = Decimal(data.validation.max_null_fraction)
    if Decimal(quarantined) <= limit * rows:
        return
    counts = ", ".join(f"{name} {count}" for name, count in sorted(problems.items()))
    invalid = [name.startswith("invalid") for name in problems]
    if any(invalid):
        counts += f"; an id is invalid with outer space or more than {MAX_ID_BYTES} bytes"
    what = f"{quarantined} of {rows} rows have no usable {_named(problems, data.columns)} ({counts})"
    needed = (Decimal(quarantined) / rows).quantize(Decimal("0.0001"), ROUND_UP)
    fix = f"fix them or raise data.validation.maxNullFraction (now {limit}) to {needed}"
    if quarantined == rows:
        fix = "strip or shorten them" if all(invalid) else "set data.columns to columns that are filled"
    raise DataError.at(data.source.uri, "", what, f"{fix}; the first are listed in {place}" if place else fix)


def _named(problems: Counter[str], columns: Columns) -> str:
    kinds = {
        "User": columns.user,
        "Item": columns.item,
        "Timestamp": columns.timestamp or "",
        "Rating": columns.rating or "",
    }
    return " or ".join(name for kind, name in kinds.items() if any(problem.endswith(kind) for problem in problems))


def refuse_too_few(rows: int, data: Data, repeats: int = 0, filtered: int = 0) -> None:
    """Refuse fewer interactions than the manifest asks for.

    Args:
        rows: that count.
        repeats, filtered: that were there and do not.

    Raises:
        DataError: with all numbers.
    """
    minimum = data.validation.min_interactions
    if rows < minimum:
        left_out = {"repeats of a user and item": repeats, "that data.filter took": filtered}
        without = " and ".join(f"{count} {which}" for which, count in left_out.items() if count)
        counted = f"{rows} interactions" + (f", not counting {without}," if without else "")
        what = f"{counted} are fewer than data.validation.minInteractions = {minimum}"
        raise DataError.at(data.source.uri, "", what, "add data or lower minInteractions")
