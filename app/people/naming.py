"""Who is meant by what somebody typed: a position by its slug or title, or a person by name or staff number (EP-5.2)."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import WrongShape
from app.people.tables import Person, Position
from app.wording import say

_ECHOED: Final = 40  # characters of what was typed, repeated in a refusal


class Named(NamedTuple):
    """A position, or a person; never both."""

    position: str | None = None
    person_id: str | None = None


class NobodyOfThatName(WrongShape, slug="nobody-of-that-name"):
    """No position and no person is called so, or several people are."""


async def meant(session: AsyncSession, names: Iterable[str]) -> Sequence[Named]:
    """Each name once, in order; upper and lower case are the same. Raises `NobodyOfThatName`, and then none counts."""
    wanted = list(dict.fromkeys(" ".join(name.split()) for name in names if name.strip()))
    positions = list(await session.scalars(select(Position)))
    by_word: dict[str, str] = {}
    for position in positions:
        for word in (position.id, *_titles(position.title)):
            by_word.setdefault(word.casefold(), position.id)
    found: list[Named] = []
    unknown: list[str] = []
    for name in wanted:
        if (slug := by_word.get(name.casefold())) is not None:
            found.append(Named(position=slug))
            continue
        query = select(Person.id).where(Person.left_at.is_(None))
        people = list(
            await session.scalars(query.where(or_(Person.name == name, Person.staff_number == name)).limit(2))
        )
        if len(people) == 1:
            found.append(Named(person_id=people[0]))
        else:
            unknown.append(name[:_ECHOED])
    if unknown or not found:
        raise NobodyOfThatName(
            say("people.nobody_of_that_name", names=unknown), errors=[{"path": "add"}],
            known=sorted(position.id for position in positions),
        )  # fmt: skip
    return list(dict.fromkeys(found))


def _titles(title: Any) -> list[str]:
    return [str(text) for text in title.values() if text] if isinstance(title, dict) else []
