"""From where a request is served: pure, so that every answer can be tried without a database.

Given what is free, finds units for all that is asked, or says what is missing. Decides; takes nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

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
    """What each pool it was looked for in could give, substitutes included, in the order of asking."""


@dataclass
class _Left:
    """What is left while a request is being served: nothing is given twice, and nobody is in two places."""

    shelf: Shelf
    used: dict[str, int] = field(default_factory=dict)  # by unit id
    busy: set[str] = field(default_factory=set)  # person ids

    def of(self, unit: Free) -> int:
        if unit.person_id is not None and unit.person_id in self.busy:
            return 0
        return unit.quantity - self.used.get(unit.unit_id, 0)

    def take(self, demand: Demand, quantity: int, wanted_elsewhere: Sequence[Demand]) -> list[Taken]:
        """Up to `quantity` along the pool's tiers, beginning with what others could use least."""
        taken: list[Taken] = []
        for pool_id in self.shelf.chain(demand.pool):
            fitting = [unit for unit in self.shelf.units.get(pool_id, ()) if fits(unit, demand)]
            # Stable: among equally useful units the shelf's order decides, so equal requests agree.
            fitting.sort(key=lambda unit: sum(fits(unit, other) for other in wanted_elsewhere))
            for unit in fitting:
                number = min(self.of(unit), quantity)
                if number > 0:
                    taken.append(self._give(unit, number))
                    quantity -= number
        return taken

    def put_back(self, taken: Sequence[Taken]) -> None:
        for one in taken:
            self.used[one.unit.unit_id] -= one.quantity
            if one.unit.person_id is not None:
                self.busy.discard(one.unit.person_id)

    def _give(self, unit: Free, number: int) -> Taken:
        self.used[unit.unit_id] = self.used.get(unit.unit_id, 0) + number
        if unit.person_id is not None:
            self.busy.add(unit.person_id)
        return Taken(unit, number)


def fits(unit: Free, demand: Demand) -> bool:
    """Whether the unit is of the kind asked for, wherever it is."""
    if demand.item is not None and unit.name != demand.item:
        return False
    return demand.skill is None or demand.skill in unit.skills


def allocate(asks: Sequence[Ask], shelf: Shelf) -> list[Served]:
    """Serve all asks from the shelf, in the order they were given.

    1. Those that name an item or a skill choose first: the others have more to choose from.
    2. Each takes what its pool has, then what the next tiers have.
    3. What is then missing is replaced whole by the first substitute that can; never by halves of two.

    The request is served when nothing is missing anywhere.
    """
    return _allocate(asks, _Left(shelf))


def in_turn(requests: Sequence[Sequence[Ask]], shelf: Shelf) -> Iterator[list[Served]]:
    """What several requests would get, one after the other; one that is short takes nothing."""
    left = _Left(shelf)
    for asks in requests:
        served = _allocate(asks, left)
        if any(one.missing for one in served):
            for one in served:
                left.put_back(one.taken)
        yield served


def _allocate(asks: Sequence[Ask], left: _Left) -> list[Served]:
    served: dict[int, Served] = {}
    for index in sorted(range(len(asks)), key=lambda i: asks[i].item is None and asks[i].skill is None):
        others = [asks[i] for i in range(len(asks)) if i != index and i not in served]
        served[index] = _serve(asks[index], left, others)
    return [served[index] for index in range(len(asks))]


def _serve(ask: Ask, left: _Left, others: Sequence[Demand]) -> Served:
    found = tuple(_look(ask, left))
    taken = left.take(ask, ask.quantity, others)
    missing = ask.quantity - sum(one.quantity for one in taken)
    for substitute in ask.substitutes if missing else ():
        needed = _in_place_of(missing, ask, substitute)
        instead = left.take(substitute, needed, others)
        if sum(one.quantity for one in instead) == needed:
            return Served(ask, (*taken, *instead), 0, found)
        left.put_back(instead)
    return Served(ask, tuple(taken), missing, found)


def _in_place_of(missing: int, ask: Ask, substitute: Demand) -> int:
    """How many of the substitute make up for what is missing.

    As many as are missing; more where the plan wants more of the substitute than of the thing itself.
    """
    return max(missing, -(-missing * substitute.quantity // ask.quantity))


def _look(ask: Ask, left: _Left) -> Iterator[Found]:
    """What there is for an ask before it takes anything, pool by pool."""
    seen: set[str] = set()
    for demand in (ask, *ask.substitutes):
        for pool_id in left.shelf.chain(demand.pool):
            if pool_id not in seen:
                seen.add(pool_id)
                units = left.shelf.units.get(pool_id, ())
                yield Found(pool_id, sum(left.of(unit) for unit in units if fits(unit, demand)))
