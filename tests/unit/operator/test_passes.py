"""Passes of the reconciler: what one observes, in which order its acts are done, what another one has to follow."""

import asyncio

import pytest
from tests.contract.operator import objects
from tests.unit.operator.reconciling import KEY, NAME, SPEC, Bench, fail_on, prepared_bench, ready_pod, settle
from tests.unit.operator.views import TEMPLATE, version_view

from recsys_api.model_status import RecommenderModelStatus
from recsys_api.model_version import ModelVersionStatus
from recsys_operator.core.decision import (
    Act,
    Announce,
    CreateVersion,
    Decision,
    EnsureKeys,
    EnsureRoute,
    EnsureService,
    EnsureServing,
    RecordModel,
    RecordVersion,
    StartJob,
)
from recsys_operator.core.world import RouteIntent, World
from recsys_operator.errors import Conflict


@pytest.fixture
def bench() -> Bench:
    """With a model and a version."""
    return prepared_bench()


async def test_the_world_is_what_the_cache_holds(bench: Bench) -> None:
    bench.cluster.put_raw(ready_pod("a"))
    bench.see()
    await bench.act()
    (world,) = bench.worlds
    assert world.model is not None
    assert world.model.spec is not None
    assert [version.name for version in world.versions] == [NAME]
    assert [pod.name for pod in world.pods] == ["a"]
    assert (world.route, world.keys_secret, world.serving_image) == (None, False, "serving:1")
    assert (world.triton_start_seconds, world.image_pull_policy) == (900, "Never")


async def test_a_version_that_another_release_wrote_is_in_the_world_as_what_cannot_be_read(bench: Bench) -> None:
    version = objects.version("shop")
    version["status"] = version_view().status.to_dict() | {"phase": "Shadow"}
    bench.cluster.put_raw(version)
    bench.see()
    await bench.act()
    assert bench.worlds[0].versions == ()
    (found,) = bench.worlds[0].unreadable
    assert found.startswith(f"ModelVersion {NAME}: status.phase: ")


async def test_a_pass_that_decides_nothing_writes_nothing(bench: Bench) -> None:
    assert not await bench.act()
    assert bench.cluster.writes == []


async def test_a_version_its_status_its_job_and_its_serving_can_be_made_in_one_pass(bench: Bench) -> None:
    status = ModelVersionStatus(phase="Warming", digest="sha256:" + "b" * 64, template=TEMPLATE)
    new = "movies-ffffffffff"
    acts = (
        CreateVersion(new, SPEC, owned=True), RecordVersion(new, "", status), EnsureKeys(),
        StartJob(new, "evaluate", key="k", stable=NAME), EnsureServing(new, 2),
    )  # fmt: skip
    assert await bench.act(*acts)
    version = bench.live("ModelVersion", new)
    assert version is not None
    assert version["status"]["phase"] == "Warming"
    assert version["metadata"]["ownerReferences"][0]["kind"] == "RecommenderModel"
    for kind, name in (("Job", f"{new}-eval-k"), ("Deployment", new), ("Service", new)):
        made = bench.live(kind, name)
        assert made is not None, kind
        assert made["metadata"]["ownerReferences"][0]["uid"] == version["metadata"]["uid"]
    assert bench.live("Secret", "movies-keys") is not None


async def test_the_same_acts_again_write_nothing(bench: Bench) -> None:
    acts = (
        CreateVersion(NAME, SPEC, owned=False), EnsureKeys(), StartJob(NAME, "train"), EnsureServing(NAME, 2),
        EnsureRoute(RouteIntent(NAME), {"weight": 0, "at": 1.0}, raises=False),
    )  # fmt: skip
    await bench.act(*acts)
    bench.cluster.writes.clear()
    assert not await bench.act(*acts)
    bench.see()
    assert not await bench.act(*acts)
    assert bench.cluster.writes == []


async def test_a_status_that_is_the_same_is_not_written(bench: Bench) -> None:
    status = RecommenderModelStatus(stable=NAME, reason="Ok")
    version = bench.version_of("RecommenderModel", "movies")
    assert await bench.act(RecordModel(version, status))
    assert not await bench.act(RecordModel(bench.version_of("RecommenderModel", "movies"), status))


async def test_a_status_that_only_tells_is_left_to_the_pass_that_writes_nothing_else(bench: Bench) -> None:
    bench.script = lambda world: Decision(acts=tell(world, "Warming"))
    worker = asyncio.create_task(bench.reconciler.work())
    bench.queue.add(KEY)
    await settle()
    worker.cancel()
    assert [name for _, _, name in bench.cluster.writes] == [NAME, "movies"]
    assert bench.live("RecommenderModel", "movies")["status"]["reason"] == "Warming"  # type: ignore[index]
    assert len(bench.worlds) == 2, "after what only tells no other pass has to follow"


async def test_a_status_that_answers_a_person_waits_for_nothing(bench: Bench) -> None:
    acts = (
        RecordVersion(NAME, bench.version_of("ModelVersion", NAME), ModelVersionStatus(phase="Warming", reason="x")),
        RecordModel(bench.version_of("RecommenderModel", "movies"), RecommenderModelStatus(paused_by="ann")),
    )
    assert await bench.act(*acts)
    assert bench.live("RecommenderModel", "movies")["status"]["pausedBy"] == "ann"  # type: ignore[index]


async def test_a_status_that_only_tells_is_written_though_others_are_as_they_should_be(bench: Bench) -> None:
    model = bench.version_of("RecommenderModel", "movies")
    told = RecordModel(model, RecommenderModelStatus(reason="Ok"), derived=True)
    await bench.act(EnsureServing(NAME, 1))
    assert not await bench.act(EnsureServing(NAME, 1), told)
    assert bench.live("RecommenderModel", "movies")["status"]["reason"] == "Ok"  # type: ignore[index]


def tell(world: World, reason: str) -> tuple[Act, ...]:
    """The version gets this reason, and the model's status says so."""
    (version,) = world.versions
    assert world.model is not None
    status = ModelVersionStatus(phase="Warming", reason=reason)
    record = (RecordVersion(NAME, version.resource_version, status),) if version.status.reason != reason else ()
    told = RecordModel(world.model.resource_version, RecommenderModelStatus(reason=reason), derived=True)
    return (*record, told)


async def test_a_status_decided_upon_an_older_object_ends_the_pass_before_what_follows(bench: Bench) -> None:
    decided_upon = bench.version_of("ModelVersion", NAME)
    bench.cluster.put_raw(objects.version("shop") | {"status": {"message": "somebody was faster"}})
    acts = (RecordVersion(NAME, decided_upon, ModelVersionStatus(phase="Failed")), EnsureServing(NAME, 1))
    with pytest.raises(Conflict):
        await bench.act(*acts)
    assert bench.live("Deployment", NAME) is None


async def test_two_records_of_one_pass_do_not_conflict_with_each_other(bench: Bench) -> None:
    version = bench.version_of("ModelVersion", NAME)
    first, second = (ModelVersionStatus(phase="Warming", reason=reason, template=TEMPLATE) for reason in "ab")
    await bench.act(RecordVersion(NAME, version, first), RecordVersion(NAME, version, second))
    assert bench.live("ModelVersion", NAME)["status"]["reason"] == "b"  # type: ignore[index]


async def test_a_job_that_exists_but_is_not_seen_yet_is_not_made_twice(bench: Bench) -> None:
    await bench.act(StartJob(NAME, "train"))
    for item in list(bench.cache.of_kind("Job")):
        bench.cache.drop(item["metadata"]["uid"])
    await bench.act(StartJob(NAME, "train"))
    assert [write for write in bench.cluster.writes if write[1] == "Job"] == [("create", "Job", f"{NAME}-train")]


async def test_an_event_is_written_once_and_its_failure_is_no_failure(bench: Bench) -> None:
    act = Announce("RolledBack", "too slow", warning=True)
    await bench.act(act)
    await bench.act(act)
    assert len([key for key in bench.cluster.objects if key[0] == "Event"]) == 1
    bench.cluster.before_write = fail_on("Event")
    assert not await bench.act(Announce("Other", "x"))


async def test_the_keys_of_a_model_are_not_taken_for_those_of_the_next_one_of_its_name(bench: Bench) -> None:
    await bench.act(EnsureKeys())
    await bench.act()
    assert bench.worlds[-1].keys_secret
    del bench.cluster.objects["RecommenderModel", "shop", "movies"]
    del bench.cluster.objects["Secret", "shop", "movies-keys"]
    bench.see()
    await bench.act()
    bench.cluster.put_raw(objects.model("shop"))
    bench.see()
    await bench.act()
    assert not bench.worlds[-1].keys_secret


async def test_what_is_decided_to_be_sampled_is_watched_until_it_is_not(bench: Bench) -> None:
    await bench.act(sample=("v1", NAME))
    assert bench.sampler.since(KEY) is not None
    await bench.act()
    assert bench.sampler.since(KEY) is None


async def test_a_service_that_was_deleted_is_made_again_alone(bench: Bench) -> None:
    await bench.act(EnsureService(NAME), EnsureService(NAME, of_model=True))
    assert [(kind, name) for _, kind, name in bench.cluster.writes] == [("Service", NAME), ("Service", "movies-stable")]
    await bench.act()
    assert bench.worlds[-1].stable_service == NAME
    assert not await bench.act(EnsureService(NAME), EnsureService(NAME, of_model=True))


async def test_what_was_asked_for_is_as_old_as_it_was_first_seen(bench: Bench) -> None:
    """kubectl annotate and GitOps tools write on actions and models that wait for their turn."""
    asked = {"apiVersion": "recsys.dev/v1alpha1", "metadata": {"name": "back", "namespace": "shop"}}
    bench.cluster.put_raw(asked | {"kind": "ModelAction", "spec": {"modelName": "movies", "verb": "Rollback"}})
    metadata = {"name": "movies", "namespace": "shop", "annotations": {"recsys.dev/action": "Rollback"}}
    bench.cluster.put_raw(objects.model("shop") | {"metadata": metadata})
    bench.see()
    both = (("ModelAction", "back"), ("RecommenderModel", "movies"))
    seen = [bench.version_of(kind, name) for kind, name in both]
    for kind, name in both:
        metadata = {"name": name, "namespace": "shop", "labels": {"tool": "argo"}}
        bench.cluster.put_raw({"kind": kind, "metadata": metadata})
    bench.see()
    await bench.act()
    world = bench.worlds[-1]
    assert world.model is not None
    assert [world.actions[0].asked_version, world.model.asked_version] == seen
    assert [world.actions[0].resource_version, world.model.resource_version] != seen
