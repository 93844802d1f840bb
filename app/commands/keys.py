"""Keys: made, listed, revoked."""

from typing import Annotated, Any

import typer

from app.access import keys
from app.access.parts import Parts
from app.access.tables import Role
from app.commands.answering import Json, answer, do, fail

commands = typer.Typer(no_args_is_help=True, help="Keys.")


@commands.command("create")
def create_key(
    name: Annotated[str, typer.Option()],
    role: Annotated[Role, typer.Option()],
    person: str | None = None,
    as_json: Json = False,
) -> None:
    """Make a key; prints the key alone."""

    async def work(parts: Parts) -> str:
        async with parts.db.transaction() as session:
            if role is Role.INGEST:
                fail("An ingest key belongs to one source: muster sources create.")
            now = parts.clock.now()
            return (
                await keys.issue(session, name=name, role=role, by="command line", at=now, person_id=person)
            )[1]

    shown = do(work)
    answer({"key": shown}, as_json, shown)


@commands.command("list")
def list_keys(as_json: Json = False) -> None:
    """Every key, never the keys themselves."""

    async def work(parts: Parts) -> list[dict[str, Any]]:
        async with parts.db.reading() as session:
            return [
                {"id": key.id, "name": key.name, "role": key.role, "revoked_at": key.revoked_at}
                for key in await keys.every_key(session)
            ]

    rows = do(work)
    answer(
        rows,
        as_json,
        "\n".join(
            f"{r['id']}  {r['role']:<14} {r['name']}{' (revoked)' if r['revoked_at'] else ''}" for r in rows
        ),
    )


@commands.command("revoke")
def revoke_key(key_id: str) -> None:
    """From now on the key opens nothing."""

    async def work(parts: Parts) -> None:
        async with parts.db.transaction() as session:
            await keys.revoke(session, key_id, at=parts.clock.now())

    do(work)
