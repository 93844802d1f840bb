"""The door lets in what both databases keep, and turns away the rest without ever failing itself."""

import asyncio
import json
import math
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import wording
from app.door import MAX_DEPTH, MAX_NODES, BodyLimit, TooSlow, parse_json, problem_response_bytes
from app.errors import Malformed, Problem, Refused, every_problem
from app.wording import say


def why_not(body: bytes) -> str:
    with pytest.raises(Malformed) as refusal:
        parse_json(body)
    assert wording.known(refusal.value.detail.key)
    return refusal.value.detail.key.removeprefix("door.json.")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"{", "syntax"),
        (b'{"a": 1', "syntax"),
        (b'{"a": 1} x', "syntax"),
        (b'"raw \x00 nul"', "syntax"),
        (b"\xff\xfe{}", "not_utf8"),
        (b'"\xed\xa0\x80"', "not_utf8"),
        (b"NaN", "number"),
        (b"[-Infinity]", "number"),
        (b"[1e999]", "number"),
        (b"[1e30]", "number"),
        (b"9223372036854775808", "integer"),
        (b"-9223372036854775809", "integer"),
        (b"1" * 5_000, "integer"),
        (b'{"a": "\\u0000"}', "nul"),
        (b'{"\\u0000": 1}', "nul"),
        (b'["\\ud83d"]', "surrogate"),
        (b'{"\\uDC00": 1}', "surrogate"),
        (b'{"a": 1, "a": 2}', "duplicate"),
        (b"[" * 900 + b"]" * 900, "too_deep"),
        (b"[" * 100_000, "too_deep"),
        (b'{"a":' * 100_000, "too_deep"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    assert why_not(body) == reason


def test_the_refusal_says_where() -> None:
    with pytest.raises(Malformed) as refusal:
        parse_json(b'{"alerts": [{}, {"name": "\\u0000"}]}')
    assert refusal.value.detail.params["where"] == "/alerts/1/name"


def test_a_byte_order_mark_is_forgiven_and_a_whole_surrogate_pair_is_a_character() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": "\\ud83d\\ude00"}') == {"a": "😀"}


def test_the_largest_integers_pass() -> None:
    assert parse_json(b"[9223372036854775807, -9223372036854775808]") == [2**63 - 1, -(2**63)]


def test_the_last_of_two_keys_counts_where_that_is_allowed() -> None:
    assert parse_json(b'{"a": 1, "a": 2}', lenient_keys=True) == {"a": 2}


def test_depth_is_exact_and_brackets_in_a_string_do_not_count() -> None:
    assert parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    assert why_not(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)) == "too_deep"
    assert parse_json(b'"' + b"[" * 900 + b'\\"{"') == "[" * 900 + '"{'


def test_the_number_of_values_is_exact() -> None:
    assert len(parse_json(b"[" + b"{}," * (MAX_NODES - 2) + b"1]")) == MAX_NODES - 1
    assert why_not(b"[" + b"{}," * (MAX_NODES - 1) + b"1]") == "too_many"


def test_numbers_take_the_form_in_which_postgresql_gives_them_back() -> None:
    big, zero = parse_json(b"[1e16, -0.0]")
    assert big == 10**16
    assert isinstance(big, int)
    assert math.copysign(1, zero) == 1


ours = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(-1e15, 1e15)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc/~é"), inner),
    max_leaves=20,
)


@given(ours, st.booleans())
def test_every_ordinary_value_passes_unchanged(value: Any, ascii_only: bool) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary() | st.text('[]{}",:\\u0d8 1e-').map(str.encode))
def test_no_bytes_make_the_reader_fail_otherwise_than_by_refusing(body: bytes) -> None:
    try:
        value = parse_json(body)
    except Malformed:
        return
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


class Seen(list[bytes]):
    """An application that remembers the bodies it was given."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            message = await receive()
            assert message["more_body"] is False
            self.append(message["body"])
        else:
            self.append(b"<" + scope["type"].encode() + b">")


class Client:
    """One request: its chunks, then either the end, silence, or a disconnect."""

    def __init__(self, *chunks: bytes, then: str = "end", **headers: str) -> None:
        self.scope = {"type": "http", "path": "/intake/prom", "query_string": b"key=secret"}
        self.headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        self.chunks = list(chunks)
        self.then = then
        self.read = 0
        self.sent: list[Any] = []

    async def receive(self) -> dict[str, Any]:
        if self.chunks:
            chunk = self.chunks.pop(0)
            self.read += len(chunk)
            return {
                "type": "http.request",
                "body": chunk,
                "more_body": bool(self.chunks) or self.then != "end",
            }
        if self.then == "silence":
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    async def through(self, app: Any, **limits: Any) -> "Client":
        door = BodyLimit(app, **limits)
        await door({**self.scope, "headers": self.headers}, self.receive, self.send)
        return self

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def answer_headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def problem(self) -> Any:
        return json.loads(self.sent[1]["body"])


@pytest.fixture
def app() -> Seen:
    return Seen()


async def test_a_body_in_pieces_reaches_the_application_whole(app: Seen) -> None:
    await Client(b"ab", b"", b"cd").through(app, max_bytes=4)
    assert app == [b"abcd"]


async def test_a_streamed_body_over_the_limit_is_413_and_the_application_never_called(app: Seen) -> None:
    client = await Client(b"abc", b"de", accept_language="en").through(app, max_bytes=4)
    assert (client.status, app) == (413, [])
    assert client.answer_headers["content-type"] == "application/problem+json"
    assert client.answer_headers["connection"] == "close"
    assert client.problem == {
        "type": "/problems/too-large",
        "title": "The request is too large",
        "status": 413,
        "detail": "The body is larger than 4 bytes.",
        "instance": "/intake/prom",
        "limit": 4,
    }


async def test_an_announced_body_over_the_limit_is_read_off_so_that_its_sender_sees_the_answer(
    app: Seen,
) -> None:
    client = await Client(b"abc", b"de", content_length="5").through(app, max_bytes=4)
    assert (client.status, client.read) == (413, 5)


async def test_no_more_than_a_bound_is_thrown_away(app: Seen) -> None:
    client = await Client(*[b"x"] * 100).through(app, max_bytes=4, max_drained_bytes=10)
    assert (client.status, client.read) == (413, 11)


@pytest.mark.parametrize(
    "headers", [{"content_length": "5", "expect": "100-continue"}, {"content_length": "99"}]
)
async def test_who_asks_first_or_announces_too_much_is_answered_unread(
    app: Seen, headers: dict[str, str]
) -> None:
    client = await Client(b"abcde", **headers).through(app, max_bytes=4, max_drained_bytes=10)
    assert (client.status, client.read) == (413, 0)


async def test_a_dripping_client_is_408_in_its_own_language(app: Seen) -> None:
    client = await Client(b"a", then="silence", accept_language="zh-TW").through(app, within=timedelta(0))
    assert (client.status, app) == (408, [])
    assert client.problem["title"] == "請求送達過慢"
    assert client.answer_headers["connection"] == "close"


async def test_a_large_body_that_stalls_is_still_called_too_large(app: Seen) -> None:
    client = await Client(b"abcde", then="silence").through(app, max_bytes=4, within=timedelta(0))
    assert client.status == 413


async def test_a_client_that_hangs_up_in_the_middle_leaves_nothing_behind(app: Seen) -> None:
    client = await Client(b"half", then="disconnect").through(app)
    assert (client.sent, app) == ([], [])


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip"])
async def test_a_compressed_body_is_415_and_told_what_is_read(app: Seen, encoding: str) -> None:
    client = await Client(b"\x1f\x8b", content_encoding=encoding).through(app)
    assert (client.status, client.answer_headers["accept-encoding"], app) == (415, "identity", [])


async def test_identity_is_no_compression(app: Seen) -> None:
    await Client(b"ab", content_encoding="Identity").through(app)
    assert app == [b"ab"]


@pytest.mark.parametrize("length", ["-1", "1e3", "²", "9" * 40])
async def test_a_length_that_is_no_number_is_400(app: Seen, length: str) -> None:
    client = await Client(b"ab", content_length=length).through(app)
    assert (client.status, client.read, app) == (400, 0, [])


async def test_what_is_not_http_passes_untouched(app: Seen) -> None:
    client = Client()
    client.scope["type"] = "lifespan"
    await client.through(app)
    assert app == [b"<lifespan>"]


async def test_after_the_body_the_application_hears_of_the_disconnect() -> None:
    heard: list[str] = []

    async def stream(_scope: Any, receive: Any, _send: Any) -> None:
        heard.extend([(await receive())["type"], (await receive())["type"]])

    await Client(b"ab").through(stream)
    assert heard == ["http.request", "http.disconnect"]


def test_members_of_a_problem_come_out_as_json_whatever_they_are() -> None:
    problem = Refused(
        say("door.json.empty"),
        headers={"Retry-After": "5"},
        allowed={"assess"},
        errors=[{"message": say("door.json.empty")}],
        number=math.nan,
        text="\udc80",
        status="not overwritten",
    )
    response = problem_response_bytes(problem, language="en", instance="/x")
    document = json.loads(response.body.decode("utf-8"))
    assert document["errors"] == [{"message": "The body is empty; JSON was expected."}]
    assert (document["allowed"], document["status"], document["number"]) == (["assess"], 409, "nan")
    assert dict(response.headers)[b"retry-after"] == b"5"


def titled() -> Iterable[type[Problem]]:
    return [kind for kind in every_problem() if kind.__module__ in {"app.errors", "app.door"}]


@pytest.mark.parametrize("language", wording.LANGUAGES)
def test_every_problem_has_a_title_and_an_explanation(language: str) -> None:
    assert TooSlow in titled()
    for slug in [kind.slug for kind in titled()] + [Problem.slug, "method-not-allowed"]:
        assert {f"problem.{slug}.title", f"problem.{slug}.about"} <= wording.catalogue(language).keys()


@pytest.mark.parametrize("room", ["door.", "problem.", "source."])
def test_the_catalogues_say_the_same_things_in_each_language(room: str) -> None:
    keys = [{key for key in wording.catalogue(one) if key.startswith(room)} for one in wording.LANGUAGES]
    assert keys[0] == keys[1] == keys[2] != set()
