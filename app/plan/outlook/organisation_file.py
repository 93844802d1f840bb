"""The organisation as a file: people, rosters, leave and stock, so that a plan is checked where there is no database.

Strict YAML like the plan itself: every mistake at once, each with its line. It holds no addresses: which channels
somebody can be reached by is all the check needs.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, ValidationError

from app.errors import WrongShape
from app.people import contact_rules, rota
from app.plan import strict_yaml
from app.plan.document import PlanDocument
from app.plan.outlook.snapshot import Absent, Away, Lot, Person, Post, Snapshot, stretch_of
from app.plan.outlook.supply import full
from app.plan.strict_yaml import Mistake
from app.resources.document import MaterialsPool, TechnologyPool
from app.vocabulary import ChannelName, LevelNumber, Moment, Part, Slug, Span, write_span
from app.wording import Wording, say

_DAY: Final = timedelta(days=1)


def _a_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(f"there is no time zone {name!r}") from error
    return name


ZoneName = Annotated[str, Field(max_length=64), AfterValidator(_a_zone)]
Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["09:00"])]


class Leave(Part):
    """Days off: all of both days, on the clocks of the plan's time zone."""

    first: date
    last: date
    why: Literal["leave", "ill"] = "leave"


class Quiet(Part):
    """Hours in which messages of levels 3 and 4 wait; over midnight where they end before they begin."""

    begins: Clock
    ends: Clock


class Rule(Part):
    """Which channel is tried first, for some levels and some hours; the first rule that fits counts."""

    order: Annotated[list[ChannelName], Field(min_length=1)]
    """Channels that are not named come after."""
    levels: list[LevelNumber] = Field(default_factory=list)
    """None: all."""
    hours: Quiet | None = None
    """None: always."""
    wait: Span | None = None
    """Between two contact points; none: as the plan says."""
    steps_down_after: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Messages by one channel within an hour after which it is tried last (levels 3 and 4).

    A simulation does it; the check counts no messages and reckons without it."""


class Staff(Part):
    """Somebody of the centre."""

    name: str
    positions: list[Slug] = Field(default_factory=list)
    contacts: list[ChannelName] = Field(default_factory=list)
    """The channels they can be told by, in the order they are tried."""
    skills: dict[str, date | None] = Field(default_factory=dict)
    """Each with the last day of its certificate, if it rests on one."""
    leave: list[Leave] = Field(default_factory=list)
    quiet: Quiet | None = None
    rules: list[Rule] = Field(default_factory=list)
    left: date | None = None
    """From this day on they are no longer with the centre."""


class Rotation(Part):
    """People in turn at a position, handing over by the clock on the wall."""

    time_zone: ZoneName | None = None
    """None: the plan's."""
    starts_on: date
    handover: Clock
    days_per_shift: Annotated[int, Field(ge=1, le=366)]
    participants: Annotated[list[Slug], Field(min_length=1, max_length=200)]


class Stock(Part):
    """What there is of an item, or one asset, in place of what the plan says."""

    pool: Slug
    item: Slug
    quantity: Annotated[int, Field(ge=0, le=1_000_000)] = 1
    last_day: date | None = None
    """It can be used up to this day."""
    held_until: Moment | None = None
    """It is lent, and back from this moment on."""


def _usual() -> list[ChannelName]:
    return ["mail", "webhook"]


class OrganisationFile(Part):
    """`organisation.yaml`: who there is, who is on when, and what is in store."""

    channels: list[ChannelName] = Field(default_factory=_usual)
    """Those that are set up."""
    people: dict[Slug, Staff]
    rosters: dict[Slug, Rotation] = Field(default_factory=dict)
    stock: list[Stock] = Field(default_factory=list)
    """Items that are not named are there as the plan says."""


class BadOrganisation(WrongShape, slug="bad-organisation"):
    """This file does not describe the organisation of this plan; `errors` lists every mistake."""

    def __init__(self, mistakes: list[Mistake], *, file: str) -> None:
        errors = [{"path": m.path, "line": m.line, "message": m.message} for m in mistakes]
        super().__init__(
            say("plan.organisation.unreadable", file=file, count=len(mistakes)), errors=errors, file=file
        )
        self.mistakes = mistakes
        self.file = file

    def told(self, language: str = "en") -> list[str]:
        return [mistake.told(self.file, language) for mistake in self.mistakes]


def read(text: str | bytes, plan: PlanDocument, *, file: str) -> OrganisationFile:
    """The organisation in this text, or `BadOrganisation` with all that is wrong with it beside this plan."""
    try:
        loaded = strict_yaml.load(text)
    except strict_yaml.BadYaml as error:
        raise BadOrganisation(error.mistakes, file=file) from None
    try:
        found = OrganisationFile.model_validate(loaded.document)
    except ValidationError as error:
        raise BadOrganisation(strict_yaml.mistakes_of(error, loaded, OrganisationFile), file=file) from None
    lines = {".".join(str(part) for part in path): place.line for path, place in loaded.marks.items()}
    mistakes = [Mistake(lines.get(path, 1), 1, path, message) for path, message in _mistakes(found, plan)]
    if mistakes:
        raise BadOrganisation(mistakes, file=file)
    return found


def snapshot(
    organisation: OrganisationFile, plan: PlanDocument, *, begins: datetime, ends: datetime
) -> Snapshot:
    """The organisation over a time, its rosters and leave reckoned into stretches."""
    zone = plan.grading().zone
    away = {name: tuple(_away(staff, zone)) for name, staff in organisation.people.items()}
    of_rosters = {
        name: [rota.Away(one.begins, one.ends, rota.Absent(one.why)) for one in spells]
        for name, spells in away.items()
    }
    people = {
        name: Person(
            staff.name, tuple(staff.contacts),
            {skill: None if last is None else _midnight(last + _DAY, zone) for skill, last in staff.skills.items()},
            away[name], tuple(_quiet(staff.quiet, plan.plan.time_zone, begins, ends)) if staff.quiet is not None else (),
            contact_rules.read(written_rules(staff, plan.plan.time_zone)),
        )
        for name, staff in organisation.people.items()
    }  # fmt: skip
    assigned: dict[str, list[str]] = {}
    for name, staff in organisation.people.items():
        for position in dict.fromkeys(staff.positions):
            assigned.setdefault(position, []).append(name)
    posts = {}
    for position, holders in assigned.items():
        post = rota.Post(tuple(holders), _roster(organisation.rosters.get(position), plan), of_rosters)
        posts[position] = Post(
            tuple(holders), tuple(stretch_of(one) for one in rota.called(post, begins, ends))
        )
    return Snapshot(people, posts, tuple(_lots(organisation, plan, zone)), frozenset(organisation.channels))


def _mistakes(organisation: OrganisationFile, plan: PlanDocument) -> Iterator[tuple[str, Wording]]:
    for name, staff in organisation.people.items():
        for index, position in enumerate(staff.positions):
            if position not in plan.organisation.positions:
                yield (
                    f"people.{name}.positions.{index}",
                    say("plan.organisation.unknown_position", name=position),
                )
        for index, leave in enumerate(staff.leave):
            if leave.last < leave.first:
                yield f"people.{name}.leave.{index}.last", say("plan.organisation.backwards")
        if staff.quiet is not None and staff.quiet.begins == staff.quiet.ends:
            yield f"people.{name}.quiet", say("people.quiet_all_day")
    for position, rotation in organisation.rosters.items():
        if position not in plan.organisation.positions:
            yield f"rosters.{position}", say("plan.organisation.unknown_position", name=position)
        for index, person in enumerate(rotation.participants):
            path = f"rosters.{position}.participants.{index}"
            if person not in organisation.people:
                yield path, say("plan.organisation.unknown_person", name=person)
            elif position not in organisation.people[person].positions:
                yield path, say("plan.organisation.not_a_holder", name=person)
    for index, stock in enumerate(organisation.stock):
        pool = plan.pools.get(stock.pool)
        held = (
            pool.items
            if isinstance(pool, MaterialsPool)
            else pool.assets
            if isinstance(pool, TechnologyPool)
            else {}
        )
        if stock.item not in held:
            yield (
                f"stock.{index}.item",
                say("plan.organisation.unknown_pool", name=f"{stock.pool}.{stock.item}"),
            )


def _roster(rotation: Rotation | None, plan: PlanDocument) -> rota.Roster | None:
    if rotation is None:
        return None
    one = rota.Rotation(
        rotation.time_zone or plan.plan.time_zone, rotation.starts_on, time.fromisoformat(rotation.handover),
        rotation.days_per_shift * _DAY, tuple(rotation.participants),
    )  # fmt: skip
    return rota.Roster((one,))


def _away(staff: Staff, zone: ZoneInfo) -> Iterator[Away]:
    if staff.left is not None:
        yield Away(_midnight(staff.left, zone), None, Absent.LEFT)
    for one in staff.leave:
        yield Away(_midnight(one.first, zone), _midnight(one.last + _DAY, zone), Absent(one.why))


def written_rules(staff: Staff, zone: str) -> list[dict[str, Any]]:
    """Their rules as they are kept with a person."""
    return [
        {
            "order": list(one.order), "levels": list(one.levels), "wait": write_span(one.wait) if one.wait else None,
            "hours": {"begins": one.hours.begins, "ends": one.hours.ends, "time_zone": zone} if one.hours else None,
            "steps_down_after": one.steps_down_after,
        }
        for one in staff.rules
    ]  # fmt: skip


def _quiet(quiet: Quiet, zone: str, begins: datetime, ends: datetime) -> list[tuple[datetime, datetime]]:
    first, last = time.fromisoformat(quiet.begins), time.fromisoformat(quiet.ends)
    return rota.quiet_spells(rota.Quiet(first, last, zone), begins, ends)


def _lots(organisation: OrganisationFile, plan: PlanDocument, zone: ZoneInfo) -> Iterator[Lot]:
    named = {(one.pool, one.item) for one in organisation.stock}
    yield from (lot for lot in full(plan) if (lot.pool, lot.name) not in named)
    for one in organisation.stock:
        ends = None if one.last_day is None else _midnight(one.last_day + _DAY, zone)
        yield Lot(one.pool, one.item, one.quantity, one.held_until, ends)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
