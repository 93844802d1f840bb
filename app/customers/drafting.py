"""What an announcement begins with: the words of the plan for the type of incident and the stage (OM-2)."""

from app.incidents.announcements import Words
from app.incidents.document import Customers
from app.incidents.tables import Incident, Stage
from app.wording import localised, say

_REST = "other"


def template(plan: Customers | None, incident: Incident, stage: Stage) -> Words:
    """The plan's words for this type, else for the rest, else ours; to be edited by a person before they are approved."""
    for type_ in (incident.type, _REST):
        words = plan.announcements.get(type_, {}).get(stage) if plan is not None else None
        if words is not None:
            return Words(
                stage, words.title.model_dump(exclude_none=True), words.text.model_dump(exclude_none=True)
            )
    return Words(
        stage,
        localised(say(f"announcement.words.{stage}.title")),
        localised(say(f"announcement.words.{stage}.text")),
    )
