"""The organisation's people from one CSV file: all of them, or none and every mistake by its line.

Columns: `name`, `department`, `positions` (separated by `;`), and where wanted `staff_number`, `language`,
`skills`, `certificates` (each with its last day: `skill=2027-03-31`), `availability`, and contact points as `mail`,
`webhook`, `log` or `contact_1`, `contact_2` … holding `channel:address`; they are tried in the order of the columns.
UTF-8 or GB18030. The same file again adds nobody twice: people are known by `staff_number`, or without one by name
and department.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Malformed, TooLarge, WrongShape
from app.people import contact_points, organisation
from app.people.contact_points import Check
from app.people.organisation import Said, echoed
from app.people.tables import Availability, Person
from app.vault import Vault
from app.wording import Wording, say

MAX_BYTES: Final = 5 * 1024 * 1024
MAX_PEOPLE: Final = 20_000
_MOST_MISTAKES: Final = 200  # are listed; the count is of all
_NEEDED: Final = ("name", "department", "positions")
_OPTIONAL: Final = ("staff_number", "language", "skills", "certificates", "availability")
_CONTACT: Final = re.compile(r"contact_[1-9][0-9]?")
_LIMITS: Final[Mapping[str, int]] = {"name": 200, "staff_number": 64}
_MANY: Final = re.compile(r"[;；]")


@dataclass(frozen=True)
class Imported:
    """What an import did."""

    created: int
    updated: int


@dataclass(frozen=True)
class Mistake:
    """One thing wrong in the file."""

    line: int
    column: str
    message: Wording


@dataclass(frozen=True)
class Row:
    """One person of the file and where it stands."""

    line: int
    said: Said


async def import_people(
    session: AsyncSession, vault: Vault, body: bytes, *, check: Check, at: datetime
) -> Imported:
    """Take in the file, in the caller's transaction.

    1. Read it; refuse bytes that are no text and more than `MAX_BYTES`.
    2. Judge every row against the organisation; one mistake anywhere, and nobody is imported.
    3. Update who is known, add who is not; who had left and stands in the file is back.
    """
    rows, found = read(decoded(body))
    known = await organisation.known(session, check)
    for row in rows:
        found += [
            Mistake(row.line, _column(path), message)
            for path, message in organisation.mistakes(row.said, known)
        ]
    found += _twice(rows)
    if found:
        raise refusal(found)

    people = list(await session.scalars(select(Person).with_for_update()))
    by_identity = {_identity_of(person): person for person in people}
    new: list[Said] = []
    for row in rows:
        person = by_identity.get(_identity(row.said))
        if person is None:
            new.append(row.said)
        else:
            person.left_at = None
            await organisation.apply(session, vault, person, row.said, at=at)
    await organisation.put_new(session, vault, new, at=at)
    done = Imported(len(new), len(rows) - len(new))
    organisation.tell(session, at=at, created=done.created, updated=done.updated)
    return done


def decoded(body: bytes) -> str:
    """The text of the file: UTF-8 with or without its mark, or GB18030 as Chinese spreadsheets save it."""
    if len(body) > MAX_BYTES:
        raise TooLarge(say("people.csv.too_large", limit=MAX_BYTES), limit=MAX_BYTES)
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = body.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text
    raise Malformed(say("people.csv.not_text"))


def read(text: str) -> tuple[list[Row], list[Mistake]]:
    """The rows of the file and what is wrong with them by themselves."""
    rest = records(text)
    head = next(rest, None)
    if head is None:
        return [], [Mistake(1, "name", say("people.csv.empty"))]
    line, cells = head
    if isinstance(cells, Wording):
        return [], [Mistake(line, "", cells)]
    columns = [cell.strip().lower() for cell in cells]
    if found := _wrong_columns(columns, line):
        return [], found
    rows: list[Row] = []
    for line, cells in rest:
        if isinstance(cells, Wording):
            found.append(Mistake(line, "", cells))
        elif len(cells) > len(columns):
            found.append(Mistake(line, "", say("people.csv.too_many_cells", columns=len(columns))))
        elif any(cell.strip() for cell in cells):
            said, wrong = _said(dict(zip(columns, (cell.strip() for cell in cells), strict=False)), columns)
            rows.append(Row(line, said))
            found += [Mistake(line, column, message) for column, message in wrong]
        if len(rows) > MAX_PEOPLE:
            return rows, [*found, Mistake(line, "", say("people.csv.too_many", limit=MAX_PEOPLE))]
    if not rows and not found:
        found.append(Mistake(line, "", say("people.csv.empty")))
    return rows, found


def records(text: str) -> Iterator[tuple[int, list[str] | Wording]]:
    """Each record with the line it begins on; a quote that is never closed ends the file."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield line, say("people.csv.unreadable")
            return
        if cells:
            yield line, cells


def _wrong_columns(columns: Sequence[str], line: int) -> list[Mistake]:
    found = [
        Mistake(line, name, say("people.csv.column_missing", column=name))
        for name in _NEEDED
        if name not in columns
    ]
    for index, name in enumerate(columns):
        if name in columns[:index]:
            found.append(Mistake(line, echoed(name), say("people.csv.column_twice", column=echoed(name))))
        elif name not in {*_NEEDED, *_OPTIONAL} and not _is_contact(name):
            found.append(Mistake(line, echoed(name), say("people.csv.column_unknown", column=echoed(name))))
    return found


def _said(cells: Mapping[str, str], columns: Sequence[str]) -> tuple[Said, list[tuple[str, Wording]]]:
    """What a row says of its person, and what it says badly."""
    wrong: list[tuple[str, Wording]] = []
    if not cells.get("name"):
        wrong.append(("name", say("people.csv.name_missing")))
    for column, limit in _LIMITS.items():
        if len(cells.get(column, "")) > limit:
            wrong.append((column, say("people.csv.too_long", limit=limit)))
    wrong += [
        (column, say("people.csv.not_printable"))
        for column in ("name", "staff_number", "skills")
        if not cells.get(column, "").isprintable()
    ]
    said = Said(
        name=cells.get("name", ""),
        department=cells.get("department") or None,
        positions=_many(cells.get("positions", "")),
    )
    if "staff_number" in columns:
        said["staff_number"] = cells.get("staff_number") or None
    if "language" in columns:
        said["language"] = cells.get("language") or None
    if "skills" in columns:
        said["skills"] = _many(cells.get("skills", ""))
    if "certificates" in columns:
        certificates = [_certificate(part) for part in _many(cells.get("certificates", ""))]
        said["certificates"] = [one for one in certificates if one is not None]
        if None in certificates:
            wrong.append(("certificates", say("people.csv.certificate")))
    if availability := cells.get("availability", "").lower():
        if availability in set(Availability):
            said["availability"] = Availability(availability)
        else:
            known = [value.value for value in Availability]
            wrong.append(
                ("availability", say("people.csv.availability", value=echoed(availability), known=known))
            )
    if any(_is_contact(column) for column in columns):
        contacts, unclear = _contacts(cells, columns)
        said["contacts"] = contacts
        wrong += unclear
    return said, wrong


def _certificate(part: str) -> dict[str, Any] | None:
    """`skill=2027-03-31`; `None` for what is not written so."""
    skill, _, last = part.partition("=")
    try:
        expires_on = date.fromisoformat(last.strip())
    except ValueError:
        return None
    known = (
        bool(skill.strip())
        and len(skill.strip()) <= 64
        and skill.isprintable()
        and 2000 <= expires_on.year <= 2200
    )
    return {"skill": skill.strip(), "number": None, "expires_on": expires_on.isoformat()} if known else None


def _contacts(
    cells: Mapping[str, str], columns: Sequence[str]
) -> tuple[list[tuple[str, str]], list[tuple[str, Wording]]]:
    found: list[tuple[str, str]] = []
    wrong: list[tuple[str, Wording]] = []
    for column in filter(_is_contact, columns):
        cell = cells.get(column, "")
        if not cell:
            continue
        channel, colon, address = (
            (column, ":", cell) if column in contact_points.CHANNELS else cell.partition(":")
        )
        if colon:
            found.append((channel.strip().lower(), address.strip()))
        else:
            wrong.append((column, say("people.csv.contact_form")))
    return found, wrong


def _twice(rows: Sequence[Row]) -> list[Mistake]:
    """People the file names more than once; whose line would count, nobody could say."""
    found: list[Mistake] = []
    first: dict[tuple[str | None, ...], int] = {}
    for row in rows:
        identity = _identity(row.said)
        if identity in first:
            column = "staff_number" if row.said.get("staff_number") else "name"
            found.append(Mistake(row.line, column, say("people.csv.person_twice", line=first[identity])))
        first.setdefault(identity, row.line)
    return found


def refusal(found: list[Mistake]) -> WrongShape:
    found.sort(key=lambda mistake: mistake.line)
    listed = [{"line": m.line, "path": m.column, "message": m.message} for m in found[:_MOST_MISTAKES]]
    return WrongShape(say("people.csv.mistakes", count=len(found)), errors=listed)


def _identity(said: Said) -> tuple[str | None, ...]:
    number = said.get("staff_number")
    return (number,) if number else (said["name"], said.get("department"))


def _identity_of(person: Person) -> tuple[str | None, ...]:
    return (person.staff_number,) if person.staff_number else (person.name, person.department_id)


def _many(cell: str) -> list[str]:
    return [part.strip() for part in _MANY.split(cell) if part.strip()]


def _is_contact(column: str) -> bool:
    return column in contact_points.CHANNELS or _CONTACT.fullmatch(column) is not None


def _column(path: str) -> str:
    return path.partition(".")[0]
