"""Candidates that fail as real ones do: all users are back at stable within ten seconds of the first harm.

One model, two trained versions; every test rolls the second out anew (Retry), does it harm at 50 % and looks at the route.
"""

import contextlib
import signal
import time
from collections.abc import Iterator

import pytest
from tests.cluster.chaos import exhaust_memory, signal_pod, stopped
from tests.cluster.shop import Answers, Shop, Spec, eventually, new_namespace

from recsys_local.demo.api import Api
from recsys_local.demo.stage import Kubectl

LIMIT_SECONDS = 10.0
API, TRITON = "recsys_serving.api", "tritonserver"
NEVER_PASSES = {"minSamples": 10**6, "maxSeconds": 3600}


def _spec(spec: Spec) -> None:
    spec["serving"]["replicas"] = 2
    spec["rollout"]["steps"] = [{"name": "half", "weight": 50, **NEVER_PASSES}, {"name": "all", "weight": 100}]


@pytest.fixture(scope="module")
def shop(installed: Kubectl, api: Api) -> Iterator[Shop]:
    """Version 1 is stable with two pods, version 2 is trained and answers half of the users."""
    with new_namespace(installed) as namespace:
        found = Shop(api, installed, namespace)
        found.apply(_spec)
        found.wait_version(1, ("Stable",), seconds=300)
        yield found


@pytest.fixture(scope="module")
def answers(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answers]:
    """Users ask all the time."""
    with shop.users(tmp_path_factory.mktemp("users")) as found:
        yield found


@pytest.fixture
def candidate(shop: Shop, answers: Answers) -> Iterator[str]:
    """Version 2 at 50 %, healthy so far; rolled back for good afterwards."""
    if len(shop.versions()) == 1:
        shop.apply(lambda spec: spec["training"].update(seed=2))
        shop.wait_version(2, ("Canary",), seconds=300)
    name = shop.name(2)
    if shop.version(2)["status"]["phase"] != "Canary":
        shop.ask("Retry", name)
    shop.wait_weight(name, 50, seconds=120)
    since = time.time()
    eventually(lambda: len(answers.of(name, since=since)) >= 20, seconds=60, what="20 answers of the candidate")
    yield name
    if shop.version(2)["status"]["phase"] != "RolledBack":
        shop.ask("Rollback")
        shop.wait_version(2, ("RolledBack",), seconds=30)


def test_a_candidate_that_accepts_and_never_answers(shop: Shop, candidate: str) -> None:
    with stopped(shop.pods(candidate), API):
        shop.wait_weight(candidate, 0, seconds=LIMIT_SECONDS)
        _stable_has_everybody(shop)


def test_a_candidate_whose_pods_disappear(shop: Shop, candidate: str) -> None:
    with _cordoned(shop):
        for pod in shop.pods(candidate):
            shop.kubectl("-n", shop.namespace, "delete", "pod", pod["metadata"]["name"], "--wait=false", "--now")
        shop.wait_weight(candidate, 0, seconds=LIMIT_SECONDS)
        _stable_has_everybody(shop)


def test_a_candidate_that_runs_out_of_memory_every_fifty_requests(shop: Shop, candidate: str, answers: Answers) -> None:
    kills: list[float] = []
    since = time.time()

    def harmed_and_gone() -> bool:
        if shop.weights().get(candidate, 0) == 0:
            return True
        now = time.monotonic()
        # answers go on while Triton comes back (those of popularity): a container that is away cannot be ended again
        due = len(answers.of(candidate, since=since)) >= 50 * (len(kills) + 1)
        if due and exhaust_memory(shop.pods(candidate)[0], TRITON):
            kills.append(now)
        return False

    eventually(harmed_and_gone, seconds=60, what="weight 0")
    assert time.monotonic() - kills[0] < LIMIT_SECONDS
    _stable_has_everybody(shop)


def test_a_candidate_whose_triton_is_killed_though_every_answer_was_200(
    shop: Shop, candidate: str, answers: Answers
) -> None:
    """Once may be chance: it gets its users back after a while. Twice is not."""
    since = time.time()

    for _ in range(2):
        shop.wait_weight(candidate, 50, seconds=60)
        for pod in shop.pods(candidate):
            signal_pod(pod, TRITON, signal.SIGKILL)
        shop.wait_weight(candidate, 0, seconds=LIMIT_SECONDS)

    assert {line["status"] for line in answers.all() if line["at"] >= since} == {200}
    assert {line["fallbackReason"] for line in answers.of(candidate, since=since)} & {"TritonError", "Deadline"}
    version = shop.wait_version(2, ("RolledBack",), seconds=10)
    assert version["status"]["message"] == "for the second time: tritonserver restarted in a pod"


def test_a_missing_stable_pod_does_not_keep_users_at_a_bad_candidate(shop: Shop, candidate: str) -> None:
    stable = shop.name(1)
    with _cordoned(shop):
        gone = shop.pods(stable)[0]["metadata"]["name"]
        shop.kubectl("-n", shop.namespace, "delete", "pod", gone, "--wait=false", "--now")
        with stopped(shop.pods(candidate), API):
            shop.wait_weight(candidate, 0, seconds=LIMIT_SECONDS)
    _stable_has_everybody(shop)


def test_a_candidate_that_knows_half_of_the_users(shop: Shop, candidate: str, answers: Answers) -> None:
    """Its digests and golden answers are right: only the share of unknown users beside stable's tells."""
    shop.ask("Rollback")
    since = time.time()
    shop.apply(lambda spec: spec["data"]["source"].update(uri="s3://lake/half-of-the-users/"))
    version = shop.wait_version(3, ("Canary",), seconds=300)["metadata"]["name"]
    shop.wait_version(3, ("RolledBack",), seconds=120)

    seen = answers.of(version, since=since)
    assert seen
    assert {line["status"] for line in seen} == {200}
    assert "unknown" in shop.version(3)["status"]["message"].lower()
    _stable_has_everybody(shop)
    shop.apply(lambda spec: spec["data"]["source"].update(uri="s3://lake/ml-100k/"))


def test_a_candidate_that_never_becomes_ready_fails_with_the_reason(shop: Shop) -> None:
    def change(spec: Spec) -> None:
        spec["training"]["seed"] = 4
        spec["serving"] |= {"podTemplate": {"nodeSelector": {"disk": "none-has-this"}}, "readyDeadlineSeconds": 15}

    shop.apply(change)
    status = shop.wait_version(4, ("Failed",), seconds=200)["status"]
    assert status["reason"] == "NotReadyInTime"
    assert "node" in status["message"], "the scheduler's words"
    _stable_has_everybody(shop)


def _stable_has_everybody(shop: Shop) -> None:
    assert shop.shares() == {shop.name(1): 100}


@contextlib.contextmanager
def _cordoned(shop: Shop) -> Iterator[None]:
    """No pod finds a node until the end of the block."""
    node = shop.api.request("GET", "/api/v1/nodes")["items"][0]["metadata"]["name"]
    shop.kubectl("cordon", node)
    try:
        yield
    finally:
        shop.kubectl("uncordon", node)
