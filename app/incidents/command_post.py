"""The emergency command post of an incident (EP-2.5): roles of a template, filled by who holds the positions now."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.incidents import timeline
from app.incidents.document import CommandPost as Template
from app.incidents.tables import CommandPost, Incident
from app.people import holders
from app.wording import say


async def form(
    session: AsyncSession, incident: Incident, name: str, template: Template, *, at: datetime
) -> CommandPost:
    """Form it, or form it anew, on a locked incident. A role nobody can fill stays vacant and is shown as such."""
    members = []
    for role, post in template.roles.items():
        member = {
            "role": role, "title": post.title.model_dump(), "function": post.function, "duties": post.duties.model_dump(),
            "position": post.filled_by[0], "person_id": None, "name": None,
        }  # fmt: skip
        for position in post.filled_by:
            if found := await holders.holders(session, position, at=at):
                member |= {"position": position, "person_id": found[0].person_id, "name": found[0].name}
                break
        members.append(member)
    standing = await session.get(CommandPost, incident.id)
    if standing is not None and (standing.template, standing.members) == (name, members):
        return standing  # formed at activation, and asked for again by a step of the playbook: nothing is new
    command_post = await session.merge(
        CommandPost(
            incident_id=incident.id,
            template=name,
            title=template.title.model_dump(),
            formed_at=at,
            members=members,
        )
    )
    incident.version += 1
    timeline.append(
        session, incident, "command_post.formed", actor="plan", at=at, template=name, title=template.title.model_dump(),
        members=[say("command_post.member", role=m["title"], name=m["name"]) for m in members],
        vacant=[m["role"] for m in members if not m["name"]],
    )  # fmt: skip
    return command_post


async def of_incident(session: AsyncSession, incident_id: str) -> CommandPost | None:
    return await session.get(CommandPost, incident_id)


async def commander_positions(session: AsyncSession, incident_id: str) -> list[str]:
    """Whom a question to the commander goes to."""
    command_post = await session.get(CommandPost, incident_id)
    found = [m["position"] for m in command_post.members if m["role"] == "commander"] if command_post else []
    return list(dict.fromkeys(found))
