"""The public status page: the same bytes for the same board, a feed any reader takes, and within measure for each client."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest

from app.away import Away
from app.clock import ManualClock
from app.customers.board import Board, Thread, Told
from app.customers.page import Form, draw
from app.customers.serving import AT_ONCE, FRESH, StatusPage
from app.errors import TooMany
from app.incidents.tables import Stage

AT = datetime(2026, 11, 22, 19, 0, 30, 5, tzinfo=UTC)
ATOM = "{http://www.w3.org/2005/Atom}"
BASE = "https://status.example"


def told(minutes: int, stage: Stage, text: str = "We are at it.") -> Told:
    return Told(
        AT + timedelta(minutes=minutes),
        stage,
        {"zh": "部分服务受影响", "en": "Affected"},
        {"zh": "处理中", "en": text},
    )


def thread(id_: str, *said: Told, ended: int | None = None) -> Thread:
    ended_at = AT + timedelta(minutes=ended) if ended is not None else None
    return Thread(id_, said[-1].at, ended_at or said[0].at, ended_at, said)


NOW = thread("01A", told(9, Stage.PROGRESS, "<b>bold</b> & \x0b\x07odd"), told(0, Stage.BEGUN))
THEN = thread("01B", told(-90, Stage.BEGUN), ended=-60)
BOARD = Board((NOW,), (THEN,), "Asia/Shanghai")


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("language", ["zh-Hans", "zh-Hant", "en"])
def test_the_same_board_gives_the_same_bytes_in_each_language(form: Form, language: str) -> None:
    drawn = draw(BOARD, form, language, base_url=BASE)
    assert drawn == draw(BOARD, form, language, base_url=BASE)
    assert ("Affected" in drawn.decode()) == (language == "en")
    assert b"<b>bold" not in drawn or form is Form.JSON


def test_the_feed_is_what_rfc_4287_asks_for() -> None:
    """4.1.1 and 4.1.2: id, title, updated and an author; each entry with an id of its own, a title, updated, content; 4.2.6: ids
    are the same in every language and for good."""
    feeds = [ET.fromstring(draw(BOARD, Form.ATOM, one, base_url=BASE)) for one in ("en", "zh-Hans")]
    for feed in feeds:
        assert [feed.findtext(ATOM + name) for name in ("id", "title", "updated")].count(None) == 0
        assert feed.find(f"{ATOM}author/{ATOM}name") is not None
        assert feed.find(f"{ATOM}link[@rel='self']") is not None
        for entry in feed.findall(ATOM + "entry"):
            for name in ("id", "title", "updated", "content"):
                assert len(entry.findall(ATOM + name)) == 1
    ids = [[entry.findtext(ATOM + "id") for entry in feed.findall(ATOM + "entry")] for feed in feeds]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2
    later = Board((thread("01A", told(20, Stage.RESOLVED), *NOW.told),), (THEN,), "Asia/Shanghai")
    [entry, _] = ET.fromstring(draw(later, Form.ATOM, "en", base_url="https://moved.example")).findall(
        ATOM + "entry"
    )
    assert entry.findtext(ATOM + "id") == ids[0][0]
    assert entry.findtext(ATOM + "updated") == "2026-11-22T19:20:30Z"
    assert feeds[0].findtext(ATOM + "id") != feeds[1].findtext(ATOM + "id")


def test_an_empty_board_is_a_page_and_a_feed_too() -> None:
    empty = Board((), (), "Asia/Shanghai")
    assert "nothing to report" in draw(empty, Form.HTML, "en", base_url=BASE).decode()
    feed = ET.fromstring(draw(empty, Form.ATOM, "en", base_url=BASE))
    assert feed.findtext(ATOM + "updated") == "1970-01-01T00:00:00Z"
    assert json.loads(draw(empty, Form.JSON, "en", base_url=BASE)) == {
        "language": "en", "updated_at": None, "current": [], "past": [],
    }  # fmt: skip


def test_times_are_those_of_the_customers_clocks() -> None:
    assert "2026-11-23 03:09" in draw(BOARD, Form.HTML, "zh-Hans", base_url=BASE).decode()


class Source:
    """Where boards come from: one after the other, or not at all."""

    def __init__(self, *given: Board | Exception) -> None:
        self.given, self.asked = list(given), 0

    async def __call__(self, at: datetime) -> Board:
        self.asked += 1
        await asyncio.to_thread(str)  # others come meanwhile
        one = self.given.pop(0) if len(self.given) > 1 else self.given[0]
        if isinstance(one, Exception):
            raise one
        return one


def a_page(*given: Board | Exception) -> tuple[StatusPage, Source, ManualClock]:
    clock, source = ManualClock(AT), Source(*given)
    return StatusPage(source, clock, base_url=BASE), source, clock


async def test_however_many_ask_the_database_is_asked_once_in_a_while() -> None:
    page, source, clock = a_page(BOARD)
    copies = await asyncio.gather(*(page.copy(Form.HTML, "en") for _ in range(50)))
    assert (source.asked, len({one.etag for one in copies})) == (1, 1)
    clock.advance(FRESH)
    assert (await page.copy(Form.HTML, "en")).etag == copies[0].etag
    assert source.asked == 2


async def test_while_the_database_is_away_the_last_copy_is_served_and_without_one_it_says_so() -> None:
    page, source, clock = a_page(BOARD, Away("gone"))
    first = await page.copy(Form.HTML, "en")
    clock.advance(timedelta(hours=3))
    assert await page.copy(Form.HTML, "en") == first
    assert (await page.copy(Form.ATOM, "zh-Hans")).body, "in every form and language, drawn before or not"
    assert source.asked == 2, "and it is not asked again at once"
    never, _, _ = a_page(Away("gone"))
    with pytest.raises(Away):
        await never.copy(Form.HTML, "en")


async def test_what_changes_changes_the_tag() -> None:
    page, _, clock = a_page(BOARD, Board((), (NOW,), "Asia/Shanghai"))
    first = await page.copy(Form.JSON, "en")
    clock.advance(FRESH)
    assert (await page.copy(Form.JSON, "en")).etag != first.etag


def _fails(do: Callable[[], object]) -> int | None:
    try:
        do()
    except TooMany as refusal:
        return int(refusal.headers["Retry-After"])
    return None


def test_a_client_that_asks_too_often_is_told_when_to_come_again_and_nobody_else_is() -> None:
    page, _, clock = a_page(BOARD)
    assert [_fails(lambda: page.let_in("192.0.2.1")) for _ in range(AT_ONCE)] == [None] * AT_ONCE
    assert _fails(lambda: page.let_in("192.0.2.1")) == 1
    assert _fails(lambda: page.let_in("192.0.2.2")) is None
    clock.advance(timedelta(seconds=1))
    assert _fails(lambda: page.let_in("192.0.2.1")) is None
    assert _fails(lambda: page.let_in("192.0.2.1")) == 1


def test_a_household_of_ipv6_is_one_client() -> None:
    page, _, _ = a_page(BOARD)
    for number in range(AT_ONCE):
        page.let_in(f"2001:db8::{number + 1:x}")
    assert _fails(lambda: page.let_in("2001:db8::ffff")) == 1
    assert _fails(lambda: page.let_in("2001:db8:0:1::1")) is None
    assert _fails(lambda: page.let_in("not an address")) is None
