"""One case for each kind of source: what its client sends when something breaks, when it is well again, and on a bad day."""

import base64
import json
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

CAPTURED = Path(__file__).parent.parent / "captured"
JSON = "application/json"


def captured(name: str) -> Any:
    return json.loads((CAPTURED / f"{name}.json").read_text("utf-8"))["body"]


@dataclass
class Case:
    """Bodies of one client, as JSON values; `raw` ones as the bytes and the content type that really travel."""

    kind: str
    firing: Any
    resolved: Any
    key: str
    level: int | None
    tests: list[Any] = field(default_factory=list)  # what its button "Test" sends: calls nobody
    remarks: list[Any] = field(default_factory=list)  # what is no problem and no end
    again: Any = None  # the same problem, the next time; none: the client has no occurrences
    acked: Any = None
    raw: tuple[tuple[bytes, str], ...] = ()  # each says the same as `firing`
    open: tuple[str, ...] = ()  # where in the body any further field may stand, as keys joined by dots

    def with_unknown_fields(self) -> Any:
        body = deepcopy(self.firing)
        for place in self.open or ("",):
            found = body
            for name in filter(None, place.split(".")):
                found = found[int(name)] if isinstance(found, list) else found[name]
            found["a_field_of_next_year"] = {"deep": [1, None, "x"]}
        return body


def changed(body: Any, place: str, **changes: Any) -> Any:
    """A copy in which the object at a place (keys joined by dots) is changed."""
    copy = deepcopy(body)
    found = copy
    for name in filter(None, place.split(".")):
        found = found[int(name)] if isinstance(found, list) else found[name]
    found.update(changes)
    return copy


AM = captured("alertmanager_webhook_firing")
GRAFANA = {
    "version": "1", "receiver": "cs", "status": "firing", "state": "alerting", "orgId": 1, "truncatedAlerts": 0,
    "groupKey": '{}:{alertname="5xx"}', "title": "[FIRING:1] 5xx", "message": "…", "externalURL": "https://g/",
    "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {},
    "alerts": [{
        "status": "firing", "labels": {"alertname": "5xx", "team": "shop", "severity": "critical"},
        "annotations": {"summary": "checkout errors"}, "startsAt": "2026-11-22T10:00:00+08:00",
        "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "https://g/rule", "fingerprint": "c6eadffa33fcdf37",
        "silenceURL": "https://g/silence", "dashboardURL": "", "panelURL": "", "values": {"B": 44.2, "C": 1},
    }],
}  # fmt: skip
PAGER = {
    "routing_key": "k", "event_action": "trigger", "dedup_key": "srv01/ivr",
    "payload": {"summary": "IVR down", "source": "ivr-01", "severity": "critical"},
}  # fmt: skip
ZABBIX = captured("zabbix6_problem")
N9E = {
    "id": 44363, "hash": "9b1c", "cate": "prometheus", "cluster": "vm-hz", "group_name": "cs", "rule_id": 50,
    "rule_name": "queue long", "rule_note": "", "severity": 1, "is_recovered": False, "trigger_time": 1795312260,
    "first_trigger_time": 1795312200, "recover_time": 0, "trigger_value": "412", "target_ident": "acd-01",
    "tags": ["site=hz", "rulename=queue"], "annotations": {}, "runbook_url": "", "notify_cur_number": 1,
}  # fmt: skip
ALIYUN = {
    "userId": "12345", "alertName": "putNewAlarm_group_1", "timestamp": "1508136760", "alertState": "ALERT",
    "dimensions": '[{"instanceId":"i-1","device":"sda"}]', "curValue": "95", "metricName": "CPUUtilization",
    "expression": '[{"expression":"$Average>90","level":4,"times":2}]', "triggerLevel": "CRITICAL",
}  # fmt: skip
ALIYUN_FORM = (
    b"userId=12345&alertName=putNewAlarm_group_1&timestamp=1508136760&alertState=ALARM&curValue=95&metricName=CPUUtilization"
    b"&dimensions=%5B%7B%22device%22%3A%22sda%22%2C%22instanceId%22%3A%22i-1%22%7D%5D&triggerLevel=CRITICAL"
)
KUMA = captured("uptime_kuma_down")
BOUNDARY = b"----------------------------0123456789"
KUMA_FORM = (
    b"--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="data"\r\n\r\n'
    + json.dumps(KUMA).encode() + b"\r\n--" + BOUNDARY + b"--\r\n"
)  # fmt: skip
AZURE = {
    "schemaId": "azureMonitorCommonAlertSchema",
    "data": {
        "essentials": {
            "alertId": "/subscriptions/1/providers/Microsoft.AlertsManagement/alerts/b9569717", "alertRule": "queue",
            "severity": "Sev1", "signalType": "Metric", "monitorCondition": "Fired", "monitoringService": "Platform",
            "alertTargetIDs": ["/subscriptions/1/vm"], "originAlertId": "9f5c", "firedDateTime": "2026-11-22T02:10:00.1234567Z",
        },
        "alertContext": {},
    },
}  # fmt: skip
ALARM = {
    "AlarmName": "queue", "AlarmArn": "arn:aws:cloudwatch:us-east-1:1:alarm:queue", "AWSAccountId": "1",
    "AlarmDescription": "calls wait; level=2 type=system_outage", "NewStateValue": "ALARM", "OldStateValue": "OK",
    "NewStateReason": "Threshold crossed", "StateChangeTime": "2026-11-22T02:10:00.000+0000", "Region": "US East",
    "Trigger": {"MetricName": "q", "Threshold": 5.0},
}  # fmt: skip


def sns(alarm: Any, **changes: Any) -> dict[str, Any]:
    said = alarm if isinstance(alarm, str) else json.dumps({**alarm, **changes})
    return {
        "Type": "Notification", "MessageId": "22b8", "TopicArn": "arn:aws:sns:us-east-1:1:alarms", "Message": said,
        "Timestamp": "2026-11-22T02:10:01.000Z", "SignatureVersion": "2", "Signature": "c2lnbmVk",
        "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a.pem",
    }  # fmt: skip


SENTRY = {
    "action": "triggered", "installation": {"uuid": "7a"}, "actor": {"type": "application"},
    "data": {
        "event": {
            "issue_id": "117", "event_id": "e1", "title": "TypeError: no queue", "level": "error",
            "web_url": "https://sentry/1", "datetime": "2026-11-22T02:10:00.000000Z", "environment": "production",
        },
        "triggered_rule": "checkout errors",
    },
}  # fmt: skip
DATADOG = {
    "cycle_key": "63297", "aggreg_key": "9b", "alert_id": "1234", "transition": "Triggered", "priority": "P2",
    "scope": "host:ivr-01", "title": "[Triggered] queue", "text": "412 wait", "tags": "site:hz,team:cs",
    "link": "https://app.datadoghq.com/event/1", "date": "1795312200000",
}  # fmt: skip
ICINGA = {
    "type": "PROBLEM", "host": "ivr-01", "service": "sip", "state": "CRITICAL", "state_type": "HARD",
    "problem": "1795312200.5", "output": "no answer on 5060", "author": "", "comment": "", "at": "1795312260",
    "address": "10.0.0.8", "url": "",
}  # fmt: skip
EVENT = {
    "specversion": "1.0", "id": "A234", "source": "/hz/ivr", "type": "com.example.line.down", "subject": "trunk-3",
    "time": "2026-11-22T02:10:00Z", "data": {"title": "SIP trunk down", "severity": "critical"},
}  # fmt: skip
FLASHDUTY = {
    "title_rule": "IVR down", "event_status": "Critical", "alert_key": "srv01/ivr", "event_time": 1795312200,
    "description": "412 callers wait", "labels": {"site": "hz"},
}  # fmt: skip
MAIL = {
    "subject": "[PROBLEM] ivr-01: no answer on 5060", "from": "monit@ivr-01", "message_id": "<1@ivr-01>",
    "text": "Level: 1\n412 callers are waiting.", "date": "2026-11-22T02:10:00+00:00",
}  # fmt: skip
MAIL_RAW = (
    b"From: monit@ivr-01\r\nTo: alarm@example\r\nSubject: [PROBLEM] ivr-01: no answer on 5060\r\n"
    b"Date: Sun, 22 Nov 2026 02:10:00 +0000\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + base64.encodebytes(b"Level: 1\n412 callers are waiting.")
)
CAP: dict[str, Any] = {
    "alert": {
        "identifier": "33010041600000_0", "sender": "hz@weather.example", "sent": "2026-11-22T08:00:00+08:00",
        "status": "Actual", "msgType": "Alert", "scope": "Public",
        "info": [
            {
                "language": "en-US", "category": "Met", "event": "Rainstorm", "urgency": "Immediate", "severity": "Severe",
                "certainty": "Likely", "headline": "Orange rainstorm warning", "area": {"areaDesc": "Hangzhou"},
            },
            {
                "language": "zh-CN", "category": "Met", "event": "暴雨", "urgency": "Immediate", "severity": "Severe",
                "certainty": "Likely", "headline": "暴雨橙色预警", "instruction": "人员撤离低洼处", "area": {"areaDesc": "杭州"},
            },
        ],
    },
}  # fmt: skip
FIRST = "hz@weather.example,33010041600000_0"
LATER = {
    "identifier": "33010041600000_2",
    "sent": "2026-11-22T12:00:00+08:00",
    "references": f"hz@weather.example,33010041600000_1,2026-11-22T10:00:00+08:00 {FIRST},2026-11-22T08:00:00+08:00",
}


def as_xml(name: str, value: Any, *, namespace: str = "urn:oasis:names:tc:emergency:cap:1.2") -> str:
    """One element as its sender would write it."""
    if isinstance(value, list):
        return "".join(as_xml(name, one) for one in value)
    inner = (
        "".join(as_xml(*pair) for pair in value.items()) if isinstance(value, dict) else escape(str(value))
    )
    return (
        f'<{name} xmlns="{namespace}">\n{inner}</{name}>' if name == "alert" else f"<{name}>{inner}</{name}>"
    )


def cap(**changes: str) -> bytes:
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + as_xml("alert", {**CAP["alert"], **changes}).encode()


GENERIC = {
    "title": "IVR down", "id": "srv01/ivr", "status": "firing", "severity": "critical",
    "started_at": "2026-11-22T10:00:00+08:00", "labels": {"site": "hz"},
}  # fmt: skip

CASES: dict[str, Case] = {
    case.kind: case
    for case in (
        Case(
            "generic", GENERIC, {**GENERIC, "status": "resolved"}, "srv01/ivr", 1,
            again={**GENERIC, "started_at": "2026-11-23T10:00:00+08:00"}, acked={**GENERIC, "status": "acknowledged"},
            remarks=[{**GENERIC, "status": "info"}],
        ),
        Case(
            "alertmanager", AM, captured("alertmanager_webhook_resolved"), "45eef34ab06122bd", 1,
            again=changed(AM, "alerts.0", startsAt="2026-11-23T10:00:00Z"), open=("", "alerts.0"),
        ),
        Case(
            "grafana", GRAFANA, changed(GRAFANA, "alerts.0", status="resolved", endsAt="2026-11-22T10:09:00+08:00"),
            "c6eadffa33fcdf37", 1, again=changed(GRAFANA, "alerts.0", startsAt="2026-11-23T10:00:00+08:00"),
            tests=[changed(GRAFANA, "alerts.0", labels={"alertname": "TestAlert", "instance": "Grafana"})],
            open=("", "alerts.0"),
        ),
        Case(
            "pagerduty", PAGER, {"routing_key": "k", "event_action": "resolve", "dedup_key": "srv01/ivr"}, "srv01/ivr", 1,
            acked={"routing_key": "k", "event_action": "acknowledge", "dedup_key": "srv01/ivr"}, open=("", "payload"),
        ),
        Case(
            "opsgenie", {"alias": "ivr", "message": "IVR down", "priority": "P1"},
            {"alias": "ivr", "action": "close", "source": "prom"}, "ivr", 1, acked={"alias": "ivr", "action": "acknowledge"},
            remarks=[{"alias": "ivr", "action": "notes", "note": "seen"}],
        ),
        Case(
            "zabbix", ZABBIX, captured("zabbix6_recovery"), "18", 1, again=None,
            tests=[{name: f"{{EVENT.{name.upper()}}}" for name in ZABBIX} | {"name": "Test"}],
            acked={**ZABBIX, "event_update_status": "1", "event_ack": "Yes"},
            remarks=[{**ZABBIX, "event_source": "1"}, {**ZABBIX, "event_update_status": "1", "event_ack": "No"}],
        ),
        Case(
            "nightingale", N9E, {**N9E, "is_recovered": True, "recover_time": 1795312800}, "9b1c", 1,
            again={**N9E, "first_trigger_time": 1795398600}, raw=((json.dumps([N9E]).encode(), JSON),),
        ),
        Case(
            "aliyun", ALIYUN, {**ALIYUN, "alertState": "OK", "dimensions": [{"device": "sda", "instanceId": "i-1"}]},
            '12345:putNewAlarm_group_1:[{"device": "sda", "instanceId": "i-1"}]', 1,
            remarks=[{**ALIYUN, "alertState": "INSUFFICIENT_DATA"}],
            raw=((ALIYUN_FORM, "application/x-www-form-urlencoded"),),
        ),
        Case(
            "uptime_kuma", KUMA, captured("uptime_kuma_up"), "1", None,
            again=changed(KUMA, "heartbeat", time="2026-11-23 11:29:39.593"),
            tests=[{"heartbeat": None, "monitor": None, "msg": "Testing"}],
            remarks=[changed(KUMA, "heartbeat", status=2), changed(KUMA, "heartbeat", status=3)],
            raw=((KUMA_FORM, f"multipart/form-data; boundary={BOUNDARY.decode()}"),), open=("", "heartbeat", "monitor"),
        ),
        Case(
            "azure", AZURE,
            changed(AZURE, "data.essentials", monitorCondition="Resolved", resolvedDateTime="2026-11-22T02:20:00Z"),
            AZURE["data"]["essentials"]["alertId"], 2,  # type: ignore[index]
            again=changed(AZURE, "data.essentials", firedDateTime="2026-11-23T02:10:00Z"), open=("", "data.essentials"),
        ),
        Case(
            "sns", sns(ALARM), sns(ALARM, NewStateValue="OK", StateChangeTime="2026-11-22T02:20:00.000+0000"),
            str(ALARM["AlarmArn"]), 2, again=sns(ALARM, StateChangeTime="2026-11-23T02:10:00.000+0000"),
            remarks=[sns(ALARM, NewStateValue="INSUFFICIENT_DATA")],
            raw=((json.dumps(sns(ALARM)).encode(), "text/plain; charset=UTF-8"),),
        ),
        Case(
            "sentry", SENTRY, {"action": "resolved", "data": {"issue": {"id": "117", "title": "TypeError: no queue"}}},
            "issue:117", 2, acked={"action": "assigned", "data": {"issue": {"id": "117", "title": "TypeError"}}},
            remarks=[{"action": "ignored", "data": {"issue": {"id": "117", "title": "TypeError"}}}],
            open=("", "data", "data.event"),
        ),
        Case(
            "datadog", DATADOG, {**DATADOG, "transition": "Recovered"}, "63297", 2, again={**DATADOG, "cycle_key": "63298"},
            tests=[{name: f"${name.upper()}" for name in DATADOG} | {"title": "Test"}],
        ),
        *(
            Case(
                kind, {**ICINGA, "problem": first}, {**ICINGA, "type": "RECOVERY", "state": "OK", "problem": well}, "ivr-01!sip", 2,
                again={**ICINGA, "problem": second}, acked={**ICINGA, "type": "ACKNOWLEDGEMENT", "author": "li"},
                remarks=[{**ICINGA, "state_type": "SOFT"}, {**ICINGA, "type": "FLAPPINGSTART"}],
            )
            for kind, first, well, second in (
                ("icinga2", "1795312200.5", "1795312800.25", "1795312800.25"), ("nagios", "7", "0", "8"),
            )
        ),
        Case(
            "cloudevents", EVENT, {**EVENT, "id": "A235", "type": "com.example.line.recovered"}, "/hz/ivr trunk-3", 1,
            raw=((json.dumps([EVENT]).encode(), "application/cloudevents-batch+json"),),
        ),
        Case(
            "flashduty", FLASHDUTY, {**FLASHDUTY, "event_status": "Ok"}, "srv01/ivr", 1,
        ),
        Case(
            "cap", CAP, changed(CAP, "alert", **LATER, msgType="Cancel"), FIRST, 2,
            again=changed(CAP, "alert", identifier="33010041600000_9", sent="2026-11-23T08:00:00+08:00"),
            tests=[changed(CAP, "alert", status=status) for status in ("Test", "Exercise", "System", "Draft")],
            remarks=[changed(CAP, "alert", **LATER, msgType=kind) for kind in ("Ack", "Error")],
            raw=((cap(), "application/cap+xml"), (cap(), "text/plain")), open=("", "alert", "alert.info.0"),
        ),
        Case(
            "mail", MAIL, {**MAIL, "subject": "Re: [RESOLVED] ivr-01: no answer on 5060"}, "ivr-01: no answer on 5060", 1,
            remarks=[{**MAIL, "auto_submitted": "auto-replied"}], raw=((MAIL_RAW, "message/rfc822"),),
        ),
    )
}  # fmt: skip
