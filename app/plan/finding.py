"""What the check of a plan has to say: a value with its place, its clause and the way to mend it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from app import wording
from app.wording import Wording, say


class Severity(StrEnum):
    ERROR = "error"  # the plan would fail in use; where the plan alone shows it, it is refused
    WARNING = "warning"  # it would work, but does not hold what the rules ask for
    NOTE = "note"  # nothing is wrong; it is good to know


@dataclass(frozen=True)
class Witness:
    """The counter-example: a moment at which it does not hold, what would happen then, and all such times."""

    at: datetime
    trail: tuple[Wording, ...] = ()
    """What would happen, step by step."""
    spells: tuple[tuple[datetime, datetime], ...] = ()
    """Every stretch of the days looked at over which it does not hold, up to but not including its end."""
    takes: timedelta | None = None
    """How long it would take at worst; none: it would not come about, or it is not a matter of time."""


@dataclass(frozen=True)
class Finding:
    """One thing that does not hold."""

    severity: Severity
    code: str
    clause: str
    path: str
    message: Wording
    mend: Wording
    witness: Witness | None = None
    about: str = ""
    """What tells it from another of its kind at the same place: a department."""

    @property
    def mark(self) -> str:
        """By which the same finding is known again, whatever moved around it."""
        return ":".join(part for part in (self.code, self.path, self.about) if part)

    def told(self, language: str = "en", zone: tzinfo = UTC) -> str:
        """`types.other.playbook: there is no playbook 'othr'. Did you mean other? [EP-1.3]`"""
        message, mend = (wording.render(one, language, zone) for one in (self.message, self.mend))
        space = " " if language == "en" else ""
        return f"{self.path}: {message}{space}{mend} [{self.clause}]"


def error(code: str, clause: str, path: str, *, mend: Wording | None = None, **params: Any) -> Finding:
    """A finding that refuses the plan; its texts are `plan.check.<code>` and `plan.check.<code>.mend`."""
    return _finding(Severity.ERROR, code, clause, path, mend, params)


def warning(code: str, clause: str, path: str, *, mend: Wording | None = None, **params: Any) -> Finding:
    """A finding that does not refuse the plan."""
    return _finding(Severity.WARNING, code, clause, path, mend, params)


def found(
    severity: Severity, code: str, clause: str, path: str, *, witness: Witness | None = None, about: str | None = None,
    **params: Any,
) -> Finding:  # fmt: skip
    """A finding of any severity, with its counter-example."""
    return replace(_finding(severity, code, clause, path, None, params), witness=witness, about=about or "")


def unknown(code: str, clause: str, path: str, name: str, known: Iterable[str]) -> Finding:
    """A reference to something that is not there, with the nearest thing that is."""
    near = next(iter(get_close_matches(name, list(known), n=1)), None)
    mend = None if near is None else say("plan.check.nearest", near=near)
    return error(code, clause, path, mend=mend, name=name)


def _finding(
    severity: Severity, code: str, clause: str, path: str, mend: Wording | None, params: dict[str, Any]
) -> Finding:
    message, usual = say(f"plan.check.{code}", **params), say(f"plan.check.{code}.mend", **params)
    return Finding(severity, code, clause, path, message, mend or usual)
