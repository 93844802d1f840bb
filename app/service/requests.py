"""One line per request, with an id that the answer bears too."""

import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from typing import Any

import structlog
from prometheus_client import Counter, Histogram

from app.clock import Clock
from app.ids import new_id

_GIVEN = re.compile(r"^[\w.:-]{1,64}$")
REQUESTS = Counter("muster_http_requests_total", "Requests answered.", ["method", "route", "status"])
SECONDS = Histogram("muster_http_request_seconds", "Time to answer a request.", ["route"])

log = structlog.get_logger("http")
Scope = MutableMapping[str, Any]


class RequestLog:
    """Pure ASGI, outermost but for the door."""

    def __init__(self, app: Callable[..., Awaitable[None]], *, clock: Clock) -> None:
        self.app = app
        self.clock = clock

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = next(
            (value.decode("latin-1") for name, value in scope["headers"] if name == b"x-request-id"), ""
        )
        request_id = given if _GIVEN.match(given) else new_id(self.clock.now())
        scope.setdefault("state", {})["request_id"] = request_id
        began = time.perf_counter()
        status = 500

        async def answering(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            await send(message)

        with structlog.contextvars.bound_contextvars(request=request_id):
            try:
                await self.app(scope, receive, answering)
            finally:
                self._note(scope, status, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        # The template, never the path itself: a path may hold a link's secret, and labels come from closed sets only.
        route = scope.get("route")
        template = getattr(route, "path", None) or "-"
        _answered(scope["method"] if scope["method"] in _METHODS else "other", template, status).inc()
        _took(template).observe(seconds)
        incident = scope.get("path_params", {}).get("incident_id")
        level = "info" if status < 500 else "error"
        getattr(log, level)(
            "request",
            method=scope["method"],
            route=template,
            status=status,
            ms=round(seconds * 1000, 1),
            incident=incident,
        )


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@cache  # of closed sets, like the labels themselves
def _answered(method: str, template: str, status: int) -> Counter:
    return REQUESTS.labels(method, template, str(status))


@cache
def _took(template: str) -> Histogram:
    return SECONDS.labels(template)
