"""EP-1.3: a Zabbix server as Debian has it runs the media type that we ship: its problem and its end arrive. For `make slow`."""

import asyncio
import gzip
import json
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import yaml
from sqlalchemy.engine import URL, make_url

from tests.acceptance.test_monitoring_programs import it_ends, the_incident
from tests.databases import Kind
from tests.programs import INTEGRATIONS, a_home, program, running
from tests.serving import Served, a_service, until

pytestmark = [pytest.mark.real, pytest.mark.slow]

PACKAGE = "zabbix-server-pgsql"
SCHEMA = Path(f"/usr/share/{PACKAGE}/schema.sql.gz")
MEDIA = INTEGRATIONS / "zabbix" / "media_muster.yaml"
WEBHOOK, TRAPPER, UNSIGNED, HIGH, SUPER_ADMIN = 4, 2, 3, 4, 3
TO_PEOPLE, TO_WHOM_IT_TOLD = 0, 11  # operations of an action: at a problem, at its end


@pytest.fixture
async def service(fresh_database: Callable[[Kind], str], tmp_path: Path) -> AsyncIterator[Served]:
    async with a_service(fresh_database("sqlite"), tmp_path) as made:
        yield made


@pytest.fixture
def home() -> Iterator[Path]:
    with a_home() as made:
        yield made


def port_it_takes() -> int:
    """It listens nowhere above 32767, where free ports usually are."""
    for port in range(20_000 + os.getpid() % 10_000, 32_767):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


async def its_database(url: URL, schema: str, muster: str, key: str) -> None:
    """Its own tables, with one host, one item, one trigger, and our media type as an administrator would import it."""
    (media,) = yaml.safe_load(MEDIA.read_text("utf-8"))["zabbix_export"]["media_types"]
    rows: list[tuple[str, dict[str, Any]]] = [
        ("role", {"roleid": 3, "name": "Super admin role", "type": SUPER_ADMIN}),
        ("users", {"userid": 1, "username": "Admin", "roleid": 3}),
        ("hstgrp", {"groupid": 1, "name": "centre"}),
        ("config", {"configid": 1, "discovery_groupid": 1}),
        ("hosts", {"hostid": 1, "host": "ivr-01", "name": "ivr-01"}),
        ("hosts_groups", {"hostgroupid": 1, "hostid": 1, "groupid": 1}),
        ("items", {"itemid": 1, "type": TRAPPER, "hostid": 1, "name": "SIP", "key_": "sip", "value_type": UNSIGNED}),
        ("item_rtdata", {"itemid": 1}),
        ("triggers", {"triggerid": 1, "expression": "{1}=0", "description": "SIP trunk down", "priority": HIGH}),
        ("functions", {"functionid": 1, "itemid": 1, "triggerid": 1, "name": "last", "parameter": "$"}),
        ("globalmacro", {"globalmacroid": 1, "macro": "{$MUSTER.URL}", "value": muster}),
        ("globalmacro", {"globalmacroid": 2, "macro": "{$MUSTER.KEY}", "value": key}),
        ("media_type", {
            "mediatypeid": 1, "type": WEBHOOK, "name": media["name"], "script": media["script"], "timeout": media["timeout"],
        }),
        *(
            ("media_type_param", {"mediatype_paramid": number, "mediatypeid": 1, **parameter})
            for number, parameter in enumerate(media["parameters"], 1)
        ),
        *(
            ("media_type_message", {"mediatype_messageid": number + 1, "mediatypeid": 1, "eventsource": 0, "recovery": number,
                                    "subject": one["subject"], "message": one["message"]})
            for number, one in enumerate(media["message_templates"])
        ),
        ("media", {"mediaid": 1, "userid": 1, "mediatypeid": 1, "sendto": "muster"}),
        ("actions", {"actionid": 1, "name": "Muster", "esc_period": "60s"}),
        ("operations", {"operationid": 1, "actionid": 1, "operationtype": TO_PEOPLE}),
        ("opmessage", {"operationid": 1}),
        ("opmessage_usr", {"opmessage_usrid": 1, "operationid": 1, "userid": 1}),
        ("operations", {"operationid": 2, "actionid": 1, "operationtype": TO_WHOM_IT_TOLD, "recovery": 1}),
        ("opmessage", {"operationid": 2}),
    ]  # fmt: skip
    connection = await asyncpg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False))
    try:
        await connection.execute(schema)
        for table, row in rows:
            places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
            await connection.execute(
                f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", *row.values()
            )
    finally:
        await connection.close()


async def measure(port: int, value: int) -> bool:
    """Tell the server what an agent would have measured; whether it took it, which it does once it knows the item."""
    body = json.dumps(
        {"request": "sender data", "data": [{"host": "ivr-01", "key": "sip", "value": str(value)}]}
    ).encode()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return False
    writer.write(b"ZBXD\x01" + struct.pack("<Q", len(body)) + body)
    try:
        answer = await reader.read()
    except ConnectionError:
        return False
    finally:
        writer.close()
    return b"processed: 1;" in answer


def its_tables() -> str:
    return gzip.decompress(SCHEMA.read_bytes()).decode()


async def test_zabbix_reports_a_problem_by_our_media_type_and_its_end(
    service: Served, home: Path, empty_database: Callable[[Kind], str]
) -> None:
    server = program("zabbix_server", PACKAGE)
    url, port = make_url(empty_database("postgresql")), port_it_takes()
    await its_database(
        url, its_tables(), f"{service.url}/intake/zabbix", await service.source("zabbix", "zabbix")
    )
    file = home / "zabbix.conf"
    said = {
        "ListenIP": "127.0.0.1", "ListenPort": port, "LogType": "console", "PidFile": home / "zabbix.pid", "SocketDir": home,
        "DBHost": url.host or url.query["host"], "DBPort": url.port or 5432, "DBName": url.database, "DBUser": url.username,
        "DBPassword": url.password or "", "CacheUpdateFrequency": 1, "StartPollers": 1, "StartTrappers": 1, "StartPingers": 0,
        "StartDiscoverers": 0, "StartHTTPPollers": 0, "StartPreprocessors": 1, "StartAlerters": 1, "StartEscalators": 1,
        "StartDBSyncers": 1, "StartLLDProcessors": 1,
    }  # fmt: skip
    file.write_text("".join(f"{name}={value}\n" for name, value in said.items()))
    async with running(server, "-f", "-c", str(file), home=home):

        async def breaks() -> bool:
            return await measure(port, 0)

        await until(breaks)
        incident = await the_incident(service)
        assert incident["title"] == "SIP trunk down"
        assert await measure(port, 12)
        await it_ends(service, incident)
