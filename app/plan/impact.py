"""What would have been different (EP-9.3): recorded incidents, gone through by the old plan and by the new one. Pure.

Each plan grades the facts on record by its rules, calls its chain with nobody answering, and asks its pools for what the
playbook reserves. The worst case of the chain is reckoned, not what people did: it bounds who is told when, as the plan alone
decides it. What the rules cannot know (a level set by hand, a unit that was broken that day) is the same for both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.expressions import Condition
from app.levels import grading
from app.notify.document import Chain
from app.plan.document import PlanDocument
from app.playbooks.document import ReserveStep
from app.resources.allocation import Free, Shelf, allocate
from app.resources.document import Ask, MaterialsPool, PeoplePool, TechnologyPool
from app.wording import Wording, kept, say


@dataclass(frozen=True)
class Member:
    """Somebody who held a position then."""

    person_id: str
    skills: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Recorded:
    """One incident as it is on record, and who there was at that moment."""

    id: str
    number: str
    title: str
    type: str
    level: int
    """As it was graded and set in the end; shown beside what the rules say."""
    detected_at: datetime
    scope: Mapping[str, Any]
    """The incident as conditions see it."""
    facts: Mapping[str, Any]
    on_call: Mapping[str, Sequence[str]]
    """Who could be told, by position: names of those with a contact point."""
    members: Mapping[str, Sequence[Member]]
    """Who held each position, on duty or not."""


@dataclass(frozen=True)
class Told:
    """A position that a chain tells, and how long after its start."""

    people: tuple[str, ...]
    after: timedelta


@dataclass(frozen=True)
class Course:
    """How an incident goes by a plan."""

    type: str
    level: int
    playbook: str
    told: Mapping[str, Told]
    short: Mapping[str, int]
    """How many units would be missing, by the pool asked first."""

    @property
    def first_contact(self) -> timedelta | None:
        """After how long the first person is told; none: nobody can be."""
        return min((one.after for one in self.told.values()), default=None)


@dataclass(frozen=True)
class Otherwise:
    """One incident that would have gone otherwise."""

    incident: Recorded
    said: tuple[tuple[Wording, bool], ...]
    """Each difference as a sentence, and whether it is for the worse."""

    @property
    def worse(self) -> bool:
        return any(worse for _, worse in self.said)


def course(plan: PlanDocument, incident: Recorded) -> Course:
    """How the incident goes by that plan, by the facts on record and the people of that moment."""
    name, kind = plan.grading().type_of(incident.type)
    graded = grading.at_first(kind, incident.scope, incident.facts, said=None, hint=None)
    return Course(
        name, graded.level, kind.playbook, call(plan.chain_of(graded.level, incident.scope.get("department")), incident.on_call),
        _short(plan, kind.playbook, graded.level, incident),
    )  # fmt: skip


def call(chain: Chain, on_call: Mapping[str, Sequence[str]]) -> dict[str, Told]:
    """Who is told after how long if nobody answers; a rung that stands for nobody costs no time."""
    found: dict[str, Told] = {}
    since = timedelta()
    for hop in chain.hops:
        reached = [position for position in hop.tell if on_call.get(position)]
        for position in reached:
            found.setdefault(position, Told(tuple(on_call[position]), since))
        if reached:
            since += hop.within
    return found


def compare(old: PlanDocument, new: PlanDocument, incidents: Sequence[Recorded]) -> list[Otherwise]:
    """The incidents that would have gone otherwise by the new plan, in the order given."""
    each = (
        (incident, _otherwise(course(old, incident), course(new, incident), old, new))
        for incident in incidents
    )
    return [Otherwise(incident, tuple(said)) for incident, said in each if said]


def written(found: Sequence[Otherwise]) -> list[dict[str, Any]]:
    """What was found as a JSON column keeps it."""
    return [
        {
            "id": one.incident.id, "number": one.incident.number, "title": one.incident.title,
            "level": one.incident.level, "worse": one.worse,
            "said": [{"wording": kept(wording), "worse": worse} for wording, worse in one.said],
        }
        for one in found
    ]  # fmt: skip


def _otherwise(was: Course, now: Course, old: PlanDocument, new: PlanDocument) -> list[tuple[Wording, bool]]:
    said: list[tuple[Wording, bool]] = []
    if was.type != now.type:
        said.append((say("impact.type", was=old.types[was.type].title.model_dump()), True))
    if was.level != now.level:
        said.append(
            (say("impact.level", was=was.level, now=now.level), grading.is_graver(was.level, now.level))
        )
    if was.playbook != now.playbook:
        titles = {
            "was": old.playbooks[was.playbook].title.model_dump(),
            "now": new.playbooks[now.playbook].title.model_dump(),
        }
        said.append((say("impact.playbook", **titles), False))
    said += _told_otherwise(was, now, old, new)
    for pool in dict.fromkeys([*was.short, *now.short]):
        before, after = was.short.get(pool, 0), now.short.get(pool, 0)
        if before != after:
            plan = new if pool in new.pools else old
            title = plan.pools[pool].title.model_dump()
            said.append((say("impact.short", pool=title, was=before, now=after), after > before))
    return said


def _told_otherwise(
    was: Course, now: Course, old: PlanDocument, new: PlanDocument
) -> list[tuple[Wording, bool]]:
    said: list[tuple[Wording, bool]] = []

    def title(position: str) -> Any:
        known = new.organisation.positions.get(position) or old.organisation.positions.get(position)
        return known.title.model_dump() if known else position

    before_first, after_first = was.first_contact, now.first_contact
    if after_first is None and before_first is not None:
        said.append((say("impact.first_lost"), True))
    elif after_first is not None and before_first is None:
        said.append((say("impact.first_gained", now=after_first), False))
    elif after_first is not None and before_first is not None and after_first != before_first:
        spans = {"was": before_first, "now": after_first}
        said.append((say("impact.first", **spans), after_first > before_first))
    for position, told in now.told.items():
        people = list(told.people)
        before = was.told.get(position)
        if before is None:
            said.append(
                (
                    say(
                        "impact.told_too",
                        position=title(position),
                        people=people,
                        now=told.after,
                    ),
                    False,
                )
            )
        elif before.after != told.after:
            params = {
                "position": title(position),
                "people": people,
                "was": before.after,
                "now": told.after,
            }
            said.append((say("impact.told", **params), told.after > before.after))
    for position, told in was.told.items():
        if position not in now.told:
            said.append((say("impact.not_told", position=title(position), people=list(told.people)), True))
    return said


def _short(plan: PlanDocument, playbook: str, level: int, incident: Recorded) -> dict[str, int]:
    """What would be missing if the playbook's reservations all stood at once, from pools with nothing else taken."""
    scope = {
        "incident": {**incident.scope, "level": level}, "facts": incident.facts, "steps": {},
        "level": {"number": level, "title": plan.levels[level].title.zh},
    }  # fmt: skip
    asks: list[Ask] = []
    for step in plan.playbooks[playbook].steps:
        if isinstance(step, ReserveStep) and level in step.levels and _may_hold(step.condition, scope):
            asks += step.params.ask
    missing: dict[str, int] = {}
    for served in allocate(asks, _shelf(plan, incident)) if asks else ():
        if served.missing:
            missing[served.ask.pool] = missing.get(served.ask.pool, 0) + served.missing
    return missing


def _may_hold(condition: str | None, scope: Mapping[str, Any]) -> bool:
    """What cannot be known beforehand counts as asked for."""
    return condition is None or Condition.compile(condition).evaluate(scope) is not False


def _shelf(plan: PlanDocument, incident: Recorded) -> Shelf:
    """The pools at their full size: stock and assets as the plan says, people as they held the positions then."""
    units: dict[str, list[Free]] = {}
    for name, pool in plan.pools.items():
        match pool:
            case PeoplePool():
                members = {
                    one.person_id: one
                    for position in pool.positions
                    for one in incident.members.get(position, ())
                }
                units[name] = [
                    Free(f"{name}:{one.person_id}", name, one.person_id, 1, one.person_id, one.skills)
                    for one in members.values()
                ]
            case MaterialsPool():
                units[name] = [
                    Free(f"{name}:{item}", name, item, part.quantity) for item, part in pool.items.items()
                ]
            case TechnologyPool():
                units[name] = [Free(f"{name}:{asset}", name, asset, 1) for asset in pool.assets]
    return Shelf(units, {name: pool.next for name, pool in plan.pools.items()})
