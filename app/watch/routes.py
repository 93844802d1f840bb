"""What the watch found, over HTTP."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from app.access.edge import Edge, Language, Now, Session, problems
from app.watch import auditor
from app.watch.auditor import Finding
from app.wording import render, say

router = APIRouter(prefix="/api/v1", route_class=Edge, tags=["service"])


class FindingRead(BaseModel):
    """Rows that should not stand as they do, by one rule."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    rule: str
    about: str
    number: int
    examples: list[str]
    """Ids or keys of the first of them."""

    @classmethod
    def of(cls, finding: Finding, language: str) -> "FindingRead":
        about = render(say(f"watch.rule.{finding.rule}"), language)
        return cls(rule=finding.rule, about=about, number=finding.number, examples=list(finding.examples))


class Audit(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    items: list[FindingRead]
    """Empty when all is well."""
    next: None = None


@router.get("/audit", responses=problems())
async def audit(session: Session, now: Now, language: Language) -> Audit:
    """Ask every rule of the auditor; what stands as it should not is answered, by rule, with examples."""
    found = await auditor.findings(session, at=now)
    return Audit(items=[FindingRead.of(one, language) for one in found])
