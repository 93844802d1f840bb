"""Backup, restore, move, hold and release."""

import asyncio
import sys
from collections.abc import Coroutine
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from app import installation
from app.access.parts import Parts
from app.clock import SystemClock
from app.commands import serving
from app.commands.answering import Json, answer, do, fail, refusal
from app.errors import Problem
from app.service import backup as backups
from app.service import holding
from app.service.copying import Copied
from app.service.holding import Overdue
from app.settings import Settings
from app.vault import Vault
from app.wording import render, restored, say

T = TypeVar("T")
Replace = Annotated[bool, typer.Option("--replace", help="Delete all that is in the target first.")]
Yes = Annotated[bool, typer.Option("--yes", help="Ask nothing.")]


def migrate(
    source: Annotated[str, typer.Option("--from", help="Move: the database to copy from.")] = "",
    target: Annotated[str, typer.Option("--to", help="Move: the database to copy to.")] = "",
    replace: Replace = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Bring the database to the newest form and load the plan file; or, with --from and --to, move it to another database."""
    if not source and not target:
        serving.migrate()
        return
    if not (source and target):
        fail("A move needs both --from and --to.")
    _confirm(replace, yes)
    copied = _run(backups.move(source, target, replace=replace, at=_now(), told=_looking_on))
    _tell(
        copied, as_json, "Both databases are in hold. Start the service on the new one, then: muster release"
    )


def backup(file: Path, as_json: Json = False) -> None:
    """Write the whole database into one new file while the service runs; the secret key is not in it."""

    async def work(parts: Parts) -> backups.Manifest:
        return await backups.back_up(
            parts.db, file, vault=parts.vault, at=parts.clock.now(), told=_looking_on
        )

    made = do(work, as_json=as_json)
    words = f"{file}: {sum(made.rows.values())} rows, {made.timelines} timelines, verified."
    answer(made, as_json, f"{words}\nThe secret key is not in it: keep it as well, and apart.")


def restore(file: Path, replace: Replace = False, yes: Yes = False, as_json: Json = False) -> None:
    """Fill the empty database of the settings from a backup; it starts in hold and sends nothing until `muster release`."""
    settings = Settings()
    _confirm(replace, yes)
    copied = _run(backups.restore(file, settings.database, replace=replace, at=_now(), told=_looking_on))
    is_ours = backups.read_manifest(file).is_of(Vault(settings.key()))
    warning = "" if is_ours else (
        "WARNING: the backup was made under another secret key. Contact addresses in it cannot be read with the one"
        " configured here, and nobody can be told. Set MUSTER_SECRET_KEY to the old key.\n"
    )  # fmt: skip
    _tell(
        copied,
        as_json,
        f"{warning}The database is in hold. When the old one is off for good: muster release",
        is_ours,
    )


def hold(
    because: Annotated[str, typer.Option(help="Why; shown to everybody.")], as_json: Json = False
) -> None:
    """Let nothing go out any more until `muster release`: after a restore by other means, for instance."""

    async def work(parts: Parts) -> dict[str, Any]:
        async with parts.db.transaction() as session:
            reason = say("service.hold.by_hand", why=because)
            placed = installation.hold(session, reason, at=parts.clock.now())
        return {"held": True, "since": placed.since}

    answer(do(work, as_json=as_json), as_json, "In hold: nothing is sent.")


def release(
    because: Annotated[str, typer.Option(help="Why it may send again; kept.")] = "",
    overdue: Annotated[Overdue | None, typer.Option(help="What becomes of what fell due before.")] = None,
    as_json: Json = False,
) -> None:
    """End the hold. Without --overdue and --because: show what would go out, and change nothing."""
    if overdue is None or not because.strip():
        answer(*_preview(as_json))
        return

    async def work(parts: Parts) -> holding.Released:
        async with parts.db.transaction() as session:
            return await holding.release(
                session, overdue=overdue, by="command line", why=because.strip(), at=parts.clock.now()
            )

    done = do(work, as_json=as_json)
    words = f"Released. Dropped: {done.deliveries_dropped} messages, {done.steps_dropped} calls."
    answer(done.model_dump(), as_json, words)


def _preview(as_json: bool) -> tuple[dict[str, Any], bool, str]:
    async def work(parts: Parts) -> dict[str, Any]:
        async with parts.db.reading() as session:
            found = await installation.held(session)
            due = await holding.waiting(session, at=parts.clock.now())
            return {
                "held": found is not None, "since": found.since if found else None,
                "reason": render(restored(found.reason), "en") if found else None,
                "reactions": due.reactions, "timers": due.timers, "deliveries": due.deliveries, "steps": due.steps,
                "oldest_due": due.oldest_due,
            }  # fmt: skip

    told = do(work, as_json=as_json)
    if not told["held"]:
        return told, as_json, "Not in hold."
    words = [
        f"In hold since {told['since']:%Y-%m-%d %H:%M} UTC: {told['reason']}",
        (
            f"Due now: {told['deliveries']} messages, {told['steps']} calls, {told['timers']} timers,"
            f" {told['reactions']} reactions; the oldest since {told['oldest_due'] or 'never'}."
        ),
        "To release: muster release --overdue send|drop --because …",
    ]
    return told, as_json, "\n".join(words)


def _confirm(replace: bool, yes: bool) -> None:
    if replace and not yes:
        typer.confirm("Delete everything in the target database?", abort=True)


def _looking_on(table: str, rows: int) -> None:
    """A line that is written over, for somebody who sits before it: a large database takes its time."""
    if sys.stderr.isatty():
        print(f"\r{table} {rows:,}\x1b[K", end="\r", file=sys.stderr, flush=True)


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except Problem as problem:
        fail("\n".join(refusal(problem)))


def _now() -> datetime:
    return SystemClock().now()


def _tell(copied: Copied, as_json: bool, words: str, key_matches: bool = True) -> None:
    rows = {name: tally.rows for name, tally in copied.tables.items()}
    chains = {
        "timelines": copied.chains.incidents,
        "entries": copied.chains.entries,
        "digest": copied.chains.digest,
    }
    table = [
        f"{name:<24}{tally.rows:>10}  equal  {tally.digest[:16]}" for name, tally in copied.tables.items()
    ]
    table.append(
        f"{copied.chains.incidents} timelines with {copied.chains.entries} entries verified on both sides,"
        f" heads equal  {copied.chains.digest[:16]}"
    )
    told = {"rows": rows, "chains": chains, "equal": True, "held": True, "key_matches": key_matches}
    answer(told, as_json, "\n".join([*table, words]))
