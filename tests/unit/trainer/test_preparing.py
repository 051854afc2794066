"""Lines, predefined parts, filters: what is read, what is dropped and counted, and what a wrong one says."""

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_api.spec.data import Data, DataSource
from recsys_trainer.data.idlist import Ids
from recsys_trainer.data.interactions import TEST, TRAIN, VALIDATION, Interactions, Parts
from recsys_trainer.data.preparing import prepare_interactions
from recsys_trainer.data.readers import find_files
from recsys_trainer.data.validation import load_interactions
from recsys_trainer.errors import DataError, UnreadableError

PARTS = ("train", "validation", "test")


def config(folder: Path | str, format_: str, **changes: Any) -> Data:
    base = {
        "source": {"uri": f"file://{folder}", "format": format_},
        "validation": {"minInteractions": 1},
        "split": {"strategy": "Random", "testFraction": 0.3, "validationFraction": 0.3},
    }
    return Data.model_validate(base | changes)


def predefined(folder: Path, suffix: str = "") -> dict[str, Any]:
    return {"strategy": "Predefined", "predefined": {part: f"file://{folder}/{part}{suffix}" for part in PARTS}}


def pairs(data: Interactions) -> list[tuple[str, str]]:
    return sorted((data.users[u], data.items[i]) for u, i in zip(data.user_I, data.item_I, strict=True))


def by_part(found: tuple[Interactions, Parts]) -> list[list[tuple[str, str]]]:
    data, parts = found
    return [pairs(data.at(parts == part)) for part in (TRAIN, VALIDATION, TEST)]


SAME = [("1", "a"), ("1", "b"), ("2", "a")]


@pytest.mark.parametrize(
    ("format_", "text"),
    [
        ("UserItem", "1 a\n1 b\n2 a\n"),
        ("UserItem", "1\ta\t5\r\n\r\n 1   b 4.5 \r\n2\ta"),
        ("Adjacency", "1 a b\n2 a\n3\n\n"),
        ("Adjacency", "\n1\ta  b \r\n2 a"),
    ],
)
def test_lines_are_read_with_spaces_or_tabs(tmp_path: Path, format_: str, text: str) -> None:
    (tmp_path / "a.txt").write_text(text, newline="")
    assert pairs(load_interactions(config(tmp_path / "a.txt", format_))) == SAME


def test_weights_are_read_where_they_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1 a 5\n1 b 4.5\n2 a 1e0\n")
    data = load_interactions(config(tmp_path, "UserItem", columns={"rating": "stars"}))
    assert data.rating_I is not None
    assert data.rating_I.tolist() == [5.0, 4.5, 1.0]
    (tmp_path / "a.txt").write_text("1 a 5\n1 b\n")
    with pytest.raises(DataError, match=r"1 of 2 rows have no usable stars .nullRating 1"):
        load_interactions(config(tmp_path, "UserItem", columns={"rating": "stars"}))


def test_folders_and_patterns_name_the_same_files(tmp_path: Path) -> None:
    for day, line in (("day=1", "1 a\n2 a\n"), ("day=2", "1 b\n")):
        (tmp_path / day).mkdir()
        with gzip.open(tmp_path / day / "part.txt.gz", "wt") as file:
            file.write(line)
    for place in (tmp_path, tmp_path / "day=*/part.txt.gz", tmp_path / "**/*.gz", tmp_path / "day=[12]/*"):
        assert pairs(load_interactions(config(place, "UserItem"))) == SAME
    assert pairs(load_interactions(config(tmp_path / "day=2/*", "UserItem"))) == [("1", "b")]


@pytest.mark.parametrize("name", ["data[1]", "data?", "data*"])
@pytest.mark.parametrize("end", ["", "/", "/*.txt"])
def test_a_folder_whose_name_looks_like_a_pattern_is_one(tmp_path: Path, name: str, end: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "a.txt").write_text("1 a\n2 a\n1 b\n")
    escaped = name.replace("[", "[[]") if end == "/*.txt" else name
    assert pairs(load_interactions(config(f"{tmp_path}/{escaped}{end}", "UserItem"))) == SAME


def test_a_pattern_that_ends_with_a_slash_names_folders(tmp_path: Path) -> None:
    for name, line in (("day=1/a.txt", "1 a\n2 a\n"), ("day=2/deep/b.txt", "1 b\n"), ("day=3/_new/c.txt", "9 z\n")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(line)
    (tmp_path / "day=1/_SUCCESS").write_text("")
    (tmp_path / "day=0").write_text("no folder")
    assert pairs(load_interactions(config(f"{tmp_path}/day=*/", "UserItem"))) == SAME
    with pytest.raises(DataError, match=r"the 1 folders of the pattern have no \*.txt .* file among their 1; check"):
        load_interactions(config(f"{tmp_path}/day=3*/", "UserItem"))
    with pytest.raises(DataError, match=r"the pattern matches no folder; check data.source.uri"):
        load_interactions(config(f"{tmp_path}/week=*/", "UserItem"))


@pytest.mark.parametrize("pattern", ["**/*.csv", "*/*.csv", "*/*", "day=*/"])
def test_a_pattern_leaves_out_what_a_folder_leaves_out(tmp_path: Path, pattern: str) -> None:
    """What a job that was ended has left would count twice."""
    left = ("day=1/_SUCCESS", "day=1/.a.csv.crc", "_temporary/b.csv", "day=1/_temporary/0/b.csv", ".old/b.csv")
    for name in ("day=1/a.csv", *left):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("u,i\n1,2\n")
    _, files = find_files(DataSource(uri=f"file://{tmp_path}/{pattern}", format="CSV"))
    assert files == [str(tmp_path / "day=1/a.csv")]


def test_a_pattern_may_ask_for_it(tmp_path: Path) -> None:
    for name in ("_staging/_part-0.csv", "_staging/part-1.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("u,i\n1,2\n")
    for pattern, names in (("_staging/*.csv", ["part-1.csv"]), ("_*/_part*.csv", ["_part-0.csv"])):
        _, files = find_files(DataSource(uri=f"file://{tmp_path}/{pattern}", format="CSV"))
        assert files == [str(tmp_path / "_staging" / name) for name in names]
    with pytest.raises(DataError, match=r"the pattern matches no file; .*names that begin with \. or _ are left out"):
        find_files(DataSource(uri=f"file://{tmp_path}/*/*.csv", format="CSV"))


def test_a_pattern_finds_links_to_files_too(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/1").write_text("1 a\n2 a\n")
    (tmp_path / "a.txt").symlink_to(tmp_path / "kept/1")
    (tmp_path / "b.txt").write_text("1 b\n")
    assert pairs(load_interactions(config(tmp_path / "*.txt", "UserItem"))) == SAME


@pytest.mark.parametrize("place", ["", "**/*.txt", "*/*.txt", "day=*/"])
def test_links_to_folders_are_followed_as_those_to_files_are(tmp_path: Path, place: str) -> None:
    for name, line in (("elsewhere/a.txt", "1 a\n2 a\n"), ("data/day=2/b.txt", "1 b\n")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(line)
    (tmp_path / "data/day=1").symlink_to("../elsewhere")
    (tmp_path / "data/.up").symlink_to("..")
    (tmp_path / "data/gone").symlink_to("nowhere")
    assert pairs(load_interactions(config(f"{tmp_path}/data/{place}", "UserItem"))) == SAME


@pytest.mark.parametrize("place", ["", "**/*.txt"])
def test_a_link_to_a_folder_that_it_lies_in_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "day").mkdir()
    (tmp_path / "day/a.txt").write_text("1 a\n")
    (tmp_path / "day/back").symlink_to("..")
    with pytest.raises(DataError, match=r"day/back: is a link to /.*, which it lies in; remove it"):
        load_interactions(config(f"{tmp_path}/{place}", "UserItem"))


@pytest.mark.parametrize("place", ["", "*/*.txt"])
def test_a_folder_that_may_not_be_looked_into_is_refused_except_the_disks_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def of_another_user(path: Any) -> Any:
        if str(path).endswith(("/closed", "/lost+found")):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", of_another_user)  # root may look into every real one
    for name in ("day", "lost+found"):
        (tmp_path / name).mkdir()
    (tmp_path / "day/a.txt").write_text("1 a\n2 a\n1 b\n")
    assert pairs(load_interactions(config(f"{tmp_path}/{place}", "UserItem"))) == SAME
    (tmp_path / "closed").mkdir()
    with pytest.raises(UnreadableError, match=r"/closed: access denied .*; check who may read"):
        load_interactions(config(f"{tmp_path}/{place}", "UserItem"))


BAD: dict[str, tuple[str, bytes, str]] = {
    "one word": (
        "UserItem",
        b"1 a\n2\n",
        "a.txt: 1 of 2 lines are not `user item` or `user item weight`, as '2'; correct",
    ),
    "four words": ("UserItem", b"1 a 5 881250949\n", "1 of 1 lines are not .* as '1 a 5 881250949'"),
    "not text": ("UserItem", b"\xff 1\n", "a.txt: is not UTF-8"),
    "empty": ("UserItem", b"", "a.txt: the file is empty; remove it"),
    "blank": ("Adjacency", b"\n \n", "there are no rows; write interactions into it"),
    "empty list": ("Adjacency", b"", "a.txt: the file is empty"),
    "users alone": ("Adjacency", b"1\n2\n", "there are no rows"),
    "binary list": ("Adjacency", b"\x00\xff", "a.txt: is not UTF-8"),
    "decimals": ("Adjacency", b"1.0 5 6\n", "column user_id: 2 rows hold decimal numbers such as 1.0"),
    "long id": ("Adjacency", b"1 " + b"x" * 257, "1 of 1 rows have no usable item_id .invalidItem 1"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_lines_are_one_line_with_file_count_and_fix(tmp_path: Path, name: str) -> None:
    format_, content, message = BAD[name]
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        load_interactions(config(tmp_path / "a.txt", format_))
    assert "\n" not in caught.value.line


@pytest.mark.parametrize(
    ("place", "format_", "message"),
    [
        ("*.txt", "UserItem", "the pattern matches no file; check data.source.uri"),
        ("", "UserItem", r"the folder has no \*.txt or \*.tsv or \*.dat .* file among its 0"),
        ("", "Adjacency", r"the folder has no \*.txt or \*.txt.gz file among its 0"),
    ],
)
def test_a_place_without_files_says_so(tmp_path: Path, place: str, format_: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_interactions(config(tmp_path / place, format_))


def test_predefined_parts_are_kept_and_a_pair_stays_in_its_earliest(tmp_path: Path) -> None:
    texts = {"train": "1 a b c\n2 a\n", "validation": "1 c d\n2 d\n", "test": "1 d e\n3 a\n2 a d\n"}
    for part, text in texts.items():
        (tmp_path / f"{part}.txt").write_text(text)
    found = prepare_interactions(config(tmp_path, "Adjacency", split=predefined(tmp_path, ".txt")))
    assert by_part(found) == [
        [("1", "a"), ("1", "b"), ("1", "c"), ("2", "a")],
        [("1", "d"), ("2", "d")],
        [("1", "e"), ("3", "a")],
    ]
    assert found[0].duplicates == 4


@pytest.mark.parametrize(
    ("changed", "text", "message"),
    [
        ("test", "1 a\n", "data.split: the test part of 2 interactions is empty; write interactions into it that no"),
        ("validation", "1\n", "the validation part of 2 interactions is empty"),
    ],
)
def test_a_predefined_part_with_nothing_new_is_refused(tmp_path: Path, changed: str, text: str, message: str) -> None:
    texts = {"train": "1 a\n", "validation": "1 b\n", "test": "1 c\n"} | {changed: text}
    for part, content in texts.items():
        (tmp_path / f"{part}.txt").write_text(content)
    with pytest.raises(DataError, match=message):
        prepare_interactions(config(tmp_path, "Adjacency", split=predefined(tmp_path, ".txt")))


@pytest.mark.parametrize("strategy", ["Temporal", "LeaveOneOut"])
def test_a_test_of_repeats_alone_is_explained_by_them(tmp_path: Path, strategy: str) -> None:
    plays = {"user_id": [1] * 10, "item_id": [*range(8), 8, 7], "ts": list(range(10))}
    columns, split = {"timestamp": "ts"}, {"strategy": strategy}
    data = config(written(tmp_path, plays), "Parquet", columns=columns, split=split)
    words = "the test part of 9 interactions is empty: all of its users and items are pairs of an earlier part"
    with pytest.raises(DataError, match=rf"^data\.split: {words}; hold out more, or add interactions of new pairs$"):
        prepare_interactions(data)


def test_a_test_of_repeats_alone_is_explained_by_durations_and_span(tmp_path: Path) -> None:
    times = {"user_id": [1, 1, 1], "item_id": [7, 8, 7], "ts": [0, 50, 100]}
    split = {"testSeconds": 10, "validationSeconds": 60}
    data = config(written(tmp_path, times), "Parquet", columns={"timestamp": "ts"}, split=split)
    with pytest.raises(
        DataError, match=r"test part of 2 .* testSeconds is 10, .* spans 50 seconds.*; raise testSeconds"
    ):
        prepare_interactions(data)


def test_too_few_interactions_say_what_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(
        "".join(f"{user} {item}\n" for user in range(9) for item in range(8)) * 2 + "new 1\n"
    )
    wanted = {"validation": {"minInteractions": 1000}, "filter": {"minUserInteractions": 2}}
    with pytest.raises(DataError, match=r"145 interactions are fewer than data.validation.minInteractions = 1000"):
        prepare_interactions(config(tmp_path, "UserItem", **wanted))
    wanted["validation"] = {"minInteractions": 100}
    split = {"strategy": "Random", "testFraction": 0.01, "validationFraction": 0.01}
    with pytest.raises(
        DataError,
        match=r" 72 interactions, not counting 72 repeats of a user and item and 1 that data.filter took, are fewer",
    ):
        prepare_interactions(config(tmp_path, "UserItem", split=split, **wanted))


def test_filters_repeat_until_all_have_enough_and_leave_the_test_alone(tmp_path: Path) -> None:
    # c has one user; without it user 3 has one item, and without 3 item b still has two users.
    texts = {"train": "1 a b\n2 a b\n3 b c\n", "validation": "3 a\n", "test": "1 c\n3 d\n"}
    for part, text in texts.items():
        (tmp_path / f"{part}.txt").write_text(text)
    wanted = {"minUserInteractions": 2, "minItemInteractions": 2}
    split = predefined(tmp_path, ".txt")
    found = prepare_interactions(config(tmp_path, "Adjacency", split=split, filter=wanted))
    assert by_part(found) == [
        [("1", "a"), ("1", "b"), ("2", "a"), ("2", "b")],
        [("3", "a")],
        [("1", "c"), ("3", "d")],
    ]
    assert found[0].filtered == {"interactions": 2, "users": 1, "items": 1}
    too_much = wanted | {"minUserInteractions": 3}
    with pytest.raises(DataError, match=r"data.filter: of 6 training interactions none is left; lower minUser"):
        prepare_interactions(config(tmp_path, "Adjacency", split=split, filter=too_much))


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_after_a_filter_everybody_has_enough_and_no_more_could_stay(seed: int, users: int, items: int) -> None:
    from recsys_api.spec.data import Filter
    from recsys_trainer.data.preparing import filtered, without_repeats

    random = np.random.default_rng(seed)
    rows = 60
    user, item = (random.integers(0, 12, rows).astype(np.int32) for _ in range(2))
    names = Ids.of([f"{row:02}" for row in range(12)])
    raw = Interactions(names, names, user, item, np.arange(rows))
    data, parts = without_repeats(raw, np.sort(random.integers(0, 3, rows)).astype(np.uint8))
    wanted = Filter(min_user_interactions=users, min_item_interactions=items)
    core = {pair for pair in pairs(data.at(parts == TRAIN))}
    while True:  # the definition, one interaction after the other
        poor = {
            (u, i)
            for u, i in core
            if sum(u == other for other, _ in core) < users or sum(i == other for _, other in core) < items
        }
        if not poor:
            break
        core -= poor
    try:
        found = by_part(filtered(data, parts, wanted))
    except DataError:
        assert not core
        return
    assert found == [sorted(core), *by_part((data, parts))[1:]]


ROWS = 200


def written(folder: Path, table: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(table), folder / "a.parquet")
    return folder


@pytest.mark.parametrize(
    "split",
    [
        {"strategy": "Temporal"},
        {"strategy": "Temporal", "testSeconds": 20, "validationSeconds": 20},
        {"strategy": "LeaveOneOut"},
        {"strategy": "Predefined"},
    ],
    ids=lambda split: split["strategy"] + " by seconds" * ("testSeconds" in split),
)
def test_whatever_the_test_holds_the_other_parts_are_the_same(tmp_path: Path, split: dict[str, Any]) -> None:
    strategy = split["strategy"]
    random = np.random.default_rng(0)
    columns = {name: random.integers(0, 15, ROWS) for name in ("user_id", "item_id")} | {"ts": np.arange(ROWS)}
    split = predefined(tmp_path / "x") if strategy == "Predefined" else split
    data = config(
        tmp_path / "x", "Parquet", columns={"timestamp": "ts"}, split=split, filter={"minItemInteractions": 2}
    )
    if strategy == "Predefined":
        for number, part in enumerate(PARTS):
            rows = slice(number * 60, number * 60 + 60)
            written(tmp_path / "x" / part, {name: values[rows] for name, values in columns.items()})
        test = np.arange(120, 180)
    else:
        written(tmp_path / "x", columns)
        last = np.array([np.flatnonzero(columns["user_id"] == user)[-1] for user in range(15)])
        test = last if strategy == "LeaveOneOut" else np.arange(180, ROWS)
    expected = by_part(prepare_interactions(data))[:2]

    @given(st.integers(0, 2**32))
    @settings(max_examples=15, deadline=None)
    def holds(seed: int) -> None:
        changed = {name: values.copy() for name, values in columns.items()}
        changed["item_id"][test] = np.random.default_rng(seed).integers(0, 25, len(test))
        if strategy == "Temporal":
            changed["user_id"][test] = np.random.default_rng(seed).integers(0, 25, len(test))
        if strategy == "Predefined":
            written(tmp_path / "x/test", {name: values[test] for name, values in changed.items()})
        else:
            written(tmp_path / "x", changed)
        assert by_part(prepare_interactions(data))[:2] == expected

    holds()
