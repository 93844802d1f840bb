"""What a simulation starts from: a plan, and a copy of who there is and what is in store.

From the database in use, or from files: people alone, or the organisation file that `muster check` takes. The copy holds no address
of anybody, and what is reserved at the moment of copying stays reserved.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Table, func, select

from app import installation
from app.db import Base, Database
from app.people import csv_import
from app.plan import reading, revisions
from app.plan.document import PlanDocument
from app.plan.outlook import organisation_file
from app.plan.outlook.organisation_file import OrganisationFile
from app.simulation.moving_in import move_in
from app.simulation.stage import Stage
from app.vault import Vault
from app.wording import Wording

_ROOMS: Final = ("app.people.", "app.resources.")
_SEALED: Final = "address_sealed"
_MASKED: Final = "address_masked"


@dataclass(frozen=True)
class Rows:
    """All that some tables of one database hold, to be put into an empty one."""

    of_tables: Sequence[tuple[Table, Sequence[Mapping[str, Any]]]]

    @classmethod
    async def of(cls, database: Database, tables: Iterable[Table] | None = None) -> "Rows":
        """Of these tables; none: of every one. In an order that is the same each time."""
        wanted = set(Base.metadata.sorted_tables if tables is None else tables)
        found = []
        async with database.engine.connect() as connection:
            for table in Base.metadata.sorted_tables:
                if table in wanted:
                    query = table.select().order_by(*table.primary_key.columns)
                    rows = (await connection.execute(query)).mappings().all()
                    found.append((table, [dict(row) for row in rows]))
        return cls([(table, rows) for table, rows in found if rows])

    async def put(self, database: Database) -> None:
        async with database.engine.begin() as connection:
            for table, rows in self.of_tables:
                await connection.execute(table.insert(), rows)
                number = table.autoincrement_column
                if number is not None and connection.dialect.name == "postgresql":
                    counter = func.pg_get_serial_sequence(table.name, number.name)
                    await connection.execute(
                        select(func.setval(counter, max(row[number.name] for row in rows)))
                    )


@dataclass(frozen=True)
class Given:
    """A plan and its people, from wherever they come."""

    plan: PlanDocument
    text: str  # of the plan
    file: str  # what the plan is called
    people: bytes | None = None  # a file of people
    staff: OrganisationFile | None = None  # or the organisation as the plan is checked with
    rows: Rows | None = None  # or a copy of a database

    @property
    def digest(self) -> str:
        """The same for the same plan, people and stock."""
        found = hashlib.sha256(self.text.encode())
        found.update(self.people or b"")
        found.update(b"" if self.staff is None else self.staff.model_dump_json().encode())
        for table, rows in self.rows.of_tables if self.rows is not None else ():
            for row in rows:
                found.update(repr((table.name, [(n, v) for n, v in row.items() if n != _SEALED])).encode())
        return found.hexdigest()


def from_files(plan: bytes, people: bytes, *, file: str) -> Given:
    """A plan file and a CSV of people, as `muster people import` takes it. Raises `BadPlan`."""
    return Given(reading.read(plan, file=file), plan.decode("utf-8-sig"), file, people=people)


def from_organisation(plan: bytes, staff: bytes, *, file: str, staff_file: str) -> Given:
    """A plan file and an organisation file, as `muster check` takes them. Raises `BadPlan`, `BadOrganisation`."""
    document = reading.read(plan, file=file)
    read = organisation_file.read(staff, document, file=staff_file)
    return Given(document, plan.decode("utf-8-sig"), file, staff=read)


async def from_database(db: Database, *, plan: bytes | None = None, file: str = "") -> Given:
    """Everybody and everything there is in a database, with its plan in force or the one given. Raises `BadPlan`, `Unavailable`."""
    tables = [
        mapper.local_table
        for mapper in Base.registry.mappers
        if mapper.class_.__module__.startswith(_ROOMS) and isinstance(mapper.local_table, Table)
    ]
    rows = await Rows.of(db, tables)
    if plan is not None:
        return Given(
            reading.read(plan, file=file), plan.decode("utf-8-sig"), file, rows=_without_addresses(rows)
        )
    async with db.reading() as session:
        name, document = await revisions.in_force(session)
        text = (await revisions.found(session, name)).source
    return Given(document, text, "plan", rows=_without_addresses(rows))


async def settle_in(stage: Stage, given: Given) -> None:
    """Let them move onto an empty stage, and let everything that follows from it happen."""
    at = stage.clock.now()
    if given.rows is not None:
        await _sealed_anew(given.rows, stage.parts.vault).put(stage.parts.db)
    async with stage.parts.db.transaction() as session:
        await installation.settle_in(session, at=at)
        await revisions.load_shipped(session, given.text, given.file, at=at)
        if given.people is not None:
            await csv_import.import_people(session, stage.parts.vault, given.people, check=_anything, at=at)
        if given.staff is not None:
            await move_in(session, stage.parts.vault, given.staff, given.plan, at=at)
            stage.set_up(given.staff.channels)
    await stage.engine.settle()


def _anything(_channel: str, _address: str) -> Wording | None:
    return None


def _without_addresses(rows: Rows) -> Rows:
    return Rows([
        (table, [{**row, _SEALED: ""} if _SEALED in row else row for row in found]) for table, found in rows.of_tables
    ])  # fmt: skip


def _sealed_anew(rows: Rows, vault: Vault) -> Rows:
    """Under the key of the stage, the mask in the place of each address."""
    return Rows([
        (table, [{**row, _SEALED: vault.seal(row[_MASKED])} if _SEALED in row else row for row in found])
        for table, found in rows.of_tables
    ])  # fmt: skip
