"""How two plans differ in the response: levels and their reporting chains, the risk matrix, incident types. Pure."""

from datetime import timedelta
from typing import Final

from app.levels.document import IncidentType, LevelSpec, RiskLevel
from app.notify.document import Chain, Hop
from app.plan.differences.notes import Group, Notes, Place, department, entries, limit, place_of
from app.wording import Wording, say

_GRAVITY: Final = tuple(RiskLevel)  # the gravest last


def differing_response(notes: Notes) -> None:
    """Say how levels, chains, the risk matrix and types differ."""
    old, new = notes.old, notes.new
    for number in (1, 2, 3, 4):
        place = Place(Group.LEVEL, str(number), say("diff.at.level", number=number), f"levels.{number}")
        _level(notes, place, old.levels[number], new.levels[number])
        if number in old.chains and number in new.chains:
            chain = Place(place.group, place.subject, place.said, f"chains.{number}")
            _chain(notes, chain, old.chains[number], new.chains[number])
    _risk(notes)
    for name in entries(notes, Group.TYPE, "types"):
        _type(notes, place_of(notes, Group.TYPE, "types", name), old.types[name], new.types[name])


def _level(notes: Notes, place: Place, old: LevelSpec, new: LevelSpec) -> None:
    for name in type(old.targets).model_fields:
        was, now = (getattr(spec.targets, name) for spec in (old, new))
        notes.span(place, f"diff.target.{name}", f"targets.{name}", was, now)
    for name in type(old.told_within).model_fields:
        was, now = (getattr(spec.told_within, name) for spec in (old, new))
        notes.span(place, f"diff.told_within.{name}", f"told_within.{name}", was, now)
    if old.answer_holds != new.answer_holds:
        was, now = (spec.answer_holds or spec.targets.update_every for spec in (old, new))
        notes.span(place, "diff.answer_holds", "answer_holds", was, now)
    notes.span(
        place,
        "diff.remind_before",
        "remind_before",
        old.remind_before,
        new.remind_before,
        longer_weakens=False,
    )
    notes.span(
        place,
        "diff.party_answers_within",
        "party_answers_within",
        old.party_answers_within,
        new.party_answers_within,
    )
    notes.value(
        place, "diff.update_owner", "update_owner", old.update_owner, new.update_owner, tell=notes.position
    )
    for name in [one for one in new.update_to if one not in old.update_to]:
        notes.note(place, "diff.update_to_added", "update_to", position=notes.position(name))
    for name in [one for one in old.update_to if one not in new.update_to]:
        notes.note(place, "diff.update_to_gone", "update_to", weakens=True, position=notes.position(name))
    notes.value(
        place, "diff.declared_by", "declared_by", old.declared_by, new.declared_by,
        tell=lambda layer: say(f"diff.layer.{layer}"),
    )  # fmt: skip
    if old.start != new.start:
        notes.note(place, f"diff.start.{new.start}", "start", weakens=new.start == "by_decision")
    if old.recovery != new.recovery:
        notes.note(place, f"diff.recovery.{new.recovery}", "recovery", weakens=new.recovery == "optional")
    notes.value(
        place, "diff.level_post", "command_post", old.command_post, new.command_post,
        tell=lambda name: notes.title("command_posts", name),
    )  # fmt: skip
    for condition in [one for one in new.closing if one not in old.closing]:
        notes.note(place, "diff.closing_added", "closing", what=say(f"diff.closing.{condition}"))
    for condition in [one for one in old.closing if one not in new.closing]:
        notes.note(
            place, "diff.closing_removed", "closing", weakens=True, what=say(f"diff.closing.{condition}")
        )


def _chain(notes: Notes, place: Place, old: Chain, new: Chain) -> None:
    """By who is told after how long if nobody answers before, which is what the rungs are for."""
    before, after = told_after(old), told_after(new)
    for name, now in after.items():
        if (was := before.get(name)) is None:
            notes.note(place, "diff.chain.added", "hops", position=notes.position(name), now=limit(now))
        elif was != now:
            params = {"position": notes.position(name), "was": limit(was), "now": limit(now)}
            notes.note(place, "diff.chain.told", "hops", weakens=now > was, **params)
    for name in [one for one in before if one not in after]:
        notes.note(place, "diff.chain.removed", "hops", weakens=True, position=notes.position(name))
    if len(old.hops) == len(new.hops):
        for number, (was_hop, now_hop) in enumerate(zip(old.hops, new.hops, strict=True), start=1):
            _rung(notes, place, number, was_hop, now_hop)
        last = (old.hops[-1].within, new.hops[-1].within)
        notes.span(place, "diff.chain.last", f"hops.{len(new.hops) - 1}.within", *last)
    notes.span(place, "diff.chain.repeat", "repeat_after", old.repeat_after, new.repeat_after)


def _rung(notes: Notes, place: Place, number: int, old: Hop, new: Hop) -> None:
    if old.via != new.via:
        by: list[str | Wording] = [*new.via] or [say("diff.own_order")]
        notes.note(place, "diff.chain.via", f"hops.{number - 1}.via", number=number, channels=by)
    if old.contact_wait != new.contact_wait:
        was, now = ((one.contact_wait or one.within / 2) for one in (old, new))
        params = {"number": number, "was": limit(was), "now": limit(now)}
        notes.note(
            place, "diff.chain.contact_wait", f"hops.{number - 1}.contact_wait", weakens=now > was, **params
        )


def told_after(chain: Chain) -> dict[str, timedelta]:
    """How long after the start each position is told, if everybody can be told and nobody answers."""
    found: dict[str, timedelta] = {}
    since = timedelta()
    for hop in chain.hops:
        for position in hop.tell:
            found.setdefault(position, since)
        since += hop.within
    return found


def _risk(notes: Notes) -> None:
    old, new = notes.old.risk, notes.new.risk
    place = Place(Group.RISK, "", say("diff.at.risk"), "risk")
    order = list(new.grades)
    for likelihood, (was_row, now_row) in enumerate(zip(old.matrix, new.matrix, strict=True), start=1):
        for impact, (was, now) in enumerate(zip(was_row, now_row, strict=True), start=1):
            if was != now:
                notes.note(
                    place, "diff.risk.cell", "matrix", weakens=_GRAVITY.index(now) < _GRAVITY.index(was), likelihood=likelihood,
                    impact=impact, was=old.grades[was].title.model_dump(), now=new.grades[now].title.model_dump(),
                )  # fmt: skip
    for grade in order:
        was_level, now_level = old.grades[grade].level, new.grades[grade].level
        if was_level != now_level:
            notes.note(
                place, "diff.risk.level", f"grades.{grade}.level", weakens=now_level > was_level,
                grade=new.grades[grade].title.model_dump(), was=was_level, now=now_level,
            )  # fmt: skip


def _type(notes: Notes, place: Place, old: IncidentType, new: IncidentType) -> None:
    notes.value(
        place, "diff.type.playbook", "playbook", old.playbook, new.playbook,
        tell=lambda name: notes.title("playbooks", name),
    )  # fmt: skip
    lighter = new.default_level > old.default_level
    notes.value(
        place,
        "diff.type.default_level",
        "default_level",
        old.default_level,
        new.default_level,
        weakens=lighter,
    )
    notes.value(
        place, "diff.type.department", "department", old.department, new.department,
        tell=lambda name: department(notes, name),
    )  # fmt: skip
    notes.value(
        place, "diff.type.post", "command_post", old.command_post, new.command_post,
        tell=lambda name: notes.title("command_posts", name) or say("diff.level_post_of"),
    )  # fmt: skip
    before, after = ({rule.condition: rule for rule in kind.grading} for kind in (old, new))
    for condition, rule in after.items():
        if (was := before.get(condition)) is None:
            weaker = rule.level > old.default_level
            notes.note(
                place,
                "diff.rule.added",
                "grading",
                weakens=weaker,
                rule=rule.because.model_dump(),
                level=rule.level,
            )
        elif was.level != rule.level:
            params = {"rule": rule.because.model_dump(), "was": was.level, "now": rule.level}
            notes.note(place, "diff.rule.level", "grading", weakens=rule.level > was.level, **params)
    for condition, rule in before.items():
        if condition not in after:
            weaker = rule.level < new.default_level
            notes.note(
                place,
                "diff.rule.removed",
                "grading",
                weakens=weaker,
                rule=rule.because.model_dump(),
                level=rule.level,
            )
    if [one for one in before if one in after] != [one for one in after if one in before]:
        notes.note(place, "diff.rule.order", "grading")
