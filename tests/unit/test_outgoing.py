"""The one door to the outside: what it refuses to call, and how it behaves towards those who answer badly."""

import asyncio
import logging
import socket
import ssl
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from app.outgoing import CallFailed, FailureKind, Outgoing, Reply, is_permitted
from tests import receiver as far_side
from tests.receiver import Receiver

HOUSE = tuple(ip_network(n) for n in ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "192.168.0.0/16", "fc00::/7"))
ANYTHING = (ip_network("0.0.0.0/0"), ip_network("::/0"))
SOON = timedelta(seconds=0.2)


class Directory(AbstractResolver):
    """A name service that says what it is told to."""

    def __init__(self, **names: list[str]) -> None:
        self._names = names

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._names[host.partition(".")[0]]
        ]

    async def close(self) -> None:
        pass


async def failure_of(url: str, *, names: Directory | None = None, deadline: timedelta = SOON) -> CallFailed:
    async with Outgoing(allow=HOUSE, resolver=names) as outgoing:
        with pytest.raises(CallFailed) as caught:
            await outgoing.request("POST", url, content=b"{}", deadline=deadline)
    return caught.value


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.1", "100.100.100.200", "168.63.129.16",
        "192.0.0.192", "192.0.2.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "::",
        "fe80::1", "febf::1", "fec0::1", "ff02::1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::1",
        "2001:0:1::1", "::127.0.0.1", "::8.8.8.8", "::2", "fd00:ec2::254", "::ffff:169.254.169.254",
        "::ffff:0.0.0.0", "2001:db8::1", "100::1", "fe80::1%eth0", "::1%lo", "", "localhost", "2130706433",
        "0x7f000001", "127.1", "0177.0.0.1", "1.2.3.4.5",
    ],
)  # fmt: skip
def test_no_setting_lets_this_address_be_called(address: str) -> None:
    assert not is_permitted(address, ANYTHING)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "10.1.2.3",
        "192.168.1.1",
        "::1",
        "fd12::1",
        "::ffff:10.1.2.3",
        "::ffff:127.0.0.1",
    ],
)
def test_a_local_address_is_called_only_where_the_settings_allow_it(address: str) -> None:
    assert is_permitted(address, HOUSE)
    assert not is_permitted(address, ())


@pytest.mark.parametrize("address", ["172.16.0.1", "100.64.0.1", "198.18.0.1"])
def test_a_local_network_the_settings_do_not_name_is_not_called(address: str) -> None:
    assert not is_permitted(address, HOUSE)


@pytest.mark.parametrize("address", ["8.8.8.8", "172.32.0.1", "2400:3200::1", "::ffff:8.8.8.8"])
def test_a_public_address_is_called_even_by_a_hardened_service(address: str) -> None:
    assert is_permitted(address, ())


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/", "file:///etc/passwd", "gopher://127.0.0.1/", "/only/a/path", "", "http://",
        "http:///x", "http://user:pass@example.org/", "http://good.example@169.254.169.254/",
        "http://a\\@127.0.0.1/", "http://[fe80::1%25eth0]/", "http://[::1%lo]/", "http://[::1",
        "http://host:99999999/", "http://ho st/", "http://example.org\r\nx: y/", "http://2130706433/",
        "http://127.1/", "http://0177.0.0.1/", "http://017700000001/",
    ],
)  # fmt: skip
async def test_an_odd_url_is_refused(url: str) -> None:
    assert (await failure_of(url)).kind in (FailureKind.BAD_URL, FailureKind.REFUSED_ADDRESS)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254", "0.0.0.0", "[::]", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]",
        "[64:ff9b::7f00:1]", "[fe80::1]", "[2002:7f00:1::]", "[::127.0.0.1]", "255.255.255.255",
        "172.16.0.1",
    ],
)  # fmt: skip
async def test_a_literal_address_passes_the_same_guard(host: str) -> None:
    assert (await failure_of(f"http://{host}:9/")).kind is FailureKind.REFUSED_ADDRESS
    async with Outgoing(allow=HOUSE) as outgoing:
        assert outgoing.problem_with(f"http://{host}:9/") is not None


@pytest.mark.parametrize("host", ["0xa9fea9fe", "0xa9.0xfe.0xa9.0xfe"])
async def test_a_hexadecimal_spelling_is_judged_by_what_it_means(host: str) -> None:
    assert (await failure_of(f"http://{host}:9/")).kind is FailureKind.REFUSED_ADDRESS


async def test_a_name_is_judged_by_the_address_it_stands_for() -> None:
    names = Directory(innocent=["169.254.169.254", "fe80::1"])
    failed = await failure_of("http://innocent.example/latest/meta-data", names=names)
    assert failed.kind is FailureKind.REFUSED_ADDRESS


async def test_a_name_with_one_good_address_is_called_there_and_only_there() -> None:
    names = Directory(both=["169.254.169.254", "0.0.0.0", "127.0.0.1"])
    async with Receiver() as receiver, Outgoing(allow=HOUSE, resolver=names) as outgoing:
        reply = await outgoing.request("GET", receiver.url(host="both.example"))
    assert reply.status == 200


async def test_an_empty_list_of_local_networks_hardens_the_service() -> None:
    async with Receiver() as receiver, Outgoing() as outgoing:
        with pytest.raises(CallFailed) as caught:
            await outgoing.request("GET", receiver.url())
        assert receiver.received == []
    assert caught.value.kind is FailureKind.REFUSED_ADDRESS


async def test_a_call_carries_what_it_was_given_and_brings_the_reply_back() -> None:
    async with Receiver() as receiver, Outgoing(allow=HOUSE) as outgoing:
        receiver.always = far_side.status(201, b"made", X_Mark="yes")
        reply = await outgoing.request("PUT", receiver.url("/a?b=c"), headers={"x-key": "1"}, content=b"body")
    assert reply == Reply(201, reply.headers, b"made")
    assert reply.headers["x-mark"] == "yes"
    (request,) = receiver.received
    assert (request.method, request.path, request.body) == ("PUT", "/a?b=c", b"body")
    assert request.headers["x-key"] == "1"
    assert request.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("answer", "kind", "status"),
    [
        (far_side.hang, FailureKind.TIMEOUT, None),
        (far_side.drip, FailureKind.TIMEOUT, 200),
        (far_side.drip_the_head, FailureKind.TIMEOUT, None),
        (far_side.hang_up, FailureKind.RESET, None),
        (far_side.hang_up_half_way, FailureKind.RESET, 200),
        (far_side.talk_gibberish, FailureKind.PROTOCOL, None),
        (far_side.huge(), FailureKind.TOO_LARGE, 200),
        (far_side.compressed(), FailureKind.PROTOCOL, 200),
    ],
)
async def test_a_bad_answer_ends_the_call_with_its_kind(
    answer: far_side.Answer, kind: FailureKind, status: int | None
) -> None:
    async with Receiver() as receiver:
        receiver.always = answer
        failed = await failure_of(receiver.url())
    assert (failed.kind, failed.status) == (kind, status)


async def test_a_body_of_exactly_the_cap_is_read_and_one_byte_more_is_not() -> None:
    async with Receiver() as receiver, Outgoing(allow=HOUSE) as outgoing:
        receiver.always = far_side.huge(100)
        assert len((await outgoing.request("GET", receiver.url(), byte_cap=100)).body) == 100
        with pytest.raises(CallFailed):
            await outgoing.request("GET", receiver.url(), byte_cap=99)


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    async with Receiver() as receiver, Outgoing(allow=HOUSE) as outgoing:
        receiver.always = far_side.redirect(receiver.url("/elsewhere"))
        assert (await outgoing.request("GET", receiver.url())).status == 302
    assert len(receiver.received) == 1


async def test_a_cookie_is_not_brought_back() -> None:
    async with Receiver() as receiver, Outgoing(allow=HOUSE) as outgoing:
        receiver.always = far_side.status(200, set_cookie="who=us; Path=/")
        await outgoing.request("GET", receiver.url())
        await outgoing.request("GET", receiver.url())
    assert all("cookie" not in request.headers for request in receiver.received)


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with Receiver() as receiver, Outgoing(allow=HOUSE) as outgoing:
        assert (await outgoing.request("GET", receiver.url())).status == 200


async def test_nobody_listening_is_a_failure_to_connect() -> None:
    async with Receiver() as receiver:
        url = receiver.url()
    assert (await failure_of(url)).kind is FailureKind.CONNECT


async def test_a_far_side_without_a_trusted_certificate_is_not_talked_to(self_signed: Path) -> None:
    presented = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    presented.load_cert_chain(self_signed)
    async with Receiver(tls=presented) as receiver:
        failed = await failure_of(receiver.url(), deadline=timedelta(seconds=10))
        assert failed.kind is FailureKind.TLS
        assert receiver.received == []

        trusting = ssl.create_default_context(cafile=str(self_signed))
        async with Outgoing(allow=HOUSE, tls=trusting) as outgoing:
            assert (await outgoing.request("GET", receiver.url())).status == 200


async def test_a_header_with_a_line_break_is_not_sent() -> None:
    async with Receiver() as receiver, Outgoing(allow=HOUSE) as outgoing:
        with pytest.raises(CallFailed):
            await outgoing.request("GET", receiver.url(), headers={"x": "a\r\nx-evil: b"})
    assert receiver.received == []


async def test_a_hundred_calls_run_side_by_side() -> None:
    async with Receiver() as receiver, Outgoing(allow=HOUSE) as outgoing:
        replies = await asyncio.gather(*(outgoing.request("POST", receiver.url()) for _ in range(100)))
    assert [reply.status for reply in replies] == [200] * 100


async def test_nothing_of_a_url_but_its_host_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with Receiver() as receiver, Outgoing(allow=HOUSE) as outgoing:
        receiver.always = far_side.status(200, b"s3cret", x="s3cret")
        url = receiver.url("/s3cret?token=s3cret")
        reply = await outgoing.request("POST", url, headers={"authorization": "s3cret"}, content=b"s3cret")
        receiver.always = far_side.hang_up
        with pytest.raises(CallFailed) as caught:
            await outgoing.request("POST", url, headers={"authorization": "s3cret"}, content=b"s3cret")
    told = f"{reply!r} {caught.value} {caught.value!r} {caught.value.wording!r} {caplog.text}"
    assert "s3cret" not in told
    assert "127.0.0.1" in str(caught.value)


async def test_a_password_in_a_url_is_not_told() -> None:
    failed = await failure_of("http://admin:s3cret@example.org/")
    assert "s3cret" not in f"{failed!r} {failed.wording!r}"
