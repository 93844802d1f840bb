"""Parties from one CSV file: all of them, or none and every mistake by its line.

Columns: `id`, `name`, `kind` (department, supplier, partner), `owner` (a position of ours), and where wanted `contract`,
`language`, `may_be_asked` (separated by `;`, each `id=title`, with `/unit` and `@pool` or `@pool.item` where it has them) and
contacts as `contact_1`, `contact_2` … holding `name <channel:address>`; they are told in that order. UTF-8 or GB18030. The same
file again adds none twice: parties are known by `id`.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.parties import register
from app.parties.register import Said
from app.parties.tables import Party, PartyKind
from app.people import csv_import
from app.people.contact_points import Check
from app.people.csv_import import Imported, Mistake
from app.people.organisation import echoed
from app.vault import Vault
from app.wording import Wording, say

_NEEDED: Final = ("id", "name", "kind", "owner")
_OPTIONAL: Final = ("contract", "language", "may_be_asked")
_CONTACT: Final = re.compile(r"contact_[1-9][0-9]?")
_SLUG: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_SAID: Final = re.compile(r"(?P<name>[^<>]{1,200}?)\s*<(?P<channel>[a-z]{1,32}):(?P<address>[^<>]{0,2000})>")
_OFFER: Final = re.compile(
    r"(?P<id>[a-z][a-z0-9_]{0,62})=(?P<title>[^/@]{1,200})(?:/(?P<unit>[^/@]{1,64}))?"
    r"(?:@(?P<pool>[a-z][a-z0-9_]{0,62})(?:\.(?P<item>[a-z][a-z0-9_]{0,62}))?)?"
)
_LONGEST: Final[Mapping[str, int]] = {"name": 200, "contract": 200, "owner": 63}


async def import_parties(
    session: AsyncSession, vault: Vault, body: bytes, *, check: Check, at: datetime
) -> Imported:
    """Take in the file, in the caller's transaction: judge every line, then change those known and add the others."""
    rows, found = read(csv_import.decoded(body))
    known = await register.known(session, check)
    for line, _, said in rows:
        found += [Mistake(line, path, message) for path, message in register.mistakes(said, known)]
    if found:
        raise csv_import.refusal(found)
    there = {one.id: one for one in await session.scalars(select(Party).with_for_update())}
    for _, party_id, said in rows:
        if (party := there.get(party_id)) is not None:
            party.retired_at = None
            await register.apply(session, vault, party, said, at=at)
        else:
            await register.put(session, vault, party_id, said, at=at)
    updated = sum(party_id in there for _, party_id, _ in rows)
    return Imported(len(rows) - updated, updated)


def read(text: str) -> tuple[list[tuple[int, str, Said]], list[Mistake]]:
    """The parties of the file, each with its line and id, and what is wrong with them by themselves."""
    records = csv_import.records(text)
    line, cells = next(records, (1, []))
    columns = [cell.strip().lower() for cell in cells] if not isinstance(cells, Wording) else []
    found = _wrong_columns(columns, line)
    rows: list[tuple[int, str, Said]] = []
    for line, cells in () if found else records:
        if isinstance(cells, Wording):
            found.append(Mistake(line, "", cells))
        elif len(cells) > len(columns):
            found.append(Mistake(line, "", say("people.csv.too_many_cells", columns=len(columns))))
        elif any(cell.strip() for cell in cells):
            row = dict(zip(columns, (cell.strip() for cell in cells), strict=False))
            said, wrong = _said(row, columns)
            if row.get("id") in {party_id for _, party_id, _ in rows}:
                wrong.append(("id", say("parties.csv.twice", id=row["id"])))
            rows.append((line, row.get("id", ""), said))
            found += [Mistake(line, column, message) for column, message in wrong]
    if not rows and not found:
        found.append(Mistake(line, "", say("people.csv.empty")))
    return rows, found


def _wrong_columns(columns: Sequence[str], line: int) -> list[Mistake]:
    found = [
        Mistake(line, name, say("people.csv.column_missing", column=name))
        for name in _NEEDED
        if name not in columns
    ]
    for index, name in enumerate(columns):
        if name in columns[:index]:
            found.append(Mistake(line, echoed(name), say("people.csv.column_twice", column=echoed(name))))
        elif name not in {*_NEEDED, *_OPTIONAL} and not _CONTACT.fullmatch(name):
            found.append(Mistake(line, echoed(name), say("people.csv.column_unknown", column=echoed(name))))
    return found


def _said(row: Mapping[str, str], columns: Sequence[str]) -> tuple[Said, list[tuple[str, Wording]]]:
    wrong: list[tuple[str, Wording]] = []
    if not _SLUG.fullmatch(row.get("id", "")):
        wrong.append(("id", say("parties.csv.id")))
    if not row.get("name"):
        wrong.append(("name", say("people.csv.name_missing")))
    for column, longest in _LONGEST.items():
        if len(row.get(column, "")) > longest:
            wrong.append((column, say("people.csv.too_long", limit=longest)))
        if not row.get(column, "").isprintable():
            wrong.append((column, say("people.csv.not_printable")))
    kind = row.get("kind", "").lower()
    if kind not in set(PartyKind):
        wrong.append(
            ("kind", say("parties.csv.kind", value=echoed(kind), known=[one.value for one in PartyKind]))
        )
        kind = PartyKind.PARTNER
    said = Said(name=row.get("name", ""), kind=PartyKind(kind), owner=row.get("owner", ""))
    if "contract" in columns:
        said["contract"] = row.get("contract") or None
    if "language" in columns:
        said["language"] = row.get("language") or None
    if "may_be_asked" in columns:
        said["may_be_asked"] = _offers(row.get("may_be_asked", ""), wrong)
    if any(_CONTACT.fullmatch(column) for column in columns):
        cells = [(column, row.get(column, "")) for column in columns if _CONTACT.fullmatch(column)]
        said["contacts"] = _contacts(cells, wrong)
    return said, wrong


def _offers(cell: str, wrong: list[tuple[str, Wording]]) -> list[dict[str, Any]]:
    offers: list[dict[str, Any]] = []
    for part in filter(None, (part.strip() for part in re.split("[;；]", cell))):
        match = _OFFER.fullmatch(part)
        if match is None or not part.isprintable():
            wrong.append(("may_be_asked", say("parties.csv.offer")))
        else:
            offers.append({name: value and value.strip() for name, value in match.groupdict().items()})
    return offers


def _contacts(
    cells: Sequence[tuple[str, str]], wrong: list[tuple[str, Wording]]
) -> list[tuple[str, str, str]]:
    contacts: list[tuple[str, str, str]] = []
    for column, cell in cells:
        match = _SAID.fullmatch(cell)
        if match is not None and cell.isprintable():
            contacts.append((match["name"].strip(), match["channel"], match["address"].strip()))
        elif cell:
            wrong.append((column, say("parties.csv.contact")))
    return contacts
