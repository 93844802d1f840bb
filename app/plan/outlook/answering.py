"""Who could be told, asked and put in charge, and when nobody could (EP-2, EP-4.2.1, EP-5.2). Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any, Final

from babel.dates import format_datetime

from app.notify.digest import WINDOW as HELD_BACK
from app.notify.document import DEPARTMENT_HEAD
from app.plan.document import PlanDocument
from app.plan.finding import Finding, Severity, Witness, found
from app.plan.outlook import chains, spans
from app.plan.outlook.chains import LONGEST, Directory, Told, Walk
from app.plan.outlook.spans import Interval, Spans
from app.plan.rules.references import steps_of
from app.playbooks.document import (
    ApprovalStep,
    EscalateStep,
    NoticeStep,
    NotifyStep,
    ReserveStep,
    Step,
    TaskStep,
)
from app.vocabulary import Layer
from app.wording import Wording, say

_GRAVE: Final = (1, 2)
_CLOCKS: Final = {
    "zh": ("y年M月d日EEE HH:mm", "zh_Hans"),
    "en": ("EEE d MMM y HH:mm", "en"),
    "zh_hant": ("y年M月d日EEE HH:mm", "zh_Hant"),
}
_RANK: Final = {Layer.LEADERSHIP: 2, Layer.MANAGEMENT: 1}
_LONGEST_TRAIL: Final = 8
_MOST_NAMED: Final = 5


@dataclass(frozen=True)
class Outlook:
    """A plan, an organisation, and the days looked at."""

    plan: PlanDocument
    directory: Directory
    days: Interval
    heads: Mapping[str, str | None] = field(init=False)
    """For each department that types name, the position that heads it; a chain calls only one the plan names."""

    def __post_init__(self) -> None:
        named = dict.fromkeys(kind.department for kind in self.plan.types.values())
        object.__setattr__(self, "heads", {name: head_of(self.plan, name) for name in named})

    def clock(self, moment: int) -> dict[str, str]:
        """The moment with its weekday, on the clocks of the centre, in every language."""
        local = spans.at(moment).astimezone(self.plan.grading().zone)
        return {name: format_datetime(local, form, locale=locale) for name, (form, locale) in _CLOCKS.items()}

    def types_of(self, department: str) -> list[str]:
        return [name for name, kind in self.plan.types.items() if kind.department == department]

    def name(self, person: str) -> str:
        known = self.directory.snapshot.people.get(person)
        return known.name if known is not None else person

    def title(self, position: str) -> Any:
        known = self.plan.organisation.positions.get(position)
        return known.title.model_dump() if known is not None else position

    def titles(self, positions: Iterable[str]) -> list[Any]:
        return [self.title(position) for position in positions]

    def within(self, when: Spans) -> Spans:
        return spans.common(when, (self.days,))

    def reachable(self, positions: Iterable[str]) -> Spans:
        """When a message could reach somebody who is called for one of them."""
        return self.within(spans.union(*(self._reachable_at(position) for position in positions)))

    def _reachable_at(self, position: str) -> Spans:
        if position not in self._reachable:
            self._reachable[position] = self.directory.reachable(position)
        return self._reachable[position]

    @cached_property
    def _reachable(self) -> dict[str, Spans]:
        return {}

    def nobody(self, positions: Iterable[str]) -> Spans:
        """When it could reach none of them."""
        return spans.without((self.days,), self.reachable(positions))

    def why(self, positions: Sequence[str], moment: int) -> list[Wording]:
        """Why nobody of these positions can be told at a moment."""
        said: list[Wording] = []
        for position in dict.fromkeys(positions):
            title = self.title(position)
            seat = next(
                (one for one in self.directory.seats(position) if one.begins <= moment < one.ends), None
            )
            if seat is None or not (seat.people or seat.skipped):
                said.append(say("plan.outlook.vacant", position=title))
                continue
            for person, why in seat.skipped:
                said.append(say(f"plan.outlook.away.{why}", name=self.name(person), position=title))
            said += [
                say("plan.outlook.no_channel", name=self.name(person), position=title)
                for person in seat.people if self.directory.reached(person)[1] is None
            ]  # fmt: skip
        return said[:_MOST_NAMED]

    def witness(
        self, when: Spans, moment: int | None = None, trail: Iterable[Wording] = (), takes: int | None = None
    ) -> Witness:
        at = when[0][0] if moment is None else moment
        spells = tuple((spans.at(begins), spans.at(ends)) for begins, ends in when)
        return Witness(spans.at(at), tuple(trail), spells, None if takes is None else spans.span(takes))


def head_of(plan: PlanDocument, department: str) -> str | None:
    """The position that heads a department: the one it names, or else the only one of its management layer."""
    known = plan.organisation.departments.get(department)
    if known is not None and known.head is not None:
        return known.head
    posts = plan.organisation.positions
    chiefs = [name for name, post in posts.items() if post.department == department and post.layer in _RANK]
    return chiefs[0] if len(chiefs) == 1 else None


# ── the chain ─────────────────────────────────────────────────────────────────────────────────────────────


def heads_are_known(outlook: Outlook) -> Iterator[Finding]:
    for department, head in outlook.heads.items():
        limits = [level.told_within.department_head for level in outlook.plan.levels.values()]
        if head is None and any(limits):
            path = f"organisation.departments.{department}.head"
            types = outlook.types_of(department)
            yield found(Severity.WARNING, "head_unknown", "EP-2.2", path, name=department, types=types)


def limits_are_set(outlook: Outlook) -> Iterator[Finding]:
    for number, level in outlook.plan.levels.items():
        for name in type(level.told_within).model_fields:
            if getattr(level.told_within, name) is None:
                path = f"levels.{number}.told_within.{name}"
                yield found(Severity.WARNING, "told_limit_missing", "EP-4.2.1", path, level=number, name=name)


def rungs_reach_somebody(outlook: Outlook) -> Iterator[Finding]:
    """Each rung of each chain, for the department of each type."""
    for level, department, walk in _walks(outlook):
        original = outlook.plan.chains[level]
        for index, hop in enumerate(walk.chain.hops):
            if department is not None and DEPARTMENT_HEAD not in original.hops[index].tell:
                continue  # told once, whatever the department
            if department is None and DEPARTMENT_HEAD in original.hops[index].tell:
                continue
            reached = spans.union((one.begins, one.ends) for one in walk.rungs[index] if one.told)
            if not (silent := spans.without((outlook.days,), reached)):
                continue
            trail = outlook.why(hop.tell, silent[0][0])
            yield found(
                Severity.WARNING, "rung_reaches_nobody", "EP-5.2", f"chains.{level}.hops.{index}",
                witness=outlook.witness(silent, trail=trail), about=department, level=level, rung=index + 1,
                positions=outlook.titles(hop.tell), types=_types(outlook, department), why=trail,
                at=outlook.clock(silent[0][0]),
            )  # fmt: skip


def told_in_time(outlook: Outlook) -> Iterator[Finding]:
    """Anybody, the head of department and the leadership, each within the limit of the level."""
    for level, department, walk in _walks(outlook):
        limits = outlook.plan.levels[level].told_within
        if department is None:
            yield from _told(outlook, walk, "first", None, limits.first, None)
            leaders = outlook.directory.assigned(_of_layer(outlook.plan, Layer.LEADERSHIP))
            yield from _told(outlook, walk, "leadership", leaders, limits.leadership, None)
        elif (head := outlook.heads[department]) is not None:
            holders = outlook.directory.assigned([head])
            yield from _told(outlook, walk, "department_head", holders, limits.department_head, department)


def _told(
    outlook: Outlook, walk: Walk, whom: str, people: frozenset[str] | None, limit: timedelta | None,
    department: str | None,
) -> Iterator[Finding]:  # fmt: skip
    if limit is None:
        return
    answers = walk.told(people, outlook.days)
    too_late = chains.late(answers, outlook.days, spans.ticks(limit))
    if not too_late:
        yield from _late_in_a_storm(outlook, walk, whom, answers, limit, department)
        return
    start, takes = chains.worst(answers, too_late)
    until = start + (takes if takes is not None else spans.ticks(limit))
    trail = _trail(outlook, walk, start, until, people)
    code = f"{whom}_told_late" if takes is not None else f"{whom}_never_told"
    yield found(
        Severity.ERROR, code, "EP-4.2.1", f"levels.{walk.level}.told_within.{whom}",
        witness=outlook.witness(too_late, start, trail, takes), about=department, level=walk.level, limit=limit,
        takes=None if takes is None else spans.span(takes), types=_types(outlook, department), at=outlook.clock(start),
        longest=LONGEST, head=outlook.title(outlook.heads[department] or "") if department else None,
        why=[one for one in trail if one.key != "plan.outlook.trail.told"] or trail,
    )  # fmt: skip


def _late_in_a_storm(
    outlook: Outlook, walk: Walk, whom: str, answers: Sequence[Told], limit: timedelta, department: str | None
) -> Iterator[Finding]:  # fmt: skip
    """In time, but no longer when the cap on messages to one person holds them back as long as it may (levels 3 and 4)."""
    if walk.level in _GRAVE:
        return  # of these the first lap is never held back
    late = chains.late(answers, outlook.days, spans.ticks(limit - HELD_BACK))
    if late:
        start, takes = chains.worst(answers, late)
        yield found(
            Severity.NOTE, "told_late_in_storm", "EP-4.2.1", f"levels.{walk.level}.told_within.{whom}",
            witness=outlook.witness(late, start, takes=takes), about=department, level=walk.level, limit=limit,
            takes=spans.span(takes or 0), held=HELD_BACK, at=outlook.clock(start), whom=say(f"plan.outlook.whom.{whom}"),
        )  # fmt: skip


def _trail(
    outlook: Outlook, walk: Walk, start: int, until: int, people: frozenset[str] | None
) -> list[Wording]:
    said: list[Wording] = []
    for step in walk.steps(start, until):
        common = {
            "at": outlook.clock(step.moment),
            "rung": step.rung,
            "positions": outlook.titles(step.positions),
        }
        if step.told:
            names = [outlook.name(person) for person in step.told][:_MOST_NAMED]
            said.append(say("plan.outlook.trail.told", names=names, **common))
        else:
            why = outlook.why(step.positions, step.moment)
            said.append(say("plan.outlook.trail.nobody", why=why, **common))
        if (people is None and step.told) or (people is not None and people & set(step.told)):
            break
        if len(said) == _LONGEST_TRAIL:
            said.append(say("plan.outlook.trail.on"))
            break
    return said


def _walks(outlook: Outlook) -> Iterator[tuple[int, str | None, Walk]]:
    """Each chain as it stands, and as it is called for each department that types name."""
    for level in sorted(outlook.plan.levels):
        if level not in outlook.plan.chains:
            continue
        for department in (None, *outlook.heads):
            chain = outlook.plan.chain_of(level, department)
            yield level, department, Walk(outlook.directory, chain, level)


def _types(outlook: Outlook, department: str | None) -> list[dict[str, Any]]:
    """What people call the types it concerns."""
    names = list(outlook.plan.types) if department is None else outlook.types_of(department)
    return [outlook.plan.types[name].title.model_dump() for name in names]


def _of_layer(plan: PlanDocument, layer: Layer) -> list[str]:
    return [name for name, post in plan.organisation.positions.items() if post.layer is layer]


# ── who decides, and who is asked ─────────────────────────────────────────────────────────────────────────


def approvals_can_be_given(outlook: Outlook) -> Iterator[Finding]:
    """Somebody who may say yes can be asked, at every moment; told once for each group of positions."""
    asked: dict[tuple[str, ...], list[tuple[str, str, Step]]] = defaultdict(list)
    for path, playbook, step in steps_of(outlook.plan):
        if isinstance(step, ApprovalStep):
            asked[tuple(sorted(set(step.params.by)))].append((f"{path}.with.by", playbook, step))
        elif isinstance(step, NoticeStep) and step.params.approve_by:
            asked[tuple(sorted(set(step.params.approve_by)))].append(
                (f"{path}.with.approve_by", playbook, step)
            )
    for positions, steps in asked.items():
        if silent := outlook.nobody(positions):
            levels = sorted({level for _, _, step in steps for level in step.levels})
            trail = outlook.why(positions, silent[0][0])
            yield found(
                Severity.ERROR if set(levels) & set(_GRAVE) else Severity.WARNING, "approval_by_nobody", "EP-2.1",
                steps[0][0], witness=outlook.witness(silent, trail=trail), positions=outlook.titles(positions),
                names=[f"{playbook}.{step.id}" for _, playbook, step in steps], levels=levels, why=trail,
                at=outlook.clock(silent[0][0]),
            )  # fmt: skip


def commanders_are_there(outlook: Outlook) -> Iterator[Finding]:
    """The command post of each level, and of each type that has its own, can be given a commander."""
    plan = outlook.plan
    posts: dict[str, set[int]] = defaultdict(set)
    for number, level in plan.levels.items():
        posts[level.command_post].add(number)
    for kind in plan.types.values():
        if kind.command_post is not None:
            posts[kind.command_post].update(plan.levels)
    for name, levels in posts.items():
        role = plan.command_posts[name].roles.get("commander") if name in plan.command_posts else None
        if role is None or not (silent := outlook.nobody(role.filled_by)):
            continue
        trail = outlook.why(role.filled_by, silent[0][0])
        yield found(
            Severity.ERROR if levels & set(_GRAVE) else Severity.WARNING, "no_commander", "EP-2.5",
            f"command_posts.{name}.roles.commander", witness=outlook.witness(silent, trail=trail), name=name,
            levels=sorted(levels), positions=outlook.titles(role.filled_by), why=trail,
            at=outlook.clock(silent[0][0]),
        )  # fmt: skip


def levels_can_be_declared(outlook: Outlook) -> Iterator[Finding]:
    """Somebody of the layer that starts and ends a response of the level, or of one above it, can be asked."""
    for number, level in sorted(outlook.plan.levels.items()):
        positions = [
            name for name, post in outlook.plan.organisation.positions.items()
            if _RANK.get(post.layer, 0) >= _RANK.get(level.declared_by, 0)
        ]  # fmt: skip
        if silent := outlook.nobody(positions):
            trail = outlook.why(positions, silent[0][0])
            yield found(
                Severity.ERROR, "nobody_declares", "EP-2.1", f"levels.{number}.declared_by",
                witness=outlook.witness(silent, trail=trail), level=number,
                layer=say(f"plan.outlook.layer.{level.declared_by}"), why=trail, at=outlook.clock(silent[0][0]),
            )  # fmt: skip


def positions_are_answered_for(outlook: Outlook) -> Iterator[Finding]:
    """Whatever the plan hands to positions reaches somebody of them; told once for each position or group of them.

    A position that stands beside others may be empty for a time, but not for good.
    """
    named: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for path, positions in _handed_out(outlook.plan):
        named[tuple(dict.fromkeys(positions))].append(path)
    empty = [
        name for name in dict.fromkeys(n for group in named for n in group) if not outlook.reachable([name])
    ]
    for name in empty:
        paths = [path for group, places in named.items() if name in group for path in places]
        yield _unanswered(outlook, "position_vacant", [name], (outlook.days,), paths)
    for group, paths in named.items():
        if not set(group) <= set(empty) and (silent := outlook.nobody(group)):
            yield _unanswered(outlook, "position_unanswered", group, silent, paths)


def _unanswered(
    outlook: Outlook, code: str, positions: Sequence[str], silent: Spans, paths: Sequence[str]
) -> Finding:
    trail = outlook.why(positions, silent[0][0])
    return found(
        Severity.WARNING, code, "OR-1", f"organisation.positions.{positions[0]}",
        witness=outlook.witness(silent, trail=trail), positions=outlook.titles(positions), times=len(paths),
        places=list(paths)[:_MOST_NAMED], why=trail, at=outlook.clock(silent[0][0]),
    )  # fmt: skip


def callable_people_have_a_way(outlook: Outlook) -> Iterator[Finding]:
    """Whoever holds a position that chains, approvals and command posts rest on has a way to be told."""
    plan = outlook.plan
    needed = {name for chain in plan.chains.values() for hop in chain.hops for name in hop.tell}
    if DEPARTMENT_HEAD in needed:
        departments = plan.organisation.departments
        named = [departments[name].head for name in outlook.heads if name in departments]
        needed |= {head for head in named if head is not None}
    for _, _, step in steps_of(plan):
        needed.update(step.params.by if isinstance(step, ApprovalStep) else ())
    for person in sorted(outlook.directory.assigned(needed), key=outlook.name):
        if outlook.directory.reached(person)[1] is None:
            held = [name for name in needed if person in outlook.directory.assigned([name])]
            yield found(
                Severity.WARNING, "person_without_channel", "EP-5.3", f"people.{person}", name=outlook.name(person),
                positions=outlook.titles(sorted(held)), channels=sorted(outlook.directory.snapshot.channels),
            )  # fmt: skip


def _handed_out(plan: PlanDocument) -> Iterator[tuple[str, Sequence[str]]]:
    yield "organisation.default_position", [plan.organisation.default_position]
    if plan.monitoring is not None:
        yield "monitoring.owner", [plan.monitoring.owner]
        for colour, spec in plan.monitoring.warnings.items():
            yield f"monitoring.warnings.{colour}.tell", spec.tell
    for number, level in plan.levels.items():
        yield f"levels.{number}.update_owner", [level.update_owner]
    for name, duty in plan.training.duties.items() if plan.training is not None else ():
        yield f"training.duties.{name}.owner", [duty.owner]
    for name, post in plan.command_posts.items():
        for role, filled in post.roles.items():
            if role != "commander":  # asked for by itself
                yield f"command_posts.{name}.roles.{role}.filled_by", filled.filled_by
    for path, _, step in steps_of(plan):
        match step:
            case TaskStep():
                yield f"{path}.with.position", [step.params.position]
            case ReserveStep():
                yield f"{path}.with.when_short", [step.params.when_short]
            case NotifyStep() | EscalateStep() if step.params.tell:
                yield f"{path}.with.tell", step.params.tell
            case _:
                pass
