"""The response matrix, as each plan revision has it."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class Matrix(Base):
    __tablename__ = "matrices"

    revision_id: Mapped[str] = mapped_column(String(26), primary_key=True)  # the plan revision it belongs to
    document: Mapped[dict[str, Any]]  # app.levels.document.Levels
    adopted_at: Mapped[datetime]
    in_force: Mapped[bool]

    __table_args__ = (
        # One matrix is in force, and no more than one.
        Index("uq_matrices_in_force", "in_force", unique=True, postgresql_where=text("in_force"), sqlite_where=text("in_force")),
    )  # fmt: skip
