"""Fixtures every tier of tests shares: real databases of both kinds.

Each test process starts one PostgreSQL cluster, and only when a test asks for it.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app import telemetry
from app.clock import SystemClock
from tests.databases import Databases, Kind, compile_once
from tests.world import World, a_world

telemetry.set_up("WARNING")
compile_once()


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """Where fresh databases come from."""
    made = Databases(tmp_path_factory.mktemp("databases"))
    yield made
    made.close()


@pytest.fixture
def fresh_database(databases: Databases) -> Iterator[Callable[[Kind], str]]:
    """A function from a kind to the URL of a database with all tables and no rows, gone after the test."""
    made: list[str] = []

    def fresh(kind: Kind) -> str:
        made.append(databases.fresh(kind))
        return made[-1]

    yield fresh
    for url in made:
        databases.drop(url)


@pytest.fixture
def empty_database(databases: Databases) -> Iterator[Callable[[Kind], str]]:
    """A function from a kind to the URL of a database without tables, gone after the test."""
    made: list[str] = []

    def empty(kind: Kind) -> str:
        made.append(databases.empty(kind))
        return made[-1]

    yield empty
    for url in made:
        databases.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, fresh_database: Callable[[Kind], str]) -> str:
    """A fresh database, once of each kind: what the test says holds on both."""
    return fresh_database(request.param)


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """The whole service on a manual clock, with the shipped plan and a small organisation."""
    async with a_world(database_url, tmp_path) as made:
        yield made


@pytest.fixture
def self_signed(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody vouches for, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver")])
    now = SystemClock().now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "receiver.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return pem
