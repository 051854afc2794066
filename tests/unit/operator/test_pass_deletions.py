"""Passes that delete: nothing that is used, and all of what is not."""

import pytest
from tests.contract.operator import objects
from tests.unit.operator.reconciling import NAME, Bench, fail_on, prepared_bench

from recsys_operator.core.decision import DeleteObject, EnsureRoute, EnsureServing, StartJob
from recsys_operator.core.world import RouteIntent
from recsys_operator.errors import Conflict, Unavailable


@pytest.fixture
def bench() -> Bench:
    """With a model and a version."""
    return prepared_bench()


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


@pytest.mark.parametrize(
    "gone", [("Deployment",), ("Deployment", "Service"), ("Deployment", "HorizontalPodAutoscaler")]
)
async def test_what_a_deployment_that_somebody_deleted_left_is_told_and_deleted(
    bench: Bench, gone: tuple[str, ...]
) -> None:
    await scaled_serving(bench)
    for kind in gone:
        del bench.cluster.objects[kind, "shop", NAME]
    bench.see()
    await bench.act()
    assert bench.worlds[-1].leftovers == {NAME}
    assert await bench.act(DeleteObject("Serving", NAME, "", ""))
    assert [bench.live(kind, NAME) for kind in ("Service", "HorizontalPodAutoscaler")] == [None, None]
    bench.see()
    await bench.act()
    assert bench.worlds[-1].leftovers == frozenset()


async def test_what_is_left_is_spared_where_the_deployment_is_back(bench: Bench) -> None:
    await scaled_serving(bench)
    assert not await bench.act(DeleteObject("Serving", NAME, "", ""))
    assert bench.live("Service", NAME) is not None


@pytest.mark.parametrize("gone", ["owner", "version"])
async def test_what_is_left_is_spared_where_it_is_not_known_to_be_the_versions(bench: Bench, gone: str) -> None:
    """A Service with our labels, of a person or of an earlier version of that name."""
    await scaled_serving(bench)
    del bench.cluster.objects["Deployment", "shop", NAME]
    if gone == "owner":
        bench.cluster.objects["Service", "shop", NAME]["metadata"]["ownerReferences"] = []
    else:
        del bench.cluster.objects["ModelVersion", "shop", NAME]
    bench.see()
    await bench.act(DeleteObject("Serving", NAME, "", ""))
    assert bench.worlds[-1].leftovers == {NAME}
    assert bench.live("Service", NAME) is not None


async def test_what_no_event_told_to_be_gone_is_not_deleted_for_ever(bench: Bench) -> None:
    await scaled_serving(bench)
    for kind in ("Deployment", "Service", "HorizontalPodAutoscaler"):
        del bench.cluster.objects[kind, "shop", NAME]
    bench.cache.drop(next(bench.cache.of_kind("Deployment"))["metadata"]["uid"])
    assert not await bench.act(DeleteObject("Serving", NAME, "", ""))
    await bench.act()
    assert bench.worlds[-1].leftovers == frozenset()


async def test_a_service_that_somebody_deleted_is_missing_in_the_world(bench: Bench) -> None:
    await bench.act(EnsureServing(NAME, 1))
    await bench.act()
    assert bench.worlds[-1].serving[NAME].has_service
    del bench.cluster.objects["Service", "shop", NAME]
    bench.see()
    await bench.act()
    assert not bench.worlds[-1].serving[NAME].has_service


async def scaled_serving(bench: Bench) -> None:
    """The version has Deployment, Service and autoscaler."""
    spec = objects.MODEL_SPEC | {"serving": {"autoscaling": {"minReplicas": 1, "maxReplicas": 3}}}
    bench.cluster.put_raw(objects.model("shop") | {"spec": spec})
    bench.see()
    await bench.act(EnsureServing(NAME, 1, 1))
    assert bench.live("HorizontalPodAutoscaler", NAME) is not None
