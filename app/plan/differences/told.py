"""The difference between two plans in words a manager reads (EP-9.3): by what it means, not by where it stands. Pure.

`told` says each difference that people go by as a sentence of its own (who is told when, time limits, playbooks and their steps,
stock, duties), and whether it weakens the plan: later, fewer, or no longer. What differs and has no sentence is counted for its
subject, so that nothing changes unsaid. `app.plan.changes` has the places.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from app.plan import changes
from app.plan.differences.means import differing_means
from app.plan.differences.notes import Difference, Group, Notes, Place, department, limit, place_of
from app.plan.differences.response import differing_response
from app.plan.document import Monitoring, PlanDocument
from app.wording import say


def told(old: PlanDocument, new: PlanDocument) -> list[Difference]:
    """Every difference, in the order of the plan; what has no sentence of its own is counted for its subject."""
    notes = Notes(old, new)
    _plan(notes)
    _organisation(notes)
    differing_response(notes)
    differing_means(notes)
    _training(notes)
    _rest(notes)
    order = list(Group)
    return sorted(notes.found, key=lambda one: order.index(one.group))


_PARTS: Final = ("general", "monitoring", "customers", "recovery", "training", "revision")


def _plan(notes: Notes) -> None:
    old, new = notes.old, notes.new
    place = Place(Group.PLAN, "", say("diff.at.plan"), "plan")
    notes.value(place, "diff.plan.version", "version", old.plan.version, new.plan.version)
    notes.value(place, "diff.plan.zone", "time_zone", old.plan.time_zone, new.plan.time_zone)
    bases, before = ({base.title: base for base in plan.plan.legal_bases} for plan in (new, old))
    for title in [one for one in bases if one not in before]:
        notes.note(place, "diff.plan.basis_added", "legal_bases", title=title)
    for title in [one for one in before if one not in bases]:
        notes.note(place, "diff.plan.basis_removed", "legal_bases", title=title)
    for title in [one for one in bases if one in before and bases[one] != before[one]]:
        notes.note(place, "diff.plan.basis_changed", "legal_bases", title=title)
    for name in _PARTS:
        whole = Place(
            Group.TRAINING if name == "training" else Group.PLAN, "", say(f"diff.part.{name}"), name
        )
        had, has = getattr(old, name), getattr(new, name)
        if had is None and has is not None:
            notes.note(whole, "diff.part_added", "")
        elif had is not None and has is None:
            notes.note(whole, "diff.part_removed", "", weakens=True)
    if old.monitoring and new.monitoring:
        watch = Place(Group.PLAN, "", say("diff.part.monitoring"), "monitoring")
        notes.value(
            watch,
            "diff.monitoring.owner",
            "owner",
            old.monitoring.owner,
            new.monitoring.owner,
            tell=notes.position,
        )
        storm = (old.monitoring.storm, new.monitoring.storm)
        notes.value(watch, "diff.monitoring.storm_after", "storm.after", storm[0].after, storm[1].after)
        if storm[0].within != storm[1].within:
            was, now = (limit(one.within) for one in storm)
            notes.note(watch, "diff.monitoring.storm_within", "storm.within", was=was, now=now)
        _routing(notes, watch, old.monitoring, new.monitoring)
    if old.revision and new.revision:
        kept = Place(Group.PLAN, "", say("diff.part.revision"), "revision")
        notes.span(
            kept, "diff.revision.every", "review_every", old.revision.review_every, new.revision.review_every
        )


def _routing(notes: Notes, watch: Place, old: Monitoring, new: Monitoring) -> None:
    before, after = ({rule.id: rule for rule in part.routing} for part in (old, new))
    for name in [one for one in after if one not in before]:
        notes.note(watch, "diff.monitoring.rule_added", "routing", rule=name)
    for name in [one for one in before if one not in after]:
        notes.note(watch, "diff.monitoring.rule_removed", "routing", rule=name)
    for name in [one for one in after if one in before and after[one] != before[one]]:
        notes.note(watch, "diff.monitoring.rule_changed", "routing", rule=name)
    kept = ([name for name in one if name in before and name in after] for one in (before, after))
    if len({tuple(names) for names in kept}) > 1:
        notes.note(watch, "diff.monitoring.rules_in_other_order", "routing")
    dwell = (old.flapping.dwell, new.flapping.dwell)
    if dwell[0] != dwell[1]:
        notes.note(watch, "diff.monitoring.dwell", "flapping.dwell", was=dwell[0], now=dwell[1])


def _organisation(notes: Notes) -> None:
    old, new = notes.old.organisation, notes.new.organisation
    place = Place(Group.ORGANISATION, "", say("diff.at.organisation"), "organisation")
    for part in ("departments", "positions"):
        before, after = getattr(old, part), getattr(new, part)
        for name in [one for one in after if one not in before]:
            notes.note(place, f"diff.{part}.added", f"{part}.{name}", title=after[name].title.model_dump())
        for name in [one for one in before if one not in after]:
            title = before[name].title.model_dump()
            notes.note(place, f"diff.{part}.removed", f"{part}.{name}", weakens=True, title=title)
        for name in [one for one in after if one in before]:
            title, was, now = after[name].title.model_dump(), before[name].layer, after[name].layer
            if was != now:
                notes.note(
                    place, "diff.layer_changed", f"{part}.{name}.layer", title=title,
                    was=say(f"diff.layer.{was}"), now=say(f"diff.layer.{now}"),
                )  # fmt: skip
    for name, led in new.departments.items():
        before_led = old.departments.get(name)
        if before_led is not None and before_led.head != led.head:
            head = notes.position(led.head) or say("diff.nobody")
            notes.note(
                place, "diff.departments.head", f"departments.{name}.head", weakens=led.head is None,
                title=led.title.model_dump(), now=head,
            )  # fmt: skip
    if old.check_ins != new.check_ins:
        if (asked := new.check_ins) is None:
            notes.note(place, "diff.check_ins.removed", "check_ins", weakens=True)
        else:
            tell = notes.positions(asked.tell)
            notes.note(place, "diff.check_ins.told", "check_ins", time=asked.summary_at, positions=tell)
    for name, post in new.positions.items():
        before_post = old.positions.get(name)
        if before_post is not None and before_post.department != post.department:
            title = post.title.model_dump()
            notes.note(
                place,
                "diff.positions.moved",
                f"positions.{name}.department",
                title=title,
                now=department(notes, post.department),
            )
    notes.value(
        place, "diff.default_position", "default_position", old.default_position, new.default_position,
        tell=notes.position,
    )  # fmt: skip


def _training(notes: Notes) -> None:
    old, new = notes.old.training, notes.new.training
    if old is None or new is None:
        return
    place = Place(Group.TRAINING, "", say("diff.part.training"), "training")
    for name in ("drills_per_year", "training_days_per_quarter"):
        notes.number(place, f"diff.training.{name}", name, getattr(old, name), getattr(new, name))
    for name in [one for one in new.duties if one not in old.duties]:
        notes.note(place, "diff.duty.added", f"duties.{name}", duty=new.duties[name].title.model_dump())
    for name in [one for one in old.duties if one not in new.duties]:
        notes.note(
            place,
            "diff.duty.removed",
            f"duties.{name}",
            weakens=True,
            duty=old.duties[name].title.model_dump(),
        )
    for name in [one for one in new.duties if one in old.duties]:
        was, now = old.duties[name], new.duties[name]
        at = Place(
            place.group, "", say("diff.at.duty", duty=now.title.model_dump()), f"training.duties.{name}"
        )
        notes.span(at, "diff.duty.due_within", "due_within", was.due_within, now.due_within)
        notes.value(at, "diff.duty.owner", "owner", was.owner, now.owner, tell=notes.position)
        notes.value(at, "diff.duty.cron", "cron", was.cron, now.cron)


_WHERE: Final[Mapping[str, Group]] = {
    "levels": Group.LEVEL, "chains": Group.LEVEL, "reports": Group.LEVEL, "types": Group.TYPE, "command_posts": Group.COMMAND_POST,
    "pools": Group.POOL, "playbooks": Group.PLAYBOOK,
}  # fmt: skip


_WHOLE: Final[Mapping[str, Group]] = {
    "organisation": Group.ORGANISATION,
    "risk": Group.RISK,
    "training": Group.TRAINING,
}


def _rest(notes: Notes) -> None:
    """What differs and was not said, counted for its subject."""
    counted: dict[str, tuple[Place, int]] = {}
    for change in changes.between(notes.old, notes.new):
        if any(path in notes.said for path in _upwards(change.path)):
            continue
        place = _whose(notes, change.path)
        counted[place.path] = (place, counted.get(place.path, (place, 0))[1] + 1)
    for place, count in counted.values():
        notes.note(place, "diff.rest", count=count)


def _whose(notes: Notes, path: str) -> Place:
    first, _, more = path.partition(".")
    name = more.partition(".")[0]
    if (group := _WHERE.get(first)) is Group.LEVEL:
        return Place(group, name, say("diff.at.level", number=name), f"levels.{name}")
    if group is not None:
        return place_of(notes, group, first, name)
    if (whole := _WHOLE.get(first)) is not None:
        said = say("diff.part.training") if whole is Group.TRAINING else say(f"diff.at.{whole}")
        return Place(whole, "", said, first)
    said = say(f"diff.part.{first}") if first in _PARTS else say("diff.at.plan")
    return Place(Group.PLAN, "", said, first)


def _upwards(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition(".")[0]
