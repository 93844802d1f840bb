"""Reports, their versions, who is sent them, and what was reported orally."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class ReportState(StrEnum):
    DRAFTED = "drafted"  # its newest version was given to nobody yet
    APPROVED = "approved"  # another hand lets this version leave the centre
    WAITING = "waiting"  # inside the centre it was given; outside it waits for approval
    SENT = "sent"  # given to everybody it is for; it changes no more
    REJECTED = "rejected"  # not to leave as it is; the next version may


class Report(Base):
    """One report: the first, a follow-up, the final one."""

    __tablename__ = "reports"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))  # first, follow_up, final
    ordinal: Mapped[int]  # the first, second, … of its kind
    state: Mapped[ReportState] = mapped_column(String(16), default=ReportState.DRAFTED)
    version: Mapped[int] = mapped_column(default=1)  # the newest
    language: Mapped[str] = mapped_column(String(8))  # it is written in one
    created_at: Mapped[datetime]
    approved_by: Mapped[str | None] = mapped_column(String(200))  # of the newest version
    approved_at: Mapped[datetime | None]
    rejected_because: Mapped[str | None] = mapped_column(Text)
    sent_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("incident_id", "kind", "ordinal"),)


class ReportVersion(Base):
    """What a report said at one time; never changed."""

    __tablename__ = "report_versions"

    report_id: Mapped[str] = mapped_column(ForeignKey("reports.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str] = mapped_column(String(500))
    level: Mapped[int]
    at: Mapped[datetime]
    author: Mapped[str] = mapped_column(String(200))
    author_key: Mapped[str | None] = mapped_column(String(16))
    note: Mapped[str | None] = mapped_column(Text)  # why there is a new version
    parts: Mapped[list[Any]]  # of {name, title, lines, by_hand}
    approved_by: Mapped[str | None] = mapped_column(String(200))


class Whom(StrEnum):
    """What somebody who is sent a report is to the centre (EP-5.2)."""

    DEPARTMENT = "department"  # inside the centre
    SUPERIOR = "superior"  # whom the centre reports to
    PARTNER = "partner"  # outside
    REGULATOR = "regulator"  # outside

    @property
    def is_outside(self) -> bool:
        """Whether nothing goes to them before it is approved."""
        return self in (Whom.PARTNER, Whom.REGULATOR)


class ReportRecipient(Base):
    """One version to one position: told, or why not."""

    __tablename__ = "report_recipients"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    report_id: Mapped[str] = mapped_column(ForeignKey("reports.id"))
    version: Mapped[int]
    position: Mapped[str] = mapped_column(String(63))
    whom: Mapped[Whom] = mapped_column(String(16))
    notice_id: Mapped[str | None] = mapped_column(
        ForeignKey("notices.id")
    )  # its deliveries say what came of it
    told_at: Mapped[datetime | None]
    withheld: Mapped[dict[str, Any] | None]  # a wording: why nothing was sent

    __table_args__ = (UniqueConstraint("report_id", "version", "position"),)


class OralReport(Base):
    """Who told whom, when, by which way, and what (EP-5.2)."""

    __tablename__ = "oral_reports"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    told_by: Mapped[str] = mapped_column(String(200))
    told: Mapped[str] = mapped_column(String(200))  # the person, as they are called
    position: Mapped[str | None] = mapped_column(String(63))  # in whose place they were told
    at: Mapped[datetime]
    way: Mapped[str] = mapped_column(String(16))  # telephone, in_person, meeting, video
    text: Mapped[str] = mapped_column(Text)
    counts: Mapped[bool]  # as the first report
    recorded_by: Mapped[str] = mapped_column(String(200))
    recorded_at: Mapped[datetime]
