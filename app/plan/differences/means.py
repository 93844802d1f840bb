"""How two plans differ in what is done and with what: command posts, pools, playbooks and their steps. Pure."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from app.plan.differences.notes import Group, Notes, Place, department, entries, place_of
from app.playbooks.document import Playbook, Step
from app.resources.document import Ask, MaterialsPool, PeoplePool, Pool, TechnologyPool
from app.vocabulary import parse_span
from app.wording import say


def differing_means(notes: Notes) -> None:
    """Say how command posts, pools and playbooks differ."""
    old, new = notes.old, notes.new
    for name in entries(notes, Group.COMMAND_POST, "command_posts"):
        _command_post(notes, name)
    for name in entries(notes, Group.POOL, "pools"):
        _pool(notes, place_of(notes, Group.POOL, "pools", name), old.pools[name], new.pools[name])
    for name in entries(notes, Group.PLAYBOOK, "playbooks"):
        place = place_of(notes, Group.PLAYBOOK, "playbooks", name)
        _playbook(notes, place, old.playbooks[name], new.playbooks[name])


def _command_post(notes: Notes, name: str) -> None:
    old, new = notes.old.command_posts[name], notes.new.command_posts[name]
    place = place_of(notes, Group.COMMAND_POST, "command_posts", name)
    for role in [one for one in new.roles if one not in old.roles]:
        notes.note(place, "diff.role.added", f"roles.{role}", role=new.roles[role].title.model_dump())
    for role in [one for one in old.roles if one not in new.roles]:
        notes.note(
            place, "diff.role.removed", f"roles.{role}", weakens=True, role=old.roles[role].title.model_dump()
        )
    for role in [one for one in new.roles if one in old.roles]:
        was, now = old.roles[role].filled_by, new.roles[role].filled_by
        if was != now:
            params = {"role": new.roles[role].title.model_dump(), "now": notes.positions(now)}
            notes.note(
                place,
                "diff.role.filled",
                f"roles.{role}.filled_by",
                weakens=not set(was) <= set(now),
                **params,
            )


def _pool(notes: Notes, place: Place, old: Pool, new: Pool) -> None:
    if old.kind != new.kind:
        notes.note(place, "diff.pool.kind", "")
        return
    notes.value(place, "diff.pool.owner", "owner", old.owner, new.owner, tell=notes.position)
    notes.value(
        place, "diff.pool.next", "next", old.next, new.next, weakens=new.next is None,
        tell=lambda name: notes.title("pools", name) or say("diff.nobody"),
    )  # fmt: skip
    notes.value(
        place, "diff.pool.tier", "tier", old.tier, new.tier, tell=lambda tier: say(f"diff.tier.{tier}")
    )
    match old, new:
        case PeoplePool(), PeoplePool():
            notes.number(place, "diff.pool.least", "minimum", old.minimum, new.minimum)
            if fewer := [one for one in old.positions if one not in new.positions]:
                notes.note(
                    place,
                    "diff.pool.positions_removed",
                    "positions",
                    weakens=True,
                    positions=notes.positions(fewer),
                )
            if more := [one for one in new.positions if one not in old.positions]:
                notes.note(place, "diff.pool.positions_added", "positions", positions=notes.positions(more))
        case MaterialsPool(), MaterialsPool():
            for name in _named(notes, place, "items", old.items, new.items):
                title = new.items[name].title.model_dump()
                for key in ("quantity", "minimum"):
                    was, now = getattr(old.items[name], key), getattr(new.items[name], key)
                    notes.number(place, f"diff.pool.{key}", f"items.{name}.{key}", was, now, title=title)
        case TechnologyPool(), TechnologyPool():
            list(_named(notes, place, "assets", old.assets, new.assets))
        case _:
            pass


def _named(
    notes: Notes, place: Place, part: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> list[str]:
    """Say what a pool has more and has no longer; give what it has in both."""
    for name in [one for one in new if one not in old]:
        notes.note(place, "diff.pool.unit_added", f"{part}.{name}", title=new[name].title.model_dump())
    for name in [one for one in old if one not in new]:
        notes.note(
            place,
            "diff.pool.unit_removed",
            f"{part}.{name}",
            weakens=True,
            title=old[name].title.model_dump(),
        )
    return [name for name in new if name in old]


def _playbook(notes: Notes, place: Place, old: Playbook, new: Playbook) -> None:
    before, after = ({step.id: step for step in playbook.steps} for playbook in (old, new))
    for step in [one for one in before.values() if one.id not in after]:
        notes.note(place, "diff.step.removed", f"steps.{step.id}", weakens=True, step=step.title.model_dump())
    for name, step in after.items():
        if (was := before.get(name)) is None:
            notes.note(
                place,
                "diff.step.added",
                f"steps.{name}",
                step=step.title.model_dump(),
                levels=_levels(step.levels),
            )
        elif was.kind != step.kind:
            notes.note(place, "diff.step.kind", f"steps.{name}", step=step.title.model_dump())
        elif was != step:
            _step(notes, place, was, step)
    notes.value(
        place,
        "diff.playbook.owner",
        "owner",
        old.owner,
        new.owner,
        tell=lambda name: department(notes, name),
    )


def _step(notes: Notes, place: Place, old: Step, new: Step) -> None:
    at = Place(
        place.group, place.subject, say("diff.at.step", playbook=place.said, step=new.title.model_dump()),
        f"{place.path}.steps.{new.id}",
    )  # fmt: skip
    if fewer := [one for one in old.levels if one not in new.levels]:
        notes.note(at, "diff.step.levels_removed", "levels", weakens=True, levels=_levels(fewer))
    if more := [one for one in new.levels if one not in old.levels]:
        notes.note(at, "diff.step.levels_added", "levels", levels=_levels(more))
    notes.span(at, "diff.step.timeout", "timeout", old.timeout, new.timeout)
    if old.condition != new.condition:
        key = "diff.step.unconditional" if new.condition is None else "diff.step.condition"
        notes.note(at, key, "if", weakens=old.condition is None, condition=new.condition)
    if old.needs != new.needs:
        notes.note(at, "diff.step.needs", "needs", steps=new.needs or [say("diff.nothing")])
    notes.value(
        at, "diff.step.on_failure", "on_failure", old.on_failure, new.on_failure,
        tell=lambda how: say(f"diff.on_failure.{how}"),
    )  # fmt: skip
    was, now = (dict(step.params.model_dump(by_alias=True)) for step in (old, new))
    for name in ("due", "within", "for", "hold"):
        if name in now:
            limits = (parse_span(one[name]) if one[name] else None for one in (was, now))
            notes.span(at, f"diff.step.{name}", f"with.{name}", *limits, longer_weakens=name != "hold")
    for name in ("position", "when_short"):
        if was.get(name) != now.get(name):
            notes.note(at, f"diff.step.{name}", f"with.{name}", position=notes.position(now.get(name)))
    for name in ("tell", "by", "approve_by"):
        if was.get(name) != now.get(name):
            lost = (
                not set(was[name]) <= set(now[name]) if name == "tell" else bool(was[name]) and not now[name]
            )
            notes.note(
                at, f"diff.step.{name}", f"with.{name}", weakens=lost, positions=notes.positions(now[name])
            )
    if was.get("to_level") != now.get("to_level"):
        notes.note(at, "diff.step.to_level", "with.to_level", level=now.get("to_level"))
    if was.get("until") != now.get("until"):
        notes.note(at, "diff.step.until", "with.until", condition=now.get("until"))
    if was.get("asset") != now.get("asset"):
        notes.note(at, "diff.step.asset", "with.asset", weakens=now.get("asset") is None)
    if was.get("text") != now.get("text"):
        notes.note(at, "diff.step.text", "with.text")
    if old.title != new.title:
        notes.note(at, "diff.step.title", "title", was=old.title.model_dump())
    if old.kind == "reserve" and new.kind == "reserve":
        _asks(notes, at, old.params.ask, new.params.ask)


def _asks(notes: Notes, at: Place, old: Sequence[Ask], new: Sequence[Ask]) -> None:
    before, after = ({(a.pool, a.item, a.skill): a for a in asks} for asks in (old, new))
    for key in [one for one in before if one not in after]:
        notes.note(
            at,
            "diff.ask.removed",
            "with.ask",
            weakens=True,
            pool=_asked(notes, before[key]),
            was=before[key].quantity,
        )
    for key, ask in after.items():
        if (was := before.get(key)) is None:
            notes.note(at, "diff.ask.added", "with.ask", pool=_asked(notes, ask), now=ask.quantity)
            continue
        notes.number(at, "diff.ask.quantity", "with.ask", was.quantity, ask.quantity, pool=_asked(notes, ask))
        if was.substitutes != ask.substitutes:
            fewer = len(ask.substitutes) < len(was.substitutes)
            notes.note(at, "diff.ask.substitutes", "with.ask", weakens=fewer, pool=_asked(notes, ask))


def _asked(notes: Notes, ask: Ask) -> Any:
    """The pool; of one item or skill where it is named."""
    for plan in (notes.new, notes.old):
        pool = plan.pools.get(ask.pool)
        units: Mapping[str, Any] = getattr(pool, "items", None) or getattr(pool, "assets", None) or {}
        if ask.item is not None and ask.item in units:
            return units[ask.item].title.model_dump()
    pool_said = notes.title("pools", ask.pool)
    return say("diff.ask.skill", pool=pool_said, skill=ask.skill) if ask.skill else pool_said


def _levels(levels: Collection[int]) -> list[str]:
    return [str(level) for level in sorted(levels)]
