"""From where a request is served: pure, so that every answer can be tried without a database.

Given what is free, finds units for all that is asked, or says what is missing. Decides; takes nothing.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import combinations, islice, pairwise, product
from typing import Final

from app.resources.document import Ask, Demand


@dataclass(frozen=True)
class Free:
    """A unit as a request sees it."""

    unit_id: str
    pool_id: str
    name: str
    quantity: int  # that could be taken now
    person_id: str | None = None
    skills: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Shelf:
    """What could be taken now, by pool in the order of taking, and who is asked next."""

    units: Mapping[str, Sequence[Free]]
    next: Mapping[str, str | None]

    def chain(self, pool_id: str) -> Iterator[str]:
        """The pool and its next tiers, each once even where the plan goes round."""
        seen: set[str] = set()
        asked: str | None = pool_id
        while asked is not None and asked not in seen:
            seen.add(asked)
            yield asked
            asked = self.next.get(asked)


@dataclass(frozen=True)
class Taken:
    """So many of one unit, for one of the things asked."""

    unit: Free
    quantity: int


@dataclass(frozen=True)
class Found:
    """So many in one pool."""

    pool: str
    quantity: int


@dataclass(frozen=True)
class Served:
    """What one ask would get."""

    ask: Ask
    taken: tuple[Taken, ...]
    missing: int
    """Of what was asked; 0 when it is served whole."""
    found: tuple[Found, ...]
    """Where something is missing: what each pool it was looked for in could give, substitutes included, in the order of asking."""


@dataclass
class _Wish:
    """So many, from any of these units; those that come first are taken first."""

    quantity: int
    units: Sequence[Free]
    given: dict[str, int] = field(default_factory=dict)  # by unit id

    @property
    def missing(self) -> int:
        return self.quantity - sum(self.given.values())


@dataclass
class _Serving:
    """Wishes served from what is free: nothing is given twice, and nobody is in two places."""

    wishes: list[_Wish]
    used: dict[str, int] = field(default_factory=dict)  # by what can be given once: a unit, or a person

    def serve(self, wish: _Wish) -> None:
        """Give the wish as much as can be had without any other having less than now.

        Others may be given something else of what they would take as well: one after another moves on, until something free is
        reached (an augmenting path). So no order of asking leaves a request short that could be served.
        """
        missing = wish.missing
        for unit in wish.units if missing else ():
            if (free := unit.quantity - self.used.get(_once(unit), 0)) > 0:
                self._move([(wish, unit)], min(free, missing))
                missing -= min(free, missing)
            if not missing:
                return
        while wish.missing and self._pass_on(wish):
            pass

    def _pass_on(self, wish: _Wish) -> bool:
        # Breadth first: as few as possible are moved. Each way: who takes what, the first of them the wish itself.
        ways: deque[list[tuple[_Wish, Free]]] = deque([[(wish, unit)] for unit in wish.units])
        holders = self._holders()
        seen: set[str] = set()
        while ways:
            way = ways.popleft()
            unit = way[-1][1]
            if _once(unit) in seen:
                continue
            seen.add(_once(unit))
            if (free := unit.quantity - self.used.get(_once(unit), 0)) > 0:
                self._move(way, min(free, wish.missing))
                return True
            for other, given in holders.get(_once(unit), ()):
                ways.extend(
                    [*way[:-1], (way[-1][0], unit), (other, one)]
                    for one in other.units
                    if one.unit_id not in given
                )
        return False

    def _holders(self) -> Mapping[str, Sequence[tuple[_Wish, Set[str]]]]:
        """Who has been given what, and as which units; by what can be given once."""
        found: dict[str, list[tuple[_Wish, set[str]]]] = {}
        for wish in self.wishes:
            units: dict[str, set[str]] = {}
            for unit in wish.units if wish.given else ():
                if wish.given.get(unit.unit_id):
                    units.setdefault(_once(unit), set()).add(unit.unit_id)
            for once, given in units.items():
                found.setdefault(once, []).append((wish, given))
        return found

    def _move(self, way: Sequence[tuple[_Wish, Free]], most: int) -> None:
        """Everybody on the way takes theirs; what they had goes to the one before."""
        for (_, left), (mover, _) in pairwise(way):
            most = min(
                most, sum(mover.given.get(one.unit_id, 0) for one in mover.units if _once(one) == _once(left))
            )
        for (_, left), (mover, _) in pairwise(way):
            rest = most
            for one in mover.units:
                if _once(one) == _once(left) and rest and (had := min(rest, mover.given.get(one.unit_id, 0))):
                    mover.given[one.unit_id] -= had
                    rest -= had
        for mover, taken in way:
            mover.given[taken.unit_id] = mover.given.get(taken.unit_id, 0) + most
        last = way[-1][1]
        self.used[_once(last)] = self.used.get(_once(last), 0) + most

    def put_back(self, wish: _Wish) -> None:
        for unit in wish.units:
            self.used[_once(unit)] = self.used.get(_once(unit), 0) - wish.given.get(unit.unit_id, 0)
        wish.given.clear()


def _once(unit: Free) -> str:
    """What the unit is, however many pools list it."""
    return unit.person_id or unit.unit_id


def fits(unit: Free, demand: Demand) -> bool:
    """Whether the unit is of the kind asked for, wherever it is."""
    if demand.item is not None and unit.name != demand.item:
        return False
    return demand.skill is None or demand.skill in unit.skills


_MOST_WAYS: Final = 512  # of combining substitutes that are tried; more than any plan has


def allocate(asks: Sequence[Ask], shelf: Shelf) -> list[Served]:
    """Serve all asks from the shelf; when that cannot be, as much as can.

    1. Each takes what its pool has, then what the next tiers have.
    2. What is then missing is replaced whole by one of its substitutes, the first that helps; never by halves of two.
    3. Substitutes are used only where needed: the fewest first, in the plan's order.

    The request is served when nothing is missing anywhere. Otherwise the answer is the nearest that is possible: of all ways of
    combining substitutes, the first with the least missing.
    """
    best: tuple[int, list[Served]] | None = None
    for way in islice(_ways(asks), _MOST_WAYS):
        served = _attempt(asks, way, shelf)
        missing = sum(one.missing for one in served)
        if best is None or missing < best[0]:
            best = missing, served
        if not missing:
            break
    return best[1] if best else []


def in_turn(requests: Sequence[Sequence[Ask]], shelf: Shelf) -> Iterator[list[Served]]:
    """What several requests would get, one after the other; one that is short takes nothing."""
    for asks in requests:
        served = allocate(asks, shelf)
        if not any(one.missing for one in served):
            shelf = _without(shelf, served)
        yield served


def _without(shelf: Shelf, served: Sequence[Served]) -> Shelf:
    """The shelf once all of it is taken away: a person leaves every pool."""
    gone: dict[str, int] = {}
    for taken in (taken for one in served for taken in one.taken):
        gone[_once(taken.unit)] = gone.get(_once(taken.unit), 0) + taken.quantity
    left = {
        pool_id: [_less(unit, gone[_once(unit)]) if _once(unit) in gone else unit for unit in units]
        for pool_id, units in shelf.units.items()
    }
    return Shelf(left, shelf.next)


def _less(unit: Free, quantity: int) -> Free:
    return replace(unit, quantity=max(0, unit.quantity - quantity))


Way = tuple[Demand | None, ...]  # by ask: the substitute it may fall back on


def _ways(asks: Sequence[Ask]) -> Iterator[Way]:
    """None uses a substitute, then each by itself, then two of them …"""
    having = [index for index, ask in enumerate(asks) if ask.substitutes]
    for number in range(len(having) + 1):
        for chosen in combinations(having, number):
            for substitutes in product(*(asks[index].substitutes for index in chosen)):
                by_ask = dict(zip(chosen, substitutes, strict=True))
                yield tuple(by_ask.get(index) for index in range(len(asks)))


def _attempt(asks: Sequence[Ask], way: Way, shelf: Shelf) -> list[Served]:
    wanted = [demand for demand in (*asks, *way) if demand is not None]
    wishes = []
    for ask, other in zip(asks, way, strict=True):
        units = _units(ask, shelf, wanted)
        if other is not None and _is_even(ask, other):
            already = {unit.unit_id for unit in units}
            units += [unit for unit in _units(other, shelf, wanted) if unit.unit_id not in already]
        wishes.append(_Wish(ask.quantity, units))
    serving = _Serving(wishes)
    # Those with a substitute first: they are served whole or not by it, and make room for the others all the same.
    for index in sorted(
        range(len(asks)), key=lambda i: (way[i] is None, asks[i].item is None and asks[i].skill is None)
    ):
        serving.serve(wishes[index])
    weaker: dict[int, _Wish] = {}
    for index, (ask, other) in enumerate(zip(asks, way, strict=True)):
        missing = wishes[index].missing
        if other is not None and missing and _is_even(ask, other):
            _without_substitute(serving, wishes[index], {unit.unit_id for unit in _units(ask, shelf, wanted)})
        elif other is not None and missing:
            instead = _Wish(-(-missing * other.quantity // ask.quantity), _units(other, shelf, wanted))
            serving.wishes.append(instead)
            serving.serve(instead)
            if instead.missing:
                serving.put_back(instead)
            else:
                weaker[index] = instead
    for wish in wishes[: len(asks)]:
        serving.serve(wish)  # from what was put back
    return [_served(ask, index, serving, weaker.get(index), shelf) for index, ask in enumerate(asks)]


def _is_even(ask: Ask, substitute: Demand) -> bool:
    """As many of the substitute make up for what is missing; of a weaker one the plan wants more than of the thing itself."""
    return substitute.quantity <= ask.quantity


def _without_substitute(serving: _Serving, wish: _Wish, direct: Set[str]) -> None:
    """Half of a substitute is none."""
    whole = _Wish(wish.quantity, [unit for unit in wish.units if unit.unit_id not in direct])
    whole.given = {name: wish.given.pop(name) for name in list(wish.given) if name not in direct}
    serving.put_back(whole)
    wish.units = [unit for unit in wish.units if unit.unit_id in direct]


def _units(demand: Demand | None, shelf: Shelf, wanted: Sequence[Demand]) -> list[Free]:
    """What would do, tier by tier, beginning with what others could use least; then the shelf's order, so equal requests agree."""
    found: list[Free] = []
    for pool_id in shelf.chain(demand.pool) if demand is not None else ():
        fitting = [unit for unit in shelf.units.get(pool_id, ()) if demand is not None and fits(unit, demand)]
        if len(wanted) > 1:
            fitting.sort(key=lambda unit: sum(fits(unit, other) for other in wanted))
        found += fitting
    return found


def _served(ask: Ask, index: int, serving: _Serving, weaker: _Wish | None, shelf: Shelf) -> Served:
    own = serving.wishes[index]
    units = {unit.unit_id: unit for wish in (own, weaker) if wish for unit in wish.units}
    given = [
        Taken(units[name], number)
        for wish in (own, weaker) if wish for name, number in wish.given.items() if number
    ]  # fmt: skip
    mine: dict[str, int] = {}
    for one in given:
        mine[_once(one.unit)] = mine.get(_once(one.unit), 0) + one.quantity
    missing = 0 if weaker else own.missing
    return Served(ask, tuple(given), missing, tuple(_look(ask, serving, mine, shelf)) if missing else ())


def _look(ask: Ask, serving: _Serving, mine: Mapping[str, int], shelf: Shelf) -> Iterator[Found]:
    """What there is for an ask beside what the others got, pool by pool."""
    seen: set[str] = set()
    for demand in (ask, *ask.substitutes):
        for pool_id in shelf.chain(demand.pool):
            if pool_id not in seen:
                seen.add(pool_id)
                fitting = [unit for unit in shelf.units.get(pool_id, ()) if fits(unit, demand)]
                taken = (serving.used.get(_once(unit), 0) - mine.get(_once(unit), 0) for unit in fitting)
                yield Found(
                    pool_id,
                    sum(max(0, unit.quantity - gone) for unit, gone in zip(fitting, taken, strict=True)),
                )
