"""Passes that fail: what was done stays, who is told, and when the next one comes."""

import asyncio

import pytest
from tests.unit.operator.reconciling import KEY, NAME, Bench, fail_on, prepared_bench, settle

from recsys_operator.core.decision import Decision, EnsureKeys, EnsureServing
from recsys_operator.errors import AlreadyOwned, Forbidden, Unavailable
from recsys_operator.resources.kinds import Manifest, labels_of

FOREIGN = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME, "namespace": "shop"}, "spec": {}}
"""Somebody else's, of a name that ours would have."""


@pytest.fixture
def bench() -> Bench:
    """With a model and a version."""
    return prepared_bench()


async def test_acts_stop_at_the_first_failure_and_memory_is_kept_as_it_was(bench: Bench) -> None:
    await bench.act(memory="before")
    bench.cluster.before_write = fail_on("Deployment")
    with pytest.raises(Unavailable):
        await bench.act(EnsureServing(NAME, 1), EnsureKeys(), memory="after")
    assert bench.live("Secret", "movies-keys") is None
    bench.cluster.before_write = lambda verb, manifest: None
    await bench.act()
    assert bench.memories == [None, "before", "before"]


async def test_an_object_of_somebody_else_is_not_touched(bench: Bench) -> None:
    bench.cluster.put_raw(FOREIGN)
    with pytest.raises(AlreadyOwned, match="rename or delete it"):
        await bench.act(EnsureServing(NAME, 1))
    assert bench.live("Deployment", NAME)["spec"] == {}  # type: ignore[index]


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


async def test_an_api_server_that_says_how_long_to_wait_is_asked_again_after_that_and_not_before(bench: Bench) -> None:
    def refuse(verb: str, manifest: Manifest) -> None:
        raise Unavailable(f"{verb} {manifest['kind']}", "too many requests", 429, 7.0)

    bench.cluster.before_write = refuse
    bench.script = lambda world: Decision(acts=(EnsureServing(NAME, 1),))
    worker = asyncio.create_task(bench.reconciler.work())
    bench.queue.add(KEY)
    await settle()
    passes = []
    for seconds in (6.9, 0.1):
        bench.clock.advance(seconds)
        # a worker that waits looks at the clock when it is woken
        bench.queue.add("shop/other")
        await settle()
        passes.append(sum(world.name == "movies" for world in bench.worlds))
    worker.cancel()
    assert passes == [1, 2]


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
