"""`python -m recsys_serving.fetch`: the init container that copies, verifies and lays out one artifact."""

import errno
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs

from recsys_api.artifact import ArtifactManifest
from recsys_api.stores import missing_driver, without_driver
from recsys_serving.artifact import MANIFEST, check_files, load_verified, parse_manifest
from recsys_serving.errors import ArtifactError, ServingError, UnreadableError, run_main
from recsys_serving.limits import observe_memory_limit
from recsys_serving.memory import check_memory, plan_memory
from recsys_serving.repository import ensure_repository
from recsys_serving.settings import ArtifactSettings, read_artifact_settings

_CHUNK = 4 << 20
_MANIFEST_LIMIT = 16 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Store:
    """One artifact folder in a store that fsspec can read."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        if package := missing_driver(uri):
            raise UnreadableError(f"RECSYS_ARTIFACT_URI: {without_driver(uri, package, 'serving')}")
        self._fs, self._root = self._guard("", lambda: url_to_fs(local_uri(uri, os.environ)))

    def names(self) -> set[str]:
        """Relative paths of all files below the folder."""
        paths = self._guard("", lambda: self._fs.find(self._root))
        prefix = self._root.rstrip("/") + "/"
        return {path.removeprefix(prefix) for path in paths}

    def read(self, name: str) -> bytes:
        """A small file's content."""
        raw: bytes = self._guard(name, lambda: self._open(name).read(_MANIFEST_LIMIT))
        return raw

    def copy(self, name: str, target: Path) -> str:
        """Copy one file; returns the sha256 hex of what was written."""
        digest: str = self._guard(name, lambda: self._copy(name, target))
        return digest

    def _copy(self, name: str, target: Path) -> str:
        with _writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            opened = target.open("wb")
        digest = hashlib.sha256()
        with opened as file, self._open(name) as source:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                file.write(chunk)
        return digest.hexdigest()

    def _open(self, name: str) -> Any:
        return self._fs.open(f"{self._root.rstrip('/')}/{name}", "rb")

    def _guard(self, name: str, action: Any) -> Any:
        where = f"{self._uri.rstrip('/')}/{name}" if name else self._uri
        try:
            return action()
        except ServingError:
            raise
        except FileNotFoundError as error:
            raise UnreadableError(f"RECSYS_ARTIFACT_URI: {where} does not exist; was it exported?") from error
        except Exception as error:  # a store's client raises what it likes; all of it means: cannot be read
            if isinstance(error, OSError) and error.errno in _FULL:
                raise _no_room(where, error) from error
            reason = f"{type(error).__name__}: {error}"
            raise UnreadableError(
                f"RECSYS_ARTIFACT_URI: {where} cannot be read ({reason}); check credentials"
            ) from error


@contextmanager
def _writing(place: Path) -> Iterator[None]:
    """Say that it is the copy that cannot be written, and not the store that cannot be read."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise _no_room(str(place), error) from error
        raise UnreadableError(
            f"RECSYS_MODELS_DIR: {place} cannot be written ({error.strerror}); name a folder that this user may write to"
        ) from error


def _no_room(what: str, error: OSError) -> UnreadableError:
    return UnreadableError(
        f"RECSYS_MODELS_DIR: no room for {what} ({error.strerror}); free or add space on the node's disk"
    )


def local_uri(uri: str, env: Mapping[str, str]) -> str:
    """The URI with `pvc://<claim>/<path>` as the folder where the claim is mounted (docs/contracts.md section 5)."""
    if not uri.startswith("pvc://"):
        return uri
    return f"file://{env.get('RECSYS_PVC_ROOT') or '/pvc'}/{uri.removeprefix('pvc://')}"


def ensure_artifact(settings: ArtifactSettings) -> ArtifactManifest:
    """A verified copy of the artifact at `settings.artifact_dir`; a copy that is there already is verified again."""
    if (settings.artifact_dir / MANIFEST).exists():
        try:
            return load_verified(settings.artifact_dir, settings.digest)
        except ArtifactError as error:
            print(f"recsys-fetch: local copy is stale ({error}); copying again", file=sys.stderr)
    # Also without a manifest: a container that ended while it removed a stale copy leaves some of its files.
    shutil.rmtree(settings.artifact_dir, ignore_errors=True)
    return _copy_artifact(Store(settings.uri), settings)


def _copy_artifact(store: Store, settings: ArtifactSettings) -> ArtifactManifest:
    names = store.names()
    if not names:
        raise UnreadableError(f"RECSYS_ARTIFACT_URI: {settings.uri} does not exist or is empty; was it exported?")
    if MANIFEST not in names:
        raise ArtifactError(f"{settings.uri} has no {MANIFEST}: it is written last, so the export did not finish")
    check_files(names)
    raw = store.read(MANIFEST)
    manifest = parse_manifest(raw, expected_digest=settings.digest)
    incoming = settings.models_dir / ".incoming"
    shutil.rmtree(incoming, ignore_errors=True)
    for name, expected in manifest.files.items():
        found = store.copy(name, incoming / name)
        if found != expected:
            raise ArtifactError(f"{name}: sha256 is {found}, manifest.json says {expected}; export it again")
    with _writing(settings.artifact_dir):
        (incoming / MANIFEST).write_bytes(raw)
        incoming.rename(settings.artifact_dir)
    return manifest


def fetch(env: Mapping[str, str]) -> None:
    """Everything that the init container does."""
    settings = read_artifact_settings(env)
    with _writing(settings.models_dir):
        settings.models_dir.mkdir(parents=True, exist_ok=True)
    manifest = ensure_artifact(settings)
    plan = plan_memory(settings.artifact_dir)
    print(f"recsys-fetch: {plan.describe()}", flush=True)
    check_memory(plan, observe_memory_limit(env))
    with _writing(settings.models_dir):
        ensure_repository(settings, manifest)
    print(f"recsys-fetch: {manifest.digest} lies verified in {settings.artifact_dir}", flush=True)


def main() -> int:
    """Entry point."""
    fetch(os.environ)
    return 0


if __name__ == "__main__":
    sys.exit(run_main("recsys-fetch", main))
