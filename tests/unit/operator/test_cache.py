"""The cache under what watch streams do: late, doubled, missing and reordered events."""

import json
from typing import Any

from recsys_operator.adapters.cache import Cache
from recsys_operator.resources.kinds import Manifest, labels_of


def pod(uid: str, version: int, *, name: str = "p", model: str = "movies", of: str = "v1", **more: Any) -> Manifest:
    """A pod at a resourceVersion."""
    metadata = {"name": name, "namespace": "shop", "uid": uid, "resourceVersion": str(version)}
    return {"kind": "Pod", "metadata": metadata | {"labels": labels_of(model, of, "serving")}, **more}


def test_an_older_event_does_not_undo_a_newer_one() -> None:
    cache = Cache()
    assert cache.put(pod("a", 5, x="new"))
    assert not cache.put(pod("a", 4, x="old"))
    assert cache.get("Pod", "shop", "p")["x"] == "new"  # type: ignore[index]


def test_deleting_an_old_uid_leaves_the_new_object_of_that_name() -> None:
    cache = Cache()
    cache.put(pod("old", 5))
    cache.put(pod("new", 9))
    cache.drop("old")
    assert cache.get("Pod", "shop", "p")["metadata"]["uid"] == "new"  # type: ignore[index]


def test_a_late_event_of_an_old_uid_does_not_hide_the_new_object() -> None:
    cache = Cache()
    cache.put(pod("new", 9))
    cache.put(pod("old", 5))
    assert cache.get("Pod", "shop", "p")["metadata"]["uid"] == "new"  # type: ignore[index]


def test_of_two_that_had_a_name_one_after_the_other_only_the_newer_one_is_there() -> None:
    """Its deletion may have been missed: twice the same version would be two for all that counts them."""
    for order in ((("old", 5), ("new", 9)), (("new", 9), ("old", 5))):
        cache = Cache()
        for uid, version in order:
            cache.put(pod(uid, version))
        assert [item["metadata"]["uid"] for item in cache.of_model("shop", "movies", "Pod")] == ["new"]


def test_a_deleted_uid_never_comes_back() -> None:
    cache = Cache()
    cache.put(pod("a", 5))
    cache.drop("a")
    assert not cache.put(pod("a", 6))
    assert cache.get("Pod", "shop", "p") is None


def test_an_event_from_before_a_deletion_brings_nothing_back() -> None:
    cache = Cache()
    cache.put(pod("a", 5))
    cache.drop("a", 8)
    assert not cache.put(pod("a", 7))
    assert cache.stale([pod("a", 7)]) == ()


def test_an_object_that_has_our_label_again_is_known_again() -> None:
    """The API server tells of an object that left the selector as of a deleted one."""
    cache = Cache()
    cache.put(pod("a", 5))
    cache.drop("a", 8)
    assert cache.stale([pod("a", 9)]) == (pod("a", 9),)
    assert cache.put(pod("a", 9))
    assert cache.get("Pod", "shop", "p") is not None
    assert cache.drop_absent("Pod", (), listed_at=12) != ()
    assert cache.put(pod("a", 13))


def test_own_writes_are_seen_before_their_event() -> None:
    cache = Cache()
    cache.put(pod("a", 5))
    cache.put(pod("a", 7, x="mine"))
    assert not cache.put(pod("a", 6, x="event that was under way"))
    assert cache.get("Pod", "shop", "p")["x"] == "mine"  # type: ignore[index]


def test_a_list_drops_what_it_does_not_hold_but_nothing_younger_than_itself() -> None:
    cache = Cache()
    cache.put(pod("gone", 5, name="gone"))
    cache.put(pod("there", 5, name="there"))
    cache.put(pod("young", 50, name="young"))
    dropped = cache.drop_absent("Pod", {"there"}, listed_at=40)
    assert [item["metadata"]["name"] for item in dropped] == ["gone"]
    assert sorted(item["metadata"]["name"] for item in cache.of_kind("Pod")) == ["there", "young"]


def test_a_list_of_one_namespace_drops_nothing_elsewhere() -> None:
    cache = Cache()
    cache.put(pod("a", 5))
    assert cache.drop_absent("Pod", (), listed_at=40, namespace="other") == ()


def test_what_no_event_told_of_is_stale() -> None:
    cache = Cache()
    cache.put(pod("a", 5))
    assert cache.stale([pod("a", 5)]) == ()
    assert cache.stale([pod("a", 6)]) == (pod("a", 6),)
    assert cache.stale([pod("b", 1)]) == (pod("b", 1),)


def test_objects_are_found_by_model_and_version() -> None:
    cache = Cache()
    cache.put(pod("a", 1, name="a", of="v1"))
    cache.put(pod("b", 2, name="b", of="v2"))
    cache.put(pod("c", 3, name="c", model="books"))
    assert [item["metadata"]["name"] for item in cache.of_model("shop", "movies", "Pod")] == ["a", "b"]
    assert [item["metadata"]["name"] for item in cache.of_version("shop", "movies", "v2", "Pod")] == ["b"]
    assert set(cache.models()) == {("shop", "movies"), ("shop", "books")}
    for uid in "abc":
        cache.drop(uid)
    assert cache.models() == ()


def test_a_label_that_changes_moves_the_object() -> None:
    cache = Cache()
    cache.put(pod("a", 1))
    cache.put(pod("a", 2, model="books"))
    assert cache.of_model("shop", "movies", "Pod") == []
    assert len(cache.of_model("shop", "books", "Pod")) == 1


def test_models_versions_and_actions_belong_by_name_not_by_label() -> None:
    cache = Cache()
    meta = {"namespace": "shop", "resourceVersion": "1"}
    cache.put({"kind": "RecommenderModel", "metadata": meta | {"name": "movies", "uid": "m"}})
    action = {"kind": "ModelAction", "metadata": meta | {"name": "x", "uid": "a"}, "spec": {"modelName": "movies"}}
    cache.put(action)
    assert [item["metadata"]["uid"] for item in cache.of_model("shop", "movies", "ModelAction")] == ["a"]


def test_a_view_is_made_once_for_each_state() -> None:
    cache = Cache()
    made = []
    cache.put(pod("a", 1))
    for _ in range(3):
        cache.view(cache.of_model("shop", "movies", "Pod")[0], made.append)
    cache.put(pod("a", 2))
    cache.view(cache.of_model("shop", "movies", "Pod")[0], made.append)
    assert len(made) == 2


def test_managed_fields_are_not_kept_and_the_event_is_not_changed() -> None:
    cache = Cache()
    event = pod("a", 1)
    event["metadata"]["managedFields"] = [{}]
    cache.put(event)
    assert "managedFields" not in cache.get("Pod", "shop", "p")["metadata"]  # type: ignore[index]
    assert "managedFields" in event["metadata"]


def test_texts_that_many_objects_have_exist_once() -> None:
    """Memory at thousands of models hangs on it."""
    cache, long = Cache(), "x" * 1000
    for uid in ("a", "b"):
        cache.put(
            json.loads(json.dumps(pod(uid, 1, name=uid, status={"nodeName": f"{uid}-1", "args": ["--quiet", 7, long]})))
        )
        cache.put(
            json.loads(json.dumps(pod(uid + uid, 1, name=uid + uid, status={"nodeName": "b-1", "more": "--quiet"})))
        )
    first, second = (cache.get("Pod", "shop", name) for name in ("b", "bb"))
    assert first is not None
    assert second is not None
    assert first["status"] == {"nodeName": "b-1", "args": ["--quiet", 7, long]}
    assert first["status"]["nodeName"] is second["status"]["nodeName"]
    assert first["status"]["args"][0] is second["status"]["more"]
    assert next(iter(first["status"])) is next(iter(second["status"]))


def test_equal_parts_of_objects_of_a_kind_exist_once() -> None:
    cache = Cache()
    for uid in ("a", "b"):
        cache.put(
            json.loads(json.dumps(pod(uid, 1, name=uid, status={"conditions": [{"type": "Ready"}], "podIP": uid})))
        )
    first, second = (cache.get("Pod", "shop", name) for name in ("a", "b"))
    assert first is not None
    assert second is not None
    assert second["status"] == {"conditions": [{"type": "Ready"}], "podIP": "b"}
    assert first["status"]["conditions"] is second["status"]["conditions"]
    assert first["metadata"]["labels"] is second["metadata"]["labels"]


def test_what_nobody_reads_of_pods_and_jobs_is_not_kept() -> None:
    cache = Cache()
    annotations = {"recsys.dev/run": "{}", "batch.kubernetes.io/job-completion-index": "0"}
    whole = pod("a", 1, spec={"containers": []}, status={"phase": "Running"})
    whole["metadata"]["annotations"] = annotations
    cache.put(whole)
    cache.put(whole | {"kind": "Job", "metadata": whole["metadata"] | {"uid": "j"}})
    kept, job = cache.get("Pod", "shop", "p"), cache.get("Job", "shop", "p")
    assert kept is not None
    assert job is not None
    assert ("spec" in kept, kept["status"]) == (False, {"phase": "Running"})
    assert kept["metadata"]["annotations"] == {"batch.kubernetes.io/job-completion-index": "0"}
    assert ("spec" in job, job["metadata"]["annotations"]) == (False, annotations)
    assert whole["metadata"]["annotations"] == annotations, "the event is not changed"
    deployment = whole | {"kind": "Deployment", "metadata": whole["metadata"] | {"uid": "d"}}
    deployment["metadata"] |= {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "x"}}
    cache.put(deployment)
    found = cache.get("Deployment", "shop", "p")
    assert found is not None
    assert (found["spec"], found["metadata"]["annotations"]) == ({"containers": []}, {"mine": "x"})


def action(uid: str, version: int, **annotations: str) -> Manifest:
    """A ModelAction at a resourceVersion."""
    metadata = {
        "name": uid,
        "namespace": "shop",
        "uid": uid,
        "resourceVersion": str(version),
        "annotations": annotations,
    }
    return {"kind": "ModelAction", "metadata": metadata, "spec": {"modelName": "movies", "verb": "Rollback"}}


def model(version: int, wish: str) -> Manifest:
    """A RecommenderModel whose annotation asks for something."""
    annotations = {"recsys.dev/action": wish} if wish else {"team": "a"}
    metadata = {"name": "movies", "namespace": "shop", "uid": "m", "resourceVersion": str(version)}
    return {"kind": "RecommenderModel", "metadata": metadata | {"annotations": annotations}}


def test_an_action_asked_when_it_was_first_seen_whatever_was_written_on_it_since() -> None:
    cache = Cache()
    for version in (5, 9):
        cache.put(action("a", version, note=str(version)))
    cache.put(action("b", 7))
    assert [cache.asked_version(uid) for uid in ("a", "b", "c")] == ["5", "7", ""]
    cache.drop("a")
    assert cache.asked_version("a") == ""


def test_an_annotation_asked_when_its_value_was_first_seen() -> None:
    cache = Cache()
    asked = []
    for version, wish in ((5, ""), (6, "Rollback"), (7, "Rollback"), (8, "Rollback#2"), (9, ""), (10, "Rollback#2")):
        cache.put(model(version, wish))
        asked.append(cache.asked_version("m"))
    assert asked == ["", "6", "6", "8", "", "10"]
