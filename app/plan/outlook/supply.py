"""What the playbooks ask of the pools, against what there will be: alone, together, and two incidents at once (EP-6).

Pure. The pools' state changes when somebody goes or comes back, a certificate lapses, stock expires or a lease
ends; between two such moments every request is decided as `resources.allocation` decides it. Moments at which
the pools hold the same are decided once.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations_with_replacement, groupby, pairwise
from typing import Final, NamedTuple

from app.plan.document import PlanDocument
from app.plan.finding import Finding, Severity, found
from app.plan.outlook import spans
from app.plan.outlook.answering import Outlook
from app.plan.outlook.snapshot import Lot, Person
from app.plan.outlook.spans import Interval, Spans
from app.plan.rules.references import steps_of, tiers_of
from app.playbooks.document import ReserveStep
from app.resources.allocation import Free, Shelf, in_turn
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

    place: int
    """The place in staff order, where it matters who of several is taken first; otherwise the same for all."""
    pools: tuple[str, ...]
    name: str
    skills: frozenset[str]


State = tuple[int, ...]
"""How many there are of each kind of a board."""


@dataclass(frozen=True)
class Board:
    """What some pools hold, stretch after stretch without a gap."""

    kinds: tuple[Kind, ...]
    begins: tuple[int, ...]
    states: tuple[State, ...]
    when: Mapping[State, Spans]
    """Each state once, with all the time it holds."""

    def at(self, moment: int) -> State:
        return self.states[bisect_right(self.begins, moment) - 1]


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
    people: Mapping[str, Person]  # in staff order
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

    @cached_property
    def sharing(self) -> Mapping[str, frozenset[str]]:
        """For each pool, the pools that have some of its people."""
        return {
            name: frozenset(
                other
                for other, theirs in self.members.items()
                if theirs & self.members.get(name, frozenset())
            )
            for name in self.plan.pools
        }

    def board(
        self, requests: Sequence[Request], only: frozenset[str] | None = None, *, one_by_one: bool = False
    ) -> Board:
        """What the pools hold that these requests could come to; of those, `only` some. `one_by_one`: each person apart."""
        asked = [demand for request in requests for ask in request.asks for demand in (ask, *ask.substitutes)]
        pools = frozenset(name for demand in asked for name in tiers_of(self.plan, demand.pool))
        skills = frozenset(demand.skill for demand in asked if demand.skill is not None)
        key = (pools if only is None else pools & only, skills, one_by_one)
        if key not in self._boards:
            self._boards[key] = _swept(self._there(*key), self.days)
        return self._boards[key]

    def short(self, requests: Sequence[Request]) -> list[tuple[Spans, tuple[Short, ...]]]:
        """When these requests, one after the other, cannot all be served, and what is short then."""
        key = tuple(requests)
        if key not in self._short:
            board = self.board(requests)
            doubtful = spans.union(
                *(when for state, when in board.when.items() if not plenty(board, state, requests))
            )
            found: dict[tuple[Short, ...], list[Interval]] = defaultdict(list)
            if doubtful:
                board = self.board(requests, one_by_one=self._order_matters(requests))
                for state, when in board.when.items():
                    here = spans.common(when, doubtful)
                    if here and (missing := self.decide(board, state, requests)):
                        found[missing].extend(here)
            self._short[key] = [(spans.union(when), missing) for missing, when in found.items()]
        return self._short[key]

    def served(self, requests: Sequence[Request]) -> Spans:
        """When all of them can be served."""
        return spans.without((self.days,), spans.union(*(when for when, _ in self.short(requests))))

    def together(
        self, one: Sequence[Request], other: Sequence[Request]
    ) -> list[tuple[Spans, tuple[Short, ...]]]:
        """When they are short whichever comes first, while each is served alone.

        Only the pools both could come to, and what these lean on, make a difference: moments at which those hold
        the same are decided once.
        """
        contested = _contested(self, one, other)
        if not contested:
            return []
        both, turned = [*one, *other], [*other, *one]
        mine = [Request.of([ask for ask in request.asks if ask.pool in contested]) for request in both]
        board = self.board(both, contested)
        doubtful = spans.union(
            *(when for state, when in board.when.items() if not plenty(board, state, mine))
        )
        if not doubtful or not (
            doubtful := spans.common(spans.common(self.served(one), self.served(other)), doubtful)
        ):
            return []
        apart = self._order_matters(both)
        whole = self.board(both, one_by_one=apart)
        found: dict[tuple[Short, ...], list[Interval]] = defaultdict(list)
        for when in self.board(both, contested, one_by_one=apart).when.values():
            if not (here := spans.common(when, doubtful)):
                continue
            state = whole.at(here[0][0])
            missing = self.decide(whole, state, both)
            if missing and self.decide(whole, state, turned):
                found[missing].extend(here)
        return [(spans.union(when), missing) for missing, when in found.items()]

    def _order_matters(self, requests: Sequence[Request]) -> bool:
        """Whether it makes a difference who of a pool is taken first: not where one is as good as the other."""
        asks = [ask for request in requests for ask in request.asks]
        chosen = any(demand.skill is not None for ask in asks for demand in (ask, *ask.substitutes))
        return len(asks) > 1 and (
            chosen or any(len(_reach(self, ask)) > len(_tiers(self, ask)) for ask in asks)
        )

    def decide(self, board: Board, state: State, requests: Sequence[Request]) -> tuple[Short, ...]:
        """What is short when they are made one after the other; nothing: all are served."""
        answers = in_turn([request.asks for request in requests], self._shelf(board, state))
        return tuple(
            Short(one.ask.pool, one.ask.item, one.ask.skill, one.ask.quantity, one.missing)
            for served in answers for one in served if one.missing
        )  # fmt: skip

    def _shelf(self, board: Board, state: State) -> Shelf:
        units: dict[str, list[Free]] = defaultdict(list)
        for place, (kind, quantity) in enumerate(zip(board.kinds, state, strict=True)):
            if len(kind.pools) == 1:
                pool = kind.pools[0]
                units[pool].append(Free(f"{place}", pool, kind.name, quantity, None, kind.skills))
                continue
            for pool in kind.pools:  # the same person, wherever they are asked for
                units[pool] += [
                    Free(f"{place}.{n}.{pool}", pool, kind.name, 1, f"{place}.{n}", kind.skills)
                    for n in range(quantity)
                ]
        return Shelf(units, self._next)

    @cached_property
    def _next(self) -> Mapping[str, str | None]:
        return {name: pool.next for name, pool in self.plan.pools.items()}

    @cached_property
    def _short(self) -> dict[tuple[Request, ...], list[tuple[Spans, tuple[Short, ...]]]]:
        return {}

    @cached_property
    def _boards(self) -> dict[tuple[frozenset[str], frozenset[str], bool], Board]:
        return {}

    @cached_property
    def _place(self) -> Mapping[str, int]:
        return {name: number for number, name in enumerate(self.people)}

    @cached_property
    def _free(self) -> Mapping[str, Spans]:
        return {name: _free(person, self.days) for name, person in self.people.items()}

    def _there(
        self, pools: frozenset[str], skills: frozenset[str], one_by_one: bool
    ) -> Iterator[tuple[int, Kind, int]]:
        """Each change of what is there: when, of which kind, and by how many."""
        belongs: dict[str, list[str]] = defaultdict(list)
        for pool in sorted(pools & self.members.keys()):
            for person in self.members[pool]:
                belongs[person].append(pool)
        for person, mine in belongs.items():
            if person not in self.people:
                continue
            for has, when in _by_skill(self.people[person], skills, self.days):
                kind = Kind(self._place[person] if one_by_one else 0, tuple(mine), "", has)
                for begins, ends in spans.common(self._free[person], when):
                    yield begins, kind, 1
                    yield ends, kind, -1
        for lot in self.lots:
            if lot.pool in pools and lot.quantity > 0:
                begins, ends = _bounds(lot.begins, lot.ends, self.days)
                if begins < ends:
                    kind = Kind(0, (lot.pool,), lot.name, frozenset())
                    yield begins, kind, lot.quantity
                    yield ends, kind, -lot.quantity


def _swept(changes: Iterable[tuple[int, Kind, int]], days: Interval) -> Board:
    rows = sorted(changes, key=lambda one: one[0])
    kinds = tuple(sorted({kind for _, kind, _ in rows}, key=lambda one: (*one[:3], sorted(one.skills))))
    place = {kind: number for number, kind in enumerate(kinds)}
    there = [0] * len(kinds)
    begins: list[int] = []
    states: list[State] = []
    when: dict[State, list[Interval]] = defaultdict(list)
    reached, end = days
    for at, changed in [
        *((at, list(group)) for at, group in groupby(rows, key=lambda one: one[0])),
        (end, []),
    ]:
        if at > reached:
            state = tuple(there)
            begins.append(reached)
            states.append(state)
            when[state].append((reached, at))
            reached = at
        for _, kind, by in changed:
            there[place[kind]] += by
    return Board(kinds, tuple(begins), tuple(states), {one: spans.union(span) for one, span in when.items()})


def plenty(board: Board, state: State, requests: Iterable[Request]) -> bool:
    """Whether each pool holds as much as all that is asked of it first, so that nothing has to be weighed up."""
    wanted: dict[tuple[str, str | None, str | None], int] = defaultdict(int)
    whole: dict[str, int] = defaultdict(int)
    for request in requests:
        for ask in request.asks:
            wanted[ask.pool, ask.item, ask.skill] += ask.quantity
            whole[ask.pool] += ask.quantity
    for (pool, item, skill), quantity in wanted.items():
        there = 0
        for kind, number in zip(board.kinds, state, strict=True):
            if pool not in kind.pools:
                continue
            if len(kind.pools) > 1:
                return False
            if (item is None or kind.name == item) and (skill is None or skill in kind.skills):
                there += number
        # Of a named item only those who name it take, unless somebody takes whatever there is.
        others = item is None or any(key[0] == pool and key[1] is None for key in wanted)
        if there < (whole[pool] if others or skill is not None else quantity):
            return False
    return True


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
    """Two incidents at once, of any two types at any two levels; told once for what is short."""
    by_shortage: dict[tuple[str, ...], list[Pair]] = defaultdict(list)
    for pair in pairs(outlook, supply):
        by_shortage[tuple(sorted({short.item or short.pool for short in pair.missing}))].append(pair)
    for rows in by_shortage.values():
        first = rows[0]
        titles = [outlook.plan.types[name].title.model_dump() for name in (first.one, first.other)]
        yield found(
            Severity.NOTE, "pair_short", "EP-6", f"types.{first.one}",
            witness=outlook.witness(first.when, trail=_said(outlook, first.missing)), one=titles[0], other=titles[1],
            level_one=first.level_one, level_other=first.level_other, more=len(rows) - 1,
            short=_said(outlook, first.missing), pairs=[str(pair) for pair in rows],
            at=outlook.clock(first.when[0][0]),
        )  # fmt: skip


class Pair(NamedTuple):
    """Two incidents that cannot both be served, whichever comes first, though each of them can alone."""

    one: str
    level_one: int
    other: str
    level_other: int
    when: Spans
    missing: tuple[Short, ...]

    def __str__(self) -> str:
        return f"{self.one}:{self.level_one}+{self.other}:{self.level_other}"


def pairs(outlook: Outlook, supply: Supply) -> Iterator[Pair]:
    """Every such pair, the gravest levels of two types first. What asks for the same is decided once."""
    plan = outlook.plan
    known: dict[tuple[Request, ...], int] = {}
    asked = [
        (name, level, requests, known.setdefault(requests, len(known)))
        for name, kind in plan.types.items() if kind.playbook in plan.playbooks
        for level in sorted(plan.levels)
        if (requests := tuple(requests_of(plan, kind.playbook, level)))
    ]  # fmt: skip
    answered: dict[tuple[int, int], list[tuple[Spans, tuple[Short, ...]]]] = {}
    for (one, level_one, mine, a), (other, level_other, theirs, b) in combinations_with_replacement(asked, 2):
        if (a, b) not in answered:
            answered[a, b] = supply.together(mine, theirs)
        if answers := answered[a, b]:
            when = spans.union(*(each for each, _ in answers))
            yield Pair(one, level_one, other, level_other, when, _first(answers, when[0][0]))


def _contested(supply: Supply, one: Sequence[Request], other: Sequence[Request]) -> frozenset[str]:
    """The pools both incidents could come to, and those their requests could go to instead."""
    groups = [
        [_reach(supply, ask) for request in requests for ask in request.asks] for requests in (one, other)
    ]
    mine, theirs = (frozenset(pool for reach in group for pool in reach) for group in groups)
    found = mine & theirs
    while True:
        more = found.union(*(reach for group in groups for reach in group if reach & found))
        if more == found:
            return found
        found = more


def _reach(supply: Supply, ask: Ask) -> frozenset[str]:
    """The pools an ask could come to, and those that share people with them."""
    pools = _tiers(supply, ask)
    return pools.union(*(supply.sharing[pool] for pool in pools))


def _tiers(supply: Supply, ask: Ask) -> frozenset[str]:
    return frozenset(
        name for demand in (ask, *ask.substitutes) for name in tiers_of(supply.plan, demand.pool)
    )


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
