"""The edge: what every request passes before a room sees it, in this order.

1. The body, whole and strict (`app.door` has it in memory already): no transaction is open while a client drips. Only
   what monitoring sources send is left unread here, for their routes to keep.
2. Who is asking (key or session), and whether the table of rights lets them.
3. One transaction: committed before the first byte of the answer leaves, so nobody holds a 201 for a row that is then
   rolled back. Reading requests get a session that cannot write.
4. `Idempotency-Key`: the answer is kept in that same transaction. Where the database was lost during the commit, the caller
   is told to come again, and then gets that answer, or the deed is done: once, whichever it was.

Where nothing is changed and the answer takes seconds, 3 and 4 fall away: once let in, the request holds no transaction.

Rooms' routers say `route_class=Edge`; a router that does not is outside the table of rights and fails the architecture test.
"""

import base64
import hashlib
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, cast
from urllib.parse import unquote

from fastapi import Depends, Header, Request, Response, params
from fastapi.routing import APIRoute
from sqlalchemy.ext.asyncio import AsyncSession

from app import door
from app.access import keys, sessions
from app.access.keys import Principal
from app.access.parts import Parts
from app.access.rights import OUTSIDE_TRANSACTIONS, RIGHTS, WITHOUT_DATABASE, Open
from app.access.tables import KeptAnswer, Role
from app.db import is_free
from app.errors import (
    Forbidden,
    Malformed,
    Problem,
    Refused,
    StillRunning,
    Unauthenticated,
    UnsupportedMedia,
    WrongShape,
)
from app.problems import as_response
from app.wording import negotiate, say

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_KEPT_FOR: Final = timedelta(hours=24)
Handler = Callable[[Request], Awaitable[Response]]


class Edge(APIRoute):
    """The route class of every router."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        path = self.path_format
        takes_json = self.body_field is not None and not isinstance(self.body_field.field_info, params.Form)

        async def at_the_edge(request: Request) -> Response:
            parts = cast(Parts, request.app.state.parts)
            request.state.now = parts.clock.now()
            request.state.language = negotiate(
                request.headers.get("accept-language"), parts.settings.language
            )
            body = await request.body()
            # What a source sends is read by its route, once the source is known: it is kept even where it cannot be read.
            if not _is_from_a_source(request, path):
                _refuse_unstorable(request)
                if body and _is_json(request):
                    request._json = door.parse_json(body)
                elif body and takes_json:
                    raise UnsupportedMedia(say("access.json_only"))
            if (_as_get(request.method), path) in WITHOUT_DATABASE:
                return await handler(request)
            if (request.method, path) in OUTSIDE_TRANSACTIONS:
                async with parts.db.request(writing=False) as session:
                    await _let_in(request, session, path)
                return await handler(request)
            if request.method in _READING:
                async with parts.db.request(writing=False) as session:
                    await _let_in(request, session, path)
                    return await handler(request)
            return await _in_one_transaction(parts, request, path, handler)

        return at_the_edge


def _as_get(method: str) -> str:
    """Where there is GET there is HEAD, by the same right."""
    return "GET" if method == "HEAD" else method


def _refuse_unstorable(request: Request) -> None:
    """An address with a NUL or half a character in it names nothing; PostgreSQL would refuse it later and worse."""
    query = unquote(request.scope["query_string"].decode("latin-1"), errors="surrogateescape")
    if any(c == "\0" or "\ud800" <= c <= "\udfff" for c in request.scope["path"] + query):
        raise Malformed(say("access.address"))


async def _in_one_transaction(parts: Parts, request: Request, path: str, handler: Handler) -> Response:
    chosen = request.headers.get("idempotency-key") if request.method == "POST" else None
    if chosen is None:
        async with parts.db.request() as session:
            await _let_in(request, session, path)
            return await handler(request)
    if not 1 <= len(chosen) <= 200:
        raise Malformed(say("access.idempotency_key_length"))
    async with parts.db.request(writing=False) as session:
        await _let_in(request, session, path)
    who = cast("Principal | None", request.state.who)
    name = f"{who.key_id if who else _stranger(request, await request.body())}:{chosen}"
    running: set[str] = request.app.state.running
    if name in running:
        raise StillRunning(say("access.still_running"), headers={"Retry-After": "1"})
    running.add(name)
    try:
        return await _once(parts, request, path, handler, name)
    finally:
        running.discard(name)


async def _once(parts: Parts, request: Request, path: str, handler: Handler, name: str) -> Response:
    """Serve the request, or give the answer it got before; a business "no" is an answer too."""
    now: datetime = request.state.now
    digest = _digest_of(request, await request.body())
    try:
        async with parts.db.request() as session:
            if (before := await _answered(parts, session, name, digest, now)) is not None:
                return before
            await _let_in(request, session, path)
            response = await handler(request)
            await _keep(parts, session, name, digest, response, now)
            return response
    except StillRunning:
        raise
    except Refused as refusal:
        answer = as_response(refusal, request.state.language, request.url.path)
        async with parts.db.request() as session:
            # What the refused deed wrote was rolled back, and its turn ended with it: another process may have served the
            # same request in between, and what it answered stands.
            if (before := await _answered(parts, session, name, digest, now)) is not None:
                return before
            await _keep(parts, session, name, digest, answer, now)
        raise


async def _answered(
    parts: Parts, session: AsyncSession, name: str, digest: str, now: datetime
) -> Response | None:
    """The answer that was kept for the key, if any. From here until the transaction ends the key is ours."""
    # Another process may be serving the same key: its lock says so before its row can.
    if not await is_free(session, f"answer:{name}"):
        raise StillRunning(say("access.still_running"), headers={"Retry-After": "1"})
    kept = await session.get(KeptAnswer, name)
    if kept is None or kept.expires_at <= now:
        return None
    if kept.request_digest != digest:
        raise WrongShape(say("access.idempotency_key_reused"))
    headers = {**kept.headers, "Idempotency-Replayed": "true"}
    return Response(parts.vault.unseal(kept.body_sealed), kept.status, headers)


async def _keep(
    parts: Parts, session: AsyncSession, name: str, digest: str, response: Response, now: datetime
) -> None:
    """Keep the answer, sealed: it may be the one time a new key is shown."""
    headers = {k: v for k, v in response.headers.items() if k in {"content-type", "location", "etag"}}
    answer = KeptAnswer(
        key=name, request_digest=digest, status=response.status_code, headers=headers,
        body_sealed=parts.vault.seal(bytes(response.body).decode()), kept_at=now, expires_at=now + _KEPT_FOR,
    )  # fmt: skip
    await session.merge(answer)


async def _let_in(request: Request, session: AsyncSession, path: str) -> None:
    """Name the caller and check the table, or raise 401 or 403."""
    request.state.session = session
    request.state.who = None
    request.state.browser = None
    right = RIGHTS.get((_as_get(request.method), path))
    if isinstance(right, Open):
        if right is Open.PUBLIC:
            await _recognise_browser(request, session)
        return
    who = await _recognise(request, session)
    if who is None:
        raise Unauthenticated(say("access.sign_in"), headers={"WWW-Authenticate": "Bearer"})
    request.state.who = who
    if right is None or who.role not in right:
        raise Forbidden(say("access.role_may_not", role=who.role.value), role=who.role.value)
    if request.method not in _READING:
        await keys.note_use(session, who, at=request.state.now)


async def _recognise(request: Request, session: AsyncSession) -> Principal | None:
    if shown := shown_key(request):
        return await keys.recognise(session, shown, at=request.state.now)
    return await _recognise_browser(request, session)


async def _recognise_browser(request: Request, session: AsyncSession) -> Principal | None:
    token = request.cookies.get(sessions.cookie_name(_parts(request).settings.base_url))
    known = await sessions.known_session(session, token, at=request.state.now) if token else None
    if known is None:
        return None
    request.state.browser, who = known
    request.state.csrf = known[0].csrf  # a page that shows a refusal has no row any more to read it from
    request.state.language = known[0].language or request.state.language
    if request.method not in _READING and not is_same_site(request):
        raise Forbidden(say("access.other_site"))
    request.state.who = who
    return who


def is_same_site(request: Request) -> bool:
    """A browser says where a form came from; a cookie alone proves nothing about who pressed the button."""
    if (site := request.headers.get("sec-fetch-site")) is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("origin") or request.headers.get("referer", "")
    return origin.partition("://")[2].partition("/")[0] == request.headers.get("host")


def shown_key(request: Request) -> str | None:
    """The key a request bears: bearer, `GenieKey`, basic password, or `X-API-Key`."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    match scheme.lower():
        case "bearer" | "geniekey":
            return value.strip() or None
        case "basic":
            try:
                return base64.b64decode(value, validate=True).decode().partition(":")[2] or None
            except ValueError:
                return None
    return request.headers.get("x-api-key")


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _is_from_a_source(request: Request, path: str) -> bool:
    return RIGHTS.get((request.method, path)) is Open.SOURCE


def _digest_of(request: Request, body: bytes) -> str:
    head = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    return hashlib.sha256(head + body).hexdigest()


def _stranger(request: Request, body: bytes) -> str:
    """Stands for a caller without a key of the table: two sources that choose the same `Idempotency-Key` stay two."""
    shown = (request.headers.get("authorization", ""), request.headers.get("x-api-key", ""))
    return hashlib.sha256("\n".join((*shown, _digest_of(request, body))).encode()).hexdigest()


def _session(request: Request) -> AsyncSession:
    return cast(AsyncSession, request.state.session)


def _now(request: Request) -> datetime:
    return cast(datetime, request.state.now)


def _who(request: Request) -> Principal:
    who = request.state.who
    if who is None:
        raise Unauthenticated(say("access.sign_in"), headers={"WWW-Authenticate": "Bearer"})
    return cast(Principal, who)


def _language(request: Request) -> str:
    return cast(str, request.state.language)


def _parts(request: Request) -> Parts:
    return cast(Parts, request.app.state.parts)


def _if_match(
    if_match: Annotated[str | None, Header(description='The `version` you saw, as `"3"`.')] = None,
) -> int | None:
    if if_match is None or if_match == "*":
        return None
    try:
        return int(if_match.removeprefix("W/").strip('"'))
    except ValueError as error:
        raise Malformed(say("access.if_match")) from error


Session = Annotated[AsyncSession, Depends(_session)]
Now = Annotated[datetime, Depends(_now)]
Who = Annotated[Principal, Depends(_who)]
Language = Annotated[str, Depends(_language)]
Here = Annotated[Parts, Depends(_parts)]
IfMatch = Annotated[int | None, Depends(_if_match)]


def problems(*kinds: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route, for OpenAPI: the given ones, and those any route may answer."""
    found: dict[int | str, dict[str, Any]] = {}
    every: tuple[type[Problem], ...] = (Malformed, Unauthenticated, Forbidden, WrongShape, *kinds)
    for kind in every:
        content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        found[kind.status] = {"description": (kind.__doc__ or kind.slug).strip(), "content": content}
    return found


def role_of(layer: str) -> Role:
    """The role that people of a layer sign in with."""
    return Role(layer)
