"""The command line: each command a few lines over the same room functions the routes call."""

import asyncio
import base64
import json
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
import uvicorn
from pydantic import BaseModel, SecretStr, ValidationError

from app import door, telemetry
from app.access import keys
from app.access.parts import Parts
from app.access.tables import Role
from app.clock import keep_in_step
from app.commands import parked
from app.demo.own_service import Stage
from app.demo.playing import play
from app.demo.waiting import DemoFailed
from app.engine import Engine
from app.errors import Problem
from app.incidents import raising, record, timeline
from app.incidents.schemas import RaiseIncident
from app.incidents.tables import Incident, Status
from app.intake import enrolment
from app.intake.schemas import EnrolSource
from app.main import create_app, parts_of, reach_of, running, signing_secrets
from app.people import contact_points, csv_import
from app.plan import check as plan_check
from app.plan.reading import BadPlan, read, written_schema
from app.service import reference, starting
from app.settings import Settings
from app.wording import Wording, negotiate, render

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Incident response for a customer service centre."
)
key_commands = typer.Typer(no_args_is_help=True, help="Keys.")
source_commands = typer.Typer(no_args_is_help=True, help="Monitoring sources.")
people_commands = typer.Typer(no_args_is_help=True, help="The organisation.")
audit_commands = typer.Typer(no_args_is_help=True, help="The record.")
for name, group in (
    ("keys", key_commands), ("sources", source_commands), ("people", people_commands), ("audit", audit_commands),
):  # fmt: skip
    app.add_typer(group, name=name)
app.add_typer(parked.app, name="parked")
audit_commands.command("rows")(parked.audit_rows)

Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]


def main() -> None:
    """Entry point of the `muster` command."""
    # Bytes that are no text come in as halves of characters, which no database keeps and no terminal prints.
    if any("\ud800" <= character <= "\udfff" for word in sys.argv[1:] for character in word):
        print("An argument is not text in this terminal's encoding (UTF-8 is best).", file=sys.stderr)
        raise SystemExit(1)
    app()


@app.command()
def serve(host: str = "127.0.0.1", port: int = 8000) -> None:
    """API, console and engine in one process; migrates and loads the plan first."""
    settings = Settings()
    if "base_url" not in settings.model_fields_set:
        settings = settings.model_copy(update={"base_url": f"http://{host}:{port}"})
    telemetry.set_up(settings.log_level)
    starting.migrate(settings.database)
    try:
        with starting.only_service(settings.database):
            shown = asyncio.run(_prepare(settings))
            print(f"Muster: http://{host}:{port}", flush=True)
            if shown:
                print(f"First sign-in key, shown this once: {shown}", flush=True)
            uvicorn.run(
                create_app(settings), host=host, port=port, loop="asyncio", log_config=None, server_header=False,
                timeout_graceful_shutdown=3, access_log=False,
            )  # fmt: skip
    except starting.AlreadyServing:
        _fail(
            "Another service has this SQLite database open. Stop it, or set MUSTER_DATABASE_URL to PostgreSQL."
        )
    except BadPlan as error:
        _fail("\n".join([*error.told("en"), "No plan is in force, so the service does not start."]))


@app.command()
def engine() -> None:
    """The engine only, beside services on PostgreSQL."""
    settings = Settings()
    telemetry.set_up(settings.log_level)

    async def run() -> None:
        parts = parts_of(settings)
        reach = reach_of(settings, parts.vault)
        asked_to_stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
        async with running(Engine(parts, reach), parts):
            await asked_to_stop.wait()
        await reach.outgoing.aclose()
        await parts.db.dispose()

    try:
        with starting.only_service(settings.database):
            asyncio.run(run())
    except starting.AlreadyServing:
        _fail(
            "A service has this SQLite database open and runs the engine itself; engines apart need PostgreSQL."
        )


@app.command()
def migrate() -> None:
    """Bring the database to the newest form and load the plan file."""
    settings = Settings()
    starting.migrate(settings.database)
    try:
        if shown := asyncio.run(_prepare(settings)):
            print(shown)
    except BadPlan as error:
        _fail("\n".join(error.told("en")))


@app.command()
def check(
    file: Annotated[Path, typer.Argument()] = Path("playbooks.yaml"),
    as_json: Json = False,
    lang: Annotated[str, typer.Option(help="zh-Hans, zh-Hant or en.")] = "en",
) -> None:
    """Check a plan file: every mistake at once; exit 1 when it would be refused."""
    language = negotiate(lang, "en")
    try:
        document = read(file.read_bytes(), file=file.name)
    except BadPlan as error:
        if as_json:
            _answer([_told(m, language) for m in error.mistakes], as_json, "")
        else:
            print("\n".join(error.told(language)))
        raise typer.Exit(1) from error
    except OSError as error:
        _fail(f"{file}: {error.strerror}")
    findings = plan_check.check(document)
    for finding in findings if not as_json else ():
        print(
            f"{finding.severity}: {finding.path}: {render(finding.message, language)} {render(finding.mend, language)}"
        )
    if as_json:
        _answer([_told(f, language) for f in findings], as_json, "")
    elif not findings:
        print(f"{file}: {len(document.types)} types, {len(document.playbooks)} playbooks, no findings.")
    if plan_check.refuses(findings):
        raise typer.Exit(1)


@app.command()
def schema(file: Annotated[Path, typer.Argument()] = Path("docs/reference/plan.schema.json")) -> None:
    """Write the JSON Schema of plan files, for editors."""
    file.write_text(written_schema(), encoding="utf-8")


@app.command()
def demo(
    lang: Annotated[
        str | None, typer.Option(help="zh-Hans, zh-Hant or en; the service's own if not given.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="A service that runs already and knows nobody.")] = None,
    key: Annotated[str | None, typer.Option(help="With --url: a leadership key of it.")] = None,
    signing_secret: Annotated[
        str, typer.Option(help="With --url: what `muster signing-secret` prints.")
    ] = "",
    port: Annotated[int, typer.Option(help="Where the receiver listens; 0: any free port.")] = 0,
) -> None:
    """An incident from a webhook to a published review, on a service that really runs; minutes are played as seconds."""
    settings = Settings()
    language = negotiate(lang, settings.language)
    stage = None
    if url is not None:
        try:
            secret = base64.b64decode(signing_secret.removeprefix("whsec_"), validate=True)
        except ValueError as error:
            raise typer.BadParameter("whsec_ and base64", param_hint="--signing-secret") from error
        stage = Stage(url, key or "", secret, speed=1)
    try:
        asyncio.run(play(language, given=stage, port=port, plan=settings.plan))
    except DemoFailed as failed:
        _fail(render(failed.wording, language))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@app.command()
def docs(
    directory: Annotated[Path, typer.Argument()] = Path("docs/reference"),
    check_only: Annotated[
        bool, typer.Option("--check", help="Compare only; exit 1 when a page is stale.")
    ] = False,
) -> None:
    """Write the reference that is printed from the code."""
    interface = create_app(Settings(secret_key=SecretStr("none is needed to describe it"))).openapi()
    pages = reference.pages(interface=interface, commands=typer.main.get_command(app))
    stale = [
        name for name, text in sorted(pages.items())
        if not (directory / name).is_file() or (directory / name).read_text(encoding="utf-8") != text
    ]  # fmt: skip
    if check_only:
        for name in stale:
            print(f"{directory / name}: stale, make docs")
        raise typer.Exit(1 if stale else 0)
    directory.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (directory / name).write_text(pages[name], encoding="utf-8")
        print(directory / name)


@key_commands.command("create")
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
                _fail("An ingest key belongs to one source: muster sources create.")
            now = parts.clock.now()
            return (
                await keys.issue(session, name=name, role=role, by="command line", at=now, person_id=person)
            )[1]

    shown = _do(work)
    _answer({"key": shown}, as_json, shown)


@key_commands.command("list")
def list_keys(as_json: Json = False) -> None:
    """Every key, never the keys themselves."""

    async def work(parts: Parts) -> list[dict[str, Any]]:
        async with parts.db.reading() as session:
            return [
                {"id": key.id, "name": key.name, "role": key.role, "revoked_at": key.revoked_at}
                for key in await keys.every_key(session)
            ]

    rows = _do(work)
    _answer(
        rows,
        as_json,
        "\n".join(
            f"{r['id']}  {r['role']:<14} {r['name']}{' (revoked)' if r['revoked_at'] else ''}" for r in rows
        ),
    )


@key_commands.command("revoke")
def revoke_key(key_id: str) -> None:
    """From now on the key opens nothing."""

    async def work(parts: Parts) -> None:
        async with parts.db.transaction() as session:
            await keys.revoke(session, key_id, at=parts.clock.now())

    _do(work)


@source_commands.command("create")
def create_source(
    kind: Annotated[str, typer.Option()],
    slug: Annotated[str, typer.Option()],
    name: str | None = None,
    as_json: Json = False,
) -> None:
    """Make a monitoring source; prints its key alone."""
    asked = _shaped(EnrolSource, {"slug": slug, "kind": kind, "name": name})

    async def work(parts: Parts) -> str:
        async with parts.db.transaction() as session:
            said = enrolment.Enrolment(slug=asked.slug, kind=asked.kind, name=asked.name or asked.slug)
            return (
                await enrolment.enrol(
                    session, said, vault=parts.vault, by="command line", at=parts.clock.now()
                )
            )[1]

    shown = _do(work)
    _answer({"slug": asked.slug, "key": shown}, as_json, shown)


@people_commands.command("import")
def import_people(file: Path, as_json: Json = False) -> None:
    """Import people from a CSV; every mistake by line, and none imported then."""
    try:
        body = file.read_bytes()
    except OSError as error:
        _fail(f"{file}: {error.strerror}")

    async def work(parts: Parts) -> csv_import.Imported:
        async with parts.db.transaction() as session:
            return await csv_import.import_people(
                session,
                parts.vault,
                body,
                check=contact_points.shape_problem,
                at=parts.clock.now(),
            )

    done = _do(work, as_json=as_json)
    _answer(done, as_json, f"{done.created} people added, {done.updated} brought up to date.")


@app.command("raise")
def raise_incident(
    title: Annotated[str, typer.Option()], type_: Annotated[str, typer.Option("--type")] = "other",
    description: str | None = None, level: Annotated[int | None, typer.Option(min=1, max=4)] = None,
    fact: Annotated[list[str] | None, typer.Option(help="name=value, as often as needed")] = None,
    exercise: bool = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Raise an incident; the running service calls the reporting chain."""
    said = {"title": title, "type": type_, "description": description, "level": level, "exercise": exercise}
    asked = _shaped(RaiseIncident, {**said, "facts": dict(_fact(one) for one in fact or [])})
    alarm = raising.Alarm(
        title=asked.title, type=asked.type, description=asked.description, level=asked.level, facts=asked.facts,
        reporter="command line", status=Status.EXERCISE if asked.exercise else Status.ACTUAL,
    )  # fmt: skip

    async def work(parts: Parts) -> Incident:
        async with parts.db.transaction() as session:
            return (await raising.raise_incident(session, alarm, actor="command line", at=parts.clock.now()))[
                0
            ]

    incident = _do(work)
    raised = {"id": incident.id, "number": incident.number, "level": incident.level, "state": incident.state}
    _answer(raised, as_json, f"{incident.number}  level {incident.level}  {incident.id}")


@app.command()
def incidents(everything: Annotated[bool, typer.Option("--all")] = False, as_json: Json = False) -> None:
    """Incidents that are open, or all."""

    async def work(parts: Parts) -> list[dict[str, Any]]:
        async with parts.db.reading() as session:
            query = record.search(open_=None if everything else True).order_by(Incident.id.desc()).limit(200)
            return [
                {
                    "number": i.number,
                    "level": i.level,
                    "state": i.state,
                    "title": i.title,
                    "detected_at": i.detected_at,
                    "id": i.id,
                }
                for i in await session.scalars(query)
            ]

    rows = _do(work)
    _answer(
        rows, as_json, "\n".join(f"{r['number']}  {r['level']}  {r['state']:<11} {r['title']}" for r in rows)
    )


@audit_commands.command("verify")
def verify(as_json: Json = False) -> None:
    """Walk every timeline: gapless, each entry sealed with the one before, the state equal to what it tells. Exit 1 if not."""

    async def work(parts: Parts) -> list[dict[str, Any]]:
        broken = []
        async with parts.db.reading() as session:
            for incident in await session.scalars(record.search().order_by(Incident.id)):
                chain = await timeline.entries(session, incident.id)
                first = timeline.first_break(chain)
                ends_so = len(chain) == incident.last_seq and timeline.fold(chain) == incident.state
                if first is not None or not ends_so:
                    broken.append({"number": incident.number, "first_broken_entry": first or len(chain)})
        return broken

    broken = _do(work)
    _answer(
        broken,
        as_json,
        "\n".join(f"{b['number']}: broken at entry {b['first_broken_entry']}" for b in broken) or "intact",
    )
    if broken:
        raise typer.Exit(1)


@app.command("signing-secret")
def signing_secret() -> None:
    """The secret receivers of our webhooks verify them with (Standard Webhooks)."""
    settings = Settings()
    for secret in signing_secrets(settings, parts_of(settings).vault):
        print(f"whsec_{base64.b64encode(secret).decode()}")


async def _prepare(settings: Settings) -> str | None:
    parts = parts_of(settings)
    try:
        return await starting.prepare(parts)
    finally:
        await parts.db.dispose()


def _do(work: Callable[[Parts], Awaitable[T]], *, as_json: bool = False) -> T:
    """One command, one transaction, beside a running service if there is one."""

    async def run() -> T:
        parts = parts_of(Settings())
        try:
            await keep_in_step(parts.clock)
            return await work(parts)
        finally:
            await parts.db.dispose()

    try:
        return asyncio.run(run())
    except Problem as problem:
        if as_json:
            print(door.problem_response_bytes(problem, language="en").body.decode())
            raise typer.Exit(1) from problem
        _fail("\n".join(_refusal(problem)))


def _refusal(problem: Problem) -> list[str]:
    """Why not, and under it every mistake with its place."""
    mistakes: Sequence[Mapping[str, Any]] = problem.members.get("errors", ())
    return [render(problem.detail, "en"), *(_mistake(one) for one in mistakes)]


def _mistake(one: Mapping[str, Any]) -> str:
    place = [f"line {one['line']}"] if one.get("line") else []
    place += [str(one["path"])] if one.get("path") else []
    message = one.get("message", "")
    words = render(message, "en") if isinstance(message, Wording) else str(message)
    return "  " + ": ".join([", ".join(place), words] if place and words else [*place, words])


def _shaped(model: type[M], said: Mapping[str, Any]) -> M:
    """What was typed, held to what the API takes."""
    try:
        return model.model_validate({name: value for name, value in said.items() if value is not None})
    except ValidationError as error:
        mistakes = [
            {"path": ".".join(str(part) for part in one["loc"]), "message": one["msg"]}
            for one in error.errors(include_input=False, include_url=False)
        ]
        _fail("\n".join(["This does not have the form asked for:", *(_mistake(one) for one in mistakes)]))


def _told(value: Any, language: str) -> dict[str, Any]:
    """A finding or a mistake as JSON, its sentences spoken."""
    return {
        name: render(inner, language) if isinstance(inner, Wording) else inner
        for name, inner in ((field.name, getattr(value, field.name)) for field in fields(value))
    }


def _fact(said: str) -> tuple[str, Any]:
    name, equals, value = said.partition("=")
    if not (name and equals):
        _fail(f"{said}: a fact is written name=value")
    try:
        json.loads(value)
    except ValueError:
        return name, value
    try:
        return name, door.parse_json(value.encode())
    except Problem as problem:
        _fail(f"{name}: {render(problem.detail, 'en')}")


def _answer(data: Any, as_json: bool, words: str) -> None:
    print(json.dumps(data, default=_plain, ensure_ascii=False) if as_json else words)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def _fail(words: str) -> NoReturn:
    print(words, file=sys.stderr)
    raise typer.Exit(1)
