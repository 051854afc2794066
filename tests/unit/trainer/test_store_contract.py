"""What holds for every store: a file is there whole or not at all."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from s3fs import S3FileSystem
from tests.unit.trainer import fake_s3

from recsys_trainer.errors import UnreadableError
from recsys_trainer.store import Store

MIB = 2**20
LARGE = 51 * MIB
"""More than s3fs keeps before it begins a multipart upload."""
Leftovers = Callable[[], list[str]]


@pytest.fixture(scope="module")
def server() -> Iterator[fake_s3.Bucket]:
    with pytest.MonkeyPatch.context() as patch, fake_s3.running() as bucket:
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{bucket.port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_REGION", "us-east-1")
        yield bucket
        S3FileSystem.clear_instance_cache()


@pytest.fixture
def s3(server: fake_s3.Bucket) -> fake_s3.Bucket:
    server.objects.clear()
    server.uploads.clear()
    server.refuse = ""
    return server


@pytest.fixture(params=["file", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Store, Leftovers]:
    """A store, and what lies in it beside a/b: drafts and uploads that nobody finished."""
    if request.param == "file":
        return Store(f"file://{tmp_path}"), lambda: [
            path.name for path in tmp_path.rglob("*") if path.is_file() and path.name != "b"
        ]
    bucket: fake_s3.Bucket = request.getfixturevalue("s3")
    return Store("s3://models/v"), lambda: [*bucket.uploads, *(set(bucket.objects) - {"models/v/a/b"})]


def content(store: Store) -> bytes | None:
    if not store.exists("a/b"):
        return None
    with store.opened("a/b") as file:
        return file.read()


@pytest.mark.parametrize("size", [0, 10, LARGE])
def test_what_was_written_is_there(place: tuple[Store, Leftovers], size: int) -> None:
    store, leftovers = place
    with store.writing("a/b") as file:
        for start in range(0, size, 8 * MIB):
            file.write(bytes(min(8 * MIB, size - start)))
    assert content(store) == bytes(size)
    assert leftovers() == []


@pytest.mark.parametrize("size", [0, 10, LARGE])
@pytest.mark.parametrize("before", [None, b"first"], ids=["new", "over an earlier one"])
@pytest.mark.parametrize("error", [ValueError, MemoryError, KeyboardInterrupt])
def test_nothing_is_there_of_what_was_not_written_to_its_end(
    place: tuple[Store, Leftovers], size: int, before: bytes | None, error: type[BaseException]
) -> None:
    store, leftovers = place
    if before is not None:
        store.write("a/b", before)

    def fail() -> None:
        with store.writing("a/b") as file:
            file.write(bytes(size))
            raise error

    with pytest.raises((error, UnreadableError)):
        fail()
    assert content(store) == before
    assert leftovers() == []


@pytest.mark.parametrize("refuse", ["uploads", "partNumber"])
def test_a_store_that_refuses_a_part_keeps_the_earlier_object(s3: fake_s3.Bucket, refuse: str) -> None:
    store = Store("s3://models/v")
    store.write("a/b", b"first")
    s3.refuse = refuse

    def write() -> None:
        with store.writing("a/b") as file:
            file.write(bytes(LARGE))
            file.write(b"more")

    with pytest.raises(UnreadableError, match="access denied"):
        write()
    s3.refuse = ""
    assert content(store) == b"first"
    assert s3.uploads == {}


def test_a_small_file_that_cannot_be_written_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    with pytest.raises(UnreadableError, match="cannot be written"):
        Store(f"file://{tmp_path}").write("a/b", b"x")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
