"""What the playbooks ask of the pools, against what there will be: alone, together, and two incidents at once (EP-6).

Pure. The pools' state changes when somebody goes or comes back, a certificate lapses, stock expires or a lease
ends; between two such moments every request is decided as `resources.allocation` decides it. Moments at which
the pools hold the same are decided once.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations, pairwise
from typing import Final, NamedTuple

from app.plan.document import PlanDocument
from app.plan.finding import Finding, Severity, found
from app.plan.outlook import spans
from app.plan.outlook.answering import Outlook
from app.plan.outlook.snapshot import Lot, Person
from app.plan.outlook.spans import Interval, Spans
from app.plan.rules.references import steps_of, tiers_of
from app.playbooks.document import ReserveStep
from app.resources.allocation import Free, Shelf, allocate
from app.resources.document import Ask, MaterialsPool, PeoplePool, TechnologyPool
from app.wording import Wording, say

_MOST_NAMED: Final = 5


@dataclass(frozen=True)
class Request:
    """What one step asks for: all of it or nothing."""

    asks: tuple[Ask, ...] = field(compare=False)
    key: str

    @classmethod
    def of(cls, asks: Sequence[Ask]) -> "Request":
        return cls(tuple(asks), "".join(ask.model_dump_json() for ask in asks))


class Kind(NamedTuple):
    """Units that are as good as each other: in the same pools, of the same name, with the same skills."""

    pools: tuple[str, ...]
    name: str
    skills: frozenset[str]


State = frozenset[tuple[Kind, int]]
"""How many of each kind there are."""


class Short(NamedTuple):
    """A request that cannot be served: the pool it falls short in, what was asked and how many are missing."""

    pool: str
    item: str | None
    skill: str | None
    asked: int
    missing: int


@dataclass(frozen=True)
class Supply:
    """The pools of a plan over the days looked at."""

    plan: PlanDocument
    people: Mapping[str, Person]
    members: Mapping[str, frozenset[str]]
    """For each pool of people, who is in it."""
    lots: tuple[Lot, ...]
    days: Interval

    @classmethod
    def of(cls, outlook: Outlook) -> "Supply":
        pools = outlook.plan.pools
        members = {
            name: outlook.directory.assigned(pool.positions)
            for name, pool in pools.items() if isinstance(pool, PeoplePool)
        }  # fmt: skip
        snapshot = outlook.directory.snapshot
        lots = tuple(full(outlook.plan)) if snapshot.lots is None else snapshot.lots
        return cls(outlook.plan, snapshot.people, members, lots, outlook.days)

    def states(self, requests: Iterable[Request]) -> Mapping[State, Spans]:
        """All that the pools which these requests could come to will hold, and when."""
        asked = [demand for request in requests for ask in request.asks for demand in (ask, *ask.substitutes)]
        pools = frozenset(name for demand in asked for name in tiers_of(self.plan, demand.pool))
        skills = frozenset(demand.skill for demand in asked if demand.skill is not None)
        return self._states(pools, skills)

    def short(self, requests: Sequence[Request]) -> list[tuple[Spans, tuple[Short, ...]]]:
        """When these requests, one after the other, cannot all be served, and what is short then."""
        found: dict[tuple[Short, ...], list[Interval]] = defaultdict(list)
        for state, when in self.states(requests).items():
            if missing := self.decide(state, requests):
                found[missing].extend(when)
        return [(spans.union(when), missing) for missing, when in found.items()]

    def decide(self, state: State, requests: Sequence[Request]) -> tuple[Short, ...]:
        """What is short when they are made one after the other; nothing: all are served."""
        key = (state, tuple(requests))
        if key not in self._decided:
            self._decided[key] = tuple(self._one_after_the_other(state, requests))
        return self._decided[key]

    def _one_after_the_other(self, state: State, requests: Sequence[Request]) -> Iterator[Short]:
        shelf = self._shelf(state)
        for request in requests:
            served = allocate(request.asks, shelf)
            short = [one for one in served if one.missing]
            for one in short:
                ask = one.ask
                yield Short(ask.pool, ask.item, ask.skill, ask.quantity, one.missing)
            if not short:
                taken = Counter[str]()
                busy = set()
                for one in served:
                    for each in one.taken:
                        taken[each.unit.unit_id] += each.quantity
                        busy.add(each.unit.person_id)
                shelf = _less(shelf, taken, busy - {None})

    def _shelf(self, state: State) -> Shelf:
        units: dict[str, list[Free]] = defaultdict(list)
        for place, (kind, quantity) in enumerate(
            sorted(state, key=lambda one: (one[0].pools, one[0].name, sorted(one[0].skills)))
        ):
            if len(kind.pools) == 1:
                pool = kind.pools[0]
                units[pool].append(Free(f"{place}", pool, kind.name, quantity, None, kind.skills))
                continue
            for pool in kind.pools:  # the same person, wherever they are asked for
                units[pool] += [
                    Free(f"{place}.{n}.{pool}", pool, kind.name, 1, f"{place}.{n}", kind.skills)
                    for n in range(quantity)
                ]
        return Shelf(units, {name: pool.next for name, pool in self.plan.pools.items()})

    @cached_property
    def _decided(self) -> dict[tuple[State, tuple[Request, ...]], tuple[Short, ...]]:
        return {}

    @cached_property
    def _known(self) -> dict[tuple[frozenset[str], frozenset[str]], Mapping[State, Spans]]:
        return {}

    @cached_property
    def _free(self) -> Mapping[str, Spans]:
        return {name: _free(person, self.days) for name, person in self.people.items()}

    def _states(self, pools: frozenset[str], skills: frozenset[str]) -> Mapping[State, Spans]:
        if (pools, skills) not in self._known:
            self._known[pools, skills] = self._swept(list(self._there(pools, skills)))
        return self._known[pools, skills]

    def _there(self, pools: frozenset[str], skills: frozenset[str]) -> Iterator[tuple[int, Kind, int]]:
        """Each change of what is there: when, of which kind, and by how many."""
        belongs: dict[str, list[str]] = defaultdict(list)
        for pool in sorted(pools & self.members.keys()):
            for person in self.members[pool]:
                belongs[person].append(pool)
        for person, mine in belongs.items():
            if person not in self.people:
                continue
            for has, when in _by_skill(self.people[person], skills, self.days):
                kind = Kind(tuple(mine), "", has)
                for begins, ends in spans.common(self._free[person], when):
                    yield begins, kind, 1
                    yield ends, kind, -1
        for lot in self.lots:
            if lot.pool in pools and lot.quantity > 0:
                begins, ends = _bounds(lot.begins, lot.ends, self.days)
                if begins < ends:
                    kind = Kind((lot.pool,), lot.name, frozenset())
                    yield begins, kind, lot.quantity
                    yield ends, kind, -lot.quantity

    def _swept(self, changes: list[tuple[int, Kind, int]]) -> Mapping[State, Spans]:
        found: dict[State, list[Interval]] = defaultdict(list)
        there = Counter[Kind]()
        reached, end = self.days
        changes.sort(key=lambda one: one[0])
        for at, kind, by in [*changes, (end, Kind((), "", frozenset()), 0)]:
            if at > reached:
                found[frozenset((one, number) for one, number in there.items() if number)].append(
                    (reached, min(at, end))
                )
                reached = at
            there[kind] += by
        return {state: spans.union(when) for state, when in found.items()}


def full(plan: PlanDocument) -> Iterator[Lot]:
    """What the plan says the pools of things hold."""
    for name, pool in plan.pools.items():
        match pool:
            case MaterialsPool(items=items):
                yield from (Lot(name, slug, item.quantity) for slug, item in items.items())
            case TechnologyPool(assets=assets):
                yield from (Lot(name, slug, 1) for slug in assets)
            case _:
                pass


def requests_of(plan: PlanDocument, playbook: str, level: int) -> list[Request]:
    """All that a playbook asks the pools for at a level, step by step."""
    return [
        Request.of(step.params.ask) for step in plan.playbooks[playbook].steps
        if isinstance(step, ReserveStep) and level in step.levels
    ]  # fmt: skip


def heaviest(plan: PlanDocument, playbook: str) -> tuple[int, list[Request]]:
    """The level at which a playbook asks for most, the gravest of such, and what it asks for."""
    levels = sorted(plan.levels)
    asked = {level: requests_of(plan, playbook, level) for level in levels}
    level = max(levels, key=lambda one: (sum(ask.quantity for each in asked[one] for ask in each.asks), -one))
    return level, asked[level]


# ── what is asked ─────────────────────────────────────────────────────────────────────────────────────────


def demands_are_met(outlook: Outlook, supply: Supply) -> Iterator[Finding]:
    """Each request for itself: at all times, or for whom it can never be served."""
    for path, _, step in steps_of(outlook.plan):
        if not isinstance(step, ReserveStep):
            continue
        if not (answers := supply.short([Request.of(step.params.ask)])):
            continue
        when = spans.union(*(each for each, _ in answers))
        never = when == (outlook.days,)
        missing = _first(answers)
        yield found(
            Severity.ERROR if never else Severity.WARNING, "demand_never_met" if never else "demand_short", "EP-6",
            f"{path}.with.ask", witness=outlook.witness(when, trail=_said(outlook, missing)), name=step.id,
            levels=list(step.levels), short=_said(outlook, missing), at=outlook.clock(when[0][0]),
        )  # fmt: skip


def playbooks_are_met(outlook: Outlook, supply: Supply) -> Iterator[Finding]:
    """All requests of a playbook at a level, one after the other; what is short by itself is told there."""
    for name in sorted(
        {kind.playbook for kind in outlook.plan.types.values()} & outlook.plan.playbooks.keys()
    ):
        told: set[tuple[Request, ...]] = set()
        for level in sorted(outlook.plan.levels):
            requests = requests_of(outlook.plan, name, level)
            if len(requests) < 2 or tuple(requests) in told:
                continue
            told.add(tuple(requests))
            alone = spans.union(*(when for one in requests for when, _ in supply.short([one])))
            answers = supply.short(requests)
            when = spans.without(spans.union(*(each for each, _ in answers)), alone)
            if when:
                missing = _first(answers, when[0][0])
                yield found(
                    Severity.WARNING, "playbook_short", "EP-6", f"playbooks.{name}.steps",
                    witness=outlook.witness(when, trail=_said(outlook, missing)), level=level,
                    short=_said(outlook, missing), at=outlook.clock(when[0][0]),
                )  # fmt: skip


def pairs_are_met(outlook: Outlook, supply: Supply) -> Iterator[Finding]:
    """Two incidents at once, each at the level at which it asks for most; told once for what is short."""
    by_shortage: dict[tuple[str, ...], list[tuple[str, str, Spans, tuple[Short, ...]]]] = defaultdict(list)
    for one, other, when, missing in pairs(outlook, supply):
        by_shortage[tuple(sorted({short.item or short.pool for short in missing}))].append(
            (one, other, when, missing)
        )
    for rows in by_shortage.values():
        one, other, when, missing = rows[0]
        levels = [heaviest(outlook.plan, outlook.plan.types[name].playbook)[0] for name in (one, other)]
        titles = [outlook.plan.types[name].title.model_dump() for name in (one, other)]
        yield found(
            Severity.NOTE, "pair_short", "EP-6", f"types.{one}",
            witness=outlook.witness(when, trail=_said(outlook, missing)), one=titles[0], other=titles[1],
            level_one=levels[0], level_other=levels[1], more=len(rows) - 1, short=_said(outlook, missing),
            pairs=[f"{each[0]}+{each[1]}" for each in rows], at=outlook.clock(when[0][0]),
        )  # fmt: skip


def pairs(outlook: Outlook, supply: Supply) -> Iterator[tuple[str, str, Spans, tuple[Short, ...]]]:
    """Pairs of types that cannot both be served, whichever comes first, though each of them can alone."""
    plan = outlook.plan
    asked = {
        name: heaviest(plan, kind.playbook)[1]
        for name, kind in plan.types.items()
        if kind.playbook in plan.playbooks
    }
    reach = {name: _pools_of(plan, requests) for name, requests in asked.items()}
    answered: dict[
        tuple[tuple[Request, ...], tuple[Request, ...]], list[tuple[Spans, tuple[Short, ...]]]
    ] = {}
    for one, other in combinations(asked, 2):
        # Units are shared through a pool, and people through pools they are members of.
        if not _share(supply, reach[one], reach[other]):
            continue
        key = (tuple(asked[one]), tuple(asked[other]))
        if key not in answered:
            answered[key] = _together(supply, asked[one], asked[other])
        if answered[key]:
            when = spans.union(*(each for each, _ in answered[key]))
            yield one, other, when, _first(answered[key], when[0][0])


def _together(
    supply: Supply, one: Sequence[Request], other: Sequence[Request]
) -> list[tuple[Spans, tuple[Short, ...]]]:
    if _plenty(supply, [*one, *other]):
        return []
    found: dict[tuple[Short, ...], list[Interval]] = defaultdict(list)
    for state, when in supply.states([*one, *other]).items():
        if supply.decide(state, one) or supply.decide(state, other):
            continue
        missing = supply.decide(state, [*one, *other])
        if missing and supply.decide(state, [*other, *one]):
            found[missing].extend(when)
    return [(spans.union(when), missing) for missing, when in found.items()]


def _plenty(supply: Supply, requests: Sequence[Request]) -> bool:
    """Whether the pools that are asked first hold at all times as much as all of it: no need to look closer."""
    wanted: Counter[tuple[str, str | None]] = Counter()
    skills: dict[str, set[str]] = defaultdict(set)
    for request in requests:
        for ask in request.asks:
            wanted[ask.pool, ask.item] += ask.quantity
            if ask.skill is not None:
                skills[ask.pool].add(ask.skill)
    by_pool: Counter[str] = Counter()
    for (pool, _), quantity in wanted.items():
        by_pool[pool] += quantity
    for state in supply.states(requests):
        for (pool, item), quantity in wanted.items():
            mine = [(kind, number) for kind, number in state if pool in kind.pools]
            if any(len(kind.pools) > 1 for kind, _ in mine):
                return False
            if sum(number for kind, number in mine if item is None or kind.name == item) < (
                by_pool[pool] if item is None else quantity
            ):
                return False
            if any(
                sum(n for kind, n in mine if skill in kind.skills) < by_pool[pool] for skill in skills[pool]
            ):
                return False
            if item is not None and wanted.get((pool, None)):
                return False
    return True


def _pools_of(plan: PlanDocument, requests: Iterable[Request]) -> frozenset[str]:
    asked = (demand for request in requests for ask in request.asks for demand in (ask, *ask.substitutes))
    return frozenset(name for demand in asked for name in tiers_of(plan, demand.pool))


def _share(supply: Supply, one: frozenset[str], other: frozenset[str]) -> bool:
    if one & other:
        return True
    mine, theirs = (
        {person for pool in pools for person in supply.members.get(pool, ())} for pools in (one, other)
    )
    return bool(mine & theirs)


def _first(answers: Sequence[tuple[Spans, tuple[Short, ...]]], at: int | None = None) -> tuple[Short, ...]:
    """What is short at a moment, or at the first at which anything is."""
    if at is None:
        return min(answers, key=lambda one: one[0][0])[1]
    return next(missing for when, missing in answers if any(begins <= at < ends for begins, ends in when))


def _said(outlook: Outlook, missing: Sequence[Short]) -> list[Wording]:
    said = []
    for one in list(dict.fromkeys(missing))[:_MOST_NAMED]:
        pool = outlook.plan.pools.get(one.pool)
        title = pool.title.model_dump() if pool is not None else one.pool
        what = one.item or one.skill
        key = "plan.outlook.short" if what is None else "plan.outlook.short_of"
        said.append(say(key, pool=title, what=what, asked=one.asked, there=one.asked - one.missing))
    return said


def _free(person: Person, days: Interval) -> Spans:
    away = spans.union(_bounds(one.begins, one.ends, days) for one in person.away)
    return spans.without((days,), away)


def _by_skill(
    person: Person, asked: frozenset[str], days: Interval
) -> Iterator[tuple[frozenset[str], Spans]]:
    """Which of the asked skills they have, stretch after stretch."""
    lapses = {
        skill: spans.moment(until) if until is not None else days[1]
        for skill, until in person.skills.items() if skill in asked
    }  # fmt: skip
    edges = sorted({days[0], days[1], *(min(max(one, days[0]), days[1]) for one in lapses.values())})
    for begins, ends in pairwise(edges):
        yield frozenset(skill for skill, until in lapses.items() if until > begins), ((begins, ends),)


def _bounds(begins: object, ends: object, days: Interval) -> Interval:
    first = days[0] if begins is None else max(spans.moment(begins), days[0])  # type: ignore[arg-type]
    last = days[1] if ends is None else min(spans.moment(ends), days[1])  # type: ignore[arg-type]
    return first, max(first, last)


def _less(shelf: Shelf, taken: Mapping[str, int], busy: Iterable[str | None]) -> Shelf:
    gone = set(busy)
    units = {
        pool: [
            replace(unit, quantity=unit.quantity - taken.get(unit.unit_id, 0)) for unit in row
            if unit.person_id is None or unit.person_id not in gone
        ]
        for pool, row in shelf.units.items()
    }  # fmt: skip
    return Shelf(units, shelf.next)
