"""Acknowledge from anywhere (EP-5.2): by short message, in a chat, by mail; and what comes late, twice, or from a stranger."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import select

from app.notify import acknowledgement
from app.notify.callbacks import mail
from app.notify.tables import Delivery, Round
from app.people import contact_points
from app.people.tables import Person
from app.settings import Answers, Chat, Telephone
from tests.world import World, a_world

BASE = "http://muster.example"
PROVEN = Answers(secret=SecretStr("s3cret"))
PHONES = {"Lin": "+8613800000001", "Ben": "+8613800000002"}
SET_UP: dict[str, Any] = {
    "sms": Telephone(provider="twilio", account="AC1", secret=SecretStr("x"), answers=PROVEN),
    "chats": {"duty": Chat(channel="slack", url=SecretStr("https://hooks.example/x"), answers=PROVEN)},
    "mail_answers": Answers(secret=SecretStr("s3cret"), receiver="answers@centre.example"),
}


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(database_url, tmp_path, **SET_UP) as made:
        async with made.parts.db.transaction() as session:
            for name, number in PHONES.items():
                person_id = await session.scalar(select(Person.id).where(Person.name == name))
                assert person_id is not None
                wanted = [
                    ("mail", f"{name.lower()}@centre.example"),
                    ("sms", number),
                    ("slack", f"duty/U0{name.upper()}"),
                ]
                vault, now = made.parts.vault, made.clock.now()
                await contact_points.replace(session, vault, person_id, wanted, at=now)
        yield made


async def raised(world: World) -> str:
    made = await world.post("/incidents", {"title": "x", "type": "staff_illness", "level": 2})
    await world.settle()
    world.told()
    return str(made["id"])


async def has_it(world: World, name: str) -> str | None:
    await world.settle()
    found = await world.get(f"/incidents/{name}")
    return found["acknowledged_by"]  # type: ignore[no-any-return]


async def code_of(world: World, name: str) -> str:
    async with world.parts.db.reading() as session:
        code = await session.scalar(
            select(Round.code).where(Round.ref == name).order_by(Round.id.desc()).limit(1)
        )
    assert code is not None
    return code


async def texts(
    world: World, who: str, words: str, sid: str = "SM1", *, secret: bytes = b"s3cret"
) -> httpx.Response:
    fields = {"From": who, "Body": words, "MessageSid": sid}
    signed = f"{BASE}/callbacks/sms" + "".join(name + fields[name] for name in sorted(fields))
    signature = base64.b64encode(hmac.new(secret, signed.encode(), hashlib.sha1).digest()).decode()
    return await world.client.post("/callbacks/sms", data=fields, headers={"X-Twilio-Signature": signature})


async def kept(world: World, **query: str) -> list[dict[str, Any]]:
    return list((await world.get("/answers", params=query))["items"])


async def test_a_short_message_with_the_code_of_the_call_stops_the_chain(world: World) -> None:
    name = await raised(world)
    answered = await texts(world, PHONES["Lin"], f"1 {await code_of(world, name)}")
    assert answered.status_code == 200
    assert "is yours" in answered.text
    assert await has_it(world, name) == "Lin"
    await world.advance(minutes=30)
    assert world.told() == []
    timeline = (await world.get(f"/incidents/{name}/timeline"))["items"]
    assert "by short message" in next(
        one["summary"] for one in timeline if one["kind"] == "incident.acknowledged"
    )


async def test_what_comes_twice_from_a_stranger_unsigned_or_late_is_said_and_kept_and_changes_nothing(
    world: World,
) -> None:
    name = await raised(world)
    code = await code_of(world, name)
    assert "belongs to nobody" in (await texts(world, "+8613899999999", f"1 {code}", "SM1")).text
    assert (await texts(world, PHONES["Lin"], f"1 {code}", "SM2", secret=b"guess")).status_code == 403
    assert (await texts(world, PHONES["Lin"], f"1 {code}", "SM2", secret=b"guess")).status_code == 403
    assert "Not understood" in (await texts(world, PHONES["Lin"], "who is this?", "SM3")).text
    assert "No call with that code" in (await texts(world, PHONES["Lin"], "1 0001", "SM4")).text
    assert await has_it(world, name) is None

    assert "The next one is told" in (await texts(world, PHONES["Lin"], f"2 {code}", "SM5")).text
    assert "come already" in (await texts(world, PHONES["Lin"], f"2 {code}", "SM5")).text
    await world.settle()
    assert sorted(set(world.told())) == ["Ben", "Tao"]
    await texts(world, PHONES["Ben"], f"1{code}", "SM6")
    assert await has_it(world, name) == "Ben"
    assert "Ben has had it since" in (await texts(world, PHONES["Lin"], f"1 {code}", "SM7")).text
    assert await has_it(world, name) == "Ben"
    states = [one["state"] for one in await kept(world)]
    assert sorted(states) == ["done", "done", "forged", "late", "no_call", "not_understood", "unknown_sender"]
    assert [one["by"] for one in await kept(world, state="unknown_sender")] == ["…99"]


async def test_a_button_in_a_chat_counts_for_whoever_pressed_it(world: World) -> None:
    name = await raised(world)
    async with world.parts.db.reading() as session:
        delivery = await session.scalar(select(Delivery.id).where(Delivery.ref == name).limit(1))
    assert delivery is not None
    button = f"{delivery}.{acknowledgement.mark_of(world.parts.vault, delivery)}"

    async def press(user: str) -> int:
        said = {"user": {"id": user}, "trigger_id": user, "actions": [{"action_id": "take", "value": button}]}
        body, stamp = urlencode({"payload": json.dumps(said)}), str(int(world.clock.now().timestamp()))
        digest = hmac.new(b"s3cret", f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
        headers = {
            "X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}",
            "Content-Type": "application/x-www-form-urlencoded",
        }  # fmt: skip
        return (await world.client.post("/callbacks/chats/duty", content=body, headers=headers)).status_code

    assert await press("U0STRANGER") == 200
    assert await has_it(world, name) is None
    assert await press("U0BEN") == 200
    assert await has_it(world, name) == "Ben"


async def test_a_mail_is_answered_by_a_reply_but_not_by_a_machine(world: World) -> None:
    name = await raised(world)
    async with world.parts.db.reading() as session:
        delivery = await session.scalar(select(Delivery.id).where(Delivery.ref == name).limit(1))
    assert delivery is not None
    subject = f"Re: x {mail.mark(delivery, acknowledgement.mark_of(world.parts.vault, delivery))}"

    async def reply(more: str = "") -> None:
        raw = f"From: lin@centre.example\r\nSubject: {subject}\r\n{more}Message-ID: <{len(more)}@x>\r\n\r\n1\r\n> quoted\r\n"
        headers = {"Content-Type": "message/rfc822"}
        answered = await world.client.post("/callbacks/mail?key=s3cret", content=raw, headers=headers)
        assert answered.status_code == 200

    await reply("Auto-Submitted: auto-replied\r\n")
    assert await has_it(world, name) is None
    await reply()
    assert await has_it(world, name) == "Lin"
    assert (await world.client.post("/callbacks/mail", content=b"x")).status_code == 403


async def test_the_page_of_answers_shows_what_came_and_what_came_of_it(world: World) -> None:
    name = await raised(world)
    await texts(world, "+8613899999999", "1 4821", "SM1")
    await texts(world, PHONES["Lin"], f"1 {await code_of(world, name)}", "SM2")
    for query, shown in (("", ["Lin", "…99", "INC-2026-0001"]), ("?state=unknown_sender", ["…99"])):
        page = await world.client.get(f"/answers{query}", headers=world.as_("management"))
        assert page.status_code == 200
        assert all(words in page.text for words in shown)
    assert "Lin" not in page.text
