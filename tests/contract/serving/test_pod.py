"""What holds for a pod whatever happens to its tritonserver."""

import http.client
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from recsys_serving.testing.artifacts import Made
from recsys_serving.testing.local_pod import LocalPod, wait_for


def ids(answer) -> list[str]:
    return [item["id"] for item in answer.json()["items"]]


def is_served_by_model(pod: LocalPod) -> bool:
    return pod.recommend(user="u1", k=1).json()["source"] == "Model"


def test_answers_are_the_naive_ones(pod: LocalPod, made: Made) -> None:
    for row in range(0, 60, 7):
        answer = pod.recommend(user=f"u{row}", k=20)
        assert answer.json()["source"] == "Model"
        assert ids(answer) == [made.items[item] for item in made.naive_top_k(row, 20)]


def test_requests_of_one_batch_do_not_mix(pod: LocalPod, made: Made) -> None:
    def check(row: int) -> None:
        k, extra = 1 + row % 13, made.naive_top_k(row, row % 20)
        answer = pod.recommend(user=f"u{row}", k=k, seen=[made.items[item] for item in extra])
        assert answer.json()["fallbackReason"] == "None"
        assert ids(answer) == [made.items[item] for item in made.naive_top_k(row, k, extra)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(check, range(60)))


def test_an_unknown_user_gets_popularity(pod: LocalPod) -> None:
    answer = pod.recommend(user="stranger", k=3).json()
    assert (answer["source"], answer["fallbackReason"]) == ("Popularity", "UnknownUser")


def test_an_unknown_user_is_answered_from_its_request_where_the_model_folds_in(folding: tuple[LocalPod, Made]) -> None:
    pod, made = folding

    def check(at: int) -> None:
        had = [at, 3 * at + 1, 399 - at]
        answer = pod.recommend(user="stranger", k=20, seen=[made.items[row] for row in had]).json()
        assert (answer["source"], answer["fallbackReason"]) == ("Model", "UnknownUser")
        assert [item["id"] for item in answer["items"]] == [made.items[row] for row in made.naive_top_folded(had, 20)]
        known = pod.recommend(user=f"u{at}", k=5)
        assert ids(known) == [made.items[row] for row in made.naive_top_k(at, 5)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(check, range(60)))
    assert pod.recommend(user="stranger", k=3).json()["source"] == "Popularity"


def count_until(pod: LocalPod, done: Callable[[], bool]) -> Counter[str]:
    """Ask until `done`; every answer must be a 200 and the pod ready throughout."""
    reasons: Counter[str] = Counter()

    def ask() -> bool:
        answer = pod.recommend(user="u1", k=5)
        assert answer.status == 200
        assert len(ids(answer)) == 5
        reasons[answer.json()["fallbackReason"]] += 1
        assert pod.is_ready()
        return done()

    wait_for(ask, "recovery of Triton")
    return reasons


def test_a_killed_triton_costs_no_answer_and_comes_back(pod: LocalPod) -> None:
    wait_for(lambda: is_served_by_model(pod), "an answer by the model")
    restarts, fallbacks = pod.metric("recsys_triton_restarts_total"), pod.metric("recsys_request_seconds_count")
    os.kill(pod.triton_pid(), signal.SIGKILL)
    reasons = count_until(
        pod, lambda: pod.metric("recsys_triton_restarts_total") > restarts and is_served_by_model(pod)
    )
    assert reasons["TritonError"] > 0
    assert set(reasons) <= {"TritonError", "Deadline", "None"}
    assert pod.metric("recsys_request_seconds_count") > fallbacks


def test_a_stopped_triton_costs_no_answer_and_is_replaced(pod: LocalPod) -> None:
    wait_for(lambda: is_served_by_model(pod) and pod.is_probed(), "an answer by the model")
    stopped = pod.triton_pid()
    os.kill(stopped, signal.SIGSTOP)
    reasons = count_until(pod, lambda: pod.triton_pid() not in (0, stopped) and is_served_by_model(pod))
    assert reasons["Deadline"] > 0


def test_sigterm_loses_no_request_and_ends_with_zero(pod: LocalPod) -> None:
    """Must stay the last test of this file: it ends the pod that the others share."""
    wait_for(lambda: is_served_by_model(pod), "an answer by the model")
    begun = http.client.HTTPConnection("127.0.0.1", pod.port, timeout=30)
    body = b'{"user": "u1", "k": 5}'
    until = time.monotonic() + 1.5
    pod.api.send_signal(signal.SIGTERM)
    pod.supervisor.send_signal(signal.SIGTERM)
    wait_for(lambda: not pod.is_ready(), "unreadiness")
    begun.putrequest("POST", "/v1/recommend")
    begun.putheader("content-length", str(len(body)))
    begun.endheaders(body[:5])
    reasons: Counter[str] = Counter()
    # RECSYS_DRAIN_SECONDS is 2: until then every new request is answered, and by the model.
    while time.monotonic() < until:
        answer = pod.recommend(user="u1", k=5)
        assert answer.status == 200
        assert answer.headers["connection"] == "close"
        reasons[answer.json()["fallbackReason"]] += 1
    assert reasons["None"] > 5
    assert set(reasons) <= {"None", "Deadline"}
    wait_for(lambda: not is_listening(pod), "end of the listener")
    begun.send(body[5:])
    assert begun.getresponse().status == 200
    begun.close()
    assert pod.api.wait(30) == 0
    assert pod.supervisor.wait(30) == 0


def is_listening(pod: LocalPod) -> bool:
    try:
        socket.create_connection(("127.0.0.1", pod.port), timeout=1).close()
    except OSError:
        return False
    return True
