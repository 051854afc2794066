"""What the reconciler relies on of a cluster; the fake and a real API server must both keep it."""

import pytest
from tests.contract.operator import objects
from tests.contract.operator.conftest import Bench

from recsys_operator.errors import AlreadyOwned, Conflict, NotFound
from recsys_operator.resources.kinds import KINDS


async def test_apply_creates_and_says_uid_and_resource_version(bench: Bench) -> None:
    made = await bench.cluster.apply(objects.config(bench.namespace))
    assert made["metadata"]["uid"]
    assert int(made["metadata"]["resourceVersion"]) > 0


async def test_apply_of_the_same_changes_nothing(bench: Bench) -> None:
    first = await bench.cluster.apply(objects.config(bench.namespace))
    second = await bench.cluster.apply(objects.config(bench.namespace))
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_later_writes_have_greater_resource_versions(bench: Bench) -> None:
    first = await bench.cluster.apply(objects.config(bench.namespace))
    second = await bench.cluster.apply(objects.config(bench.namespace, text="b"))
    assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])


async def test_apply_with_a_stale_resource_version_conflicts_and_changes_nothing(bench: Bench) -> None:
    first = await bench.cluster.apply(objects.config(bench.namespace))
    await bench.cluster.apply(objects.config(bench.namespace, text="b"))
    with pytest.raises(Conflict):
        await bench.cluster.apply(
            objects.config(bench.namespace, text="c"), resource_version=first["metadata"]["resourceVersion"]
        )
    live = await bench.cluster.read("ConfigMap", bench.namespace, "some-run")
    assert live["data"] == {"text": "b"}


async def test_read_of_nothing_is_none(bench: Bench) -> None:
    assert await bench.cluster.read("ConfigMap", bench.namespace, "absent") is None


async def test_create_of_a_name_that_is_ours_gives_the_existing_object(bench: Bench) -> None:
    first = await bench.cluster.create(objects.config(bench.namespace, text="a"))
    second = await bench.cluster.create(objects.config(bench.namespace, text="b"))
    assert second["metadata"]["uid"] == first["metadata"]["uid"]
    assert second["data"] == {"text": "a"}


@pytest.mark.parametrize(
    "taken", [{"ours": False}, {"ours": True, "owner": "other-uid"}], ids=["not-labelled", "other-owner"]
)
async def test_create_over_somebody_elses_object_is_refused(bench: Bench, taken: dict[str, object]) -> None:
    await bench.cluster.apply(objects.config(bench.namespace, **taken))  # type: ignore[arg-type]
    with pytest.raises(AlreadyOwned, match="not ours"):
        await bench.cluster.create(objects.config(bench.namespace))


async def test_status_is_replaced_whole(bench: Bench) -> None:
    made = await bench.cluster.create(objects.version(bench.namespace))
    status = {"phase": "Training", "reason": "A", "training": {"a": 1}}
    first = await bench.cluster.apply(
        made | {"status": status}, subresource="status", resource_version=made["metadata"]["resourceVersion"]
    )
    second = await bench.cluster.apply(
        made | {"status": {"phase": "Failed"}},
        subresource="status",
        resource_version=first["metadata"]["resourceVersion"],
    )
    assert first["status"]["training"] == {"a": 1}
    assert "training" not in second["status"]
    assert second["status"]["phase"] == "Failed"


async def test_status_decided_upon_an_older_object_conflicts(bench: Bench) -> None:
    made = await bench.cluster.create(objects.version(bench.namespace))
    version = made["metadata"]["resourceVersion"]
    await bench.cluster.apply(made | {"status": {"phase": "Training"}}, subresource="status", resource_version=version)
    with pytest.raises(Conflict):
        await bench.cluster.apply(
            made | {"status": {"phase": "Stable"}}, subresource="status", resource_version=version
        )


async def test_status_of_nothing_is_not_found(bench: Bench) -> None:
    with pytest.raises(NotFound):
        await bench.cluster.apply(
            objects.version(bench.namespace) | {"status": {"phase": "Stable"}},
            subresource="status",
            resource_version="",
        )


async def test_status_leaves_the_generation(bench: Bench) -> None:
    made = await bench.cluster.create(objects.version(bench.namespace))
    after = await bench.cluster.apply(made | {"status": {"phase": "Training"}}, subresource="status")
    assert after["metadata"]["generation"] == made["metadata"]["generation"]


async def test_delete_by_uid_and_resource_version(bench: Bench) -> None:
    made = await bench.cluster.apply(objects.config(bench.namespace))
    metadata = made["metadata"]
    assert await bench.cluster.delete(
        "ConfigMap", bench.namespace, "some-run", uid=metadata["uid"], resource_version=metadata["resourceVersion"]
    )
    assert await bench.cluster.read("ConfigMap", bench.namespace, "some-run") is None


async def test_delete_of_another_uid_spares_the_object(bench: Bench) -> None:
    made = await bench.cluster.apply(objects.config(bench.namespace))
    version = made["metadata"]["resourceVersion"]
    assert not await bench.cluster.delete(
        "ConfigMap", bench.namespace, "some-run", uid="another", resource_version=version
    )
    assert await bench.cluster.read("ConfigMap", bench.namespace, "some-run") is not None


async def test_delete_decided_upon_an_older_state_conflicts(bench: Bench) -> None:
    made = await bench.cluster.apply(objects.config(bench.namespace))
    await bench.cluster.apply(objects.config(bench.namespace, text="b"))
    metadata = made["metadata"]
    with pytest.raises(Conflict):
        await bench.cluster.delete(
            "ConfigMap", bench.namespace, "some-run", uid=metadata["uid"], resource_version=metadata["resourceVersion"]
        )


async def test_delete_of_nothing_is_false(bench: Bench) -> None:
    assert not await bench.cluster.delete("ConfigMap", bench.namespace, "absent", uid="x", resource_version="1")


async def test_replace_is_on_condition_of_its_resource_version(bench: Bench) -> None:
    made = await bench.cluster.apply(objects.config(bench.namespace))
    after = await bench.cluster.replace(made | {"data": {"text": "b"}})
    assert after["data"] == {"text": "b"}
    with pytest.raises(Conflict):
        await bench.cluster.replace(made | {"data": {"text": "c"}})


async def test_list_selects_by_label_and_says_its_resource_version(bench: Bench) -> None:
    mine = await bench.cluster.apply(objects.config(bench.namespace, "mine"))
    await bench.cluster.apply(objects.config(bench.namespace, "foreign", ours=False))
    listing = await bench.cluster.list(
        KINDS["ConfigMap"], bench.namespace, selector="app.kubernetes.io/managed-by=recsys-operator", metadata_only=True
    )
    assert [item["metadata"]["name"] for item in listing.items] == ["mine"]
    assert int(listing.resource_version) >= int(mine["metadata"]["resourceVersion"])


async def test_a_list_of_nothing_is_empty(bench: Bench) -> None:
    for metadata_only in (False, True):
        listing = await bench.cluster.list(
            KINDS["HorizontalPodAutoscaler"], bench.namespace, metadata_only=metadata_only
        )
        assert listing.items == ()
