"""Groups from RecBole's .user and .item files beside the interactions."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from recsys_api.spec.data import Data
from recsys_trainer import cli
from recsys_trainer.data.budget import Budget
from recsys_trainer.data.interactions import Groups, Interactions
from recsys_trainer.data.origin import observe_origin
from recsys_trainer.data.preparing import prepare_interactions
from recsys_trainer.data.validation import load_interactions
from recsys_trainer.errors import DataError

INTER = "user_id:token\titem_id:token\n1\ta\n2\tb\n3\ta\n1\tc\n"
USER = "user_id:token\tgender:token\tage:float\n1\tM\t20\n2\tF\t30\n9\tX\t40\n"
ITEM = "item_id:token\ttitle:token_seq\tclass:token_seq\na\tToy Story\tComedy Drama\nb\tHeat\tAction\nc\tUp\t\n"
FILES = {"m.inter": INTER, "m.user": USER, "m.item": ITEM}
GENDER, CLASS = {"userGroup": "gender"}, {"itemGroup": "class"}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def config(uri: Path | str, columns: dict[str, str], **changes: Any) -> Data:
    return Data.model_validate(
        {
            "source": {"uri": f"file://{uri}", "format": "RecBole"},
            "columns": columns,
            "split": {"strategy": "Random"},
            "validation": {"minInteractions": 1},
            **changes,
        }
    )


def named(groups: Groups | None, ids: Any) -> dict[str, str | None]:
    assert groups is not None
    return {name: groups.names[code] if code >= 0 else None for name, code in zip(ids, groups.of, strict=True)}


def users(found: Interactions) -> dict[str, str | None]:
    return named(found.user_groups, found.users)


def test_groups_come_from_the_files_of_the_same_name(tmp_path: Path) -> None:
    found = load_interactions(config(write(tmp_path, FILES) / "m.inter", GENDER | CLASS))
    assert len(found) == 4
    assert found.user_groups is not None
    assert found.user_groups.names == ("F", "M")
    assert users(found) == {"1": "M", "2": "F", "3": None}
    assert named(found.item_groups, found.items) == {"a": "Comedy", "b": "Action", "c": None}


def test_the_id_columns_are_those_that_the_manifest_names(tmp_path: Path) -> None:
    files = {name: text.replace("user_id", "who").replace("item_id", "what") for name, text in FILES.items()}
    columns = {"user": "who", "item": "what"} | GENDER | CLASS
    assert users(load_interactions(config(write(tmp_path, files), columns)))["2"] == "F"


def test_a_column_of_the_interactions_goes_first_and_nothing_else_is_read(tmp_path: Path) -> None:
    inter = "user_id:token\titem_id:token\tgender:token\n1\ta\tm\n2\tb\t\n"
    folder = write(tmp_path, {"m.inter": inter, "m.user": "\x00 no table at all"})
    assert users(load_interactions(config(folder, GENDER))) == {"1": "m", "2": None}


def test_of_several_words_the_first_is_the_group_in_the_interactions_too(tmp_path: Path) -> None:
    inter = "user_id:token\titem_id:token\tclass:token_seq\tkind:token\n1\ta\tComedy Drama\tA b\n1\tb\t\tA c\n"
    data = config(write(tmp_path, {"m.inter": inter}), CLASS | {"userGroup": "kind"})
    found = load_interactions(data)
    assert named(found.item_groups, found.items) == {"a": "Comedy", "b": None}
    assert users(found) == {"1": "A c"}


ONE, TWO = "user_id:token\titem_id:token\n1\ta\n", "user_id:token\titem_id:token\n2\tb\n"
LAYOUTS: dict[str, tuple[dict[str, str], str]] = {
    "folder, one of each": ({"x.inter": ONE, "x.user": USER, "y.inter": TWO, "y.user": USER}, ""),
    "folder, one for parts": ({"m.train.inter": ONE, "m.test.inter": TWO, "m.user": USER, "m.item": ITEM}, ""),
    "closest name": ({"m.a.inter": ONE, "m.a.user": USER, "m.b.inter": TWO, "m.user": USER.replace("X", "Y")}, ""),
    "pattern for all": ({"m.inter": ONE + "2\tb\n", "m.user": USER, "m.item": ITEM}, "m.*"),
    "pattern": ({"a/m.inter": ONE, "a/m.user": USER, "b/m.inter": TWO, "b/m.user": USER}, "*/m.inter"),
    "column in one": ({"m.1.inter": ONE.replace("item_id:token\n", "item_id:token\tgender:token\n").replace("a\n", "a\tM\n"),
                       "m.2.inter": TWO, "m.user": USER.replace("\tM", "\tQ")}, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_several_files_and_patterns(tmp_path: Path, name: str) -> None:
    files, pattern = LAYOUTS[name]
    found = load_interactions(config(f"{write(tmp_path, files)}/{pattern}", GENDER))
    assert users(found) == {"1": "M", "2": "F"}


def test_predefined_parts(tmp_path: Path) -> None:
    parts = {part: f"file://{tmp_path}/m.{part}.inter" for part in ("train", "validation", "test")}
    rows = {f"m.{part}.inter": INTER + f"{number}\tz\n" for number, part in enumerate(parts, 4)}
    split = {"strategy": "Predefined", "predefined": parts}
    write(tmp_path, rows | {"m.user": USER + "5\tF\t1\n"})
    found, _ = prepare_interactions(config(tmp_path, GENDER, split=split))
    assert users(found) == {"1": "M", "2": "F", "3": None, "4": None, "5": "F", "6": None}


def test_filtered_users_take_their_groups_along(tmp_path: Path) -> None:
    inter = "user_id:token\titem_id:token\n" + "".join(f"{row % 3}\ti{row % 7}\n" for row in range(40)) + "9\tz\n"
    data = config(write(tmp_path, {"m.inter": inter, "m.user": USER}), GENDER, filter={"minItemInteractions": 2})
    assert users(prepare_interactions(data)[0]).items() >= {"0": None, "1": "M", "2": "F"}.items()


def test_repeated_rows_that_agree_are_one_row(tmp_path: Path) -> None:
    files = FILES | {"m.user": USER + "1\tM\t7\n1\t\t7\n9\tY\t7\n3\t\t7\n3\tF\t7\n"}
    assert users(load_interactions(config(write(tmp_path, files), GENDER))) == {"1": "M", "2": "F", "3": "F"}


MANY = "user_id:token\tgender:token\n" + "".join(f"{row}\tg{row}\n" for row in range(101))
MANY_ROWS = "user_id:token\titem_id:token\n" + "".join(f"{row}\ta\n" for row in range(101))
WRONG: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "no file": (
        {"m.user": ""},
        GENDER,
        "m.inter: column gender: is missing; the file has user_id, item_id, and no m.user lies beside it; name another "
        "column in data.columns.userGroup, or put m.user there",
    ),
    "no such column": (
        {},
        {"userGroup": "sex"},
        "m.user: column sex: is missing; the file has user_id, gender, age; m.inter has user_id, item_id; name another "
        "column in data.columns.userGroup",
    ),
    "the other file's column": (
        {},
        {"itemGroup": "gender"},
        "m.item: column gender: is missing; the file has item_id,",
    ),
    "no ids": (
        {"m.user": USER.replace("user_id", "uid")},
        GENDER,
        "m.user: column user_id: is missing; the file has uid, gender, age; name its ids as those of m.inter",
    ),
    "twice": (
        {"m.user": "user_id:token\tgender:token\tgender:token\n"},
        GENDER,
        "m.user: column gender: is there twice; rename or remove one of them",
    ),
    "floats": ({}, {"userGroup": "age"}, "column age: the header says age:float, which is no group; write age:token"),
    "floats in .inter": (
        {"m.inter": "user_id:token\titem_id:token\tgender:float\n1\ta\t0.5\n"},
        GENDER,
        "m.inter: column gender: the header says gender:float, which is no group",
    ),
    "float ids": ({"m.user": USER.replace("user_id:token", "user_id:float")}, GENDER, "user_id:float, which is no id"),
    "contradiction": (
        {"m.user": USER + "1\tM\t1\n1\tF\t1\n2\tM\t1\n9\tQ\t1\n"},
        GENDER,
        "m.user: column gender: 2 rows give an id another group than a row before, as of 1; keep one row for each user_id",
    ),
    "no id known": (
        {"m.user": USER.replace("\n", "\nu")[:-1]},
        GENDER,
        "m.user: column user_id: has none of the 3 ids of the interactions; write ids there as they are written",
    ),
    "too many": (
        {"m.inter": MANY_ROWS, "m.user": MANY},
        GENDER,
        "m.user: column gender: 101 groups are more than 100; name a coarser column",
    ),
    "ragged": ({"m.user": USER + "7\n"}, GENDER, "m.user: not readable as RecBole .*Expected 3 columns, got 1"),
    "empty": ({"m.user": "\n"}, GENDER, "m.user: the file is empty"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_one_line_with_file_column_and_fix(tmp_path: Path, name: str) -> None:
    changed, columns, message = WRONG[name]
    write(tmp_path, FILES | changed)
    if not changed.get("m.user", "x"):
        (tmp_path / "m.user").unlink()
    with pytest.raises(DataError, match=message) as caught:
        load_interactions(config(tmp_path, columns))
    assert "\n" not in caught.value.line
    assert caught.value.line.startswith(str(tmp_path))


def test_other_formats_have_their_groups_in_the_interactions(tmp_path: Path) -> None:
    write(tmp_path, {"m.csv": "user_id,item_id\n1,a\n", "m.user": USER})
    data = config(tmp_path, GENDER, source={"uri": f"file://{tmp_path}", "format": "CSV"})
    with pytest.raises(DataError, match=r"m.csv: column gender: is missing; the file has user_id, item_id; set"):
        load_interactions(data)


@pytest.mark.parametrize("block_bytes", [32, 1 << 20])
def test_groups_do_not_depend_on_how_much_is_read_at_once(tmp_path: Path, block_bytes: int) -> None:
    user = "user_id:token\tgender:token\n" + "".join(f"{row}\tg{(row * 7) % 10}\n" for row in range(101))
    data = config(write(tmp_path, {"m.inter": MANY_ROWS, "m.user": user}), GENDER)
    found = load_interactions(data, Budget(block_bytes=block_bytes))
    assert users(found) == {str(row): f"g{(row * 7) % 10}" for row in range(101)}
    assert found.user_groups is not None
    assert found.user_groups.names == tuple(f"g{digit}" for digit in range(10))


@pytest.mark.parametrize(
    ("columns", "changed", "differs"),
    [
        (GENDER, "m.user", True),
        (GENDER, "m.item", False),
        (CLASS, "m.item", True),
        ({}, "m.user", False),
        ({"userGroup": "item_id"}, "m.user", False),
        (GENDER | CLASS, "m.item", True),
    ],
)
def test_the_origin_is_of_the_files_that_are_read(
    tmp_path: Path, columns: dict[str, str], changed: str, differs: bool
) -> None:
    data = config(write(tmp_path, FILES), columns)
    before = observe_origin(data)
    assert before == observe_origin(data) != ""
    os.utime(tmp_path / changed, (1, 1))
    assert (observe_origin(data) != before) == differs


def test_another_file_that_is_closer_by_name_changes_the_origin(tmp_path: Path) -> None:
    data = config(write(tmp_path, {"m.1.inter": INTER, "m.user": USER}), GENDER)
    before = observe_origin(data)
    write(tmp_path, {"m.1.user": USER})
    assert observe_origin(data) != before


def test_fit_shows_the_groups_and_how_many_have_none(
    tmp_path: Path, write_manifest: Callable[..., Path], table: pa.Table, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = table.to_pydict()
    rows = zip(columns["user_id"], columns["item_id"], columns["ts"], strict=True)
    inter = "user_id:token\titem_id:token\tts:float\n" + "".join("\t".join(map(str, row)) + "\n" for row in rows)
    user = "user_id:token\tgender:token\n" + "".join(f"{row}\t{'MF'[row % 2]}\n" for row in range(100))
    item = "item_id:token\tclass:token_seq\n" + "".join(f"{row}\tg{row % 4} x\n" for row in range(60))
    write(tmp_path / "data", {"m.inter": inter, "m.user": user, "m.item": item})
    manifest = write_manifest(
        f"file://{tmp_path}/data",
        **{"data.source.format": "RecBole", "data.columns": {"timestamp": "ts"} | GENDER | CLASS, "training.epochs": 1},
    )
    assert cli.main(["fit", "-f", str(manifest), "--output", str(tmp_path / "out")]) == 0
    report = json.loads((tmp_path / "out/report.json").read_text())
    missing = {"users": len({*columns["user_id"]} - {*range(100)}), "items": len({*columns["item_id"]} - {*range(60)})}
    assert set(report["userGroups"]["metrics"]) == {"F", "M", "(none)"}
    assert set(report["itemGroups"]) >= {"g0", "g1", "g2", "g3"}
    assert report["data"]["snapshot"]["ungrouped"] == missing
    assert f"without a group: {missing['users']} users, {missing['items']} items" in capsys.readouterr().out
    assert "users without a group" in (tmp_path / "out/report.html").read_text()
