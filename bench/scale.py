"""The tables of `docs/explanation/scale.md` from the capacity model: `python -m bench scale` prints, `--write` renews the page."""

from collections.abc import Sequence
from typing import Final

from bench import scale_model
from bench.figures import percentile
from bench.scale_model import Inputs, Step
from bench.serving import ROOT

PAGE: Final = ROOT / "docs" / "explanation" / "scale.md"
BEGIN: Final = "<!-- printed by python -m bench scale --write -->"
END: Final = "<!-- end of what is printed -->"
LOADS: Final = ((1, 1), (1, 10), (10, 10), (100, 1), (100, 10))  # centres, times an ordinary peak
SEED: Final = 11
JOBS: Final = 12_000


def steps_of(inputs: Inputs) -> Sequence[Step]:
    primary = inputs["primary_per_second"]
    return (
        Step("1 process, SQLite", 1, inputs["bare_commits_per_second_sqlite"]),
        Step("16 processes, 1 primary", 16, primary),
        Step("128 processes, 1 primary", 128, primary),
        Step("the same, partitions by month", 128, primary, warm=True),
        Step("the same, read replicas", 128, primary, warm=True, replicas=True),
        Step("256 processes, Citus, 8 shards", 256, primary, shards=8, warm=True, replicas=True),
    )


def tables() -> str:
    inputs = scale_model.read()
    return "\n\n".join((_loads(inputs), _holds(inputs), _uses(inputs), _inputs()))


def page_with(text: str, printed: str) -> str:
    """The page with its printed part replaced."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{printed}\n\n{END}{after}"


def _loads(inputs: Inputs) -> str:
    rows = []
    for centres, factor in LOADS:
        load = scale_model.load_of(inputs, centres=centres).times(factor)
        figures = (load.signals, load.incidents, load.pages, load.timers, load.looks)
        rows.append((_said(centres, factor), *(f"{figure:,.2f}" for figure in figures)))
    head = ("Load", "Signals a second", "Incidents", "Pages", "Timers", "Looks at a console")
    return "### What comes in\n\n" + _table(head, rows)


def _holds(inputs: Inputs) -> str:
    rows = []
    for step in steps_of(inputs):
        ordinary, double = (scale_model.holds_until(inputs, step, factor=factor) for factor in (1, 10))
        load = scale_model.load_of(inputs, centres=double).times(10)
        first, _ = scale_model.use_of(inputs, step, load).first
        rows.append((step.name, f"{ordinary:,.1f}", f"{double:,.1f}", first))
    head = ("Step", "Centres, ordinary day", "Centres, Double 11", "Full first on Double 11")
    return f"### How far each step carries, with nothing above {scale_model.FULL:.0%}\n\n" + _table(
        head, rows
    )


def _uses(inputs: Inputs) -> str:
    rows = []
    for step in steps_of(inputs):
        for centres, factor in LOADS:
            load = scale_model.load_of(inputs, centres=centres).times(factor)
            use = scale_model.use_of(inputs, step, load)
            gravest, others = scale_model.page_delays(inputs, step, load, jobs=JOBS, seed=SEED)
            stuck = max(use.primary, use.largest_organisation) >= 1  # nothing goes first in a database
            drained = scale_model.drain_of(inputs, step, load)
            rows.append(
                (
                    step.name, _said(centres, factor), f"{use.processes:.0%}", f"{use.primary:.0%}",
                    "grows" if stuck else _delay(gravest),
                    "grows" if stuck or use.processes >= 1 else _delay(others), "never" if drained is None else f"{drained:,.1f} s",
                )
            )  # fmt: skip
    head = (
        "Step", "Load", "Processes", "Primary, or each shard", "Level 1 page, p99", "Other pages, p99", "One storm drained",
    )  # fmt: skip
    return "### Each step under each load\n\n" + _table(head, rows)


def _inputs() -> str:
    rows = [
        (one["name"], f"{one['value']:,g} {one['unit']}", one["kind"], one["source"])
        for one in scale_model.described()
    ]
    return "### Inputs\n\n" + _table(("Input", "Value", "Kind", "Where from"), rows)


def _delay(seconds: Sequence[float]) -> str:
    return f"{percentile(seconds, 0.99) * 1000:,.0f} ms" if len(seconds) >= 100 else "few"


def _said(centres: int, factor: int) -> str:
    return f"{centres} ×, " + ("ordinary peak" if factor == 1 else "Double 11")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def main(*, write: bool) -> None:
    printed = tables()
    if write:
        PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), printed), encoding="utf-8")
    else:
        print(printed)
