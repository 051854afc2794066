"""Prepared snapshots that several output folders of `fit` share, each in a folder named by its origin.

An entry is written beside its place and renamed into it, so that whoever looks sees all of it or nothing; whoever takes it
verifies it. Of two processes that store the same one the first stays. What a killed one had begun is removed by the next.
"""

import errno
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from recsys_api.artifact import SnapshotManifest
from recsys_trainer.data.snapshot import SNAPSHOT_FILES
from recsys_trainer.drafts import draft_in, remove_abandoned
from recsys_trainer.errors import ManifestError, OutOfMemoryError, UnreadableError, one_line
from recsys_trainer.outputs import QUARANTINE, SNAPSHOT, copy_snapshot, write_json
from recsys_trainer.store import Store

CACHE_VARIABLE = "RECSYS_CACHE"
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST)


class SnapshotCache:
    """A folder of snapshots."""

    def __init__(self, folder: str, tell: Callable[[str], None]) -> None:
        """Make the folder.

        Args:
            folder: of this machine.
            tell: gets a line where an entry is damaged.

        Raises:
            ManifestError: it is no folder.
            UnreadableError: it cannot be written to.
        """
        if "://" in folder:
            raise ManifestError(f"--cache {folder}: is a URI; name a folder of this machine")
        self._folder, self._tell = Path(folder).resolve(), tell
        with self._writing():
            if self._folder.exists() and not self._folder.is_dir():
                raise ManifestError(f"--cache {folder}: is a file; name a folder")
            self._folder.mkdir(parents=True, exist_ok=True)
            remove_abandoned(self._folder)
            with self._beside("probe"):
                pass

    def take(self, origin: str, store: Store) -> SnapshotManifest | None:
        """The snapshot of `origin` in `store` too, all but its manifest; None where there is none.

        Raises:
            UnreadableError: a damaged one cannot be removed, or `store` cannot be written.
            OutOfMemoryError: a disk is full.
        """
        entry = self._entry(origin)
        if not origin or not entry.exists():
            return None
        manifest = copy_snapshot(_store(entry), origin, store)
        if manifest is None:
            self._tell(f"--cache: {entry} is damaged; the data is prepared again in its place")
            self._discard(entry)
        return manifest

    def keep(self, store: Store, manifest: SnapshotManifest) -> None:
        """The snapshot of `store` for later, unless its origin is unknown or it is here.

        Raises:
            UnreadableError: it cannot be written.
        """
        entry = self._entry(manifest.origin)
        if not manifest.origin or entry.exists():
            return
        with self._writing(), self._beside(entry.name) as draft:
            store.download("snapshot", draft / "snapshot", SNAPSHOT_FILES)
            if store.exists(QUARANTINE):
                _store(draft).write(QUARANTINE, store.read(QUARANTINE))
            write_json(_store(draft), SNAPSHOT, manifest)
            try:
                draft.rename(entry)
            except OSError as error:
                if error.errno not in _TAKEN:
                    raise

    def _entry(self, origin: str) -> Path:
        return self._folder / origin.removeprefix("sha256:")

    def _discard(self, entry: Path) -> None:
        with self._writing(), self._beside(entry.name) as aside:
            try:
                entry.rename(aside / "damaged")
            except FileNotFoundError:  # another process was faster
                return

    def _beside(self, name: str) -> AbstractContextManager[Path]:
        return draft_in(self._folder, name)  # a cache may be emptied, folder and all, at any time

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, UnreadableError, OutOfMemoryError) as error:
            cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
            why = one_line(getattr(cause, "strerror", None) or str(cause))
            fix = f"name another folder, or leave out --cache and {CACHE_VARIABLE}"
            raise UnreadableError(f"--cache {self._folder}: cannot be written ({why}); {fix}") from error


def _store(folder: Path) -> Store:
    return Store(f"file://{folder}")
