"""`fit --cache`: a snapshot is prepared once for all output folders, and nobody ever sees half of one."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.trainer.conftest import Manifest

from recsys_api.artifact import SnapshotManifest
from recsys_api.spec.data import Data
from recsys_trainer import cli
from recsys_trainer.drafts import draft_in
from recsys_trainer.errors import OutOfMemoryError, TrainerError, UnreadableError
from recsys_trainer.outputs import QUARANTINE, fetch_snapshot, observe_snapshot, write_json
from recsys_trainer.snapshot_cache import CACHE_VARIABLE, SnapshotCache
from recsys_trainer.store import Store

Fit = Callable[..., int]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Where the cache lies."""
    return tmp_path / "cache"


@pytest.fixture
def fit(tmp_path: Path, source: Path, cache: Path, write_manifest: Manifest) -> Fit:
    """Fits into an output folder of the name; returns the exit code."""

    def run(name: str, *more: str, **changes: Any) -> int:
        manifest = write_manifest(f"file://{source}", **{"training.epochs": 1} | changes)
        return cli.main(
            ["fit", "-f", str(manifest), "--output", str(tmp_path / name), *(more or ("--cache", str(cache)))]
        )

    return run


@pytest.fixture
def prepared(fitted: Path) -> tuple[Store, SnapshotManifest]:
    """A store with a snapshot."""
    store = Store(f"file://{fitted}")
    manifest = observe_snapshot(store)
    assert manifest is not None
    return store, manifest


def entries(cache: Path) -> list[str]:
    """Names of all that lies in the cache, drafts too."""
    return sorted(path.name for path in cache.iterdir())


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "snapshot").iterdir()}


def test_a_second_folder_of_the_same_data_reads_no_source(
    fit: Fit, reads: list[Data], tmp_path: Path, cache: Path
) -> None:
    assert fit("one") == 0
    assert fit("two", **{"model.embeddingDim": 4, "training.seed": 7}) == 0
    assert len(reads) == 1
    assert content(tmp_path / "one") == content(tmp_path / "two")
    origin = json.loads((tmp_path / "one/snapshot/snapshot.json").read_text())["origin"]
    assert entries(cache) == [origin.removeprefix("sha256:")]


@pytest.mark.parametrize(
    ("changes", "read"),
    [
        ({"data.split": {"testFraction": 0.2}}, 2),
        ({"data.filter": {"minUserInteractions": 2}}, 2),
        ({"data.validation.minInteractions": 11}, 2),
        ({"training.loss": {"negatives": 2}, "evaluation": {"baselines": {"neighbours": 20}}}, 1),
    ],
)
def test_other_settings_of_the_data_miss_and_those_of_the_model_hit(
    fit: Fit, reads: list[Data], cache: Path, changes: dict[str, Any], read: int
) -> None:
    assert fit("one") == fit("two", **changes) == fit("three") == 0
    assert len(reads) == len(entries(cache)) == read


def test_a_changed_file_misses(fit: Fit, reads: list[Data], source: Path, table: pa.Table, tmp_path: Path) -> None:
    assert fit("one") == 0
    pq.write_table(table.slice(0, 2900), source / "a.parquet")
    assert fit("two") == 0
    assert len(reads) == 2
    assert content(tmp_path / "one") != content(tmp_path / "two")


def test_without_the_option_nothing_is_kept(
    fit: Fit, reads: list[Data], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fit("one", "--fail-on-gate") == fit("two", "--fail-on-gate") == 0
    assert len(reads) == 2
    monkeypatch.setenv(CACHE_VARIABLE, str(cache))
    assert fit("three", "--fail-on-gate") == fit("four", "--fail-on-gate") == 0
    assert len(reads) == 3


def test_what_an_output_folder_has_already_is_kept_too(fit: Fit, reads: list[Data]) -> None:
    assert fit("one", "--fail-on-gate") == 0
    assert fit("one") == fit("two") == 0
    assert len(reads) == 1


def flipped(entry: Path) -> None:
    file = entry / "snapshot/interactions.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\xff")


def incomplete(entry: Path) -> None:
    (entry / "snapshot/users.idmap").unlink()


def foreign(entry: Path) -> None:
    file = entry / "snapshot/snapshot.json"
    file.write_text(file.read_text().replace("sha256:", "sha256:0", 1))


def no_json(entry: Path) -> None:
    (entry / "snapshot/snapshot.json").write_text("{")


def a_file(entry: Path) -> None:
    entry.rename(entry.with_name("gone"))
    entry.write_text("")


@pytest.mark.parametrize("damage", [flipped, incomplete, foreign, no_json, a_file])
def test_a_damaged_entry_is_said_in_one_line_and_replaced(
    fit: Fit,
    reads: list[Data],
    cache: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Path], None],
) -> None:
    assert fit("one") == 0
    (entry,) = cache.iterdir()
    damage(entry)
    capsys.readouterr()
    assert fit("two") == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "damaged" in line]
    assert said == [json.dumps({"note": f"--cache: {entry} is damaged; the data is prepared again in its place"})]
    assert fit("three") == 0
    assert "damaged" not in capsys.readouterr().err
    assert len(reads) == 2
    assert content(tmp_path / "one") == content(tmp_path / "three") == content(entry)


@pytest.mark.parametrize(
    ("blocked", "kind", "message"),
    [("/dev/full", OutOfMemoryError, "no space left"), ("/dev/null/below", UnreadableError, "cannot be written")],
)
def test_an_output_folder_that_cannot_be_written_damages_no_entry(
    cache: Path,
    tmp_path: Path,
    prepared: tuple[Store, SnapshotManifest],
    blocked: str,
    kind: type[TrainerError],
    message: str,
) -> None:
    store, manifest = prepared
    found = SnapshotCache(str(cache), pytest.fail)
    found.keep(store, manifest)
    (tmp_path / "target/snapshot").mkdir(parents=True)
    (tmp_path / "target/snapshot/interactions.safetensors").symlink_to(blocked)
    with pytest.raises(kind, match=message):
        found.take(manifest.origin, Store(f"file://{tmp_path}/target"))
    assert found.take(manifest.origin, Store(f"file://{tmp_path}/other")) == manifest


@pytest.mark.parametrize(
    ("place", "code", "line"),
    [
        ("file", 64, "error: --cache {place}: is a file; name a folder\n"),
        (
            "file/below",
            66,
            "error: --cache {place}: cannot be written (Not a directory); name another folder, or leave out --cache and "
            "RECSYS_CACHE\n",
        ),
        ("s3://bucket/cache", 64, "error: --cache s3://bucket/cache: is a URI; name a folder of this machine\n"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_read(
    fit: Fit, reads: list[Data], tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str, code: int, line: str
) -> None:
    (tmp_path / "file").write_text("")
    folder = place if "://" in place else str(tmp_path / place)
    assert fit("one", "--cache", folder) == code
    assert capsys.readouterr().err == line.format(place=folder)
    assert reads == []


def test_rows_that_were_set_aside_come_with_the_snapshot_and_older_ones_go(
    fit: Fit, source: Path, table: pa.Table, tmp_path: Path
) -> None:
    broken = pa.table({**{name: table[name] for name in table.column_names}, "item_id": [None, *table["item_id"][1:]]})
    clean = {"data.validation.maxNullFraction": "0.5", "data.source.uri": f"file://{tmp_path}/clean"}
    (tmp_path / "clean").mkdir()
    pq.write_table(table, tmp_path / "clean/a.parquet")
    pq.write_table(broken, source / "a.parquet")
    aside = {"data.validation.maxNullFraction": "0.5"}
    assert fit("one", **aside) == fit("two", **aside) == fit("other", **clean) == 0
    rows = (tmp_path / "one" / QUARANTINE).read_text()
    assert rows.count("\n") == 2
    assert (tmp_path / "two" / QUARANTINE).read_text() == rows
    assert fit("two", **clean) == 0
    assert not (tmp_path / "two" / QUARANTINE).exists()


def test_a_cache_may_be_emptied_while_others_use_it(
    cache: Path, tmp_path: Path, prepared: tuple[Store, SnapshotManifest]
) -> None:
    store, manifest = prepared
    target, told = Store(f"file://{tmp_path}/target"), list[str]()

    def emptied(line: str) -> None:
        told.append(line)
        shutil.rmtree(cache)

    found = SnapshotCache(str(cache), emptied)
    found.keep(store, manifest)
    flipped(next(cache.iterdir()))
    assert found.take(manifest.origin, target) is None
    assert len(told) == 1
    shutil.rmtree(cache)
    found.keep(store, manifest)
    assert found.take(manifest.origin, target) == manifest


def test_a_place_that_can_no_longer_be_written_names_the_option(
    cache: Path, prepared: tuple[Store, SnapshotManifest]
) -> None:
    found = SnapshotCache(str(cache), pytest.fail)
    cache.rmdir()
    cache.write_text("")
    with pytest.raises(
        UnreadableError, match=f"--cache {cache}: cannot be written .Not a directory.; name another folder"
    ):
        found.keep(*prepared)


KILLED = """
import os, signal, sys
from pathlib import Path
from recsys_trainer.drafts import draft_in
with draft_in(Path(sys.argv[1]), "entry") as draft:
    (draft / "half").write_text("")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_killed_processes_had_begun_goes_and_what_others_are_at_stays(cache: Path) -> None:
    for _ in range(2):
        killed = subprocess.run([sys.executable, "-c", KILLED, str(cache)], check=False)
        assert killed.returncode == -signal.SIGKILL
    young, old = cache.iterdir()
    (cache / ".a.person's").mkdir()
    with draft_in(cache, "entry") as alive:
        for each in (old, alive, cache / ".a.person's"):
            os.utime(each, (0, 0))
        SnapshotCache(str(cache), pytest.fail)
        assert set(cache.iterdir()) == {young, alive, cache / ".a.person's"}


def test_a_snapshot_of_unknown_origin_is_not_kept(cache: Path, prepared: tuple[Store, SnapshotManifest]) -> None:
    store, manifest = prepared
    found = SnapshotCache(str(cache), print)
    found.keep(store, manifest.model_copy(update={"origin": ""}))
    assert entries(cache) == []
    assert found.take("", store) is None


class Watched(Store):
    """Runs something while its files are copied."""

    def __init__(self, uri: str, between: Callable[[], None]) -> None:
        super().__init__(uri)
        self._between = between

    def download(self, name: str, folder: Path, files: Iterable[str]) -> None:
        first, *others = files
        super().download(name, folder, [first])
        self._between()
        super().download(name, folder, others)


def test_an_entry_appears_whole_and_of_two_writers_the_first_stays(
    cache: Path, tmp_path: Path, prepared: tuple[Store, SnapshotManifest]
) -> None:
    store, manifest = prepared
    first, second = SnapshotCache(str(cache), pytest.fail), SnapshotCache(str(cache), pytest.fail)
    target = Store(f"file://{tmp_path}/target")
    seen: list[SnapshotManifest | None] = []

    def other_process() -> None:
        seen.append(second.take(manifest.origin, target))
        second.keep(store, manifest)
        seen.append(second.take(manifest.origin, target))

    first.keep(Watched(store.uri, other_process), manifest)
    assert seen == [None, manifest]
    assert entries(cache) == [manifest.origin.removeprefix("sha256:")]
    assert first.take(manifest.origin, target) == manifest


def test_a_writer_that_fails_leaves_nothing(cache: Path, prepared: tuple[Store, SnapshotManifest]) -> None:
    store, manifest = prepared

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        SnapshotCache(str(cache), pytest.fail).keep(Watched(store.uri, stop), manifest)
    assert entries(cache) == []


def test_many_at_once_take_whole_snapshots_or_none(
    cache: Path, tmp_path: Path, prepared: tuple[Store, SnapshotManifest]
) -> None:
    store, manifest = prepared
    start, taken, failures = threading.Barrier(8), list[bool](), list[BaseException]()

    def work(at: int) -> None:
        try:
            shared = SnapshotCache(str(cache), pytest.fail)
            start.wait()
            for turn in range(5):
                target = Store(f"file://{tmp_path}/{at}-{turn}")
                found = shared.take(manifest.origin, target)
                taken.append(found is not None)
                if found is not None:
                    write_json(target, "snapshot/snapshot.json", found)
                    assert fetch_snapshot(target).manifest == manifest
                shared.keep(store, manifest)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(at,)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(taken) == 40
    assert sum(taken) >= 32, "all but the first turns"
    assert entries(cache) == [manifest.origin.removeprefix("sha256:")]
