"""The door for each kind of sender, on both databases: how it shows who it is, in what it comes, and what is not kept."""

import hashlib
import hmac
import json
from typing import Any, cast
from urllib.parse import unquote_plus

import httpx

from app.door import BodyLimit
from app.errors import Forbidden
from app.intake.envelopes import document_of
from app.intake.kinds import KINDS
from app.intake.tables import ReceiptState
from app.wording import say
from tests.conformance.sources import ALARM, ALIYUN_FORM, CASES, EVENT, GRAFANA, KUMA, changed, sns
from tests.rooms.monitoring import World
from tests.rooms.test_inbox import bearer, http, world

__all__ = ["http", "world"]
SECRET = "a secret both know"


class Amazon:
    """Stands for the verifier: takes what bears the right signature."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def take(self, message: Any, *, topics: list[str] | None, at: Any) -> None:
        self.asked.append((message["MessageId"], topics))
        if message["Signature"] != "cmlnaHQ=":
            raise Forbidden(say("intake.sns.signature"))


def app_of(client: httpx.AsyncClient) -> Any:
    return cast(Any, client)._transport.app


async def test_every_kind_is_taken_at_its_door_with_the_code_its_sender_needs(
    world: World, http: httpx.AsyncClient
) -> None:
    app_of(http).state.certified = Amazon()
    for name in ("grafana", "nightingale", "uptime_kuma", "mail", "cloudevents", "heartbeat", "cap"):
        key = await world.enrol(name.replace("_", "-"), name)
        body, kind = (
            (json.dumps(CASES[name].firing).encode(), "application/json") if name in CASES else (b"", "")
        )
        if name in CASES and CASES[name].raw:
            body, kind = CASES[name].raw[0]
        answer = await http.post(
            f"/intake/{name.replace('_', '-')}?integration_key={key}",
            content=body,
            headers={"Content-Type": kind},
        )
        wanted = 202 if name in {"mail", "cloudevents"} else 200
        assert (answer.status_code, answer.json()["signals"]) == (wanted, 0 if name == "heartbeat" else 1), (
            name
        )


async def test_grafana_signs_puts_and_is_refused_with_a_wrong_signature_even_beside_its_key(
    world: World, http: httpx.AsyncClient
) -> None:
    key = await world.enrol("graf", "grafana", signing_secret=SECRET)
    body = json.dumps(GRAFANA).encode()
    mark = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    for headers, status in (
        ({"X-Grafana-Alerting-Signature": mark}, 200),
        ({"X-Grafana-Alerting-Signature": mark[::-1]}, 401),
        ({"X-Grafana-Alerting-Signature": mark[::-1], **bearer(key)}, 401),
        (bearer(key), 200),
        ({}, 401),
    ):
        assert (await http.put("/intake/graf", content=body, headers=headers)).status_code == status
    assert len(await world.receipts()) == 2


async def test_a_form_is_read_and_what_is_nobodys_business_is_not_kept(
    world: World, http: httpx.AsyncClient
) -> None:
    ali, kuma = await world.enrol("ali", "aliyun"), await world.enrol("kuma", "uptime_kuma")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await http.post(f"/intake/ali?key={ali}", content=ALIYUN_FORM, headers=form)).status_code == 200
    told = changed(
        KUMA, "monitor", basic_auth_pass="hunter-22", pushToken="t0ken-9", oauth_client_secret="oa-77",
        headers='{"Authorization": "Bearer s3cret"}', tlsKey="-----BEGIN KEY-----\nMIIEv\n-----END KEY-----\n",
        radiusPassword='a"quote', mqttPassword="back\\slash", databaseConnectionString="mysql://u:pässw0rd@db",
        custom_headers={"X-Key": "nested-1"},
    )  # fmt: skip
    answer = await http.post("/intake/kuma", json=told, headers=bearer(kuma))
    assert answer.status_code == 200
    assert (
        await http.post("/intake/kuma", data={"data": json.dumps(told)}, headers=bearer(kuma))
    ).status_code == 200
    private = (
        "hunter-22", "t0ken-9", "oa-77", "s3cret", "MIIEv", "quote", "slash", "ssw0rd", "nested-1",
    )  # fmt: skip
    _, *kept = await world.receipts()
    for receipt in kept:
        body = unquote_plus(receipt.body.decode())
        assert [secret for secret in private if secret in body] == []
        assert document_of(receipt.body, receipt.content_type)["monitor"]["url"] == KUMA["monitor"]["url"]
    assert (await http.get(f"/intake/kuma?key={kuma}&msg=down")).status_code == 405, "a GET changes nothing"
    assert len(await world.receipts()) == 3


async def test_whoever_comes_from_elsewhere_is_refused_with_its_key(
    world: World, http: httpx.AsyncClient
) -> None:
    near = await world.enrol("near", "aliyun", addresses=["127.0.0.0/8", "10.0.0.0/8"])
    far = await world.enrol("far", "aliyun", addresses=["47.90.0.0/16"])
    body = CASES["aliyun"].firing
    assert (await http.post("/intake/near", json=body, headers=bearer(near))).status_code == 200
    refused = await http.post("/intake/far", json=body, headers=bearer(far))
    assert (refused.status_code, len(await world.receipts())) == (403, 1)


async def test_cloudevents_ask_first_and_come_in_headers_or_whole(
    world: World, http: httpx.AsyncClient
) -> None:
    key = await world.enrol("bus", "cloudevents")
    asked = await http.options("/intake/bus", headers={"WebHook-Request-Origin": "bus.example"})
    assert (asked.status_code, asked.headers["webhook-allowed-origin"]) == (204, "bus.example")
    assert "webhook-allowed-origin" not in (await http.options("/intake/nobodys")).headers
    headers = {f"ce-{name}": str(EVENT[name]) for name in ("specversion", "id", "source", "type", "subject")}
    answer = await http.post("/intake/bus", json=EVENT["data"], headers={**headers, **bearer(key)})
    assert answer.status_code == 202
    whole = {"Content-Type": "application/cloudevents+json", **bearer(key)}
    await http.post("/intake/bus", content=json.dumps({**EVENT, "id": "A235"}), headers=whole)
    one, other = await world.receipts()
    assert one.signals[0]["dedup_key"] == other.signals[0]["dedup_key"] == "/hz/ivr trunk-3"
    assert one.signals[0]["title"] == other.signals[0]["title"] == "SIP trunk down"
    assert json.loads(one.body)["subject"] == "trunk-3", "what stood in headers alone is kept"


async def test_sns_is_verified_after_its_key_and_before_anything_is_kept(
    world: World, http: httpx.AsyncClient
) -> None:
    app_of(http).state.certified = amazon = Amazon()
    key = await world.enrol("aws", "sns", topics=["arn:a"])
    right, wrong = {**sns(ALARM), "Signature": "cmlnaHQ="}, {**sns(ALARM), "MessageId": "23"}
    assert (await http.post("/intake/aws", json=right)).status_code == 401
    assert amazon.asked == [], "nobody is called for a stranger"
    assert (await http.post(f"/intake/aws?key={key}", json=wrong)).status_code == 403
    assert (await http.post(f"/intake/aws?key={key}", json=ALARM)).status_code == 403, (
        "raw delivery is unsigned"
    )
    assert (await http.post(f"/intake/aws?key={key}", json=right)).status_code == 200
    assert amazon.asked == [("23", ["arn:a"]), ("22b8", ["arn:a"])]
    (kept,) = await world.receipts()
    assert (kept.state, kept.signals[0]["level_hint"]) == (ReceiptState.UNDERSTOOD, 2)


async def test_what_is_delivered_a_second_time_under_its_number_is_known_and_told_to_nobody(
    world: World, http: httpx.AsyncClient
) -> None:
    app_of(http).state.certified = Amazon()
    aws, bus = await world.enrol("aws", "sns"), await world.enrol("bus", "cloudevents")
    other = await world.enrol("other", "cloudevents")
    right = {**sns(ALARM), "Signature": "cmlnaHQ="}
    for path, key, body, next_body in (
        ("/intake/aws", aws, right, {**right, "MessageId": "22b9"}),
        ("/intake/bus", bus, EVENT, {**EVENT, "id": "A236"}),
    ):
        first, again, another = [
            (await http.post(path, json=one, headers=bearer(key))).json() for one in (body, body, next_body)
        ]
        assert (first["signals"], again["signals"], another["signals"]) == (1, 0, 1)
        assert first["receipt"] == again["receipt"] != another["receipt"]
    assert (await http.post("/intake/other", json=EVENT, headers=bearer(other))).json()["signals"] == 1, (
        "the numbers of one source are its own"
    )
    assert len(await world.receipts()) == 5


async def test_what_was_not_understood_may_come_again_under_its_number(
    world: World, http: httpx.AsyncClient
) -> None:
    key = await world.enrol("bus", "cloudevents")
    for status, states in ((400, "puzzled"), (202, "failed")):
        event = {**EVENT, "data": {"title": "SIP trunk down", "status": states}}
        assert (await http.post("/intake/bus", json=event, headers=bearer(key))).status_code == status


async def test_a_body_that_is_too_large_is_refused_before_anybody_reads_it_whatever_the_kind(
    world: World, http: httpx.AsyncClient
) -> None:
    largest = 20_000
    door = BodyLimit(app_of(http), max_bytes=largest)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(door), base_url="https://muster.example"
    ) as client:
        for kind in KINDS:
            slug = kind.replace("_", "-")
            path = f"/intake/{slug}?key={await world.enrol(slug, kind)}"
            for body in (
                b"{" * (largest + 1),
                json.dumps(CASES.get(kind, CASES["generic"]).firing).encode() + b" " * largest,
            ):
                assert (await client.post(path, content=body)).status_code == 413, kind
    assert await world.receipts() == []
