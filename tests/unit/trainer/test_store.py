"""The store's errors and its two promises: whole files, and pvc below one root."""

import errno
import os
import re
from pathlib import Path

import fsspec
import pytest
from fsspec import AbstractFileSystem

from recsys_trainer.errors import ManifestError, OutOfMemoryError, UnavailableError, UnreadableError
from recsys_trainer.store import Store, local_uri, open_filesystem, refuse_local_uris, translated


def error_named(name: str) -> Exception:
    return type(name, (Exception,), {})("text\nof the driver")


@pytest.mark.parametrize(
    ("error", "kind", "code", "message"),
    [
        (
            error_named("NoCredentialsError"),
            UnreadableError,
            66,
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, in a .*Ref",
        ),
        (
            OSError(28, "No space left on device", "/out/a"),
            OutOfMemoryError,
            71,
            "no space left on the disk .*/out/a.*; free some, or set TMPDIR or the output folder to a larger disk",
        ),
        (
            OSError(27, "File too large", "/out/a"),
            OutOfMemoryError,
            71,
            "no space left on the disk .*File too large: '/out/a'.*; free some",
        ),
        (PermissionError("Access Denied"), UnreadableError, 66, "access denied .*check the keys"),
        (
            FileNotFoundError("The specified bucket does not exist"),
            UnreadableError,
            66,
            "bucket does not exist.*check bucket",
        ),
        (error_named("EndpointConnectionError"), UnavailableError, 1, "does not answer .*AWS_ENDPOINT_URL"),
        (error_named("SomethingElse"), UnreadableError, 66, "SomethingElse: text of the driver"),
    ],
    ids=["no-credentials", "full-disk", "large-file", "denied", "no-bucket", "no-answer", "other"],
)
def test_a_drivers_error_says_what_to_do(error: Exception, kind: type, code: int, message: str) -> None:
    found = translated("s3://lake/x", error)
    assert isinstance(found, kind)
    assert found.exit_code == code
    assert found.line.startswith("s3://lake/x: ")
    with pytest.raises(kind, match=message):
        raise found


@pytest.mark.parametrize("place", ["file:///data/x", "pvc://lake/x", "/data/x"])
def test_who_may_not_enter_a_folder_is_not_told_of_keys(place: str) -> None:
    found = translated(place, PermissionError(13, "Permission denied", "/data/x"))
    assert found.line.startswith(f"{place}: access denied ([Errno 13] Permission denied: '/data/x'); check who may ")
    assert "credentials" not in found.line


def test_who_cannot_write_is_not_told_of_reading() -> None:
    found = translated("file:///out/a", OSError(errno.EROFS, os.strerror(errno.EROFS)))
    assert isinstance(found, UnreadableError)
    said = "file:///out/a: cannot be written, it is read-only .*; name a place that can be written, or mount it so"
    assert re.match(said, found.line)


def test_a_file_in_the_place_of_a_folder_is_told_to_who_writes(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(f"file://{tmp_path}/file")
    said = r"file/a(/file)?: cannot be written \((NotADirectory|FileExists)Error: .*\); check the URI and who may write there"
    with pytest.raises(UnreadableError, match=said):
        store.write("a", b"")
    with pytest.raises(UnreadableError, match=said), store.writing("a"):
        pass
    with pytest.raises(UnreadableError, match=said):
        store.upload(tmp_path, "a", ["file"])


def test_a_full_disk_of_this_machine_is_not_the_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(Store):
        """What a driver raises that copies to a full disk."""

        def __init__(self, uri: str) -> None:
            super().__init__(uri)
            self._fs = FullDisk()

    monkeypatch.setattr("tempfile.tempdir", "/scratch")
    with pytest.raises(
        OutOfMemoryError, match=r"^/scratch: no space left for a copy of file://.*/a/b; free some, or set TMPDIR to"
    ):
        Full(f"file://{tmp_path}").download("a", tmp_path / "copy", ["b"])


class FullDisk(AbstractFileSystem):  # type: ignore[misc]
    """Of which nothing can be copied to this machine."""

    def get_file(self, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_settings_that_a_driver_refuses_are_one_line() -> None:
    class Refusing(AbstractFileSystem):  # type: ignore[misc]
        def __init__(self, **options: object) -> None:
            super().__init__(**options)
            raise ValueError("Must provide an account")

    fsspec.register_implementation("refusing", Refusing)
    with pytest.raises(
        UnreadableError, match=r"^no-such://x: cannot be read \(ValueError: Protocol not known: no-such\)"
    ):
        open_filesystem("no-such://x")
    with pytest.raises(UnreadableError, match=r"^refusing://x: cannot be read \(ValueError: Must provide an account\)"):
        open_filesystem("refusing://x")


def test_a_claim_lies_below_its_root(monkeypatch: pytest.MonkeyPatch) -> None:
    assert local_uri("pvc://lake/a/b") == "file:///pvc/lake/a/b"
    monkeypatch.setenv("RECSYS_PVC_ROOT", "/mnt")
    assert local_uri("pvc://lake/a/b") == "file:///mnt/lake/a/b"


def test_jobs_refuse_files_of_the_machine() -> None:
    with pytest.raises(ManifestError, match=r"spec.data.source.uri: file:///x: .* use s3:// or pvc://"):
        refuse_local_uris([("spec.data.source.uri", "file:///x")])


def test_files_come_back_as_they_were_written(tmp_path: Path) -> None:
    store = Store(f"file://{tmp_path}/v")
    assert not store.exists("a/b.json")
    store.write("a/b.json", b"{}")
    assert store.read("a/b.json") == b"{}"
    assert [path.name for path in (tmp_path / "v/a").iterdir()] == ["b.json"], "no draft stays"
    store.download("a", tmp_path / "copy", ["b.json"])
    store.upload(tmp_path / "copy", "c/d", ["b.json"])
    assert store.complete("c/d", ["b.json"])
    with pytest.raises(UnreadableError, match=r"nothing.json: does not exist"):
        store.read("nothing.json")


def test_a_large_file_takes_the_place_of_an_earlier_one_whole_or_not_at_all(tmp_path: Path) -> None:
    store = Store(f"file://{tmp_path}")
    with store.writing("a/b") as file:
        file.write(b"first")

    def fail() -> None:
        with store.writing("a/b") as file:
            file.write(b"half")
            raise MemoryError

    with pytest.raises(MemoryError):
        fail()
    with store.opened("a/b") as file:
        assert file.read() == b"first"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
    store.remove("a")
    store.remove("a")
    assert not store.exists("a")
