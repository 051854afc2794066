"""The HTTP surface: routes, headers, errors. Everything that decides lies in the modules that it calls."""

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from recsys_api.buckets import BUCKET_HEADER, bucket_header
from recsys_serving.admission import Caller, CallerLeftError
from recsys_serving.events import EventLedger
from recsys_serving.health import Health
from recsys_serving.metrics import CONTENT_TYPE, ServingMetrics
from recsys_serving.recommending import Answer, Recommender
from recsys_serving.requests import MAX_BODY_BYTES, RequestError, is_request_id, parse_event, parse_recommend
from recsys_serving.tokens import TokenSigner

_PRIVATE = "private, no-store"
_TIMEOUT = 408


@dataclass(frozen=True, kw_only=True)
class Api:
    """Everything that answering needs."""

    version: str
    top_k: int
    bucket_key: bytes
    recommender: Recommender
    signer: TokenSigner
    ledger: EventLedger
    metrics: ServingMetrics
    health: Health
    timer: Callable[[], float] = time.perf_counter
    wall: Callable[[], float] = time.time
    body_seconds: float = 10.0
    """How long a request's body may take to come."""

    async def recommend(self, request: Request) -> Response:
        """POST /v1/recommend."""
        try:
            raw = await read_body(request, self.body_seconds)
            return await self._recommend(request, raw, self.timer())
        except RequestError as error:
            self.metrics.count_error(error.status)
            return self.respond(request, error.to_dict(), error.status)
        except (ClientDisconnect, CallerLeftError):
            self.metrics.count_left(counted=False)
            raise
        except Exception:
            self.metrics.count_error(500)
            raise

    async def _recommend(self, request: Request, raw: bytes, started: float) -> Response:
        asked = parse_recommend(raw, top_k=self.top_k)
        bucket = request.headers.get(BUCKET_HEADER)
        if bucket is not None and bucket != bucket_header(asked.user, self.bucket_key):
            self.metrics.count_bucket_mismatch()
        request_id = asked.request_id or request_id_of(request)
        caller = Caller(request.receive)
        answer = await self.recommender.recommend(asked.user, asked.k, asked.seen, caller=caller)
        response = self.respond(request, self._body(answer, request_id), 200, request_id)
        self.metrics.count_answer(source=answer.source, reason=answer.fallback_reason, seconds=self.timer() - started)
        if caller.left:
            self.metrics.count_left(counted=True)
        return response

    def _body(self, answer: Answer, request_id: str) -> dict[str, object]:
        token = self.signer.sign(
            request_id=request_id,
            version=self.version,
            source=answer.source,
            items=[item for item, _ in answer.items],
            seconds=int(self.wall()),
        )
        return {
            "items": [{"id": item, "score": score} for item, score in answer.items],
            "source": answer.source,
            "fallbackReason": answer.fallback_reason,
            "version": self.version,
            "token": token,
        }

    async def event(self, request: Request) -> Response:
        """POST /v1/events."""
        try:
            event = parse_event(await read_body(request, self.body_seconds))
        except RequestError as error:
            return self.respond(request, error.to_dict(), error.status)
        outcome = self.ledger.accept(event)
        if outcome.accepted:
            self.metrics.count_event(event.type, outcome.version)
            return self.respond(request, {"accepted": True}, 202)
        self.metrics.count_dropped(outcome.version, outcome.reason)
        return self.respond(request, {"accepted": False, "reason": outcome.reason}, 202)

    async def metrics_text(self, request: Request) -> Response:
        """GET /metrics."""
        return Response(self.metrics.render(), headers={"content-type": CONTENT_TYPE})

    async def healthz(self, request: Request) -> Response:
        """GET /healthz."""
        code, reason = self.health.liveness()
        return Response(reason + "\n", code, media_type="text/plain")

    async def readyz(self, request: Request) -> Response:
        """GET /readyz."""
        code, reason = self.health.readiness()
        return Response(reason + "\n", code, media_type="text/plain")

    async def http_error(self, request: Request, error: Exception) -> Response:
        """404, 405 and 500 in the same form as our own errors."""
        refused = _refusal(request, error)
        response = self.respond(request, refused.to_dict(), refused.status)
        if isinstance(error, HTTPException):
            response.headers.update(error.headers or {})
        return response

    async def gone(self, request: Request, error: Exception) -> Response:
        """The caller left before its answer: nobody reads this, and it is no defect for the log."""
        return Response(status_code=400)

    def respond(self, request: Request, body: object, status: int, request_id: str = "") -> Response:
        """JSON with the headers that every answer carries."""
        headers = {
            "content-type": "application/json",
            "cache-control": _PRIVATE,
            "x-recsys-version": self.version,
            "x-request-id": request_id or request_id_of(request),
        }
        if self.health.draining or status == _TIMEOUT:
            # The next request of this client must go to another pod: this one closes its connections soon. After a
            # timeout the rest of the body would be waited for.
            headers["connection"] = "close"
        return Response(json.dumps(body, separators=(",", ":")).encode(), status, headers)


def _refusal(request: Request, error: Exception) -> RequestError:
    path = request.url.path
    if not isinstance(error, HTTPException):
        return RequestError("path", path, "internal error; see the pod's log", status=500)
    if error.headers and "Allow" in error.headers:
        return RequestError("method", request.method, f"send {error.headers['Allow']} to {path}", status=405)
    return RequestError("path", path, "unknown path; send POST /v1/recommend or POST /v1/events", status=404)


async def read_body(request: Request, seconds: float) -> bytes:
    """The body; raises RequestError beyond 1 MiB (413) or when it has not come in time (408)."""
    chunks, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                size += len(chunk)
                # The rest of a body that is too large is read all the same: who still sends it sees no answer.
                chunks.append(chunk if size <= MAX_BODY_BYTES else b"")
    except TimeoutError:
        raise RequestError("body", size, f"send it whole within {seconds:g} s", status=_TIMEOUT) from None
    if size > MAX_BODY_BYTES:
        raise RequestError("body", size, f"send at most {MAX_BODY_BYTES} bytes", status=413)
    return b"".join(chunks)


def request_id_of(request: Request) -> str:
    """The caller's x-request-id where it can be echoed, else a new one."""
    given = request.headers.get("x-request-id", "")
    return given if is_request_id(given) else uuid.uuid4().hex


def build_app(api: Api) -> Starlette:
    """The ASGI application."""
    routes = [
        Route("/v1/recommend", api.recommend, methods=["POST"]),
        Route("/v1/events", api.event, methods=["POST"]),
        Route("/metrics", api.metrics_text),
        Route("/healthz", api.healthz),
        Route("/readyz", api.readyz),
    ]
    handlers = {
        HTTPException: api.http_error,
        500: api.http_error,
        ClientDisconnect: api.gone,
        CallerLeftError: api.gone,
    }
    app = Starlette(routes=routes, exception_handlers=handlers)
    # A redirect would be to http://, whatever the gateway speaks, and send the user's id there.
    app.router.redirect_slashes = False
    return app
