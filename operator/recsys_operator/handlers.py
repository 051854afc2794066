"""The only file with kopf in it: event -> cache.put or drop -> on_change(object). No state machine, no finalizer."""

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Any

import kopf

from recsys_operator.adapters.cache import Cache, version_number
from recsys_operator.adapters.connection import Connection
from recsys_operator.errors import OperatorError
from recsys_operator.resources.kinds import WATCHED, Kind, Manifest

__all__ = ["EventSource", "StreamsEndedError"]

log = logging.getLogger(__name__)
LIST_CHUNK = 500
STOP_SECONDS = 1.5
"""Kopf waits half a second for events that are still handled."""
WATCHER = "watcher for "
"""Kopf's name of a task that watches a kind."""


class StreamsEndedError(OperatorError):
    """A kind is watched no more: the process ends, and starts again."""


class EventSource:
    """kopf as an event source: watch streams of the watched kinds, filtered by the API server."""

    def __init__(
        self, cache: Cache, connection: Connection, namespaces: tuple[str, ...], on_change: Callable[[Manifest], None]
    ) -> None:
        self._cache = cache
        self._connection = connection
        self._namespaces = namespaces
        self._on_change = on_change
        self._stop = asyncio.Event()

    async def start(self) -> "asyncio.Task[None]":
        """Spawn kopf's tasks; the task that ends with StreamsEndedError when any of them ends.

        A stream that the API server ends is opened again by kopf, and after a 410 listed again. Any other ERROR event, and a
        list that fails nine times, ends the stream for good.
        """
        where: dict[str, Any] = {"namespaces": self._namespaces} if self._namespaces else {"clusterwide": True}
        tasks = await kopf.spawn_tasks(
            registry=self._registry(), settings=_settings(), standalone=True, stop_flag=self._stop, **where
        )
        return asyncio.create_task(_guard(tasks), name="kopf")

    def take(self, kind: Kind, event: str | None, manifest: Manifest) -> None:
        """One event: None (listed), ADDED, MODIFIED or DELETED."""
        named = {**manifest, "apiVersion": kind.api_version, "kind": kind.name}
        if event == "DELETED":
            self._cache.drop(manifest["metadata"]["uid"], version_number(manifest))
            self._on_change(named)
        elif self._cache.put(named):
            self._on_change(named)

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(id="login", registry=registry)(self._log_in)
        for kind in WATCHED:
            group, _, version = kind.api_version.rpartition("/")
            kopf.on.event(group, version, kind.plural, id=kind.plural, registry=registry)(self._handler(kind))
        return registry

    async def _log_in(self, **_kwargs: Any) -> kopf.ConnectionInfo:
        # asked again after a 401, so a rotated token is read again
        scheme, _, token = self._connection.headers().get("Authorization", "").partition(" ")
        return kopf.ConnectionInfo(
            server=self._connection.server, ca_path=self._connection.ca_file or None,
            insecure=self._connection.insecure, certificate_path=self._connection.certificate_file or None,
            private_key_path=self._connection.key_file or None, scheme=scheme or None, token=token or None,
        )  # fmt: skip

    def _handler(self, kind: Kind) -> Callable[..., Any]:
        async def handle(event: dict[str, Any], **_: Any) -> None:
            try:
                self.take(kind, event["type"], event["object"])
            except Exception:
                # kopf swallows what handlers raise; the five-minute re-list mends what is lost here
                log.exception("event of %s was lost", kind.name)

        return handle


async def _guard(tasks: Collection["asyncio.Task[Any]"]) -> None:
    """Until one of kopf's tasks ends, or until it is cancelled.

    `kopf.run_tasks` would then cancel every task of the process, also those that write and the one that waits for the stop.

    Raises:
        StreamsEndedError: always, unless it was cancelled.
    """
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        # watchers first: cancelled together with what they wait for, kopf takes it for a pause, and lists again for ever
        await _stop([task for task in asyncio.all_tasks() if task.get_name().startswith(WATCHER)])
        await _stop(tasks)
    errors = [error for task in ended if not task.cancelled() and (error := task.exception()) is not None]
    first = errors[0] if errors else None
    why = f"{type(first).__name__}: {first}" if first is not None else ", ".join(task.get_name() for task in ended)
    raise StreamsEndedError(f"the watch streams ended ({why}); starting again to list and watch anew") from first


async def _stop(tasks: Collection["asyncio.Task[Any]"]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=STOP_SECONDS)


class _NoDiffBase(kopf.DiffBaseStorage):
    """kopf copies every object several times to find differences that event handlers never ask for: here it is told none."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:
        """Nothing to compare."""
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        """Nothing was stored."""
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Nothing is stored: our objects are never written by kopf."""


class _NoProgress(kopf.ProgressStorage):
    """Event handlers have no progress to remember."""

    def fetch(self, *, key: Any, body: kopf.Body) -> None:
        """Nothing was stored."""

    def store(self, *, key: Any, record: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        """Nothing is stored."""

    def purge(self, *, key: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        """Nothing is stored."""

    def touch(self, *, body: kopf.Body, patch: kopf.Patch, value: str | None) -> None:
        """Nothing is stored."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        """Nothing of ours is in it."""
        return essence


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    # what is installed later is noticed by our own lists: no right to list CRDs is needed for it
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.persistence.progress_storage = _NoProgress()
    settings.watching.chunk_size = LIST_CHUNK
    settings.watching.server_timeout = 300
    settings.process.ultimate_exiting_timeout = 10
    settings.queueing.exit_timeout = 0.5
    for kind in WATCHED:
        if kind.selector:
            group, _, version = kind.api_version.rpartition("/")
            settings.watching.label_selectors[group, version, kind.plural] = kind.selector
    return settings
