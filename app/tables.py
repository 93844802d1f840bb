"""Every table of the product in one import, for migrations and for building a database from the models."""

from app.access import tables as access
from app.customers import tables as customers
from app.db import Base
from app.incidents import tables as incidents
from app.installation import Hold, Installation
from app.intake import tables as intake
from app.levels import tables as levels
from app.meetings import tables as meetings
from app.notify import tables as notify
from app.outbox import OutboxMessage
from app.parties import tables as parties
from app.people import tables as people
from app.plan import tables as plan
from app.playbooks import tables as playbooks
from app.readiness import tables as readiness
from app.reports import tables as reports
from app.resources import tables as resources
from app.reviews import tables as reviews
from app.risks import tables as risks
from app.warnings import tables as warnings
from app.watch import tables as watch

__all__ = [
    "Base", "Hold", "Installation", "OutboxMessage", "access", "customers", "incidents", "intake", "levels", "meetings",
    "notify", "parties", "people", "plan", "playbooks", "readiness", "reports", "resources", "reviews", "risks", "warnings",
    "watch",
]  # fmt: skip
