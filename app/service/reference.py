"""The reference under `docs/reference/`, printed from the code so that it cannot disagree with it.

Holds one function per page; each reads the very table the service works by. Pure: given the interface and the commands it
returns texts. It describes what is there and decides nothing; the same code gives the same bytes.
"""

import inspect
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, Protocol, get_args

from pydantic import BaseModel

from app.access.rights import RIGHTS, Open
from app.access.tables import Role
from app.errors import every_problem
from app.flow import NOBODY_CARES, REACTIONS
from app.incidents import lifecycle, tasks
from app.incidents.tables import State, TaskState
from app.intake.kinds import KINDS
from app.notify.channel import Channel
from app.notify.channels import registry
from app.notify.channels.log import LogChannel
from app.notify.channels.mail import MailChannel
from app.notify.channels.services import AppriseChannel
from app.notify.channels.telephone import SmsChannel
from app.notify.channels.webhook import WebhookChannel
from app.plan import revisions
from app.plan.finding import Severity
from app.plan.outlook import report
from app.plan.outlook.organisation_file import OrganisationFile
from app.plan.reading import written_schema
from app.plan.tables import RevisionState
from app.playbooks.document import Step
from app.reviews import improvements
from app.reviews.tables import ImprovementState
from app.settings import Settings
from app.warnings import course
from app.warnings.tables import WarningState
from app.wording import catalogue, known, render, say

_HEAD: Final = "<!-- Printed from the code by `make docs`; change it there. -->\n\n"
_MEMBER: Final = re.compile(r'^ +([A-Z_0-9]+) = \(?"([^"]*)"\)?(?: +# (.*))?$', re.MULTILINE)
_CHANNELS: Final[Sequence[type[Channel]]] = (
    WebhookChannel, MailChannel, SmsChannel, *registry.CHATS, AppriseChannel, LogChannel,
)  # fmt: skip
_ROLES: Final = tuple(Role)


class Command(Protocol):
    """What a page needs of a command; the library behind the command line keeps its own class to itself."""

    help: str | None
    params: list[Any]


def pages(*, interface: Mapping[str, Any], commands: Command) -> dict[str, str]:
    """Every file of the reference by its name; `interface` is the OpenAPI document, `commands` the command line."""
    written = {
        "lifecycle.md": _lifecycle(), "steps.md": _steps(), "channels.md": _channels(), "sources.md": _sources(),
        "settings.md": _settings(), "rights.md": _rights(), "topics.md": _topics(), "problems.md": _problems(),
        "cli.md": _commands(commands), "findings.md": _findings(),
    }  # fmt: skip
    return {
        **{name: _HEAD + text.rstrip() + "\n" for name, text in written.items()},
        "openapi.json": json.dumps(interface, ensure_ascii=False, indent=1, sort_keys=True) + "\n",
        "plan.schema.json": written_schema(),
        "organisation.schema.json": json.dumps(
            OrganisationFile.model_json_schema(by_alias=True), ensure_ascii=False, indent=2
        )
        + "\n",
    }


def _lifecycle() -> str:
    moves = [(state, event, step.to, step) for (state, event), step in lifecycle.TRANSITIONS.items()]
    rows = [
        (f"`{state}`", f"`{event}`", f"`{to}`", f"`{step.topic}`", _guard_of(step))
        for state, event, to, step in moves
    ]
    return _page(
        "# Lifecycles",
        "Each machine is a table in the code; the API's `allowed`, the console's buttons, the tests and this page read"
        " the same one. What is not listed is refused with 409.",
        "## An incident",
        _diagram(((state, event, to) for state, event, to, _ in moves), start=State.DETECTED),
        _enum(State, "State"),
        _enum(lifecycle.Event, "Event"),
        _table(("From", "Event", "To", "Topic", "Guard"), rows),
        "A guard looks at the circumstances and answers with what is missing (`app/incidents/lifecycle.py`).",
        *_machine("A task", tasks.TRANSITIONS, TaskState, tasks.TaskEvent, TaskState.OPEN),
        *_machine(
            "A revision of the plan", revisions.TRANSITIONS, RevisionState, revisions.RevisionEvent, RevisionState.DRAFT
        ),
        *_machine("A warning", course.TRANSITIONS, WarningState, course.WarningEvent, WarningState.OPEN),
        *_machine(
            "An improvement item", improvements.TRANSITIONS, ImprovementState, improvements.ImprovementEvent,
            ImprovementState.OPEN,
        ),
    )  # fmt: skip


def _machine(
    title: str,
    table: Mapping[tuple[Any, Any], Any],
    states: type[StrEnum],
    events: type[StrEnum],
    start: StrEnum,
) -> list[str]:
    moves = [(state, event, to) for (state, event), to in table.items()]
    return [f"## {title}", _diagram(moves, start=start), _enum(states, "State"), _enum(events, "Event")]


def _diagram(moves: Iterable[tuple[str, str, str]], *, start: str) -> str:
    lines = [f"    {state} --> {to}: {event}" for state, event, to in moves]
    return "\n".join(["```mermaid", "stateDiagram-v2", f"    [*] --> {start}", *lines, "```"])


def _guard_of(step: lifecycle.Transition) -> str:
    name = step.guard.__name__.strip("_").replace("_", " ")
    return "" if name == "free" else name


def _steps() -> str:
    common: dict[str, Mapping[str, Any]] = {}
    parts = []
    for model in get_args(get_args(Step)[0]):
        schema = model.model_json_schema(by_alias=True)
        fields = schema["properties"]
        common = common or {name: one for name, one in fields.items() if name not in ("kind", "with")}
        params = schema["$defs"][fields["with"]["$ref"].rpartition("/")[2]]
        required = params.get("required", ())
        parts += [f"## `{fields['kind']['const']}`", _doc(model), _fields(params["properties"], required)]
    return _page(
        "# Steps",
        "What a playbook's steps can be. A text may hold `{{ … }}` and a condition asks a question; both see `incident`,"
        " `facts`, `level` and `steps.<id>.state` / `.result`.",
        "## Every step",
        _fields(common, ("id", "title")),
        "A kind's own parameters stand under `with`.",
        *parts,
    )


def _channels() -> str:
    parts = [f"## `{channel.name}`\n\n{_module_doc(channel.__module__)}" for channel in _CHANNELS]
    return _page(
        "# Channels",
        "The ways out to a person, by the names that contact points and the plan's `via` use.",
        *parts,
    )


def _sources() -> str:
    parts = []
    for kind in KINDS.values():
        codes = f"Taken is answered {kind.success}; overload {kind.overload}, after which this sender tries again."
        doc = _module_doc(inspect.getmodule(kind.parse).__name__)  # type: ignore[union-attr]
        parts.append(f"## `{kind.kind}`\n\n{codes}\n\n{doc}")
    return _page(
        "# Sources",
        "The kinds of monitoring source: what each sends, and the codes its senders live by.",
        *parts,
    )


def _settings() -> str:
    rows = []
    for name, described in Settings.model_json_schema(by_alias=True)["properties"].items():
        field = Settings.model_fields[name]
        default = "" if field.default_factory else _shown(described.get("default", ""))
        rows.append((f"`MUSTER_{name.upper()}`", _type(described), default, field.description or ""))
    return _page(
        "# Settings",
        "Variables of the environment, or lines of a `.env` file. For `DATABASE_URL`, `SECRET_KEY`, `SMTP_PASSWORD` and"
        " `WEBHOOK_SECRETS`, `MUSTER_<NAME>_FILE` names a file that holds the value.",
        _table(("Variable", "Type", "Default", "What it is"), rows),
    )


def _rights() -> str:
    rows = []
    for (method, path), right in RIGHTS.items():
        if isinstance(right, Open):
            cells = [
                {"public": "anybody", "source": "the source's key"}[right.value],
                *[""] * (len(_ROLES) - 1),
            ]
        else:
            cells = ["●" if role in right else "" for role in _ROLES]
        rows.append((f"`{method} {path}`", *cells))
    return _page(
        "# Rights",
        "Who may call what. A route that is not listed is refused to everybody. Finer rules (whose task it is, which level"
        " a layer declares) are the rooms'.",
        _enum(Role, "Role"),
        _table(("Route", *(role.value for role in _ROLES)), rows),
    )


def _topics() -> str:
    rows = []
    for topic, reactions in REACTIONS.items():
        for place, reaction in enumerate(reactions):
            name = f"`{reaction.__module__.rpartition('.')[2]}.{reaction.__name__}`"
            rows.append((f"`{topic}`" if place == 0 else "", name, _first_line(inspect.getdoc(reaction))))
    told = ", ".join(f"`{topic}`" for topic in sorted(NOBODY_CARES))
    return _page(
        "# Topics",
        "What follows from what (`app/flow.py`). A room writes the topic in the transaction of the change; the reactions"
        " run in order, in the transaction that marks it handled.",
        _table(("Topic", "Reaction", "What it does"), rows),
        f"Without reactions, for the stream of changes only: {told}.",
    )


def _problems() -> str:
    rows = []
    for kind in every_problem():
        said = [
            _said(kind.slug, part, language) for language in ("en", "zh-Hans") for part in ("title", "about")
        ]
        rows.append(
            (f"`{kind.slug}`", str(kind.status), f"**{said[0]}** {said[1]}", f"**{said[2]}** {said[3]}")
        )
    return _page(
        "# Problems",
        "Every refusal is `application/problem+json` (RFC 9457). `type` is `/problems/<slug>`, which can be read; `detail`"
        " says what it was this time, in the reader's language.",
        _table(("Slug", "Status", "Meaning", "含义"), rows),
    )


def _findings() -> str:
    against = {code: name for name, asked in report.ASKED.items() for code in asked.against}
    rows = []
    for code in sorted(key.removeprefix("plan.check.") for key in catalogue("en") if known(f"{key}.mend")):
        if not known(f"plan.check.{code}"):
            continue
        said = [catalogue(language)[f"plan.check.{code}"] for language in ("en", "zh-Hans")]
        mend = catalogue("en")[f"plan.check.{code}.mend"]
        clause = render(say(f"plan.clause.{against[code]}"), "en") if code in against else ""
        rows.append((f"`{code}`", said[0], mend, said[1], clause))
    return _page(
        "# What the check finds",
        "The codes of `muster check`, what each says, how it is mended, and the clause of EP-10.3 it speaks against. What"
        " stands in braces is filled in. How to read a report: [Check the plan](../how-to/check-the-plan.md).",
        _enum(Severity, "Severity"),
        _table(("Code", "What it says", "How to mend it", "含义", "Speaks against"), rows),
    )


def _said(slug: str, part: str, language: str) -> str:
    return render(say(f"problem.{slug}.{part}"), language)


def _commands(commands: Command) -> str:
    parts = [f"## `{name}`\n\n{_command(command)}" for name, command in _leaves(commands, ("muster",))]
    return _page("# The command line", "Commands work on the database of the settings.", *parts)


def _leaves(command: Command, path: Sequence[str]) -> Iterator[tuple[str, Command]]:
    inner: Mapping[str, Command] | None = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(path), command
    else:
        for name in sorted(inner):
            yield from _leaves(inner[name], (*path, name))


def _command(command: Command) -> str:
    rows = []
    for param in command.params:
        if "--help" in param.opts:
            continue
        names = ", ".join(f"`{name}`" for name in (*param.opts, *param.secondary_opts))
        needed = "required" if param.required else _shown(param.default)
        rows.append((names, needed, getattr(param, "help", None) or ""))
    table = "\n\n" + _table(("Parameter", "Default", "What it is"), rows) if rows else ""
    return _plain(command.help or "") + table


# ── how a page is put together ────────────────────────────────────────────────────────────────────────────


def _page(*parts: str) -> str:
    return "\n\n".join(parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _fields(properties: Mapping[str, Any], required: Iterable[str]) -> str:
    rows = [
        (
            f"`{name}`", _type(one), "required" if name in required else _shown(one.get("default")),
            one.get("description", "").partition("\n")[0],
        )
        for name, one in properties.items()
    ]  # fmt: skip
    return _table(("Field", "Type", "Default", "What it is"), rows)


def _type(described: Mapping[str, Any]) -> str:
    if "$ref" in described:
        return str(described["$ref"]).rpartition("/")[2]
    if "enum" in described:
        return " \\| ".join(f"`{value}`" for value in described["enum"]).replace("\\|", "/")
    if "anyOf" in described:
        kinds = [_type(one) for one in described["anyOf"] if one.get("type") != "null"]
        return " / ".join(dict.fromkeys(kinds))
    if "examples" in described and described.get("type") == "string":
        return "duration"
    match described.get("type"):
        case "array":
            return f"list of {_type(described.get('items', {}))}"
        case str(kind):
            return kind if described.get("format") in (None, "path") else str(described["format"])
    return "any"


def _shown(value: Any) -> str:
    return "" if value in (None, "", [], {}) else f"`{value}`"


def _enum(kind: type[StrEnum], head: str) -> str:
    """An enum's values with the comment that stands behind each in the source."""
    said = {name: comment for name, _, comment in _MEMBER.findall(inspect.getsource(kind))}
    return _table((head, "Meaning"), [(f"`{one.value}`", said.get(one.name, "")) for one in kind])


def _doc(model: type[BaseModel]) -> str:
    return _plain(inspect.getdoc(model) or "")


def _module_doc(name: str) -> str:
    return inspect.cleandoc(sys.modules[name].__doc__ or "")


def _first_line(text: str | None) -> str:
    return (text or "").partition("\n")[0]


def _plain(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())
