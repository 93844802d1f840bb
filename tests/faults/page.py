"""The page of promises, written from the result of a long run: what is promised, how it is attacked, what came of it."""

import ast
import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.faults import checkers
from tests.faults.mutants import MUTANTS

PLACE: Final = Path(__file__).parent.parent.parent / "docs" / "explanation"
RESULT: Final = PLACE / "nothing-is-lost.json"
PAGE: Final = PLACE / "nothing-is-lost.md"

_INTRO: Final = (
    "Written by `make faults`; not by hand. A run lets the whole service work on a real database: clients raise incidents, a "
    "source tells of problems, people answer, move, reserve, and time passes; channels and other systems refuse, fail and break. "
    "At a point the seed chooses, before or after a statement, a commit, a send, a call or an answer, the process kills itself "
    "with SIGKILL, and the next one goes on with what is in the database. Some senders are held up past their lease while "
    "another engine takes over. Clients whose answer was lost ask again under the same key. After the last life everything comes "
    "to its end without faults, and the checkers below look at the history and the rows. The product holds no hook for this."
)

_DISK: Final = (
    "A real `muster serve` on an SQLite file, asked over HTTP, runs under `strace`, which kills it with SIGKILL inside the system "
    "call that would have written: the write is not done any more. The next one serves on that file, and the same checkers look."
)
_TESTS: Final = (
    "Each of these is a test, and runs in CI as well. What it promises is its name; where it measures something, the figure of the "
    "last long run stands beside it. A database that is away between a send and its record costs no second copy while the process "
    "lives: the result is kept, its lease with it, and written down once the database answers. If another live process took the "
    "message meanwhile, because the lease had ended, it sends it again under the same key; that copy no one can keep away."
)


def text_of(result: Mapping[str, Any]) -> str:
    parts = ["# Nothing is lost", _INTRO]
    parts += ["## The last long run", f"Begun with seed {result['seed']}."]
    head = (
        "Database",
        "Crash points survived",
        "Findings",
        "Messages",
        "Further copies",
        "Senders frozen",
        "A second",
    )
    rows = [
        (
            kind, f"{one['survived']:,}", str(sum(one["found"].values())), f"{one['messages']:,}", f"{one['copies']:,}",
            f"{one['frozen']:,}", f"{one['per_second']:.1f}",
        )
        for kind, one in result["databases"].items()
    ]  # fmt: skip
    parts.append(_table(head, rows))
    if (equal := result.get("equal")) is not None:
        parts.append(
            f"Without faults the same seed folds to the same state on both databases: {equal['same']} of {equal['tried']} runs."
        )
    parts += ["## What is promised, and who looks", _promises(result)]
    if (disk := result.get("disk")) is not None:
        parts += ["## At the N-th write to the disk", _DISK, _disk(disk)]
    if (tests := result.get("tests")) is not None:
        parts += ["## Whole processes, whole databases", _TESTS]
        for module, told in tests.items():
            parts += [f"### {told['says']}", f"`{module}`", _tests(told["tests"])]
    parts += ["## Where it died", _points(result)]
    parts += [
        "## The checkers, checked",
        "Each mistake is put into the product, and its checker must find it.",
        _mutants(result),
    ]
    for title, lines in result.get("sections", {}).items():
        parts += [f"## {title}", "\n".join(f"- {line}" for line in lines)]
    return "\n\n".join(parts) + "\n"


def write(result: Mapping[str, Any]) -> None:
    RESULT.write_text(
        json.dumps(result, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    PAGE.write_text(text_of(json.loads(RESULT.read_text("utf-8"))), encoding="utf-8")


def add_section(title: str, lines: list[str]) -> None:
    """What another harness measured, on the same page: a title and its lines."""
    result = json.loads(RESULT.read_text("utf-8"))
    result.setdefault("sections", {})[title] = lines
    write(result)


def told_by(report: str) -> dict[str, Any]:
    """What a report of pytest (JUnit's XML) says, by module."""
    told: dict[str, Any] = {}
    for case in ET.fromstring(report).iter("testcase"):
        module = case.attrib["classname"].replace(".", "/") + ".py"
        if module not in told:
            says = ast.get_docstring(ast.parse((PLACE.parent.parent / module).read_text("utf-8"))) or module
            told[module] = {"says": says.split("\n\n")[0].replace("\n", " ").rstrip("."), "tests": {}}
        ends = [name for name in ("failure", "error", "skipped") if case.find(name) is not None]
        figures = {one.attrib["name"]: one.attrib["value"] for one in case.iter("property")}
        told[module]["tests"][case.attrib["name"]] = {
            "ended": ends[0] if ends else "held",
            "figures": figures,
        }
    return told


def failed(tests: Mapping[str, Any]) -> bool:
    return any(
        one["ended"] in ("failure", "error") for told in tests.values() for one in told["tests"].values()
    )


def _disk(one: Mapping[str, Any]) -> str:
    head = ("Killed at", "Times")
    lines = _table(head, [(f"`{name}`", str(times)) for name, times in sorted(one["points"].items())])
    found = sum(one["found"].values())
    return f"{one['survived']} kills, {found} findings; {one['messages']} messages, {one['copies']} further copies.\n\n{lines}"


def _tests(tests: Mapping[str, Any]) -> str:
    rows = [
        (name.removeprefix("test_").replace("_", " "), one["ended"], _figures(one["figures"]))
        for name, one in tests.items()
    ]
    return _table(("Attack and promise", "Last run", "Figures"), rows)


def _figures(figures: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {_short(value)}" for name, value in figures.items())


def _short(value: str) -> str:
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return value.replace("|", "/")


def _promises(result: Mapping[str, Any]) -> str:
    rows = []
    for one in checkers.CHECKERS:
        says = " ".join((one.__doc__ or "").split())
        found = [str(of["found"].get(one.__name__, 0)) for of in result["databases"].values()]
        rows.append((f"`{one.__name__}`", says, " / ".join(found)))
    return _table(("Checker", "Promise", f"Findings ({' / '.join(result['databases'])})"), rows)


def _points(result: Mapping[str, Any]) -> str:
    kinds = list(result["databases"])
    names = sorted({name for one in result["databases"].values() for name in one["points"]})
    rows = [
        (f"`{name}`", *(str(result["databases"][kind]["points"].get(name, 0)) for kind in kinds)) for name in names
    ]  # fmt: skip
    return _table(("Point", *kinds), rows)


def _mutants(result: Mapping[str, Any]) -> str:
    rows = [
        (mutant.says, f"`{mutant.caught_by}`", "caught" if result["mutants"].get(name) else "not shown yet")
        for name, mutant in MUTANTS.items()
    ]
    return _table(("Mistake", "Checker", "Last run"), rows)


def _table(head: tuple[str, ...], rows: list[Any]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
