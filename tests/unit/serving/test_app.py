"""The HTTP surface around a ranker that does as it is told."""

import asyncio
from pathlib import Path

import pytest

from recsys_api.artifact import FoldIn
from recsys_api.buckets import bucket_header
from recsys_serving.app import build_app
from recsys_serving.ranking import BrokenError, BusyError, DeadlineError, RankingError
from recsys_serving.testing.artifacts import Recipe, make, popular_rows
from recsys_serving.testing.asgi import call

MODEL_200 = 'recsys_requests_total{code="200",fallback_reason="None",source="Model"}'


def ids(reply) -> list[str]:
    return [item["id"] for item in reply.json()["items"]]


async def test_a_known_user_gets_the_models_best_unseen_items(pod) -> None:
    reply = await pod.recommend(user="u3", k=5)
    made = pod.ranker.made
    assert ids(reply) == [made.items[row] for row in made.naive_top_k(3, 5)]
    assert reply.json()["source"] == "Model"
    assert reply.json()["fallbackReason"] == "None"
    assert await pod.metric(MODEL_200) == 1
    assert await pod.metric('recsys_request_seconds_count{source="Model"}') == 1


async def test_seen_items_of_the_request_are_left_out_and_unknown_ones_ignored(pod) -> None:
    best = ids(await pod.recommend(user="u3", k=2))
    reply = await pod.recommend(user="u3", k=5, seen=[*best, "never heard of"])
    assert not set(best) & set(ids(reply))
    assert len(ids(reply)) == 5


async def test_k_is_top_k_by_default(pod) -> None:
    assert len(ids(await pod.recommend(user="u1"))) == 50


async def test_an_unknown_user_gets_popularity_without_what_the_request_names(pod) -> None:
    made = pod.ranker.made
    popular = [made.items[row] for row in popular_rows(made)]
    reply = await pod.recommend(user="stranger", k=3, seen=[popular[1]])
    assert ids(reply) == [popular[0], popular[2], popular[3]]
    assert (reply.json()["source"], reply.json()["fallbackReason"]) == ("Popularity", "UnknownUser")
    assert pod.ranker.calls == []


FOLDING = Recipe(architecture="PureSVD", hidden=(), fold_in=FoldIn(kind="Sum"))


async def test_an_unknown_user_is_answered_from_what_the_request_names_where_the_model_folds_in(
    put, new_pod, tmp_path: Path
) -> None:
    pod = new_pod(put(make(FOLDING), tmp_path))
    made, had = pod.ranker.made, [4, 17, 9]
    reply = await pod.recommend(user="stranger", k=5, seen=[*(made.items[row] for row in had), "never heard of"])
    assert ids(reply) == [made.items[row] for row in made.naive_top_folded(had, 5)]
    assert (reply.json()["source"], reply.json()["fallbackReason"]) == ("Model", "UnknownUser")
    labels = '{code="200",fallback_reason="UnknownUser",source="Model"}'
    assert await pod.metric(f"recsys_requests_total{labels}") == 1


@pytest.mark.parametrize("seen", [[], ["never heard of"]])
async def test_an_unknown_user_of_whom_nothing_is_known_gets_popularity_from_every_model(
    put, new_pod, tmp_path: Path, seen: list[str]
) -> None:
    pod = new_pod(put(make(FOLDING), tmp_path))
    reply = await pod.recommend(user="stranger", k=3, seen=seen)
    assert (reply.json()["source"], reply.json()["fallbackReason"]) == ("Popularity", "UnknownUser")
    assert pod.ranker.calls == []


async def test_a_scorer_that_fails_an_unknown_user_counts_as_a_bad_fallback(put, new_pod, tmp_path: Path) -> None:
    pod = new_pod(put(make(FOLDING), tmp_path))
    pod.ranker.error = BrokenError("down")
    reply = await pod.recommend(user="stranger", k=3, seen=[pod.ranker.made.items[0]])
    assert (reply.json()["source"], reply.json()["fallbackReason"]) == ("Popularity", "TritonError")


async def test_a_user_without_history_gets_popularity(put, new_pod, tmp_path: Path) -> None:
    made = make()
    made.seen[39] = []
    reply = await new_pod(put(made, tmp_path)).recommend(user="u39", k=3)
    assert reply.json()["fallbackReason"] == "NoHistory"


FALLBACKS = [
    (BrokenError("down"), "TritonError", "Popularity"),
    (BusyError("full"), "Overload", "Popularity"),
    (DeadlineError("late"), "Deadline", "Model"),
]


@pytest.mark.parametrize(("error", "reason", "timed_as"), FALLBACKS, ids=[row[1] for row in FALLBACKS])
async def test_a_failing_ranker_never_fails_the_request(pod, error: RankingError, reason: str, timed_as: str) -> None:
    pod.ranker.error = error
    reply = await pod.recommend(user="u3", k=5)
    assert reply.status == 200
    assert (reply.json()["source"], reply.json()["fallbackReason"]) == ("Popularity", reason)
    made = pod.ranker.made
    assert not {made.items[row] for row in made.seen[3]} & set(ids(reply))
    assert await pod.metric(f'recsys_requests_total{{code="200",fallback_reason="{reason}",source="Popularity"}}') == 1
    assert await pod.metric(f'recsys_request_seconds_count{{source="{timed_as}"}}') == 1


async def test_more_than_max_in_flight_is_overload(shared_artifact, new_pod) -> None:
    pod = new_pod(shared_artifact, RECSYS_MAX_IN_FLIGHT="1")
    entered, release = asyncio.Event(), asyncio.Event()
    rank = pod.ranker.rank

    async def slow(*arguments: object):
        entered.set()
        await release.wait()
        return await rank(*arguments)

    pod.ranker.rank = slow
    first = asyncio.ensure_future(pod.recommend(user="u1", k=1))
    await entered.wait()
    assert (await pod.recommend(user="u2", k=1)).json()["fallbackReason"] == "Overload"
    release.set()
    assert (await first).json()["source"] == "Model"


async def test_headers_of_an_answer(pod) -> None:
    reply = await pod.post("/v1/recommend", {"user": "u1", "k": 1}, x_request_id="abc")
    assert reply.headers["x-request-id"] == "abc"
    assert reply.headers["x-recsys-version"] == "movies-0123456789"
    assert reply.headers["cache-control"] == "private, no-store"
    assert "connection" not in reply.headers


async def test_the_request_id_of_the_body_wins_and_is_in_the_token(pod) -> None:
    reply = await pod.post("/v1/recommend", {"user": "u1", "k": 1, "requestId": "mine"}, x_request_id="other")
    assert reply.headers["x-request-id"] == "mine"
    assert pod.api.signer.verify(reply.json()["token"]).request_id == "mine"


async def test_an_id_that_cannot_be_echoed_is_replaced(pod) -> None:
    reply = await pod.post("/v1/recommend", {"user": "u1", "k": 1}, x_request_id="a b")
    assert len(reply.headers["x-request-id"]) == 32


async def test_refused_requests_are_counted_with_their_code(pod) -> None:
    reply = await pod.recommend(user=1.5)
    assert reply.status == 400
    assert reply.json()["error"]["field"] == "user"
    assert await pod.metric('recsys_requests_total{code="400",fallback_reason="None",source="None"}') == 1


async def test_a_body_beyond_1_mib_is_413(pod) -> None:
    reply = await pod.post("/v1/recommend", b" " * (2**20 + 1))
    assert reply.status == 413
    assert reply.json()["error"]["field"] == "body"


@pytest.mark.parametrize(
    ("method", "path", "status", "field", "fix"),
    [
        ("GET", "/v1/recommend", 405, "method", "send POST"),
        ("POST", "/nowhere", 404, "path", "POST /v1/recommend"),
        ("POST", "/v1/recommend/", 404, "path", "POST /v1/recommend"),
    ],
)
async def test_other_paths_and_methods_answer_in_the_same_form(
    pod, method: str, path: str, status: int, field: str, fix: str
) -> None:
    reply = await call(build_app(pod.api), method, path)
    error = reply.json()["error"]
    assert (reply.status, error["field"]) == (status, field)
    assert fix in error["message"]
    assert reply.headers.get("allow") == ("POST" if status == 405 else None)


async def test_a_caller_who_leaves_before_the_body_ends_is_neither_a_defect_nor_an_answer(pod) -> None:
    async def left(scope, receive, send) -> None:
        async def disconnected():
            return {"type": "http.disconnect"}

        await build_app(pod.api)(scope, disconnected, send)

    for path in ("/v1/recommend", "/v1/events"):
        assert (await call(left, "POST", path)).status == 400
    assert 'source="None"' not in (await pod.get("/metrics")).body.decode()
    assert await pod.metric('recsys_callers_left_total{counted="false"}') == 1


@pytest.mark.parametrize("same", [True, False])
async def test_a_bucket_that_contradicts_the_user_is_counted(pod, same: bool) -> None:
    bucket = bucket_header("u1" if same else "someone else", bytes.fromhex("ab" * 16))
    reply = await pod.post("/v1/recommend", {"user": "u1", "k": 1}, x_recsys_bucket=bucket)
    assert reply.status == 200
    assert await pod.metric("recsys_bucket_mismatch_total{}") == (0 if same else 1)


async def test_events_are_counted_by_kind_and_dropped_by_reason(pod) -> None:
    answer = (await pod.recommend(user="u1", k=2)).json()
    event = {"token": answer["token"], "item": answer["items"][0]["id"], "type": "click"}
    for body in (event, event, {**event, "type": "view"}, {**event, "type": "conversion"}):
        assert (await pod.post("/v1/events", body)).status == 202
    forged = await pod.post("/v1/events", {**event, "token": "AAAA"})
    assert forged.json() == {"accepted": False, "reason": "InvalidToken"}
    assert await pod.metric("recsys_clicks_total{}") == 1
    assert await pod.metric("recsys_exposures_total{}") == 1
    assert await pod.metric('recsys_events_dropped_total{reason="Duplicate"}') == 1
    assert await pod.metric('recsys_events_dropped_total{reason="InvalidToken"}') == 1


async def test_a_wrong_event_is_a_400(pod) -> None:
    assert (await pod.post("/v1/events", {"token": "x"})).status == 400


async def test_every_published_metric_and_bound_is_there_from_the_start(pod) -> None:
    text = (await pod.get("/metrics")).body.decode()
    for line in (
        'recsys_requests_total{code="200",fallback_reason="TritonError",source="Popularity",version="movies-0123456789"}',
        'recsys_request_seconds_bucket{le="0.001",source="Model",version="movies-0123456789"} 0.0',
        'recsys_request_seconds_bucket{le="5.0",source="Model",version="movies-0123456789"} 0.0',
        'recsys_exposures_total{version="movies-0123456789"} 0.0',
        'recsys_clicks_total{version="movies-0123456789"} 0.0',
        'recsys_triton_restarts_total{version="movies-0123456789"} 0.0',
        f'recsys_artifact_info{{digest="{pod.library.digest}",version="movies-0123456789"}} 1.0',
    ):
        assert line in text
    assert "recsys_process_start_seconds{" in text
    assert "# TYPE recsys_events_dropped_total counter" in text
    assert "_created" not in text


async def test_restarts_of_triton_come_from_the_supervisors_file(fetched, new_pod) -> None:
    pod = new_pod(fetched)
    (fetched.models / ".supervisor.json").write_text('{"restarts": 3}')
    assert await pod.metric("recsys_triton_restarts_total{}") == 3
    (fetched.models / ".supervisor.json").write_text("{")
    assert await pod.metric("recsys_triton_restarts_total{}") == 0


async def test_a_defect_is_a_500_in_our_form_and_counted(pod) -> None:
    def explode() -> None:
        raise RuntimeError("defect")

    pod.ranker.on_call = explode
    app = build_app(pod.api)
    with pytest.raises(RuntimeError, match="defect"):
        await call(app, "POST", "/v1/recommend", {"user": "u1"})
    assert await pod.metric('recsys_requests_total{code="500",fallback_reason="None",source="None"}') == 1


async def test_a_catalogue_smaller_than_k_gives_what_there_is(put, new_pod, tmp_path: Path) -> None:
    pod = new_pod(put(make(Recipe(items=20, popular=20)), tmp_path))
    assert len(ids(await pod.recommend(user="u1", k=50))) == 8
