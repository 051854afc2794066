"""Object storage and local folders behind one small interface (fsspec), with errors that say what to do."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import fsspec

from recsys_api.stores import missing_driver, without_driver
from recsys_trainer.disk import full_disk_said
from recsys_trainer.errors import (
    ManifestError,
    OutOfMemoryError,
    TrainerError,
    UnavailableError,
    UnreadableError,
    is_full_disk,
    one_line,
)

PVC_ROOT_VARIABLE = "RECSYS_PVC_ROOT"
_UNAVAILABLE = ("EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError")
_UNREADABLE = "cannot be read ({}); check the URI"
_UNWRITTEN = "cannot be written ({}); check the URI and who may write there"
_SET_CREDENTIALS = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, in a cluster by the Secret of credentialsSecretRef; data of this machine "
    "is named with --data"
)
_NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "TokenRetrievalError")


def local_uri(uri: str) -> str:
    """The URI that fsspec opens: `pvc://claim/path` lies below $RECSYS_PVC_ROOT (docs/contracts.md section 5)."""
    if not uri.startswith("pvc://"):
        return uri
    root = os.environ.get(PVC_ROOT_VARIABLE, "/pvc")
    return f"file://{root}/{uri.removeprefix('pvc://')}"


def _options(uri: str) -> dict[str, Any]:
    if uri.startswith("file://"):
        return {"auto_mkdir": True}
    if not uri.startswith("s3://"):
        return {}
    options: dict[str, Any] = {"use_listings_cache": False}
    if region := os.environ.get("AWS_REGION"):
        options["client_kwargs"] = {"region_name": region}
    if os.environ.get("AWS_ENDPOINT_URL"):
        options["config_kwargs"] = {"s3": {"addressing_style": "path"}}  # bucket.host does not resolve in a cluster
    return options


def open_filesystem(uri: str) -> tuple[Any, str]:
    """(filesystem, path) of a URI.

    Raises:
        UnreadableError: no driver for the scheme, or settings that the driver refuses.
    """
    if package := missing_driver(uri):
        raise UnreadableError(without_driver(uri, package, "trainer"))
    resolved = local_uri(uri)
    with reading(uri):
        fs, path = fsspec.core.url_to_fs(resolved, **_options(resolved))
        return fs, str(path)


def translated(uri: str, error: Exception, otherwise: str = _UNREADABLE) -> TrainerError:
    """The error of a storage driver as one that says what to do; `otherwise` where it is none of those that are known."""
    kind, text = type(error).__name__, one_line(str(error), 300)
    if is_full_disk(error):
        fix = "free some, or set TMPDIR or the output folder to a larger disk"
        return OutOfMemoryError(f"{uri}: no space left on the disk ({text}); {fix}")
    if kind in _UNAVAILABLE:
        return UnavailableError(f"{uri}: the store does not answer ({text}); check AWS_ENDPOINT_URL and the network")
    if kind in _NO_CREDENTIALS:
        return UnreadableError(f"{uri}: no credentials; {_SET_CREDENTIALS}")
    if isinstance(error, PermissionError) and _is_folder(uri):
        return UnreadableError(f"{uri}: access denied ({text}); check who may read and write there")
    if isinstance(error, PermissionError):
        return UnreadableError(f"{uri}: access denied ({text}); check the keys in credentialsSecretRef and the policy")
    if isinstance(error, FileNotFoundError):
        return UnreadableError(
            f"{uri}: does not exist ({text}); check {'the' if _is_folder(uri) else 'bucket and'} path"
        )
    if isinstance(error, OSError) and error.errno == errno.EROFS:
        return UnreadableError(
            f"{uri}: cannot be written, it is read-only ({text}); name a place that can be written, or mount it so"
        )
    return UnreadableError(f"{uri}: {otherwise.format(f'{kind}: {text}')}")


def _is_folder(uri: str) -> bool:
    """Whether it lies on this machine or a claim, where no keys are asked for."""
    return "://" not in uri or uri.startswith(("file://", "pvc://"))


@contextmanager
def reading(uri: str, otherwise: str = _UNREADABLE) -> Iterator[None]:
    """Translate whatever the driver raises inside (its own errors are not one tree)."""
    try:
        yield
    except (TrainerError, MemoryError):
        raise
    except Exception as error:
        raise translated(uri, error, otherwise) from error


def storing(uri: str) -> AbstractContextManager[None]:
    """`reading`, of what is written inside."""
    return reading(uri, _UNWRITTEN)


class Store:
    """The folder of one version: VERSION_URI of docs/contracts.md section 1."""

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")
        self._fs, self._root = open_filesystem(self.uri)

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    def exists(self, name: str) -> bool:
        """Whether a file is there."""
        with reading(f"{self.uri}/{name}"):
            return bool(self._fs.exists(self._path(name)))

    def read(self, name: str) -> bytes:
        """The content of a small file."""
        with reading(f"{self.uri}/{name}"):
            content: bytes = self._fs.cat_file(self._path(name))
            return content

    def write(self, name: str, content: bytes) -> None:
        """Write a small file; a reader sees all of it or nothing."""
        with storing(f"{self.uri}/{name}"):
            if "file" not in protocols(self._fs):
                self._fs.pipe_file(self._path(name), content)
                return
        with self.writing(name) as file:
            file.write(content)

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """A large file to write piece by piece. It takes the place of an earlier one whole and on disk, or not at all."""
        with storing(f"{self.uri}/{name}"):
            if "file" not in protocols(self._fs):
                with _object(self._fs, self._path(name)) as file:
                    yield file
                return
            path = Path(self._path(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{path.name}.{os.getpid()}")
            try:
                with draft.open("wb") as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(path)
                _sync_folder(path.parent)
            finally:
                draft.unlink(missing_ok=True)

    def opened(self, name: str) -> BinaryIO:
        """A large file to read piece by piece; the caller closes it."""
        with reading(f"{self.uri}/{name}"):
            file: BinaryIO = self._fs.open(self._path(name), "rb")
            return file

    def remove(self, name: str) -> None:
        """Remove a file or a folder, if it is there."""
        with storing(f"{self.uri}/{name}"):
            if self._fs.exists(self._path(name)):
                self._fs.rm(self._path(name), recursive=True)

    def upload(self, folder: Path, name: str, files: Iterable[str]) -> None:
        """Copy `files` (relative paths) of a local folder to `name`/."""
        for file in files:
            with storing(f"{self.uri}/{name}/{file}"):
                self._fs.put_file(str(folder / file), self._path(f"{name}/{file}"))

    def download(self, name: str, folder: Path, files: Iterable[str]) -> None:
        """Copy `files` of `name`/ into a local folder."""
        for file in files:
            target = folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            uri = f"{self.uri}/{name}/{file}"
            with reading(uri), full_disk_said(f"a copy of {uri}; free some"):
                self._fs.get_file(self._path(f"{name}/{file}"), str(target))

    def complete(self, name: str, files: Iterable[str]) -> bool:
        """Whether every one of `files` lies in `name`/."""
        return all(self.exists(f"{name}/{file}") for file in files)


@contextmanager
def _object(fs: Any, path: str) -> Iterator[BinaryIO]:
    """An object that appears when the block ends; closing it would publish what an interrupted block had written."""
    file = fs.open(path, "wb")
    try:
        yield file
        file.close()
    except BaseException:
        with suppress(Exception):  # what ended the block is told, and it may be that the store is away
            file.closed = True  # nor may the garbage collector close it
            file.discard()
        raise


def _sync_folder(folder: Path) -> None:
    """Make a rename last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def protocols(fs: Any) -> tuple[str, ...]:
    """The schemes of a filesystem; `file` among them on this machine."""
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def refuse_without_driver(uris: Iterable[tuple[str, str]]) -> None:
    """Refuse schemes whose package is missing, before anything is opened.

    Raises:
        UnreadableError: naming field, URI and package.
    """
    for field, uri in uris:
        if package := missing_driver(uri):
            raise UnreadableError(f"{field}: {without_driver(uri, package, 'trainer')}")


def refuse_local_uris(uris: Iterable[tuple[str, str]]) -> None:
    """Refuse file:// in Jobs: a pod has no files that a manifest could mean.

    Raises:
        ManifestError: naming the field.
    """
    for field, uri in uris:
        if uri.startswith("file://"):
            raise ManifestError(
                f"{field}: {uri}: file:// works in `recsys-trainer fit` only; use s3:// or pvc:// in a cluster"
            )
