"""The kinds of source there are, in plain sight, each with the status codes its senders live by.

The codes are part of the protocol: Alertmanager tries again after a 503 and never after a 429, PagerDuty's
clients take nothing but 202 for a success. So the answer to an overload belongs to the source, not to the
service.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from app.errors import Problem, TooMany, Unavailable, WrongShape
from app.intake.signals import Signal
from app.intake.sources import alertmanager, generic, opsgenie, pagerduty
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
        Kind("generic", generic.parse, success=202, overload=503),
    )
}


def kind_named(name: str) -> Kind:
    """The kind of that name, or `UnknownKind` saying which exist."""
    source = KINDS.get(name)
    if source is None:
        raise UnknownKind(say("source.kind.unknown", kind=name[:40], kinds=list(KINDS)), kinds=list(KINDS))
    return source
