"""The matrix over HTTP."""

from fastapi import APIRouter
from pydantic import BaseModel

from app.access.edge import Edge, Session, problems
from app.levels import matrix
from app.levels.document import Levels

router = APIRouter(prefix="/api/v1", route_class=Edge, tags=["levels"])


class MatrixRead(BaseModel):
    plan_revision: str
    matrix: Levels


@router.get("/levels", responses=problems())
async def read_levels(session: Session) -> MatrixRead:
    """The response matrix in force: levels with their targets, the risk matrix, the incident types and their rules."""
    revision_id, levels = await matrix.in_force(session)
    return MatrixRead(plan_revision=revision_id, matrix=levels)
