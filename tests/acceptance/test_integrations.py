"""EP-1.3: what we ship for other systems does what it is for: the command of Icinga 2 and Nagios, the mail pipe, the templates."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from app.cli import app
from app.commands.sources import _post_mail
from app.intake.envelopes import document_of
from app.intake.kinds import KINDS
from app.intake.signals import SignalState
from tests.conformance.sources import MAIL_RAW
from tests.receiver import Receiver, hang_up, status

SHIPPED = Path(__file__).parent.parent.parent / "integrations"
NOTIFY = SHIPPED / "icinga2" / "muster-notify"
SAID = {
    "TYPE": "Problem", "HOST": "ivr-01", "SERVICE": "sip", "STATE": "CRITICAL", "STATE_TYPE": "HARD", "PROBLEM": "1795312200.5",
    "OUTPUT": "no answer on \"5060\"; $(touch /tmp/never) `id` 'x' 中文", "AT": "1795312260", "ADDRESS": "10.0.0.8",
}  # fmt: skip


async def notify(url: str, key_file: Path, **said: str) -> int:
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "MUSTER_URL": url,
        "MUSTER_KEY_FILE": str(key_file),
        "MUSTER_RETRY_DELAY": "0",
        **SAID,
        **said,
    }
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", str(NOTIFY), env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    return await process.wait()


async def test_the_command_for_icinga_and_nagios_posts_what_is_read_as_a_problem_and_its_end(
    tmp_path: Path,
) -> None:
    key_file = tmp_path / "key"
    key_file.write_text("mst_a_key\n")
    async with Receiver() as receiver:
        assert await notify(receiver.url("/intake/icinga"), key_file) == 0
        assert await notify(receiver.url("/intake/icinga"), key_file, TYPE="Recovery", STATE="OK") == 0
        receiver.always = status(401)
        assert await notify(receiver.url("/intake/icinga"), key_file) != 0, (
            "a refusal is an error to the caller"
        )
        receiver.always = status(200)
        receiver.answers.extend([hang_up, status(503)])
        assert await notify(receiver.url("/intake/icinga"), key_file) == 0, "it comes again until it is taken"
        assert len(receiver.received) == 6, "a refused key is not shown again"
    assert await notify(receiver.url("/intake/icinga"), key_file) == 75, (
        "nobody listens: not for want of trying"
    )
    first, second, *_ = receiver.received
    assert first.headers["authorization"] == "Bearer mst_a_key"
    (problem,) = KINDS["icinga2"].parse(document_of(first.body, first.headers["content-type"]))
    (ended,) = KINDS["nagios"].parse(document_of(second.body, second.headers["content-type"]))
    assert (problem.state, problem.dedup_key, problem.text) == (
        SignalState.PROBLEM,
        "ivr-01!sip",
        SAID["OUTPUT"],
    )
    assert (ended.state, ended.dedup_key) == (SignalState.RECOVERED, "ivr-01!sip")


async def test_a_mail_is_handed_over_or_the_mail_server_is_told_to_come_again(tmp_path: Path) -> None:
    async with Receiver() as receiver:
        kept = status(400, b'{"receipt": "01KB0000000000000000000000"}')
        receiver.answers.extend([status(202), kept, status(400), status(503), status(401), hang_up])
        said = [await _post_mail(receiver.url("/intake/mailbox"), "mst_a_key", MAIL_RAW) for _ in range(6)]
    assert [one is None for one in said] == [True, True, False, False, False, False]
    assert not any("mst_a_key" in (one or "") for one in said)
    sent = receiver.received[0]
    (signal,) = KINDS["mail"].parse(document_of(sent.body, sent.headers["content-type"]))
    assert (signal.dedup_key, signal.level_hint) == ("ivr-01: no answer on 5060", 1)

    url, nowhere = "http://127.0.0.1:9/intake/mailbox", str(tmp_path / "missing")
    told = CliRunner().invoke(app, ["sources", "mail", url, "--key-file", nowhere], input=MAIL_RAW)
    assert told.exit_code == 75


async def test_a_mail_too_large_is_posted_without_its_attachments_and_never_dropped() -> None:
    large = MAIL_RAW + b"QUFB\r\n" * 250_000
    async with Receiver() as receiver:
        url = receiver.url("/intake/mailbox")
        receiver.answers.extend([status(202), status(413), status(202), status(413), status(413)])
        assert await _post_mail(url, "mst_a_key", large) is None
        assert await _post_mail(url, "mst_a_key", MAIL_RAW) is None, "a proxy may take less"
        assert await _post_mail(url, "mst_a_key", MAIL_RAW) is not None, (
            "not even that: the mail server keeps it"
        )
    assert len(large) > 1_400_000 > 10 * len(receiver.received[0].body)
    for posted in (receiver.received[0], receiver.received[2]):
        (signal,) = KINDS["mail"].parse(document_of(posted.body, posted.headers["content-type"]))
        assert (signal.dedup_key, signal.level_hint) == ("ivr-01: no answer on 5060", 1)


@pytest.mark.parametrize("transition", ["Triggered", "Recovered"])
def test_the_payload_for_datadog_is_what_its_kind_reads(transition: str) -> None:
    template = (SHIPPED / "datadog" / "payload.json").read_text("utf-8")
    filled = template.replace("$ALERT_CYCLE_KEY", "632").replace("$ALERT_TRANSITION", transition)
    (signal,) = KINDS["datadog"].parse(json.loads(filled))
    wanted = SignalState.PROBLEM if transition == "Triggered" else SignalState.RECOVERED
    assert (signal.dedup_key, signal.state) == ("632", wanted)


def test_the_media_type_for_zabbix_sends_every_field_that_its_kind_reads() -> None:
    document: Any = yaml.safe_load((SHIPPED / "zabbix" / "media_muster.yaml").read_text("utf-8"))
    (media,) = document["zabbix_export"]["media_types"]
    macros = {one["name"]: one["value"] for one in media["parameters"]}
    assert {"URL", "Key"} < macros.keys()
    (test,) = KINDS["zabbix"].parse(macros)
    assert test.state is SignalState.INFO, "nothing expanded: a test"
    expanded = {**macros, "event_id": "18", "event_value": "1", "nseverity": "5", "name": "SIP trunk down"}
    (signal,) = KINDS["zabbix"].parse(expanded)
    assert (signal.dedup_key, signal.state, signal.level_hint) == ("18", SignalState.PROBLEM, 1)
