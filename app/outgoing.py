"""The one door through which this service calls anybody over HTTP.

Holds a client with the manners every call shares: a deadline over the whole call (the library's own time-outs
are per phase, so that a dripping answer never ends), a cap on what is read, no redirects, no cookies, no
proxies from the environment, verified TLS, and a guard on the address that is really connected to. It judges
addresses, never business answers: a 500 is a `Reply`. It must never put more of a URL than its host into an
error or a log.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import cache, lru_cache, partial
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from types import TracebackType
from typing import Final, Self

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from httpx_aiohttp import AiohttpTransport

from app.breaker import Breakers
from app.clock import Clock, SystemClock
from app.wording import Wording, say

Network = IPv4Network | IPv6Network

DEADLINE: Final = timedelta(seconds=10)
BYTE_CAP: Final = 64 * 1024
LONGEST_RETRY_AFTER: Final = timedelta(minutes=5)  # a receiver may ask for patience, but not for more
# Above the hundred sends that may be under way at once: a receiver that hangs must not make the others queue.
_CONNECTIONS: Final = 256
_LOOKUPS: Final = 4  # names looked up at once by one that stands apart
# Seconds; below the five after which common servers hang up, so that a send does not race with their goodbye.
_KEEP_ALIVE: Final = 4.0
_OUR_HEADERS: Final = {"accept-encoding": "identity", "user-agent": "muster"}

# Never called, whatever the settings allow. `ipaddress.is_global` passes several of these, hence a list of
# our own.
DENIED: Final[tuple[Network, ...]] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # "this host": Linux connects it to loopback
        "100.100.100.200/32",  # metadata of Alibaba Cloud
        "168.63.129.16/32",  # the platform's own host in Azure
        "169.254.0.0/16",  # link-local, and the metadata of most clouds
        "192.0.0.0/24",  # protocol assignments, and metadata of Oracle Cloud
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and the broadcast address
        "::/128",  # unspecified
        "64:ff9b::/96",  # NAT64: any IPv4 address in disguise
        "64:ff9b:1::/48",  # NAT64 of a local network, likewise
        "100::/64",  # discard
        "2001::/32",  # Teredo, likewise a disguise
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, likewise a disguise
        "fd00:ec2::254/128",  # metadata of AWS
        "fe80::/10",  # link-local
        "fec0::/10",  # site-local, withdrawn and still routed by some
        "ff00::/8",  # multicast
    )
)
# Called only where the settings allow it.
LOCAL: Final[tuple[Network, ...]] = tuple(
    ip_network(text)
    for text in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by carriers and overlay networks
        "172.16.0.0/12",
        "192.168.0.0/16",
        "198.18.0.0/15",  # test beds, and some local proxies
        "::1/128",
        "fc00::/7",
    )
)
_LOOPBACK6: Final = IPv6Address("::1")
_IPV4_COMPATIBLE: Final = IPv6Network("::/96")  # withdrawn; only ::1 of it means anything today


class FailureKind(StrEnum):
    """Why no usable reply came."""

    TIMEOUT = "timeout"  # the deadline passed, in whatever phase
    CONNECT = "connect"  # no such host, or nobody listens there
    RESET = "reset"  # the far side hung up before the reply was complete
    TOO_LARGE = "too_large"  # the reply is longer than the cap
    REFUSED_ADDRESS = "refused_address"  # the guard does not let us call there
    BAD_URL = "bad_url"  # not a plain http or https address
    TLS = "tls"  # the certificate or the handshake
    COOLING = "cooling"  # not tried: the destination failed again and again, and is left alone for a while
    PROTOCOL = "protocol"  # not HTTP, or a compressed reply that nobody asked for


_FAULT_OF_THE_DESTINATION: Final = frozenset(
    {FailureKind.TIMEOUT, FailureKind.CONNECT, FailureKind.RESET, FailureKind.TLS, FailureKind.PROTOCOL}
)


class CallFailed(Exception):
    """The call gave no usable reply.

    `status` is known when the far side had answered and only the body was bad: whoever needs no body may go
    by it.
    """

    def __init__(
        self, kind: FailureKind, host: str, *, status: int | None = None, wait: timedelta | None = None
    ) -> None:
        self.kind = kind
        self.wording = say(f"outgoing.{kind}", host=host)
        self.status = status
        self.wait = wait  # how long the destination is left alone
        super().__init__(str(self.wording))


@dataclass(frozen=True)
class Reply:
    """What the far side answered; header names in lower case. Only the status shows in the repr."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def is_permitted(address: str, allow: Iterable[Network]) -> bool:
    """Whether the guard lets us connect to this address, a literal as the socket would get it."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address):
        if ip.scope_id is not None:
            return False
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip in _IPV4_COMPATIBLE and ip != _LOOPBACK6:
            return False
    if any(ip in network for network in DENIED):
        return False
    if any(ip in network for network in LOCAL):
        return any(ip in network for network in allow)
    return True


def retry_after(headers: Mapping[str, str], *, at: datetime) -> timedelta | None:
    """The pause asked for, in seconds or as a date (RFC 9110, 10.2.3), never longer than the cap."""
    wanted = headers.get("retry-after", "").strip()
    if wanted.isascii() and wanted.isdigit():
        # Nine digits are enough to reach the cap, and few enough for a timedelta.
        return min(timedelta(seconds=int(wanted[:9])), LONGEST_RETRY_AFTER)
    # A date is meant by the far side's clock, which its own Date header shows.
    until, since = _http_date(wanted), _http_date(headers.get("date", "")) or at
    if until is None:
        return None
    return min(max(until - since, timedelta()), LONGEST_RETRY_AFTER)


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


class Outgoing:
    """A shared client for all calls; close it with `aclose`, or use it as a context manager."""

    def __init__(
        self,
        *,
        allow: Iterable[Network] = (),
        resolver: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
        breakers: Breakers | None = None,
        clock: Clock | None = None,
    ) -> None:
        # The library writes whole URLs, tokens and all, to its log at INFO.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._allow = tuple(allow)
        self._resolver = resolver
        self.breakers = breakers or Breakers()
        self.clock = clock or SystemClock()
        self._tls = tls or _system_and_bundled_roots()
        self._others: list[Outgoing] = []
        # The transport alone: redirects, cookies, authentication and time-outs per phase are what the client above it adds,
        # and nothing of that is wanted here.
        self._transport = AiohttpTransport(client=self._open_session, verify=self._tls, trust_env=False)

    def apart(self) -> "Outgoing":
        """Another with the same manners that shares nothing with this one that could be used up: neither connections nor breakers
        nor the threads that look up names. Closed with this one."""
        resolver = self._resolver or _OwnLookups()
        other = Outgoing(allow=self._allow, resolver=resolver, tls=self._tls, clock=self.clock)
        self._others.append(other)
        return other

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        deadline: timedelta = DEADLINE,
        byte_cap: int = BYTE_CAP,
        even_cooling: bool = False,
    ) -> Reply:
        """Make one call and return the reply, whatever its status, or raise `CallFailed`.

        Ends within `deadline`, name lookup and waiting for a connection included. Never tries a second time. A
        destination that failed again and again is not called until its breaker lets a probe through, unless it is to
        be called `even_cooling`.
        """
        target = _parsed(url)
        destination = f"{target.host}:{target.port or target.scheme}"
        wait = self.breakers.wait(destination, at=self.clock.now())
        if wait is not None and not even_cooling:
            raise CallFailed(FailureKind.COOLING, target.host, wait=wait)
        try:
            reply = await self._call(target, method, headers, content, deadline, byte_cap)
        except CallFailed as failed:
            self._note(destination, failed.status, failed.kind)
            raise
        self._note(destination, reply.status, None)
        return reply

    def _note(self, destination: str, status: int | None, kind: FailureKind | None) -> None:
        """Whoever answers is alive, with whatever status below 500; an address of ours that is no good says nothing."""
        if status is not None and status < 500:
            self.breakers.worked(destination)
        elif kind is None or kind in _FAULT_OF_THE_DESTINATION:
            self.breakers.failed(destination, at=self.clock.now())

    async def _call(
        self, target: httpx.URL, method: str, headers: Mapping[str, str] | None, content: bytes | None,
        deadline: timedelta, byte_cap: int,
    ) -> Reply:  # fmt: skip
        call = _Call(self._transport, target, byte_cap)
        try:
            async with asyncio.timeout(deadline.total_seconds()):
                return await call.make(method, {**(headers or {}), **_OUR_HEADERS}, content)
        except TimeoutError as error:
            raise CallFailed(FailureKind.TIMEOUT, target.host, status=call.status) from error
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError, ValueError) as error:
            raise CallFailed(_kind_of(error), target.host, status=call.status) from error

    def problem_with(self, url: str) -> Wording | None:
        """What speaks against ever calling `url`, as far as can be said without looking up its name."""
        try:
            host = _parsed(url).host
        except CallFailed as error:
            return error.wording
        if _is_literal(host) and not is_permitted(host, self._allow):
            return CallFailed(FailureKind.REFUSED_ADDRESS, host).wording
        return None

    async def aclose(self) -> None:
        for other in self._others:
            await other.aclose()
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _open_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=_GuardingResolver(self._resolver or aiohttp.ThreadedResolver(), self._allow),
                socket_factory=self._guarded_socket,
                ssl=self._tls,
                limit=_CONNECTIONS,
                keepalive_timeout=_KEEP_ALIVE,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    def _guarded_socket(self, target: aiohttp.AddrInfoType) -> socket.socket:
        # The last gate, and the only one an address literal passes: it sees what the kernel will be given.
        family, kind, protocol, _, where = target
        if not is_permitted(str(where[0]), self._allow):
            raise _AddressDeniedError("this address is not called")
        return socket.socket(family, kind, protocol)


class _Call:
    """One call under way; `status` is set as soon as the far side has answered."""

    def __init__(self, transport: httpx.AsyncBaseTransport, target: httpx.URL, byte_cap: int) -> None:
        self._transport = transport
        self._target = target
        self._byte_cap = byte_cap
        self.status: int | None = None

    async def make(self, method: str, headers: Mapping[str, str], content: bytes | None) -> Reply:
        request = httpx.Request(method, self._target, headers=headers, content=content)
        response = await self._transport.handle_async_request(request)
        try:
            self.status = response.status_code
            # A compressed reply is refused, not inflated: 200 kB on the wire can be 200 MB in memory.
            if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
                raise CallFailed(FailureKind.PROTOCOL, self._target.host, status=self.status)
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > self._byte_cap:
                    raise CallFailed(FailureKind.TOO_LARGE, self._target.host, status=self.status)
            return Reply(response.status_code, dict(response.headers), bytes(body))
        finally:
            await response.aclose()


class _AddressDeniedError(OSError):
    """The guard does not let us connect there."""


class _GuardingResolver(AbstractResolver):
    """Drops the denied addresses of a name, and refuses the name when none is left.

    A name with a good and a denied address may be an honest mistake of its owner; the denied one is never
    tried.
    """

    def __init__(self, inner: AbstractResolver, allow: tuple[Network, ...]) -> None:
        self._inner = inner
        self._allow = allow

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        permitted = [result for result in found if is_permitted(result["host"], self._allow)]
        if found and not permitted:
            raise _AddressDeniedError("no address of this name may be called")
        return permitted

    async def close(self) -> None:
        await self._inner.close()


class _OwnLookups(AbstractResolver):
    """Looks names up in threads that nothing else waits for. The loop's own are few, and a name server that hangs fills them."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="lookup")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        asked = partial(
            socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        found = await asyncio.get_running_loop().run_in_executor(self._threads, asked)
        numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(
                hostname=host, host=str(where[0]), port=int(where[1]), family=kind, proto=proto, flags=numeric
            )
            for kind, _, proto, _, where in found
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


@cache
def _system_and_bundled_roots() -> ssl.SSLContext:
    # The machine's own store knows the house's private authority; the bundle serves images that have no
    # store. Reading both takes a tenth of a second, so it is done once.
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


@lru_cache(maxsize=1024)  # the same few destinations, again and again
def _parsed(url: str) -> httpx.URL:
    try:
        target = httpx.URL(url)
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        raise CallFailed(FailureKind.BAD_URL, "–") from error
    # What stands before an @ may be a secret, and the host of a URL we do not understand may be part of one.
    if target.scheme not in ("http", "https") or not target.host or target.userinfo or "%" in target.host:
        raise CallFailed(FailureKind.BAD_URL, "–")
    return target


def _is_literal(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def _kind_of(error: BaseException) -> FailureKind:
    chain = tuple(_causes(error))

    def somewhere(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in chain)

    # The order matters: an SSL error is an OSError too, and a failed connection may carry a reset inside.
    if somewhere(_AddressDeniedError):
        return FailureKind.REFUSED_ADDRESS
    if somewhere(ssl.SSLError, aiohttp.ClientSSLError):
        return FailureKind.TLS
    if somewhere(httpx.InvalidURL, aiohttp.InvalidURL):
        return FailureKind.BAD_URL
    if somewhere(aiohttp.ClientConnectorError, httpx.ConnectError):
        return FailureKind.CONNECT
    if somewhere(aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, ConnectionError):
        return FailureKind.RESET
    return FailureKind.PROTOCOL


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
