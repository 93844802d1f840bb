"""The door: what comes in from the network, before anything else looks at it.

Holds the one reader of JSON (`parse_json`), the one limit on bodies (`BodyLimit`) and the one way a problem
becomes bytes (`problem_response_bytes`). What passes here means the same in SQLite and in PostgreSQL and can
be written back to any client. Knows nothing of routes, keys or rooms, and must never open a transaction: a
slow client is waited for here, so that nobody waits for it while holding a lock.
"""

import asyncio
import json
import math
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from app import wording
from app.errors import Malformed, Problem, TooLarge, UnsupportedMedia
from app.wording import Wording, say

MAX_BYTES: Final = 1024 * 1024
MAX_DRAINED_BYTES: Final = 64 * 1024 * 1024
READ_WITHIN: Final = timedelta(seconds=15)

MAX_DEPTH: Final = 64
MAX_NODES: Final = 100_000
_INT64: Final = range(-(2**63), 2**63)
_SHOWN: Final = 120  # characters of somebody else's text repeated in a refusal

_TOKEN: Final = re.compile(
    r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?'  # a string whole, so that brackets inside it do not count
    r"|(?P<empty>\[[ \t\r\n]*+\]|\{[ \t\r\n]*+\})"
    r"|(?P<open>[\[{])|(?P<close>[\]}])|(?P<comma>,)",
    re.DOTALL,
)
# Without a flag: a pattern that begins with the same characters whatever their case is looked for as fast as a word.
_SUSPECT_ESCAPE: Final = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class TooSlow(Problem, status=408, slug="too-slow"):
    """The request did not arrive in time."""


def parse_json(body: bytes, *, lenient_keys: bool = False) -> Any:
    """Read JSON that both databases keep and every client can be shown, or raise `Malformed`: what, where.

    1. UTF-8 only; a byte order mark is forgiven.
    2. Depth and number of values are counted over the text, before a parser that recurses sees it.
    3. Numbers are 64-bit integers or finite floats; a key stands once in its object, unless `lenient_keys`,
       when the last one counts.
    4. No NUL and no half of a surrogate pair, in no string and no key.
    """
    text = _decoded(body)
    _measure(text)
    try:
        value = (_LENIENT if lenient_keys else _STRICT).decode(text)
    except json.JSONDecodeError as error:
        raise Malformed(say("door.json.syntax", line=error.lineno, column=error.colno)) from error
    # Raw NULs are a syntax error and raw surrogates are not UTF-8: only an escape can bring either in.
    if _SUSPECT_ESCAPE.search(text):
        _check_strings(value)
    return value


def _decoded(body: bytes) -> str:
    try:
        text = body.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(say("door.json.not_utf8", position=error.start)) from error
    if not text.strip(" \t\r\n"):
        raise Malformed(say("door.json.empty"))
    return text


def _measure(text: str) -> None:
    """Refuse what is nested too deep or has too many values; exact for valid JSON, harmless for the rest."""
    opened = text.count("[") + text.count("{")
    if opened <= MAX_DEPTH and opened + text.count(",") < MAX_NODES:
        return  # not even if every bracket and comma counted: what most bodies are is not looked through twice
    depth, values = 0, 1
    for token in _TOKEN.finditer(text):
        match token.lastgroup:
            case "open":
                depth += 1
                values += 1
            case "close":
                depth -= 1
            case "comma":
                values += 1
        if depth + (token.lastgroup == "empty") > MAX_DEPTH:
            raise Malformed(say("door.json.too_deep", limit=MAX_DEPTH))
        if values > MAX_NODES:
            raise Malformed(say("door.json.too_many", limit=MAX_NODES))


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise Malformed(say("door.json.duplicate", name=_shown(key)))
        found[key] = value
    return found


def _integer(digits: str) -> int:
    # The length first: turning a million digits into a number is work for an attacker to ask for.
    if len(digits) > 20 or (number := int(digits)) not in _INT64:
        raise Malformed(say("door.json.integer", value=_shown(digits)))
    return number


def _float(literal: str) -> float | int:
    """A finite number, in the form in which PostgreSQL's `jsonb` would give it back.

    There -0.0 is 0.0, and a float that Python writes with a positive exponent (1e16 and more) returns as an
    integer.
    """
    number = float(literal)
    if not math.isfinite(number):
        raise Malformed(say("door.json.number", value=_shown(literal)))
    if abs(number) < 1e16:
        return number + 0.0
    if (whole := int(number)) not in _INT64:
        raise Malformed(say("door.json.number", value=_shown(literal)))
    return whole


def _no_constant(literal: str) -> Any:
    raise Malformed(say("door.json.number", value=literal))


_STRICT, _LENIENT = (
    json.JSONDecoder(
        object_pairs_hook=pairs, parse_int=_integer, parse_float=_float, parse_constant=_no_constant
    )
    for pairs in (_once_each, None)  # of equal keys the last one counts where nobody looks
)


def _check_strings(root: Any) -> None:
    waiting: list[tuple[str, Any]] = [("", root)]
    while waiting:
        where, value = waiting.pop()
        match value:
            case str():
                _check_string(where, value)
            case list():
                waiting.extend((f"{where}/{index}", member) for index, member in enumerate(value))
            case dict():
                for key, member in value.items():
                    _check_string(f"{where}/{key}", key)
                    waiting.append((f"{where}/{key}", member))


def _check_string(where: str, text: str) -> None:
    if "\0" in text:
        raise Malformed(say("door.json.nul", where=_shown(where or "/")))
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise Malformed(say("door.json.surrogate", where=_shown(where or "/")))


def _shown(text: str) -> str:
    """Somebody else's text, short and harmless enough to be repeated."""
    cut = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return cut.replace("\0", "\\u0000").encode("utf-8", "backslashreplace").decode("utf-8")


class ProblemResponse(NamedTuple):
    """A refusal ready for the wire."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def problem_response_bytes(
    problem: Problem, *, language: str = wording.DEFAULT_LANGUAGE, instance: str | None = None
) -> ProblemResponse:
    """The RFC 9457 answer for `problem` in `language`.

    `instance` is a path without its query, which may hold a key. Members may hold wordings, times and
    whatever a client sent us: all of it comes out as valid JSON, so that refusing never fails.
    """
    document: dict[str, Any] = {
        "type": f"/problems/{problem.slug}",
        "title": wording.render(say(f"problem.{problem.slug}.title"), language),
        "status": problem.status,
        "detail": wording.render(problem.detail, language),
    }
    if instance is not None:
        document["instance"] = instance
    for name, value in problem.members.items():
        document.setdefault(name, _plain(value, language))
    body = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
    headers = {
        "content-type": "application/problem+json",
        "content-language": language,
        "vary": "Accept-Language",
        "cache-control": "no-store",
        **{name.lower(): value for name, value in problem.headers.items()},
        "content-length": str(len(body)),
    }
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return ProblemResponse(problem.status, encoded, body)


def _plain(value: Any, language: str) -> Any:
    match value:
        case Wording():
            return wording.render(value, language)
        case datetime():
            return value.isoformat()
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case str():
            return str(value)
        case Mapping():
            return {str(name): _plain(member, language) for name, member in value.items()}
        case Iterable():
            return [_plain(member, language) for member in value]
        case _:
            return str(value)


class _Gone(Exception):
    """The client hung up before its request was complete."""


class BodyLimit:
    """Reads each request's body whole, within a size and a time, before the application sees any of it.

    Pure ASGI. Too many bytes is 413, too slow is 408, a compressed body is 415; each closes the connection. A
    client that hangs up in the middle is not answered and the application is never called: nothing is half
    done.
    """

    def __init__(
        self,
        app: App,
        *,
        max_bytes: int = MAX_BYTES,
        within: timedelta = READ_WITHIN,
        max_drained_bytes: int = MAX_DRAINED_BYTES,
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._within = within
        self._max_drained_bytes = max_drained_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await self._read(scope, receive)
        except Problem as problem:
            await _answer(problem, scope, send)
        except _Gone:
            return
        else:
            await self._app(scope, _replaying(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body, or the problem with it.

        A body that is refused is read on and thrown away, up to a bound: a client that writes all before it
        reads would otherwise see a broken connection in place of the answer. One that asks first (`Expect:
        100-continue`) or announces more than the bound is answered at once.
        """
        refusal, announced = self._judge_headers(scope)
        if refusal and (announced > self._max_drained_bytes or _header(scope, b"expect") is not None):
            raise refusal
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._within.total_seconds()):
                more = True
                while more and size <= self._max_drained_bytes:
                    chunk, more = await _next_chunk(receive)
                    size += len(chunk)
                    if refusal is None and size > self._max_bytes:
                        refusal = self._too_large()
                        chunks.clear()
                    if refusal is None:
                        chunks.append(chunk)
        except TimeoutError as error:
            raise refusal or self._too_slow() from error
        if refusal:
            raise refusal
        return b"".join(chunks)

    def _judge_headers(self, scope: Scope) -> tuple[Problem | None, int]:
        """What the headers alone already rule out, and the length they announce (0 if none)."""
        length = _header(scope, b"content-length") or b"0"
        if not re.fullmatch(rb"[0-9]{1,18}", length):
            malformed = Malformed(say("door.body.length"), headers={"Connection": "close"})
            return malformed, self._max_drained_bytes + 1
        announced = int(length)
        encoding = (_header(scope, b"content-encoding") or b"").strip().lower()
        if encoding not in {b"", b"identity"}:
            headers = {"Accept-Encoding": "identity", "Connection": "close"}
            return UnsupportedMedia(say("door.body.encoding"), headers=headers), announced
        return (self._too_large() if announced > self._max_bytes else None), announced

    def _too_large(self) -> TooLarge:
        detail = say("door.body.too_large", limit=self._max_bytes)
        return TooLarge(detail, headers={"Connection": "close"}, limit=self._max_bytes)

    def _too_slow(self) -> TooSlow:
        seconds = round(self._within.total_seconds())
        return TooSlow(say("door.body.too_slow", seconds=seconds), headers={"Connection": "close"})


async def _next_chunk(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] != "http.request":
        raise _Gone
    return bytes(message.get("body") or b""), bool(message.get("more_body", False))


def _replaying(body: bytes, receive: Receive) -> Receive:
    """The body once, whole; then whatever the server says next: so a stream learns of a disconnect."""
    handed_over = False

    async def replay() -> Message:
        nonlocal handed_over
        if handed_over:
            return await receive()
        handed_over = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _answer(problem: Problem, scope: Scope, send: Send) -> None:
    wanted = _header(scope, b"accept-language")
    response = problem_response_bytes(
        problem,
        language=wording.negotiate(wanted.decode("latin-1") if wanted else None),
        instance=str(scope.get("path", "/")),
    )
    await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
    await send({"type": "http.response.body", "body": response.body})


def _header(scope: Scope, wanted: bytes) -> bytes | None:
    for name, value in scope.get("headers", ()):
        if name.lower() == wanted:
            return bytes(value)
    return None
