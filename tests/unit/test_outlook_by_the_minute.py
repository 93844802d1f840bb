"""The check of the coming days against brute force: every minute of small random plans and organisations, one by one.

What is found must be the same: the kind, the place, the worst case and every stretch of time. The brute force
shares the plan's document and the rule by which one request is served, and nothing else.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import combinations_with_replacement, groupby
from pathlib import Path
from random import Random
from typing import Any

import pytest

from app.people import rota
from app.plan import strict_yaml
from app.plan.document import PlanDocument
from app.plan.finding import Finding
from app.plan.outlook import report
from app.plan.outlook.snapshot import Absent, Away, Lot, Person, Post, Snapshot, stretch_of
from app.resources.allocation import Free, Shelf, allocate

SHIPPED = strict_yaml.load((Path(__file__).parents[2] / "playbooks.yaml").read_bytes()).document
START = datetime(2026, 3, 28, 20, 0, tzinfo=UTC)
WINDOW = 180  # minutes looked at
DAY = 1440
END = WINDOW + 2 * DAY  # what is known
WORDS = {"zh": "文", "en": "text"}
LAYERS = {
    "lead": "management", "head_a": "management", "head_b": "management", "boss": "leadership", "vice": "leadership",
    "agent": "execution", "spare": "execution",
}  # fmt: skip
Span = tuple[int, int]
Said = tuple[str, str, float | None, tuple[Span, ...]]


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


@dataclass
class Someone:
    contacts: list[str]
    away: list[tuple[int, int]] = field(default_factory=list)
    quiet: list[tuple[int, int]] = field(default_factory=list)
    skill_until: int | None = None  # none: has not the skill


@dataclass
class World:
    """A random plan and organisation, in minutes."""

    plan: PlanDocument
    people: dict[str, Someone]
    assigned: dict[str, list[str]]
    turns: dict[str, list[tuple[int, int, list[str]]]]
    lots: list[tuple[str, str, int, int, int]]

    def _roster(self, position: str) -> rota.Roster | None:
        if position not in self.turns:
            return None
        begins, ends, order = self.turns[position][0]
        first = at(begins)
        length = timedelta(minutes=ends - begins)
        return rota.Roster((rota.Rotation("UTC", first.date(), first.time(), length, tuple(order)),))

    def snapshot(self) -> Snapshot:
        away = {
            name: tuple(Away(at(a), at(b), Absent.LEAVE) for a, b in one.away)
            for name, one in self.people.items()
        }
        people = {
            name: Person(
                name, tuple(one.contacts), {} if one.skill_until is None else {"returns": at(one.skill_until)},
                away[name], tuple((at(a), at(b)) for a, b in one.quiet),
            )
            for name, one in self.people.items()
        }  # fmt: skip
        posts = {}
        for position, holders in self.assigned.items():
            gone = {
                name: [rota.Away(one.begins, one.ends, rota.Absent(one.why)) for one in spells]
                for name, spells in away.items()
            }
            post = rota.Post(tuple(holders), self._roster(position), gone)
            stretches = (stretch_of(one) for one in rota.called(post, START, at(END)))
            posts[position] = Post(tuple(holders), tuple(stretches))
        lots = tuple(Lot(pool, name, number, at(a), at(b)) for pool, name, number, a, b in self.lots)
        return Snapshot(people, posts, lots, frozenset({"mail"}))


def random_world(seed: int) -> World:
    dice = Random(seed)

    def some_spans(most: int, longest: int, until: int = WINDOW + 300) -> list[tuple[int, int]]:
        found = []
        for _ in range(dice.randint(0, most)):
            begins = dice.randint(-60, until)
            found.append((begins, begins + dice.randint(1, longest)))
        return found

    names = [f"person_{n}" for n in range(dice.randint(4, 7))]
    people = {
        name: Someone(
            dice.choice([["mail"], ["mail"], ["webhook", "mail"], ["log", "mail"], ["log", "webhook", "mail"], ["log"], []]),
            some_spans(2, 200), some_spans(1, 120), dice.choice([None, dice.randint(-5, WINDOW + 50), 10_000]),
        )
        for name in names
    }  # fmt: skip
    assigned = {position: sorted(dice.sample(names, dice.randint(0, 3))) for position in LAYERS}
    # Members of pools are in one pool each: two people who are as good as each other are then one and the same.
    assigned["spare"] = [name for name in assigned["spare"] if name not in assigned["agent"]]
    turns = {}
    for position in dice.sample(sorted(LAYERS), 3):
        if not assigned[position]:
            continue
        order, begins, row = [*assigned[position]], dice.randint(-200, 100), []
        length = dice.randint(30, 200)
        while begins < END:
            row.append((begins, begins + length, [*order]))
            order.append(order.pop(0))
            begins += length
        turns[position] = row
    always, never = -99, 99_999

    def some_time() -> tuple[int, int]:
        edge = dice.randint(0, WINDOW)
        return dice.choice([(always, never), (edge, never), (always, edge)])

    lots = [
        (pool, "thing", dice.randint(1, 3), *some_time()) for pool in ("store", "annex") for _ in range(dice.randint(1, 2))
    ]  # fmt: skip
    return World(PlanDocument.model_validate(random_plan(dice)), people, assigned, turns, lots)


def random_plan(dice: Random) -> dict[str, Any]:
    plan = {name: deepcopy(SHIPPED[name]) for name in ("plan", "levels", "risk")}
    plan["organisation"] = {
        "default_position": "lead",
        "departments": {
            "a": {"title": WORDS, "layer": "management", "head": "head_a"},
            "b": {"title": WORDS, "layer": "management", "head": "head_b"},
        },
        "positions": {
            name: {"title": WORDS, "layer": layer, "department": "a"} for name, layer in LAYERS.items()
        },
    }
    plan["pools"] = {
        "team": {
            "kind": "people",
            "title": WORDS,
            "owner": "lead",
            "positions": ["agent"],
            "next": "reserve",
        },
        "reserve": {"kind": "people", "title": WORDS, "owner": "lead", "positions": ["spare"]},
        "store": {
            "kind": "materials",
            "title": WORDS,
            "owner": "lead",
            "next": "annex",
            "items": {"thing": thing(9)},
        },
        "annex": {"kind": "materials", "title": WORDS, "owner": "lead", "items": {"thing": thing(9)}},
    }
    post = {
        "title": WORDS,
        "function": "command",
        "filled_by": dice.sample(sorted(LAYERS), 2),
        "duties": WORDS,
    }
    plan["command_posts"] = {"standard": {"title": WORDS, "roles": {"commander": post}}}
    plan["chains"] = {}
    for level in ("1", "2", "3", "4"):
        spec = plan["levels"][level]
        spec |= {
            "update_owner": "lead",
            "command_post": "standard",
            "declared_by": dice.choice(["leadership", "management"]),
        }
        spec["told_within"] = {
            name: f"{dice.randint(0, 90)}m"
            for name in ("first", "department_head", "leadership")
            if dice.random() < 0.9
        }
        tells = [
            ["lead"],
            ["department_head"],
            ["head_a", "head_b"],
            ["boss"],
            ["vice", "boss"],
            ["agent", "lead"],
        ]
        plan["chains"][level] = {
            "hops": [
                {
                    "tell": dice.choice(tells), "within": f"{dice.choice([12, 24])}m",
                    **dice.choice([{}, {"contact_wait": "1m"}, {"contact_wait": "12m"}, {"via": ["mail"]}]),
                }
                for _ in range(dice.randint(1, 3))
            ],
            "repeat_after": f"{dice.choice([0, 1, 7, 30])}m",
        }  # fmt: skip
    plan["playbooks"] = {name: random_playbook(dice) for name in ("one", "two", "three")}
    plan["types"] = {
        name: {
            "title": WORDS,
            "category": "technical",
            "department": department,
            "playbook": playbook,
            "default_level": 2,
        }
        for name, department, playbook in (
            ("other", "a", "one"),
            ("fire", "b", "two"),
            ("flood", "b", "three"),
        )
    }
    return plan


def thing(quantity: int) -> dict[str, Any]:
    return {"title": WORDS, "unit": WORDS, "place": "here", "quantity": quantity}


def random_playbook(dice: Random) -> dict[str, Any]:
    def ask() -> dict[str, Any]:
        one: dict[str, Any] = dice.choice([
            {"pool": "team", "quantity": dice.randint(1, 3)},
            {"pool": "team", "quantity": 1, "skill": "returns"},
            {"pool": "reserve", "quantity": dice.randint(1, 2)},
            {"pool": "store", "item": "thing", "quantity": dice.randint(1, 5)},
        ])  # fmt: skip
        if dice.random() < 0.3:
            one["substitutes"] = [{"pool": "annex", "item": "thing", "quantity": 1}]
        return one

    steps: list[dict[str, Any]] = [
        {
            "id": f"reserve_{number}", "kind": "reserve", "title": WORDS, "levels": sorted(dice.sample([1, 2, 3, 4], 2)),
            "with": {"ask": [ask() for _ in range(dice.randint(1, 2))], "hold": "1h", "when_short": "lead"},
        }
        for number in range(dice.randint(1, 2))
    ]  # fmt: skip
    steps.append({
        "id": "approve", "kind": "approval", "title": WORDS, "levels": [dice.randint(1, 4)],
        "with": {"by": dice.sample(sorted(LAYERS), dice.randint(1, 2)), "text": WORDS, "due": "5m"},
    })  # fmt: skip
    steps.append({
        "id": "do", "kind": "task", "title": WORDS,
        "with": {"position": dice.choice(sorted(LAYERS)), "text": WORDS, "due": "5m"},
    })  # fmt: skip
    steps.append({
        "id": "tell", "kind": "notify", "title": WORDS, "with": {"tell": dice.sample(sorted(LAYERS), 2), "text": WORDS},
    })  # fmt: skip
    return {"title": WORDS, "tier": "special", "owner": "a", "steps": steps}


# ── brute force ───────────────────────────────────────────────────────────────────────────────────────────


class Brute:
    """Everything asked of every minute by itself."""

    def __init__(self, world: World) -> None:
        self.world, self.plan = world, world.plan
        self._called: dict[tuple[str, int], list[str]] = {}
        self._rung: dict[Any, tuple[bool, dict[str, int | None]]] = {}
        self._shelf: dict[int, Shelf] = {}

    def gone(self, person: str, minute: int) -> bool:
        return any(a <= minute < b for a, b in self.world.people[person].away)

    def on_call(self, position: str, minute: int) -> list[str]:
        key = (position, minute)
        if key not in self._called:
            holders = self.world.assigned.get(position, [])
            turn = [order for a, b, order in self.world.turns.get(position, ()) if a <= minute < b]
            first = [one for one in (turn[0] if turn else ()) if not self.gone(one, minute)]
            self._called[key] = first[:1] or [one for one in holders if not self.gone(one, minute)]
        return self._called[key]

    def asked(self, position: str, minute: int) -> bool:
        """Whether somebody called for the position has a contact point that works."""
        return any("mail" in self.world.people[one].contacts for one in self.on_call(position, minute))

    def rung(self, hop: Any, head: str, minute: int, level: int) -> tuple[bool, dict[str, int | None]]:
        """Whether the rung takes its time, and the minute at which each who is called is told, if they do not go before."""
        key = (id(hop), head, minute, level >= 3)
        if key not in self._rung:
            self._rung[key] = self._told_by(hop, head, minute, level)
        return self._rung[key]

    def _told_by(self, hop: Any, head: str, minute: int, level: int) -> tuple[bool, dict[str, int | None]]:
        waits, told = False, dict[str, int | None]()
        wanted = [head if name == "department_head" else name for name in hop.tell]
        for person in {one for position in wanted for one in self.on_call(position, minute)}:
            contacts = self.world.people[person].contacts
            if hop.via and "mail" in contacts:
                contacts = ["mail"]
            number = len(contacts)
            within = int(hop.within.total_seconds()) // 60
            apart = within // 2 // (number - 1) if number > 1 else 0
            if hop.contact_wait is not None:
                apart = int(hop.contact_wait.total_seconds()) // 60
            if apart * (number - 1) >= within:
                apart = within // number
            due = minute
            for place, channel in enumerate(contacts):
                failed_before = place > 0 and contacts[place - 1] == "webhook"
                due = due if failed_before else minute + place * apart
                if channel != "webhook":
                    waits = True
                if channel == "mail":
                    quiet = merged(self.world.people[person].quiet) if level >= 3 else []
                    awake = next((b for a, b in quiet if a <= minute < b), minute) + (due - minute)
                    sent = next((b for a, b in quiet if a <= awake < b), awake)
                    # What waits for somebody who goes meanwhile is dropped.
                    gone = any(a <= sent and b > minute for a, b in self.world.people[person].away)
                    told[person] = None if gone else sent
        return waits, told

    def chain(self, level: int, head: str, whom: set[str] | None, start: int) -> int | None:
        """After how many minutes one of them is told, if nobody ever answers."""
        chain = self.plan.chains[level]
        minute, best = start, None
        if whom is not None and not any("mail" in self.world.people[one].contacts for one in whom):
            return None
        while minute <= start + DAY and (best is None or minute < best):
            for number, hop in enumerate(chain.hops):
                if minute > start + DAY:
                    break
                waits, told = self.rung(hop, head, minute, level)
                for person, when in told.items():
                    if when is not None and (whom is None or person in whom):
                        best = when if best is None else min(best, when)
                if number == len(chain.hops) - 1:
                    minute += max(int(chain.repeat_after.total_seconds()) // 60, 1)
                elif waits:
                    minute += int(hop.within.total_seconds()) // 60
        return None if best is None else best - start

    def shelf(self, minute: int) -> Shelf:
        if minute not in self._shelf:
            self._shelf[minute] = self._there(minute)
        return self._shelf[minute]

    def _there(self, minute: int) -> Shelf:
        units: dict[str, list[Free]] = {"team": [], "reserve": [], "store": [], "annex": []}
        for pool, position in (("team", "agent"), ("reserve", "spare")):
            for person in self.world.assigned.get(position, ()):
                until = self.world.people[person].skill_until
                skills = frozenset({"returns"}) if until is not None and minute < until else frozenset()
                if not self.gone(person, minute):
                    units[pool].append(Free(f"{pool}.{person}", pool, "", 1, person, skills))
        for index, (pool, name, number, a, b) in enumerate(self.world.lots):
            if a <= minute < b:
                units[pool].append(Free(f"lot.{index}", pool, name, number))
        return Shelf(units, {"team": "reserve", "reserve": None, "store": "annex", "annex": None})

    def served(self, requests: Sequence[Sequence[Any]], minute: int) -> bool:
        shelf, all_served = self.shelf(minute), True
        for asks in requests:
            answers = allocate(asks, shelf)
            if any(one.missing for one in answers):
                all_served = False
                continue
            for one in answers:
                for taken in one.taken:
                    units = shelf.units[taken.unit.pool_id]
                    shelf = Shelf(
                        {**shelf.units, taken.unit.pool_id: [less(unit, taken) for unit in units]}, shelf.next
                    )
        return all_served

    def findings(self) -> Iterator[Said]:
        yield from self._told()
        yield from self._rungs()
        yield from self._nobodies()
        yield from self._demands()

    def _told(self) -> Iterator[Said]:
        leaders = {one for name in ("boss", "vice") for one in self.world.assigned[name]}
        heads = {"a": "head_a", "b": "head_b"}
        for level, spec in self.plan.levels.items():
            targets: list[tuple[str, str | None, set[str] | None]] = [
                ("first", None, None),
                ("leadership", None, leaders),
            ]
            targets += [("department_head", head, set(self.world.assigned[head])) for head in heads.values()]
            for name, head, whom in targets:
                limit = getattr(spec.told_within, name)
                if limit is None:
                    continue
                minutes = int(limit.total_seconds()) // 60
                # Without a department, the word for its head stands for nobody.
                took = [self.chain(level, head or "nobody", whom, start) for start in range(WINDOW)]
                late = [one is None or one > minutes for one in took]
                if any(late):
                    values = [one for one, is_late in zip(took, late, strict=True) if is_late]
                    never = None in values
                    code = f"{name}_never_told" if never else f"{name}_told_late"
                    worst = None if never else float(max(one for one in values if one is not None))
                    yield code, f"levels.{level}.told_within.{name}", worst, stretches(late.__getitem__)
                elif level >= 3:
                    held = [one is not None and one + 10 > minutes for one in took]  # the cap's ten minutes
                    if any(held):
                        longest = float(max(one for one in took if one is not None))
                        yield (
                            "told_late_in_storm",
                            f"levels.{level}.told_within.{name}",
                            longest,
                            stretches(held.__getitem__),
                        )

    def _rungs(self) -> Iterator[Said]:
        for level, chain in self.plan.chains.items():
            for index, hop in enumerate(chain.hops):
                for head in ("head_a", "head_b") if "department_head" in hop.tell else ("",):

                    def silent(minute: int, hop: Any = hop, head: str = head, level: int = level) -> bool:
                        return not self.rung(hop, head, minute, level)[1]

                    if spans := stretches(silent):
                        yield "rung_reaches_nobody", f"chains.{level}.hops.{index}", None, spans

    def _nobodies(self) -> Iterator[Said]:
        def silent(positions: Sequence[str]) -> tuple[Span, ...]:
            return stretches(lambda minute: not any(self.asked(one, minute) for one in positions))

        approvals: dict[tuple[str, ...], str] = {}
        groups: dict[tuple[str, ...], None] = {("lead",): None}
        for name, playbook in self.plan.playbooks.items():
            for index, step in enumerate(playbook.steps):
                path = f"playbooks.{name}.steps.{index}.with.by"
                match step.kind:
                    case "approval":
                        approvals.setdefault(tuple(sorted(step.params.by)), path)
                    case "task":
                        groups[(step.params.position,)] = None
                    case "notify":
                        groups[tuple(step.params.tell)] = None
        for positions, path in approvals.items():
            if spans := silent(positions):
                yield "approval_by_nobody", path, None, spans
        if spans := silent(self.plan.command_posts["standard"].roles["commander"].filled_by):
            yield "no_commander", "command_posts.standard.roles.commander", None, spans
        for level, spec in self.plan.levels.items():
            enough = ("leadership",) if spec.declared_by == "leadership" else ("leadership", "management")
            if spans := silent([name for name, layer in LAYERS.items() if layer in enough]):
                yield "nobody_declares", f"levels.{level}.declared_by", None, spans
        whole = ((0, WINDOW),)
        empty = {name for group in groups for name in group if silent([name]) == whole}
        for name in empty:
            yield "position_vacant", f"organisation.positions.{name}", None, whole
        for group in groups:
            if not set(group) <= empty and (spans := silent(group)):
                yield "position_unanswered", f"organisation.positions.{group[0]}", None, spans

    def _demands(self) -> Iterator[Said]:
        served: Callable[..., bool] = self.served
        for name, playbook in self.plan.playbooks.items():
            for index, step in enumerate(playbook.steps):
                if step.kind == "reserve":
                    ask = step.params.ask

                    def short(minute: int, ask: Any = ask) -> bool:
                        return not served([ask], minute)

                    if spans := stretches(short):
                        code = "demand_never_met" if spans == ((0, WINDOW),) else "demand_short"
                        yield code, f"playbooks.{name}.steps.{index}.with.ask", None, spans
            told = []
            for level in (1, 2, 3, 4):
                requests = self._requests(name, level)
                if len(requests) < 2 or requests in told:
                    continue
                told.append(requests)

                def together(minute: int, requests: Any = requests) -> bool:
                    return not served(requests, minute) and all(served([one], minute) for one in requests)

                if spans := stretches(together):
                    yield "playbook_short", f"playbooks.{name}.steps", None, spans

    def pairs(self) -> dict[str, tuple[Span, ...]]:
        found = {}
        asked = [
            (f"{name}:{level}", self._requests(kind.playbook, level))
            for name, kind in self.plan.types.items()
            for level in (1, 2, 3, 4)
        ]
        for (one, mine), (other, theirs) in combinations_with_replacement(asked, 2):

            def both(minute: int, mine: Any = mine, theirs: Any = theirs) -> bool:
                alone = self.served(mine, minute) and self.served(theirs, minute)
                return (
                    alone
                    and not self.served([*mine, *theirs], minute)
                    and not self.served([*theirs, *mine], minute)
                )

            if spans := stretches(both):
                found[f"{one}+{other}"] = spans
        return found

    def _requests(self, playbook: str, level: int) -> list[Any]:
        steps = self.plan.playbooks[playbook].steps
        return [step.params.ask for step in steps if step.kind == "reserve" and level in step.levels]


def less(unit: Free, taken: Any) -> Free:
    if unit.unit_id != taken.unit.unit_id:
        return unit
    return Free(
        unit.unit_id, unit.pool_id, unit.name, unit.quantity - taken.quantity, unit.person_id, unit.skills
    )


def merged(spans: Sequence[Span]) -> list[Span]:
    found: list[Span] = []
    for begins, ends in sorted(spans):
        if found and begins <= found[-1][1]:
            found[-1] = (found[-1][0], max(ends, found[-1][1]))
        else:
            found.append((begins, ends))
    return found


def stretches(holds: Callable[[int], bool]) -> tuple[Span, ...]:
    """The runs of minutes for which it holds."""
    found = []
    for truth, minutes in groupby(range(WINDOW), key=holds):
        row = list(minutes)
        if truth:
            found.append((row[0], row[-1] + 1))
    return tuple(found)


# ── the comparison ────────────────────────────────────────────────────────────────────────────────────────

TIMELESS = {"head_unknown", "told_limit_missing", "person_without_channel", "pair_short"}


def said(finding: Finding) -> Said:
    assert finding.witness is not None
    takes = None if finding.witness.takes is None else finding.witness.takes / timedelta(minutes=1)
    return finding.code, finding.path, takes, minutes_of(finding)


def minutes_of(finding: Finding) -> tuple[Span, ...]:
    assert finding.witness is not None
    found = []
    for begins, ends in finding.witness.spells:
        edges = [(moment - START) / timedelta(minutes=1) for moment in (begins, ends)]
        assert all(edge == int(edge) for edge in edges)
        found.append((int(edges[0]), int(edges[1])))
    return tuple(found)


@pytest.mark.parametrize("seed", range(5))
def test_the_check_finds_what_every_minute_by_itself_shows(seed: int) -> None:
    world = random_world(seed)
    found = report.over(world.plan, world.snapshot(), begins=START, ends=at(WINDOW))
    brute = Brute(world)
    mine = sorted((said(one) for one in found if one.code not in TIMELESS), key=str)
    assert mine == sorted(brute.findings(), key=str)
    pairs = brute.pairs()
    told = {
        pair: minutes_of(one)
        for one in found
        if one.code == "pair_short"
        for pair in one.message.params["pairs"][:1]
    }
    assert {pair for one in found if one.code == "pair_short" for pair in one.message.params["pairs"]} == set(
        pairs
    )
    assert all(pairs[pair] == spans for pair, spans in told.items())


def test_the_worlds_are_varied_enough_to_show_every_kind_of_finding() -> None:
    codes = set()
    for seed in range(24):
        world = random_world(seed)
        codes |= {
            one.code for one in report.over(world.plan, world.snapshot(), begins=START, ends=at(WINDOW))
        }
    assert codes >= {
        "first_told_late", "first_never_told", "department_head_told_late", "leadership_told_late", "leadership_never_told",
        "department_head_never_told", "rung_reaches_nobody", "approval_by_nobody", "no_commander", "nobody_declares",
        "position_unanswered", "position_vacant", "demand_short", "demand_never_met", "playbook_short", "pair_short",
        "told_late_in_storm",
    }  # fmt: skip
