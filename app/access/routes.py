"""Keys over HTTP."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, StringConstraints

from app.access import keys
from app.access.edge import Edge, Now, Session, Who, problems
from app.access.tables import Role
from app.errors import NotFound, WrongShape
from app.vocabulary import Moment
from app.wording import say

router = APIRouter(prefix="/api/v1", route_class=Edge, tags=["access"])


class IssueKey(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    role: Role
    person_id: Annotated[str, StringConstraints(max_length=26)] | None = None
    """Whose hands it is in; their acknowledgements bear their name."""
    expires_at: Moment | None = None


class KeyRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    role: Role
    person_id: str | None
    source_id: str | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class KeyIssued(KeyRead):
    key: str
    """The key itself: shown this once and never again."""


class Keys(BaseModel):
    items: list[KeyRead]
    next: None = None


@router.get("/keys", responses=problems())
async def list_keys(session: Session) -> Keys:
    """Every key, newest first; never the keys themselves."""
    return Keys(items=[KeyRead.model_validate(key) for key in await keys.every_key(session)])


@router.post("/keys", status_code=201, responses=problems())
async def issue_key(asked: IssueKey, session: Session, who: Who, now: Now) -> KeyIssued:
    """Make a key for a person or a program; an ingest key is made with its source."""
    if asked.role is Role.INGEST:
        raise WrongShape(say("access.ingest_needs_source"), errors=[{"path": "role"}])
    key, shown = await keys.issue(
        session,
        name=asked.name,
        role=asked.role,
        by=who.name,
        at=now,
        person_id=asked.person_id,
        expires_at=asked.expires_at,
    )
    return KeyIssued(**KeyRead.model_validate(key).model_dump(), key=shown)


@router.post("/keys/{key_id}/revoke", responses=problems(NotFound))
async def revoke_key(key_id: str, session: Session, now: Now) -> KeyRead:
    """From now on the key opens nothing."""
    return KeyRead.model_validate(await keys.revoke(session, key_id, at=now))
