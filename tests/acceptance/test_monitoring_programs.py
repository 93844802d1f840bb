"""EP-1.3: Icinga 2, Nagios, monit and Prometheus themselves, each with what we ship for it, report a problem and its end."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.databases import Kind, free_port
from tests.programs import GROUP, INTEGRATIONS, USER, a_home, an_alertmanager, program, reporting_to, running
from tests.receiver import Answer, Receiver, status
from tests.serving import Served, a_service, until

pytestmark = pytest.mark.real

DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")


@pytest.fixture
async def service(fresh_database: Callable[[Kind], str], tmp_path: Path) -> AsyncIterator[Served]:
    async with a_service(fresh_database("sqlite"), tmp_path) as made:
        yield made


@pytest.fixture
def home() -> Iterator[Path]:
    with a_home() as made:
        yield made


async def shipped(service: Served, home: Path, kind: str, script: str) -> tuple[str, Path, Path]:
    """The address of a source, the file with its key, and the script we ship, in place."""
    key_file, placed = home / "muster.key", home / "scripts" / Path(script).name
    key_file.write_text(await service.source(kind, "outside"))
    placed.parent.mkdir()
    placed.write_bytes((INTEGRATIONS / script).read_bytes())
    return f"{service.url}/intake/outside", key_file, placed


async def the_incident(service: Served) -> dict[str, Any]:
    """The one incident that comes of it, whole."""

    async def one() -> dict[str, Any] | None:
        found = await service.open_incidents()
        return found[0] if found else None

    found = await until(one)
    whole: dict[str, Any] = await service.get(f"/incidents/{found['id']}")
    return whole


async def it_ends(service: Served, incident: dict[str, Any]) -> None:
    """Nobody had taken it, so that its end over there is its end here; and nothing that came was not understood."""

    async def ended() -> bool:
        return "signal.recovered" in await service.kinds(incident["id"])

    await until(ended)
    assert (await service.get(f"/incidents/{incident['id']}"))["state"] == "cancelled"
    assert await service.open_incidents() == []
    receipts = (await service.get("/receipts"))["items"]
    assert {receipt["state"] for receipt in receipts} == {"understood"}


@dataclass(frozen=True)
class Line:
    """A line of the call centre, as a plugin looks at it: it is down while a file is there."""

    home: Path

    @property
    def check(self) -> str:
        down, seen = self.home / "down", self.home / "seen"
        return f"if test -e {down}; then echo no answer on 5060; exit 2; fi; touch {seen}; echo 12 calls"

    async def was_seen_well(self) -> None:
        async def seen() -> bool:
            return (self.home / "seen").exists()

        await until(seen)

    def breaks(self) -> None:
        (self.home / "down").touch()

    def is_mended(self) -> None:
        (self.home / "seen").unlink(missing_ok=True)
        (self.home / "down").unlink()


async def breaks_is_mended_and_breaks_again(service: Served, line: Line) -> None:
    """What a reader expects of a service of a host: one incident for each time it breaks."""
    await line.was_seen_well()
    line.breaks()
    first = await the_incident(service)
    assert (first["title"], first["description"]) == ("ivr-01 sip CRITICAL", "no answer on 5060")
    line.is_mended()
    await it_ends(service, first)
    await line.was_seen_well()
    line.breaks()
    assert (await the_incident(service))["id"] != first["id"]


# ── Icinga 2 ──────────────────────────────────────────────────────────────────────────────────────────────


def icinga(home: Path, url: str, key_file: Path, line: Line) -> tuple[str, ...]:
    """Its arguments: one host, one service, and our notifications as they are shipped."""
    file = home / "icinga2.conf"
    file.write_text(f"""
const MusterUrl = "{url}"
const MusterKeyFile = "{key_file}"
include <itl>
object CheckerComponent "checker" {{}}
object NotificationComponent "notification" {{}}
object CheckCommand "look" {{ command = [ "/bin/sh", "-c", {json.dumps(line.check)} ] }}
object CheckCommand "well" {{ command = [ "/bin/true" ] }}
object Host "ivr-01" {{ address = "10.0.0.8", check_command = "well", check_interval = 1s }}
object Service "sip" {{
  host_name = "ivr-01", check_command = "look", check_interval = 1s, retry_interval = 1s, max_check_attempts = 2
}}
include "{INTEGRATIONS / "icinga2" / "muster.conf"}"
""")
    places = {name: home / name for name in ("DataDir", "LogDir", "CacheDir", "SpoolDir")}
    for place in places.values():
        place.mkdir()
    constants = {
        **places,
        "ConfigDir": home,
        "InitRunDir": home,
        "RunAsUser": USER,
        "RunAsGroup": GROUP,
    }
    return (
        "daemon",
        f"--config={file}",
        *(f"--define={name}={value}" for name, value in constants.items()),
    )


async def test_icinga_2_reports_each_hard_critical_and_its_recovery(service: Served, home: Path) -> None:
    icinga2 = program("icinga2", "icinga2-bin")
    url, key_file, _ = await shipped(service, home, "icinga2", "icinga2/muster-notify")
    line = Line(home)
    async with running(icinga2, *icinga(home, url, key_file, line), home=home):
        await breaks_is_mended_and_breaks_again(service, line)


# ── Nagios ────────────────────────────────────────────────────────────────────────────────────────────────


def nagios(home: Path, url: str, key_file: Path, script: Path, line: Line) -> Path:
    """Its configuration, in which a unit of time is a second: one host, one service, and our contact as it is shipped."""
    ours = (INTEGRATIONS / "nagios" / "muster.cfg").read_text("utf-8")
    (home / "muster.cfg").write_text(ours.replace("/usr/local/bin/muster-notify", str(script)))
    (home / "resource.cfg").write_text(f"$USER5$={url}\n$USER6$={key_file}\n")
    (home / "look.sh").write_text(line.check)
    (home / "objects.cfg").write_text(f"""
define timeperiod {{
    timeperiod_name 24x7
    alias always
{chr(10).join(f"    {day} 00:00-24:00" for day in DAYS)}
}}
define command {{
    command_name look
    command_line /bin/sh {home}/look.sh
}}
define command {{
    command_name well
    command_line /bin/true
}}
define host {{
    host_name ivr-01
    address 10.0.0.8
    check_command well
    check_period 24x7
    check_interval 1
    max_check_attempts 1
    contacts muster
    notification_period 24x7
    notification_interval 60
}}
define service {{
    host_name ivr-01
    service_description sip
    check_command look
    check_period 24x7
    check_interval 1
    retry_interval 1
    max_check_attempts 2
    contacts muster
    notification_period 24x7
    notification_interval 60
}}
""")
    (home / "results").mkdir()
    file = home / "nagios.cfg"
    said = {
        "log_file": home / "nagios.log", "object_cache_file": home / "objects.cache", "precached_object_file": home / "objects.pre",
        "resource_file": home / "resource.cfg", "status_file": home / "status.dat", "state_retention_file": home / "retention.dat",
        "command_file": home / "nagios.cmd", "query_socket": home / "nagios.qh", "lock_file": home / "nagios.lock",
        "temp_file": home / "nagios.tmp", "temp_path": home, "check_result_path": home / "results",
        "nagios_user": USER, "nagios_group": GROUP, "interval_length": 1, "service_inter_check_delay_method": "n",
        "host_inter_check_delay_method": "n", "enable_environment_macros": 1, "check_for_updates": 0, "enable_notifications": 1,
    }  # fmt: skip
    lines = [
        f"cfg_file={home}/objects.cfg",
        f"cfg_file={home}/muster.cfg",
        *(f"{name}={value}" for name, value in said.items()),
    ]
    file.write_text("\n".join(lines) + "\n")
    return file


async def test_nagios_reports_each_hard_critical_and_its_recovery(service: Served, home: Path) -> None:
    nagios4 = program("nagios4", "nagios4-core")
    url, key_file, script = await shipped(service, home, "nagios", "icinga2/muster-notify")
    line = Line(home)
    async with running(nagios4, str(nagios(home, url, key_file, script, line)), home=home):
        await breaks_is_mended_and_breaks_again(service, line)


# ── monit ─────────────────────────────────────────────────────────────────────────────────────────────────


def monit(home: Path, url: str, key_file: Path, script: Path) -> Path:
    """Its configuration: a file that must be there, with the two lines that we ship for any check."""
    shipped = (INTEGRATIONS / "monit" / "muster.monitrc").read_text("utf-8")
    told = shipped[shipped.index("        then exec") :]
    for ours, here in (
        ("https://muster.example/intake/monit", url), ("/etc/monit/muster.key", str(key_file)),
        ("/usr/local/bin/muster-monit", str(script)),
    ):  # fmt: skip
        told = told.replace(ours, here)
    file = home / "monitrc"
    file.write_text(f"""
set daemon 1
set log {home}/monit.log
set pidfile {home}/monit.pid
set idfile {home}/monit.id
set statefile {home}/monit.state
check file calls with path {home}/calls
    if does not exist
{told}
""")
    return file


async def test_monit_reports_what_is_gone_and_that_it_is_back(service: Served, home: Path) -> None:
    monitd = program("monit", "monit")
    url, key_file, script = await shipped(service, home, "generic", "monit/muster-monit")
    calls = home / "calls"
    calls.touch()
    async with running(monitd, "-I", "-c", str(monit(home, url, key_file, script)), home=home):
        calls.unlink()
        incident = await the_incident(service)
        assert incident["title"].endswith(" calls: Does not exist")
        assert incident["description"] == "file doesn't exist"
        calls.touch()
        await it_ends(service, incident)


# ── Prometheus, through Alertmanager ──────────────────────────────────────────────────────────────────────


async def test_prometheus_reports_by_a_rule_through_alertmanager(service: Served, home: Path) -> None:
    prometheus = program("prometheus", "prometheus")
    key = await service.source("alertmanager", "prom")
    # The rule of docs/how-to/connect-alertmanager.md.
    rule = {
        "alert": "QueueLong", "expr": "callers_waiting > 100",
        "labels": {"severity": "critical", "incident_type": "system_outage"},
        "annotations": {"summary": "{{ $value }} callers waiting", "fact_callers_waiting": "{{ $value }}"},
    }  # fmt: skip
    (home / "rules.yml").write_text(json.dumps({"groups": [{"name": "centre", "rules": [rule]}]}))
    async with Receiver() as exporter, an_alertmanager(home, reporting_to(service, key)) as alertmanager:
        (home / "prometheus.yml").write_text(json.dumps({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(home / "rules.yml")],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager.address]}]}]},
            "scrape_configs": [{"job_name": "acd", "static_configs": [{"targets": [f"127.0.0.1:{exporter.port}"]}]}],
        }))  # fmt: skip
        exporter.always = waiting(412)
        async with running(
            prometheus, f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/tsdb",
            f"--web.listen-address=127.0.0.1:{free_port()}", "--log.level=warn", home=home,
        ):  # fmt: skip
            incident = await the_incident(service)
            assert (incident["title"], incident["type"]) == ("412 callers waiting", "system_outage")
            assert incident["facts"]["callers_waiting"] == 412
            exporter.always = waiting(3)
            await it_ends(service, incident)


def waiting(callers: int) -> Answer:
    return status(200, f"callers_waiting {callers}\n".encode(), content_type="text/plain; version=0.0.4")
