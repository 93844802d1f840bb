"""The straight lane: what sources send goes from the door to its route with nothing of the framework between.

A router, three layers of error handling and the solving of dependencies cost more than the storing, and these routes need none of
it: they name their caller themselves and open no session of their own. The routes stay what they are for the OpenAPI document, the
table of rights and the log; a request that bears an `Idempotency-Key`, or that no route of ours takes, goes the ordinary way.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final, cast

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.parts import Parts
from app.errors import Problem
from app.wording import negotiate

_ONCE: Final = b"idempotency-key"

Refuse = Callable[[Request, Problem], Awaitable[Response]]
Endpoint = Callable[..., Awaitable[Response]]


class StraightLane:
    """Pure ASGI, innermost. `refuse` makes the answer to a refusal, the same as on the ordinary way."""

    def __init__(self, app: ASGIApp, *, routes: Iterable[BaseRoute], refuse: Refuse) -> None:
        self._app = app
        self._refuse = refuse
        self.routes = [route for route in routes if isinstance(route, APIRoute)]
        self._begins = tuple({f"/{route.path.split('/')[1]}/" for route in self.routes})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoint(scope)
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        settings = cast(Parts, request.app.state.parts).settings
        request.state.language = negotiate(request.headers.get("accept-language"), settings.language)
        request.state.session = None
        try:
            response = await endpoint(request=request, **scope["path_params"])
        except Problem as refusal:
            response = await self._refuse(request, refusal)
        await response(scope, receive, send)

    def _endpoint(self, scope: Scope) -> Endpoint | None:
        """What answers it, with the scope as a router would leave it."""
        if scope["type"] != "http" or not scope["path"].startswith(self._begins):
            return None
        for route in self.routes:
            match, found = route.matches(scope)
            if match is Match.FULL:
                if any(name == _ONCE for name, _ in scope["headers"]):
                    return None
                scope.update(found)
                scope["route"] = route
                found_endpoint: Endpoint = route.endpoint
                return found_endpoint
        return None
