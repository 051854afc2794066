"""A model's Service that is refused: nothing waits for it, it is told when that begins and when it ends."""

import asyncio
import logging
from collections.abc import Callable

import pytest
from tests.unit.operator.reconciling import KEY, NAME, Bench, fail_on, prepared_bench, ready_pod, settle

from recsys_api.model_version import ModelVersionStatus
from recsys_operator.core.decision import Decision, EnsureKeys, EnsureRoute, EnsureService, EnsureServing, RecordVersion
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.world import RouteIntent, World
from recsys_operator.errors import Conflict
from recsys_operator.resources.kinds import Manifest

THEIRS: Manifest = {
    "apiVersion": "v1", "kind": "Service", "metadata": {"name": "movies-stable", "namespace": "shop"},
    "spec": {"selector": {"app": "theirs"}},
}  # fmt: skip
FOLLOW = EnsureService(NAME, of_model=True)


@pytest.fixture
def bench() -> Bench:
    """With a model and a version."""
    return prepared_bench()


async def serve(bench: Bench) -> None:
    """A stable version with ready pods and all users."""
    version = bench.live("ModelVersion", NAME)
    assert version is not None
    bench.cluster.put_raw(version | {"status": version["status"] | {"phase": "Stable"}})
    for number in range(2):
        bench.cluster.put_raw(ready_pod(f"pod-{number}"))
    await bench.act(EnsureRoute(RouteIntent(NAME), {"weight": 0}, raises=False))
    bench.see()


async def passes(bench: Bench) -> None:
    """Until none has to follow at once."""
    while await bench.reconciler.reconcile(KEY):
        pass


async def test_the_service_follows_its_route_within_the_pass(bench: Bench) -> None:
    await serve(bench)
    await bench.act(
        EnsureRoute(RouteIntent("movies-older"), {}, raises=False), EnsureService("movies-older", of_model=True)
    )
    bench.script = lambda world: decide(world, bench.clock.now())
    await bench.reconciler.reconcile(KEY)
    assert NAME in str(bench.live("HTTPRoute", "movies")["spec"])  # type: ignore[index]
    selector = bench.live("Service", "movies-stable")["spec"]["selector"]  # type: ignore[index]
    assert selector["recsys.dev/version"] == NAME


async def test_a_service_of_somebody_else_keeps_nothing_else_from_being_done(bench: Bench) -> None:
    """Nor from being remembered: verdicts come from what passes remember."""
    bench.cluster.put_raw(THEIRS)
    await bench.act(EnsureRoute(RouteIntent(NAME), {"weight": 0}, raises=False), EnsureKeys())
    assert bench.live("HTTPRoute", "movies") is not None
    assert bench.live("Secret", "movies-keys") is not None
    await bench.act(FOLLOW, EnsureServing(NAME, 1), memory="after")
    assert "Service movies-stable" in bench.live("RecommenderModel", "movies")["status"]["message"]  # type: ignore[index]
    assert bench.live("Deployment", NAME) is not None
    await bench.act()
    assert bench.memories[-1] == "after"
    assert bench.live("Service", "movies-stable")["spec"] == THEIRS["spec"]  # type: ignore[index]


async def test_a_service_of_somebody_else_is_told_once_with_its_name_until_it_is_gone(bench: Bench) -> None:
    bench.cluster.put_raw(THEIRS)
    await serve(bench)
    bench.script = lambda world: decide(world, bench.clock.now())
    worker = asyncio.create_task(bench.reconciler.work())
    written = []
    for _ in range(4):
        bench.clock.advance(700.0)
        bench.queue.add(KEY)
        await settle()
        written.append(bench.version_of("RecommenderModel", "movies"))
    status = bench.live("RecommenderModel", "movies")["status"]  # type: ignore[index]
    (stalled,) = [condition for condition in status["conditions"] if condition["type"] == "Stalled"]
    assert (stalled["status"], stalled["reason"]) == ("True", "NameTaken")
    assert "Service movies-stable: an object of that name is not ours; rename or delete it" in stalled["message"]
    assert len(set(written[1:])) == 1
    told = [item for (kind, _, _), item in bench.cluster.objects.items() if kind == "Event"]
    assert [item["reason"] for item in told].count("NameTaken") == 1
    del bench.cluster.objects["Service", "shop", "movies-stable"]
    bench.clock.advance(300.0)
    bench.queue.add(KEY)
    await settle()
    worker.cancel()
    selector = bench.live("Service", "movies-stable")["spec"]["selector"]  # type: ignore[index]
    assert selector["recsys.dev/version"] == NAME
    assert bench.live("RecommenderModel", "movies")["status"]["reason"] != "NameTaken"  # type: ignore[index]


async def test_while_it_is_refused_everything_else_in_the_status_is_written_and_the_refusal_stays_in_it(
    bench: Bench,
) -> None:
    bench.cluster.put_raw(THEIRS)
    await serve(bench)
    bench.script = lambda world: decide(world, bench.clock.now())
    await passes(bench)
    for number in range(2):
        del bench.cluster.objects["Pod", "shop", f"pod-{number}"]
    bench.see()
    await passes(bench)
    status = bench.live("RecommenderModel", "movies")["status"]  # type: ignore[index]
    told = {condition["type"]: condition["reason"] for condition in status["conditions"]}
    assert (told["Ready"], told["Stalled"], status["reason"]) == ("NoReadyPod", "NameTaken", "NameTaken")


async def test_a_restart_tells_no_second_time(bench: Bench) -> None:
    bench.cluster.put_raw(THEIRS)
    await serve(bench)
    bench.script = lambda world: decide(world, bench.clock.now())
    await passes(bench)
    before = bench.version_of("RecommenderModel", "movies")
    again = Bench()
    again.cluster.objects = bench.cluster.objects
    again.see()
    again.script = lambda world: decide(world, bench.clock.now())
    await again.reconciler.reconcile(KEY)
    assert bench.version_of("RecommenderModel", "movies") == before
    told = [item for (kind, _, _), item in bench.cluster.objects.items() if kind == "Event"]
    assert [item["reason"] for item in told].count("NameTaken") == 1


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    """(level, first word) of what the reconciler logged."""
    return [(line.levelno, line.getMessage().split(":")[0]) for line in caplog.records if line.levelno >= logging.INFO]


async def test_one_line_is_logged_when_a_refusal_begins_and_one_when_it_ends(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "recsys_operator")
    bench.cluster.put_raw(THEIRS)
    for _ in range(5):
        await bench.act(EnsureRoute(RouteIntent(NAME), {"weight": 0}, raises=False), FOLLOW)
    assert lines(caplog) == [(logging.WARNING, "NameTaken")]
    bench.cluster.before_write = fail_on("Service")
    del bench.cluster.objects["Service", "shop", "movies-stable"]
    for _ in range(3):
        await bench.act(FOLLOW)
    assert lines(caplog)[1:] == [(logging.WARNING, "ApiUnavailable")]
    bench.cluster.before_write = lambda verb, manifest: None
    for _ in range(3):
        await bench.act(FOLLOW)
    assert [level for level, _ in lines(caplog)[2:]] == [logging.INFO]


async def test_what_is_not_asked_for_any_more_is_over(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "recsys_operator")
    bench.cluster.put_raw(THEIRS)
    await bench.act(FOLLOW)
    await bench.act()
    await bench.act()
    assert [level for level, _ in lines(caplog)] == [logging.WARNING, logging.INFO]
    assert bench.worlds[-1].trouble is None


async def passes_after(bench: Bench, seconds: float) -> int:
    """Passes that came because that time had gone by."""
    before = sum(world.name == "movies" for world in bench.worlds)
    bench.clock.advance(seconds)
    # a worker that waits looks at the clock when it is woken
    bench.queue.add("shop/other")
    await settle()
    return sum(world.name == "movies" for world in bench.worlds) - before


def refuse_records() -> Callable[[str, Manifest], None]:
    """An API server at which somebody else was faster with every status of a version."""

    def check(verb: str, manifest: Manifest) -> None:
        if manifest["kind"] == "ModelVersion":
            raise Conflict(f"{verb} {manifest['kind']}", "somebody was faster", 409)

    return check


async def test_a_conflict_elsewhere_is_tried_again_at_once_however_often_the_service_was_refused(bench: Bench) -> None:
    bench.cluster.put_raw(THEIRS)
    bench.script = lambda world: Decision(acts=(FOLLOW,))
    worker = asyncio.create_task(bench.reconciler.work())
    for _ in range(12):
        bench.queue.add(KEY)
        await settle()
    bench.script = lambda world: Decision(acts=(FOLLOW, roll_back(world)))
    bench.cluster.before_write = refuse_records()
    bench.queue.add(KEY)
    await settle()
    assert await passes_after(bench, 0.021) == 1
    worker.cancel()


def roll_back(world: World) -> RecordVersion:
    """The version's record of that."""
    (version,) = world.versions
    return RecordVersion(NAME, version.resource_version, ModelVersionStatus(phase="RolledBack", quarantined=True))


async def test_it_is_tried_again_after_a_back_off_of_its_own(bench: Bench) -> None:
    bench.cluster.before_write = fail_on("Service")
    bench.script = lambda world: Decision(acts=(FOLLOW,))
    worker = asyncio.create_task(bench.reconciler.work())
    bench.queue.add(KEY)
    await settle()
    assert [await passes_after(bench, seconds) for seconds in (0.19, 0.02, 0.3, 0.11)] == [0, 1, 0, 1]
    worker.cancel()


async def test_a_rollback_is_recorded_in_the_pass_in_which_the_service_is_refused(bench: Bench) -> None:
    bench.cluster.put_raw(THEIRS)
    bench.script = lambda world: Decision(
        acts=(EnsureRoute(RouteIntent("v1"), {"weight": 0}, raises=False, urgent=True), FOLLOW, roll_back(world))
    )
    assert await bench.reconciler.reconcile(KEY)
    assert bench.live("ModelVersion", NAME)["status"]["phase"] == "RolledBack"  # type: ignore[index]
