"""The reconciler over a cluster in memory: what the world is afterwards, not which calls were made."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.contract.operator import objects
from tests.contract.operator.fake_cluster import FakeCluster
from tests.unit.operator.clocks import FakeClock
from tests.unit.operator.views import TEMPLATE, version_view

from recsys_api.model_status import RecommenderModelStatus
from recsys_api.model_version import ModelVersionStatus
from recsys_operator.acts import ActExecutor
from recsys_operator.adapters.cache import Cache
from recsys_operator.adapters.live_pods import LivePods
from recsys_operator.adapters.metrics.sampler import Sampler
from recsys_operator.adapters.observer import Observer
from recsys_operator.adapters.traffic.gateway_api import GatewayApiRouter
from recsys_operator.core.decision import (
    Act,
    Announce,
    CreateVersion,
    Decision,
    DeleteObject,
    EnsureKeys,
    EnsureRoute,
    EnsureServing,
    RecordModel,
    RecordVersion,
    StartJob,
)
from recsys_operator.core.world import RouteIntent, World
from recsys_operator.errors import AlreadyOwned, Conflict, Forbidden, NotReady, Unavailable
from recsys_operator.metrics import Telemetry
from recsys_operator.queue import WorkQueue
from recsys_operator.reconciler import Reconciler
from recsys_operator.resources.jobs import Images
from recsys_operator.resources.kinds import WATCHED, Manifest, labels_of

KEY = "shop/movies"
NAME = "movies-0123456789"
SPEC = version_view().spec
FOREIGN = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME, "namespace": "shop"}, "spec": {}}
"""Somebody else's, of a name that ours would have."""


async def no_page(url: str) -> str:
    """Nothing answers."""
    raise TimeoutError(url)


class Bench:
    """A reconciler with its world; `script` is what core would decide."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cluster = FakeCluster()
        self.cache = Cache()
        self.telemetry = Telemetry()
        self.queue = WorkQueue(self.clock.monotonic)
        self.script: Callable[[World], Decision] = lambda world: Decision()
        self.worlds: list[World] = []
        self.memories: list[object] = []
        router = GatewayApiRouter(self.cluster, self.cache)
        self.sampler = Sampler(self.cache, no_page, None, self.clock, self.queue.add)
        observer = Observer(
            cache=self.cache, cluster=self.cluster, router=router, sampler=self.sampler, clock=self.clock,
            serving_image="serving:1", paused=lambda: False,
        )  # fmt: skip
        executor = ActExecutor(
            cluster=self.cluster, cache=self.cache, router=router, pods=LivePods(self.cluster),  # type: ignore[arg-type]
            images=Images("trainer:1"), instance="pod-0", now=self.clock.now, on_keys=observer.know_keys,
        )  # fmt: skip
        self.reconciler = Reconciler(
            observer=observer, decide=self.decide, executor=executor, sampler=self.sampler, queue=self.queue,
            clock=self.clock, telemetry=self.telemetry,
        )  # fmt: skip

    def decide(self, world: World, now: float, memory: object) -> Decision:
        """Stands for core."""
        self.worlds.append(world)
        self.memories.append(memory)
        return self.script(world)

    def see(self) -> None:
        """The watch streams bring the cache up to date."""
        for kind in WATCHED:
            there = [item for (name, _, _), item in self.cluster.objects.items() if name == kind.name]
            for item in there:
                self.cache.put(item)
            for item in list(self.cache.of_kind(kind.name)):
                if item["metadata"]["uid"] not in {other["metadata"]["uid"] for other in there}:
                    self.cache.drop(item["metadata"]["uid"])

    async def act(self, *acts: Act, **more: Any) -> bool:
        """One pass that decides these acts."""
        self.script = lambda world: Decision(acts=acts, **more)
        return await self.reconciler.reconcile(KEY)

    def live(self, kind: str, name: str) -> Manifest | None:
        """The object in the cluster."""
        return self.cluster.objects.get((kind, "shop", name))

    def version_of(self, kind: str, name: str) -> str:
        """resourceVersion in the cluster."""
        found = self.live(kind, name)
        assert found is not None
        return str(found["metadata"]["resourceVersion"])


@pytest.fixture
def bench() -> Bench:
    """With a model and a version that is known and has its template."""
    made = Bench()
    made.cluster.put_raw(objects.model("shop"))
    version = objects.version("shop")
    version["status"] = version_view().status.to_dict()
    made.cluster.put_raw(version)
    made.see()
    made.cluster.writes.clear()
    return made


def ready_pod(name: str, version: str = NAME) -> Manifest:
    """A serving pod that is ready."""
    metadata = {"name": name, "namespace": "shop", "labels": labels_of("movies", version, "serving")}
    status = {"conditions": [{"type": "Ready", "status": "True"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status}


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


async def test_acts_stop_at_the_first_failure_and_memory_is_kept_as_it_was(bench: Bench) -> None:
    await bench.act(memory="before")
    bench.cluster.before_write = fail_on("Deployment")
    with pytest.raises(Unavailable):
        await bench.act(EnsureServing(NAME, 1), EnsureKeys(), memory="after")
    assert bench.live("Secret", "movies-keys") is None
    bench.cluster.before_write = lambda verb, manifest: None
    await bench.act()
    assert bench.memories == [None, "before", "before"]


def fail_on(kind: str) -> Callable[[str, Manifest], None]:
    """An API server that cannot write a kind."""

    def check(verb: str, manifest: Manifest) -> None:
        if manifest["kind"] == kind:
            raise Unavailable(f"{verb} {kind}", "out of order", 503)

    return check


async def test_weight_rises_only_when_enough_pods_are_ready_live(bench: Bench) -> None:
    act = EnsureRoute(RouteIntent("v1", NAME, 5, 0), {"weight": 5}, raises=True, needs_ready={NAME: 2})
    bench.cluster.put_raw(ready_pod("a"))
    with pytest.raises(NotReady, match="1 of 2 pods"):
        await bench.act(act)
    assert bench.live("HTTPRoute", "movies") is None
    bench.cluster.put_raw(ready_pod("b"))
    assert await bench.act(act)
    assert bench.live("HTTPRoute", "movies") is not None


async def test_a_rollback_is_written_through_conflicts_and_without_any_pod(bench: Bench) -> None:
    await bench.act(EnsureRoute(RouteIntent("v1", NAME, 5, 0), {"weight": 5}, raises=True))
    failures = iter([Conflict("apply", "busy", 409)] * 3)

    def busy(verb: str, manifest: Manifest) -> None:
        if manifest["kind"] == "HTTPRoute" and (error := next(failures, None)) is not None:
            raise error

    bench.cluster.before_write = busy
    await bench.act(EnsureRoute(RouteIntent("v1"), {"weight": 0}, raises=False, urgent=True))
    assert NAME not in str(bench.live("HTTPRoute", "movies")["spec"])  # type: ignore[index]
    assert b"recsys_rollback_seconds_count 1.0" in bench.telemetry.page()


async def test_the_stable_service_follows_the_route(bench: Bench) -> None:
    await bench.act(EnsureRoute(RouteIntent("v1"), {}, raises=False))
    await bench.act(EnsureRoute(RouteIntent("v2"), {}, raises=False))
    selector = bench.live("Service", "movies-stable")["spec"]["selector"]  # type: ignore[index]
    assert selector["recsys.dev/version"] == "v2"


async def test_serving_that_still_has_weight_is_not_deleted(bench: Bench) -> None:
    await bench.act(EnsureServing(NAME, 1), EnsureRoute(RouteIntent("v1", NAME, 5, 0), {}, raises=True))
    metadata = bench.live("Deployment", NAME)["metadata"]  # type: ignore[index]
    act = DeleteObject("Serving", NAME, metadata["uid"], metadata["resourceVersion"])
    with pytest.raises(Conflict, match="still gives it weight"):
        await bench.act(act)
    await bench.act(EnsureRoute(RouteIntent("v1"), {}, raises=False))
    assert await bench.act(act)
    assert bench.live("Deployment", NAME) is None
    assert bench.live("Service", NAME) is None


async def test_serving_whose_version_changed_meanwhile_is_not_deleted(bench: Bench) -> None:
    await bench.act(EnsureServing(NAME, 1), EnsureRoute(RouteIntent("v1"), {}, raises=False))
    metadata = bench.live("Deployment", NAME)["metadata"]  # type: ignore[index]
    stale = DeleteObject("Serving", NAME, metadata["uid"], metadata["resourceVersion"], "an older one")
    with pytest.raises(Conflict, match="has changed"):
        await bench.act(stale)
    assert bench.live("Deployment", NAME) is not None


async def test_nothing_is_deleted_for_a_model_that_is_back_though_the_cache_does_not_know(bench: Bench) -> None:
    await bench.act(StartJob(NAME, "train"))
    job = bench.live("Job", f"{NAME}-train")["metadata"]  # type: ignore[index]
    model = bench.live("RecommenderModel", "movies")["metadata"]  # type: ignore[index]
    bench.cache.drop(model["uid"])
    with pytest.raises(Conflict, match="is back"):
        await bench.act(DeleteObject("Job", job["name"], job["uid"], job["resourceVersion"]))
    assert bench.live("Job", f"{NAME}-train") is not None


async def test_a_delete_of_another_uid_spares_what_is_there(bench: Bench) -> None:
    await bench.act(StartJob(NAME, "train"))
    assert not await bench.act(DeleteObject("Job", f"{NAME}-train", "older", "1"))
    assert bench.live("Job", f"{NAME}-train") is not None


async def test_an_object_of_somebody_else_is_not_touched(bench: Bench) -> None:
    bench.cluster.put_raw(FOREIGN)
    with pytest.raises(AlreadyOwned, match="rename or delete it"):
        await bench.act(EnsureServing(NAME, 1))
    assert bench.live("Deployment", NAME)["spec"] == {}  # type: ignore[index]


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


async def test_an_error_is_retried_after_a_growing_back_off_and_told(bench: Bench) -> None:
    bench.cluster.put_raw(FOREIGN)
    bench.script = lambda world: Decision(acts=(EnsureServing(NAME, 1),))
    worker = asyncio.create_task(bench.reconciler.work())
    bench.queue.add(KEY)
    await settle()
    assert len(bench.worlds) == 1
    bench.clock.advance(5.0)
    bench.queue.add("shop/other")
    await settle()
    worker.cancel()
    assert b'recsys_operator_errors_total{reason="NameTaken"} 2.0' in bench.telemetry.page()
    assert any(key[0] == "Event" for key in bench.cluster.objects)


async def test_what_the_api_server_refuses_stands_in_the_status_of_the_model_once(bench: Bench) -> None:
    def refuse(verb: str, manifest: Manifest) -> None:
        if manifest["kind"] == "Service":
            raise Forbidden(f"{verb} services {NAME}", "exceeded quota: services=10", 403)

    bench.cluster.before_write = refuse
    bench.script = lambda world: Decision(acts=(EnsureServing(NAME, 1),))
    worker = asyncio.create_task(bench.reconciler.work())
    bench.queue.add(KEY)
    await settle()
    status = bench.live("RecommenderModel", "movies")["status"]  # type: ignore[index]
    (stalled,) = [condition for condition in status["conditions"] if condition["type"] == "Stalled"]
    assert (stalled["status"], stalled["reason"]) == ("True", "Forbidden")
    assert "exceeded quota: services=10" in stalled["message"]
    assert (status["reason"], status["message"]) == (stalled["reason"], stalled["message"])
    before = bench.version_of("RecommenderModel", "movies")
    bench.clock.advance(5.0)
    bench.queue.add(KEY)
    await settle()
    worker.cancel()
    assert len(bench.worlds) == 2
    assert bench.version_of("RecommenderModel", "movies") == before


async def test_a_model_that_cannot_even_be_observed_ends_no_worker(bench: Bench) -> None:
    labels = labels_of("movies", NAME, "serving")
    metadata = {"name": NAME, "namespace": "shop", "uid": "d", "resourceVersion": "1", "labels": labels}
    bench.cache.put({"kind": "Deployment", "metadata": metadata})
    worker = asyncio.create_task(bench.reconciler.work())
    bench.queue.add(KEY)
    bench.queue.add("shop/other")
    await settle()
    assert [world.name for world in bench.worlds] == ["other"]
    assert not worker.done()
    worker.cancel()
    assert b'recsys_operator_errors_total{reason="InternalError"} 1.0' in bench.telemetry.page()


async def test_a_secret_that_cannot_be_read_keeps_no_users_at_a_bad_version(bench: Bench) -> None:
    await bench.act(EnsureRoute(RouteIntent("v1", NAME, 5, 0), {"weight": 5}, raises=True))
    bench.cluster.unreadable = "Secret"
    await bench.act(EnsureRoute(RouteIntent("v1"), {"weight": 0}, raises=False, urgent=True))
    assert NAME not in str(bench.live("HTTPRoute", "movies")["spec"])  # type: ignore[index]


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


async def test_what_a_deletion_of_serving_could_not_do_the_next_one_does(bench: Bench) -> None:
    await bench.act(EnsureServing(NAME, 1))
    metadata = bench.live("Deployment", NAME)["metadata"]  # type: ignore[index]
    act = DeleteObject("Serving", NAME, metadata["uid"], metadata["resourceVersion"])
    bench.cluster.before_write = fail_on("Service")
    with pytest.raises(Unavailable):
        await bench.act(act)
    bench.cluster.before_write = lambda verb, manifest: None
    bench.see()
    await bench.act(act)
    assert (bench.live("Deployment", NAME), bench.live("Service", NAME)) == (None, None)


async def test_a_route_of_which_the_api_server_keeps_less_is_not_written_again_and_again(bench: Bench) -> None:
    """Gateway API of 2023 prunes `timeouts`; a webhook may change anything."""

    def prune(verb: str, manifest: Manifest) -> None:
        if manifest["kind"] == "HTTPRoute":
            manifest["spec"] = manifest["spec"] | {
                "rules": [
                    {key: part for key, part in rule.items() if key != "timeouts"} for rule in manifest["spec"]["rules"]
                ]
            }

    bench.cluster.before_write = prune
    put_back = EnsureRoute(RouteIntent("v1"), {"weight": 0}, raises=False)
    assert await bench.act(put_back)
    assert not await bench.act(put_back)
    bench.cluster.before_write = lambda verb, manifest: None
    bench.cluster.put_raw({"kind": "HTTPRoute", "metadata": {"name": "movies", "namespace": "shop"}, "spec": {"x": 1}})
    bench.see()
    assert await bench.act(put_back), "somebody else has changed it"
    assert await bench.act(EnsureRoute(RouteIntent("v2"), {"weight": 0}, raises=False))


async def test_a_route_without_parents_is_observed(bench: Bench) -> None:
    """Somebody edited it: parentRefs are optional in Gateway API."""
    await bench.act(EnsureRoute(RouteIntent("v1"), {}, raises=False))
    route = bench.live("HTTPRoute", "movies")
    assert route is not None
    route["metadata"]["resourceVersion"] = "9999"
    del route["spec"]["parentRefs"]
    bench.see()
    await bench.act()
    seen = bench.worlds[-1].route
    assert seen is not None
    assert (seen.accepted, seen.drifted) == (False, True)


async def test_what_is_decided_to_be_sampled_is_watched_until_it_is_not(bench: Bench) -> None:
    await bench.act(sample=("v1", NAME))
    assert bench.sampler.since(KEY) is not None
    await bench.act()
    assert bench.sampler.since(KEY) is None


async def settle() -> None:
    """Let the workers run until they wait."""
    for _ in range(200):
        await asyncio.sleep(0)
