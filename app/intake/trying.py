"""What a body would give if a source sent it: nothing is kept, nobody is told.

The place for "this looks like Grafana, you declared Alertmanager": which parser reads a body is never guessed, only remarked on.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.intake import enrolment, mails
from app.intake.envelopes import FORM, document_of, standing_alone
from app.intake.kinds import KINDS
from app.intake.recognition import kind_of, looks_like
from app.intake.signals import NotUnderstood, Signal
from app.intake.sources import generic
from app.intake.tables import Source
from app.wording import Wording, say

_LIKE_A_FORM: Final = re.compile(rb"[^\s=&]+=[^\s=&]*(?:&[^\s=&]+=[^\s=&]*)*")


@dataclass(frozen=True)
class Trial:
    """The signals of a body, or why there are none; and whose it looks like."""

    declared: str
    signals: Sequence[Signal]
    looks_like: str | None
    hint: Wording | None
    refusal: NotUnderstood | None = None


def headers_of(source: Source, body: bytes) -> Mapping[str, str]:
    """The headers of a sample that was pasted without any: JSON and XML need none, a mail and a form do."""
    start = body.lstrip()[:1]
    if start in (b"{", b"[", b"<"):
        return {}
    if source.kind == "mail":
        return {"content-type": mails.CONTENT_TYPE}
    return {"content-type": FORM} if _LIKE_A_FORM.fullmatch(body.strip()) else {}


def tried(
    source: Source, body: bytes, headers: Mapping[str, str], mapping: generic.Mapping | None = None
) -> Trial:
    """What the source says in this body; with a `mapping`, as if it had that one."""
    own, content = standing_alone(body, headers.get("content-type"), headers)
    kind = KINDS[source.kind]
    document: Any = None
    signals: Sequence[Signal] = ()
    refusal = None
    try:
        if not kind.reads_anything:
            document = document_of(own, content)
            signals = kind.parse(document, mapping=mapping or enrolment.reading_of(source)[1])
    except NotUnderstood as found:
        refusal = found
    product, other = looks_like(document), kind_of(document)
    differs = other is not None and other != kind.kind and not (other == "icinga2" and kind.kind == "nagios")
    hint = (
        say("intake.looks_like_another", product=product, kind=other, declared=kind.kind) if differs else None
    )
    return Trial(kind.kind, signals, product, hint, refusal)
