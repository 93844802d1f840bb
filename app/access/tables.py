"""Keys, browser sessions, and answers kept for repeated requests."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class Role(StrEnum):
    """The layers of EP-2, and two that are not people of the plan."""

    LEADERSHIP = "leadership"  # declares and ends level 1 and 2, approves revisions, may do everything
    MANAGEMENT = "management"  # assesses, activates, manages the organisation
    EXECUTION = "execution"  # raises, acknowledges, does tasks
    COLLABORATION = "collaboration"  # sees what it is asked into, does its tasks
    AUDITOR = "auditor"  # reads everything, changes nothing
    INGEST = "ingest"  # posts to one source, and nothing else


class Key(Base):
    __tablename__ = "keys"

    id: Mapped[str] = mapped_column(String(8), primary_key=True)  # the readable part of the key
    name: Mapped[str] = mapped_column(String(200))
    role: Mapped[Role] = mapped_column(String(16))
    digest: Mapped[str] = mapped_column(String(64))  # SHA-256 of the whole key
    person_id: Mapped[str | None] = mapped_column(
        String(26)
    )  # whose hands it is in; acknowledgements bear their name
    source_id: Mapped[str | None] = mapped_column(String(26))  # ingest: the one source it may post to
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(200))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]  # to the minute


class BrowserSession(Base):
    __tablename__ = "browser_sessions"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256 of the cookie
    key_id: Mapped[str] = mapped_column(ForeignKey("keys.id"))
    csrf: Mapped[str] = mapped_column(String(64))
    language: Mapped[str | None] = mapped_column(String(8))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class KeptAnswer(Base):
    """The answer to a request that bore an `Idempotency-Key`, for 24 hours."""

    __tablename__ = "kept_answers"

    key: Mapped[str] = mapped_column(String(300), primary_key=True)  # who, and the key they chose
    request_digest: Mapped[str] = mapped_column(String(64))  # method, path and body
    status: Mapped[int] = mapped_column(Integer)
    headers: Mapped[dict[str, Any]]
    body_sealed: Mapped[str] = mapped_column(Text)  # it may hold a new key
    kept_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
