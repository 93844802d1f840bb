"""How long the reporting chain takes at worst, for every moment it could be started at (EP-4.2.1, EP-5.2). Pure.

The worst case is that nobody answers. Then the chain is a fixed walk: a rung that reaches somebody is given its
time, one that reaches nobody costs none, and after the last the chain starts again. The walk is done for all
moments at once: a state is "so long after the start, at this rung", with the set of starts that come by it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Final, NamedTuple

from app.notify.chain import SHORTEST_LAP, contact_times
from app.notify.document import Chain, Hop
from app.people import contact_rules
from app.people.contact_rules import Rule
from app.plan.outlook import spans
from app.plan.outlook.snapshot import SILENT, Absent, Away, Person, Snapshot
from app.plan.outlook.spans import Interval, Spans

LONGEST: Final = timedelta(days=1)
"""Who is not told within this is said to be never told."""
_QUIET_FROM: Final = 3  # quiet hours hold back nothing of the levels above


class Seat(NamedTuple):
    """Who is called for a position from `begins` up to `ends`."""

    begins: int
    ends: int
    people: tuple[str, ...]
    skipped: tuple[tuple[str, Absent], ...] = ()


class Telling(NamedTuple):
    """What a rung does from `begins` up to `ends`: whether it takes its time, and whom it tells after how long."""

    begins: int
    ends: int
    waits: bool
    told: tuple[tuple[str, int], ...]


class Told(NamedTuple):
    """For starts from `begins` up to `ends`: told so long `after` the start, or at a fixed moment."""

    begins: int
    ends: int
    after: int | None
    moment: int | None

    def delay(self, start: int) -> int:
        return self.after if self.after is not None else (self.moment or 0) - start


class Step(NamedTuple):
    """One rung on the way, as a person would retell it."""

    moment: int
    lap: int
    rung: int
    positions: tuple[str, ...]
    told: tuple[str, ...]
    """Whom it sends a message to that arrives."""


@dataclass(frozen=True)
class Directory:
    """The snapshot, ready to be asked: moments as numbers, and the answer of each rung kept."""

    snapshot: Snapshot
    begins: int
    ends: int

    @cached_property
    def quiet(self) -> Mapping[str, Spans]:
        found = {}
        for name, person in self.snapshot.people.items():
            if person.quiet:
                found[name] = spans.union(
                    (spans.moment(begins), spans.moment(ends)) for begins, ends in person.quiet
                )
        return found

    @cached_property
    def leave(self) -> Mapping[str, Spans]:
        """When people are away; who is only held for another incident can be called."""
        found = {}
        for name, person in self.snapshot.people.items():
            away = spans.union(self._stretch(one) for one in person.away if one.why is not Absent.HELD)
            if away:
                found[name] = away
        return found

    def _stretch(self, away: Away) -> Interval:
        begins = self.begins if away.begins is None else spans.moment(away.begins)
        ends = self.ends if away.ends is None else spans.moment(away.ends)
        return begins, max(begins, ends)

    @cached_property
    def _seats(self) -> dict[str, tuple[Seat, ...]]:
        return {}

    def seats(self, position: str) -> tuple[Seat, ...]:
        """Who is called for the position, without a gap, as far as is looked."""
        if position not in self._seats:
            self._seats[position] = tuple(self._reckoned(position))
        return self._seats[position]

    def _reckoned(self, position: str) -> Iterator[Seat]:
        post = self.snapshot.posts.get(position)
        reached = self.begins
        for one in post.called if post is not None else ():
            begins, ends = max(spans.moment(one.begins), reached), min(spans.moment(one.ends), self.ends)
            if begins >= ends:
                continue
            if begins > reached:
                yield Seat(reached, begins, ())
            yield Seat(begins, ends, one.people, one.skipped)
            reached = ends
        if reached < self.ends:
            yield Seat(reached, self.ends, ())

    def assigned(self, positions: Iterable[str]) -> frozenset[str]:
        """Everybody who holds one of them, on duty or not."""
        posts = self.snapshot.posts
        return frozenset(person for name in positions if name in posts for person in posts[name].assigned)

    def reached(
        self, person: str, hop: Hop | None = None, level: int | None = None
    ) -> tuple[bool, int | None]:
        """Whether a message to them keeps a rung waiting, and after how long it arrives, if it does.

        Where rules of their own change the order by the hour, as late as it is at the worst hour.
        """
        known = self.snapshot.people.get(person)
        if known is None:
            return False, None
        rules = contact_rules.possible(known.rules, level) if level is not None else [None]
        ways = [_reached(known, hop, rule, self.snapshot.channels) for rule in rules]
        arrivals = [after for _, after in ways if after is not None]
        return any(waits for waits, _ in ways), max(arrivals, default=None)

    def reachable(self, position: str) -> Spans:
        """When somebody is called for the position whom a message can reach."""
        return spans.union(
            (seat.begins, seat.ends) for seat in self.seats(position)
            if any(self.reached(person)[1] is not None for person in seat.people)
        )  # fmt: skip

    def tellings(self, hop: Hop, level: int) -> tuple[Telling, ...]:
        """What the rung does, without a gap, as far as is looked."""
        rows = [self.seats(position) for position in dict.fromkeys(hop.tell)]
        return tuple(self._told(rows, hop, level))

    def _told(self, rows: Sequence[Sequence[Seat]], hop: Hop, level: int) -> Iterator[Telling]:
        places = [0] * len(rows)
        begins = self.begins
        while begins < self.ends:
            here = [row[place] for row, place in zip(rows, places, strict=True)]
            ends = min(seat.ends for seat in here)
            people = dict.fromkeys(person for seat in here for person in seat.people)
            ways = {person: self.reached(person, hop, level) for person in people}
            told = tuple((person, after) for person, (_, after) in ways.items() if after is not None)
            yield Telling(begins, ends, any(waits for waits, _ in ways.values()), told)
            places = [
                place + (seat.ends == ends and place + 1 < len(row))
                for row, place, seat in zip(rows, places, here, strict=True)
            ]
            begins = ends


@dataclass(frozen=True)
class Walk:
    """The chain of one level, for incidents of one department."""

    directory: Directory
    chain: Chain
    level: int

    @cached_property
    def rungs(self) -> tuple[tuple[Telling, ...], ...]:
        return tuple(self.directory.tellings(hop, self.level) for hop in self.chain.hops)

    def told(self, whom: frozenset[str] | None, starts: Interval) -> list[Told]:
        """When one of `whom` (none: anybody) is told, for every start of the interval; several may cover one start.

        A start that none covers is one after which none of them is told within `LONGEST`.
        """
        found: list[Told] = []
        waiting: list[Told] = []  # told, but only after the chain has gone on
        ever = self._ever(whom)
        states: dict[int, Spans] = {0: (starts,)}
        while states:
            for number, hop in enumerate(self.chain.hops):
                following: dict[int, list[Interval]] = defaultdict(list)
                last = number == len(self.chain.hops) - 1
                for after, span in states.items():
                    left = spans.common(span, _before(ever, after))
                    left = spans.without(left, _told_by(waiting, after)) if waiting and left else left
                    for telling, part in _pieces(self.rungs[number], left, after):
                        told = list(self._tells(telling, part, after, whom))
                        found += told
                        next_at = after + (
                            self._lap if last else spans.ticks(hop.within) if telling.waits else 0
                        )
                        if any(
                            one.after is not None and one.after <= next_at and one[:2] == part for one in told
                        ):
                            continue
                        waiting += told
                        if next_at <= spans.ticks(LONGEST):
                            following[next_at].append(part)
                states = {after: spans.union(parts) for after, parts in following.items()}
        return found

    def _ever(self, whom: frozenset[str] | None) -> Spans:
        """The moments at which some rung tells one of them."""
        return spans.union(
            (one.begins, one.ends) for rung in self.rungs for one in rung
            if (one.told if whom is None else any(person in whom for person, _ in one.told))
        )  # fmt: skip

    def steps(self, start: int, until: int) -> Iterator[Step]:
        """The walk of one start, rung by rung, up to the moment `until`."""
        moment, lap = start, 1
        while moment <= until:
            for number, hop in enumerate(self.chain.hops):
                telling = next((one for one in self.rungs[number] if one.begins <= moment < one.ends), None)
                if telling is None or moment > until:
                    return
                told = tuple(person for person, _ in telling.told)
                yield Step(moment, lap, number + 1, tuple(hop.tell), told)
                if number == len(self.chain.hops) - 1:
                    moment += self._lap
                elif telling.waits:
                    moment += spans.ticks(hop.within)
            lap += 1

    @property
    def _lap(self) -> int:
        return spans.ticks(max(self.chain.repeat_after, SHORTEST_LAP))

    def _tells(
        self, telling: Telling, part: Interval, after: int, whom: frozenset[str] | None
    ) -> Iterator[Told]:
        told = [(wait, person) for person, wait in telling.told if whom is None or person in whom]
        if not told:
            return
        quiet = self.directory.quiet if self.level >= _QUIET_FROM else {}
        leave = self.directory.leave
        waiting = [(wait, person) for wait, person in told if person in quiet or (wait and person in leave)]
        at_once = [one[0] for one in told if one not in waiting]
        if at_once:
            yield Told(*part, after + min(at_once), None)
        for wait, person in waiting:
            found = _after_quiet(part, after, wait, quiet.get(person, spans.NONE))
            yield from _unless_gone(found, after, leave.get(person, spans.NONE))


def _after_quiet(part: Interval, after: int, wait: int, quiet: Spans) -> Iterator[Told]:
    """When somebody with quiet hours is told: so long after the rung, or after the quiet hours it falls in."""
    of_rung = spans.shifted(quiet, -after)
    for begins, ends in spans.common((part,), of_rung):
        over = _over(quiet, begins + after) + wait
        yield Told(begins, ends, None, _over(quiet, over))
    of_message = spans.shifted(quiet, -(after + wait))
    awake = spans.without((part,), of_rung)
    for begins, ends in spans.common(awake, of_message):
        yield Told(begins, ends, None, _over(quiet, begins + after + wait))
    for begins, ends in spans.without(awake, of_message):
        yield Told(begins, ends, after + wait, None)


def _unless_gone(found: Iterable[Told], after: int, leave: Spans) -> Iterator[Told]:
    """Without the starts by which they go before the message does: what waits for somebody who goes is dropped."""
    for one in found:
        gone = [
            (begins - (one.after or 0) if one.moment is None else one.begins, ends - after)
            for begins, ends in leave
            if one.moment is None or begins <= one.moment
        ]
        for begins, ends in spans.without(((one.begins, one.ends),), spans.union(gone)):
            yield Told(begins, ends, one.after, one.moment)


def _over(quiet: Spans, moment: int) -> int:
    """The end of the quiet hours a moment falls in, or the moment itself."""
    return next((ends for begins, ends in quiet if begins <= moment < ends), moment)


def late(found: Sequence[Told], starts: Interval, limit: int) -> Spans:
    """The starts after which it takes longer than `limit`."""
    return spans.without((starts,), _told_by(found, limit))


def worst(found: Sequence[Told], among: Spans) -> tuple[int, int | None]:
    """The start among these after which it takes longest, the first of such, and how long; none: never."""
    edges = {begins for begins, _ in among}
    for begins, ends in among:
        edges.update(one.begins for one in found if begins <= one.begins < ends)
        edges.update(one.ends for one in found if begins <= one.ends < ends)
    answers: list[tuple[int, int | None]] = []
    rows = sorted(found, key=lambda one: one.begins)
    place = 0
    active: list[Told] = []
    for edge in sorted(edges):
        while place < len(rows) and rows[place].begins <= edge:
            active.append(rows[place])
            place += 1
        active = [one for one in active if one.ends > edge]
        answers.append((edge, min((one.delay(edge) for one in active), default=None)))
    return max(answers, key=lambda one: (one[1] is None, one[1] or 0, -one[0]))


def _told_by(found: Iterable[Told], limit: int) -> Spans:
    """The starts after which somebody is told within `limit`."""
    return spans.union(
        (one.begins, one.ends) if one.after is not None else (max(one.begins, (one.moment or 0) - limit), one.ends)
        for one in found
        if one.after is None or one.after <= limit
    )  # fmt: skip


def _before(ever: Spans, after: int) -> Spans:
    """The starts after which, so long after or later, a rung may yet tell one of those who are meant."""
    longest = spans.ticks(LONGEST)
    return spans.union((begins - longest, ends - after) for begins, ends in ever)


def _pieces(row: Sequence[Telling], span: Spans, after: int) -> Iterator[tuple[Telling, Interval]]:
    """The parts of a set of starts by what the rung does so long `after` them."""
    place = 0
    for begins, ends in span:
        while place and row[place].begins > begins + after:
            place -= 1
        while place < len(row) and row[place].ends <= begins + after:
            place += 1
        while place < len(row) and row[place].begins < ends + after:
            one = row[place]
            yield one, (max(begins, one.begins - after), min(ends, one.ends - after))
            if one.ends > ends + after:
                break
            place += 1
        place = min(place, len(row) - 1)


def _reached(
    person: Person, hop: Hop | None, rule: Rule | None, channels: frozenset[str]
) -> tuple[bool, int | None]:
    """As `notify.chain` does it: by the plan's channels if they have one of them, in the order of their own rule.

    A contact point whose channel is not set up fails when its turn comes, and the next is tried at once.
    """
    via: Sequence[str] = hop.via if hop is not None else []
    contacts = [person.contacts[place] for place in contact_rules.order(person.contacts, via, rule)]
    at_once = [timedelta()] * len(contacts)
    times = at_once if hop is None else contact_times(len(contacts), within=hop.within, wait=_wait(hop, rule))
    waits = any(contact in channels or contact in SILENT for contact in contacts)
    turn: timedelta | None = None
    for contact, time in zip(contacts, times, strict=True):
        turn = time if turn is None else turn
        if contact in channels and contact not in SILENT:
            return waits, spans.ticks(turn)
        if contact in SILENT:
            turn = None
    return waits, None


def _wait(hop: Hop, rule: Rule | None) -> timedelta | None:
    return rule.wait if rule is not None and rule.wait is not None else hop.contact_wait
