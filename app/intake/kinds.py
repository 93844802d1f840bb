"""The kinds of source there are, in plain sight, each with the status codes its senders live by.

The codes are part of the protocol: Alertmanager tries again after a 503 and never after a 429, PagerDuty's
clients take nothing but 202 for a success. So the answer to an overload belongs to the source, not to the
service.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from app.errors import Problem, TooMany, Unavailable, WrongShape
from app.intake import signatures
from app.intake.signals import Signal
from app.intake.signatures import Scheme
from app.intake.sources import (
    alertmanager,
    aliyun,
    azure,
    cap,
    cloudevents,
    datadog,
    flashduty,
    generic,
    grafana,
    heartbeat,
    icinga,
    mail,
    nightingale,
    opsgenie,
    pagerduty,
    sentry,
    sns,
    uptime_kuma,
    zabbix,
)
from app.wording import say

RETRY_AFTER: Final = "2"  # seconds


class Parse(Protocol):
    def __call__(self, body: Any, *, mapping: generic.Mapping | None = None) -> list[Signal]:
        """The signals of an authenticated body, or `NotUnderstood` and nothing else."""


@dataclass(frozen=True, slots=True)
class Kind:
    kind: str
    parse: Parse
    success: int  # the status that this sender takes for "you have it"
    overload: int  # the status after which this sender tries again
    comes_again: bool = True  # after a refusal; one that does not is refused last
    signed: Scheme = signatures.STANDARD  # how it signs, where it shares a secret with us
    is_certified: bool = False  # every body bears a signature whose certificate has to be fetched
    reads_anything: bool = False  # whatever comes, and nothing, is understood
    delivery: Callable[[Any], str] = lambda _: (
        ""
    )  # the number of a document of it, the same each time it is sent
    secrets: Callable[[Any], Iterable[str]] = lambda _: ()  # in a document of it, which must not be kept

    def overloaded(self) -> Problem:
        """The refusal that makes this sender come again, for a full queue and for a database that is away."""
        refusal = TooMany if self.overload == TooMany.status else Unavailable
        return refusal(say("intake.overloaded"), headers={"Retry-After": RETRY_AFTER})


class UnknownKind(WrongShape):
    """A kind of source that this version does not read."""


KINDS: Final[Mapping[str, Kind]] = {
    source.kind: source
    for source in (
        Kind("alertmanager", alertmanager.parse, success=200, overload=503),
        Kind("pagerduty", pagerduty.parse, success=202, overload=429),
        Kind("opsgenie", opsgenie.parse, success=202, overload=429),
        Kind("grafana", grafana.parse, success=200, overload=503, comes_again=False, signed=signatures.GRAFANA),
        Kind("zabbix", zabbix.parse, success=200, overload=503),
        Kind("nightingale", nightingale.parse, success=200, overload=429),
        Kind("aliyun", aliyun.parse, success=200, overload=503),
        Kind(
            "uptime_kuma", uptime_kuma.parse, success=200, overload=503, comes_again=False,
            secrets=uptime_kuma.secrets,
        ),
        Kind("azure", azure.parse, success=200, overload=503),
        Kind("sns", sns.parse, success=200, overload=503, is_certified=True, delivery=sns.delivery),
        Kind("sentry", sentry.parse, success=200, overload=503, comes_again=False, signed=signatures.SENTRY),
        Kind("datadog", datadog.parse, success=200, overload=503),
        Kind("icinga2", icinga.parse, success=200, overload=503),
        Kind("nagios", icinga.parse, success=200, overload=503),
        Kind("cloudevents", cloudevents.parse, success=202, overload=429, delivery=cloudevents.delivery),
        Kind("flashduty", flashduty.parse, success=200, overload=429),
        Kind("cap", cap.parse, success=200, overload=503),
        Kind("mail", mail.parse, success=202, overload=503),
        Kind("heartbeat", heartbeat.parse, success=200, overload=503, reads_anything=True),
        Kind("generic", generic.parse, success=202, overload=503),
    )
}  # fmt: skip


def kind_named(name: str) -> Kind:
    """The kind of that name, or `UnknownKind` saying which exist."""
    source = KINDS.get(name)
    if source is None:
        raise UnknownKind(say("source.kind.unknown", kind=name[:40], kinds=list(KINDS)), kinds=list(KINDS))
    return source
