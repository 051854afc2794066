"""What the watch streams said, by uid. Not the truth: before anything risky the reconciler reads live.

Events of one name arrive out of order by uid, and a re-list after a 410 tells of no deletion: a DELETED removes its
own uid alone, no event from before it brings that uid back, and `drop_absent` is told by our own lists what is still
there. One that lost our label is told as DELETED too, and comes back as a newer state when it has the label again.
A name has one object at a time: whoever is known to have had it before is gone.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar, cast

from recsys_operator.adapters.kept import kept_part
from recsys_operator.adapters.shared import shared
from recsys_operator.core.lineage import write_number
from recsys_operator.core.requests import ANNOTATION
from recsys_operator.resources.kinds import LABEL_COMPONENT, LABEL_MODEL, LABEL_VERSION, Manifest

__all__ = ["Cache", "model_of", "version_number"]

T = TypeVar("T")
TOMBSTONES = 10_000
_COMPONENTS = frozenset({"prepare", "train", "evaluate", "report", "serving", "route"})
_MODEL_KINDS = ("ModelVersion", "ModelAction")


def version_number(manifest: Manifest) -> int:
    """resourceVersion as a number: of two of one kind the greater is the newer."""
    return write_number(str(manifest["metadata"].get("resourceVersion", "0")))


def model_of(manifest: Manifest) -> str:
    """Name of the RecommenderModel that an object belongs to; empty where to none."""
    if manifest["kind"] == "RecommenderModel":
        return str(manifest["metadata"]["name"])
    if manifest["kind"] in _MODEL_KINDS:
        return str(manifest.get("spec", {}).get("modelName", ""))
    return str((manifest["metadata"].get("labels") or {}).get(LABEL_MODEL, ""))


class Cache:
    """Objects by uid, found by kind and name, by model, by version label."""

    def __init__(self) -> None:
        self._objects: dict[str, Manifest] = {}
        self._by_name: dict[tuple[str, str, str], str] = {}
        self._by_model: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._by_kind: dict[str, set[str]] = defaultdict(set)
        self._gone: dict[str, float] = {}
        """uid -> resourceVersion up to which nothing of it counts."""
        self._asked: dict[str, tuple[str, str]] = {}
        """uid -> (what it asks for, resourceVersion at which it was first seen to)."""
        self._views: dict[str, tuple[str, object]] = {}
        self._latest: dict[object, Any] = {}
        """The last object of a kind and component, and the last view that a function made: the next one is much the same."""

    def put(self, manifest: Manifest) -> bool:
        """Remember an object unless a newer state of it is known; True where something changed."""
        metadata = manifest["metadata"]
        uid = str(metadata["uid"])
        known = self._objects.get(uid)
        if self._is_past(uid, manifest) or (known is not None and version_number(known) >= version_number(manifest)):
            return False
        if (other := self._namesake(uid, manifest)) is not None:
            if version_number(other) > version_number(manifest):
                return False
            self.drop(str(other["metadata"]["uid"]))
        self._note_wish(uid, manifest)
        likeness = _likeness(manifest)
        manifest = self._latest[likeness] = shared(kept_part(manifest), self._latest.get(likeness))
        if known is not None:
            self._unlink(uid, known)
        self._objects[uid] = manifest
        self._link(uid, manifest)
        return True

    def drop(self, uid: str, at: float = float("inf")) -> bool:
        """Forget one uid; True where it was known.

        Args:
            at: resourceVersion of the deletion; a newer state of the uid means that only our label had gone.
        """
        self._gone[uid] = at
        while len(self._gone) > TOMBSTONES:
            del self._gone[next(iter(self._gone))]
        known = self._objects.pop(uid, None)
        self._views.pop(uid, None)
        self._asked.pop(uid, None)
        if known is None:
            return False
        self._unlink(uid, known)
        return True

    def drop_absent(
        self, kind: str, present: Iterable[str], listed_at: int, namespace: str = ""
    ) -> tuple[Manifest, ...]:
        """Forget what a list as of resourceVersion `listed_at` does not hold; what was forgotten."""
        there = set(present)
        absent = [
            manifest
            for manifest in self.of_kind(kind)
            if manifest["metadata"]["uid"] not in there
            and version_number(manifest) <= listed_at
            and namespace in ("", manifest["metadata"].get("namespace", ""))
        ]
        for manifest in absent:
            self.drop(manifest["metadata"]["uid"], listed_at)
        return tuple(absent)

    def stale(self, listed: Iterable[Manifest]) -> tuple[Manifest, ...]:
        """Of listed metadata those whose state here is older or missing."""
        return tuple(
            item
            for item in listed
            if not self._is_past(item["metadata"]["uid"], item)
            and version_number(self._objects.get(item["metadata"]["uid"], _NOTHING)) < version_number(item)
        )

    def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """The object of that name."""
        uid = self._by_name.get((kind, namespace, name))
        return self._objects.get(uid) if uid else None

    def asked_version(self, uid: str) -> str:
        """resourceVersion at which an object was first seen to ask for what it asks for; empty where for nothing."""
        return self._asked.get(uid, ("", ""))[1]

    def of_model(self, namespace: str, model: str, kind: str) -> list[Manifest]:
        """Objects of a kind that belong to a model, by name."""
        return self._sorted(uid for uid in self._by_model.get((namespace, model), ()) if self._is(uid, kind))

    def of_version(self, namespace: str, model: str, version: str, kind: str) -> list[Manifest]:
        """Objects of a kind that carry a version's label, by name."""
        return [
            manifest
            for manifest in self.of_model(namespace, model, kind)
            if (manifest["metadata"].get("labels") or {}).get(LABEL_VERSION) == version
        ]

    def of_kind(self, kind: str) -> Iterator[Manifest]:
        """All objects of a kind."""
        return (self._objects[uid] for uid in tuple(self._by_kind.get(kind, ())))

    def models(self) -> tuple[tuple[str, str], ...]:
        """(namespace, model) of everything that is known."""
        return tuple(key for key, uids in self._by_model.items() if uids)

    def view(self, manifest: Manifest, make: Callable[[Manifest], T]) -> T:
        """`make(manifest)`, remembered until the object changes."""
        metadata = manifest["metadata"]
        uid, version = str(metadata["uid"]), str(metadata.get("resourceVersion", ""))
        known = self._views.get(uid)
        if known is not None and known[0] == version:
            return cast(T, known[1])
        made = self._latest[make] = cast(T, shared(make(manifest), self._latest.get(make)))
        if uid in self._objects:
            self._views[uid] = (version, made)
        return made

    def _note_wish(self, uid: str, manifest: Manifest) -> None:
        wish = _wish_of(manifest)
        if wish is None:
            self._asked.pop(uid, None)
        elif self._asked.get(uid, (None, ""))[0] != wish:
            self._asked[uid] = (wish, str(manifest["metadata"].get("resourceVersion", "")))

    def _is_past(self, uid: str, manifest: Manifest) -> bool:
        return version_number(manifest) <= self._gone.get(uid, -1)

    def _namesake(self, uid: str, manifest: Manifest) -> Manifest | None:
        """Another object of that name: of the two one is gone."""
        metadata = manifest["metadata"]
        other = self.get(manifest["kind"], metadata.get("namespace", ""), metadata["name"])
        return None if other is None or other["metadata"]["uid"] == uid else other

    def _is(self, uid: str, kind: str) -> bool:
        return bool(self._objects[uid]["kind"] == kind)

    def _sorted(self, uids: Iterable[str]) -> list[Manifest]:
        return sorted((self._objects[uid] for uid in uids), key=lambda manifest: str(manifest["metadata"]["name"]))

    def _link(self, uid: str, manifest: Manifest) -> None:
        kind, metadata = manifest["kind"], manifest["metadata"]
        self._by_name[kind, metadata.get("namespace", ""), metadata["name"]] = uid
        if model := model_of(manifest):
            self._by_model[metadata.get("namespace", ""), model].add(uid)
        self._by_kind[kind].add(uid)

    def _unlink(self, uid: str, manifest: Manifest) -> None:
        kind, metadata = manifest["kind"], manifest["metadata"]
        key = (kind, metadata.get("namespace", ""), metadata["name"])
        if self._by_name.get(key) == uid:
            del self._by_name[key]
        if model := model_of(manifest):
            uids = self._by_model[metadata.get("namespace", ""), model]
            uids.discard(uid)
            if not uids:
                del self._by_model[metadata.get("namespace", ""), model]
        self._by_kind[kind].discard(uid)


def _wish_of(manifest: Manifest) -> str | None:
    """What a person asks for by an object; None where for nothing. An action's spec never changes."""
    if manifest["kind"] == "RecommenderModel":
        return (manifest["metadata"].get("annotations") or {}).get(ANNOTATION) or None
    return "" if manifest["kind"] == "ModelAction" else None


def _likeness(manifest: Manifest) -> tuple[str, str]:
    """What makes two objects much the same. Labels are anybody's: only values of ours count, so that there are few."""
    component = (manifest["metadata"].get("labels") or {}).get(LABEL_COMPONENT, "")
    return manifest["kind"], component if component in _COMPONENTS else ""


_NOTHING: dict[str, Any] = {"metadata": {"resourceVersion": "0"}}
