"""The plan as a whole: every room's part in one document (EP-1.4), and the plan's own head.

The seven parts of the plan system are `general`, `organisation`, `monitoring`, response (levels, chains,
command posts, pools, playbooks), `recovery`, `training`, `revision`; a plan without one of them loads, and
`check` reports it.
"""

from datetime import date
from typing import Annotated

from pydantic import Field

from app.incidents.document import CommandPost, Customers, Reporting
from app.levels.document import Colour, IncidentType, Levels, LevelSpec, PlannedRisk, Risk, Storm
from app.levels.indicator import ColourSpec, Indicator
from app.levels.routing import Flapping, RoutingRule
from app.notify.document import Chain
from app.playbooks.document import Playbook
from app.resources.document import Pool
from app.vocabulary import Layer, LevelNumber, Localised, Part, Slug, Span


class LegalBasis(Part):
    """A law, standard or rule the plan rests on (EP-1.2)."""

    title: str
    number: str | None = None
    effective: date
    expires: date | None = None


class Head(Part):
    title: Localised
    version: str
    time_zone: str
    """IANA name; the zone in which the centre lives."""
    legal_bases: list[LegalBasis] = Field(default_factory=list)


class General(Part):
    """General rules (EP-1.1, EP-1.3)."""

    purpose: Localised
    scope: list[Localised]


class Department(Part):
    title: Localised
    layer: Layer
    head: Slug | None = None
    """The position that heads it; a chain that tells `department_head` tells this one (EP-4.2.1)."""


class Position(Part):
    """A post in the organisation (EP-2, OR-1); tasks are addressed to positions, not to names."""

    title: Localised
    layer: Layer
    department: Slug
    duties: list[Localised] = Field(default_factory=list)


class CheckIns(Part):
    """The daily health check-in (EO-1): when its summary is told, and to whom."""

    summary_at: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["09:30"])]
    """On the clocks of the plan's time zone."""
    tell: Annotated[list[Slug], Field(min_length=1)]
    """Positions of leadership or management: the summary says who is ill."""


class Organisation(Part):
    """Organisation and duties (EP-2): positions, never names."""

    departments: dict[Slug, Department]
    positions: dict[Slug, Position]
    default_position: Slug
    """Told when nothing else says whom: the duty lead."""
    check_ins: CheckIns | None = None

    def above(self, position: str) -> list[str]:
        """To whom one reports: the head of the own department, then leadership (EP-2.2)."""
        own = self.positions.get(position)
        if own is not None and own.layer not in (Layer.MANAGEMENT, Layer.LEADERSHIP):
            heads = [
                name for name, one in self.positions.items()
                if one.department == own.department and one.layer is Layer.MANAGEMENT
            ]  # fmt: skip
            if heads:
                return heads
        return [
            name for name, one in self.positions.items() if one.layer is Layer.LEADERSHIP and name != position
        ]


class Monitoring(Part):
    """Warning and monitoring: what is watched, and by whom (EP-1.4, OR-2)."""

    watched: list[Localised]
    owner: Slug
    storm: Storm = Field(default_factory=Storm)
    routing: list[RoutingRule] = Field(default_factory=list)
    """What signals are taken for (EP-4.2.1): asked from the top, and the first rule that holds decides."""
    flapping: Flapping = Field(default_factory=Flapping)
    indicators: dict[Slug, Indicator] = Field(default_factory=dict)
    """Figures that are pushed in, each with the thresholds at which it warns before there is an incident (EP-2.5, OM-2)."""
    warnings: dict[Colour, ColourSpec] = Field(default_factory=dict)
    """Who is told of a warning of each colour, and what they do."""


class Recovery(Part):
    """Recovery (EP-7.2, EP-7.3): what every recovery sees to."""

    measures: list[Localised]


class RecurringDuty(Part):
    """A duty that comes back with the calendar: a drill, a training, an inspection (EP-8, EP-6, EP-10.2)."""

    title: Localised
    clause: str
    owner: Slug
    cron: Annotated[str, Field(examples=["0 9 1 */3 *"])]
    """Five fields of cron, in the plan's time zone."""
    due_within: Span


class Training(Part):
    """Training and drills (EP-8)."""

    drills_per_year: Annotated[int, Field(ge=0, le=100)]
    training_days_per_quarter: Annotated[int, Field(ge=0, le=60)]
    duties: dict[Slug, RecurringDuty]


class Revision(Part):
    """How the plan itself is kept (EP-9.3, ST-4)."""

    review_every: Span
    reasons: list[Localised]


class PlanDocument(Part):
    """`playbooks.yaml`: the emergency plan of a customer service centre."""

    plan: Head
    general: General | None = None
    organisation: Organisation
    monitoring: Monitoring | None = None
    levels: dict[LevelNumber, LevelSpec]
    risk: Risk
    risks: dict[Slug, PlannedRisk] = Field(default_factory=dict)
    """What the risk register begins with (EP-3.1)."""
    types: dict[Slug, IncidentType]
    chains: dict[LevelNumber, Chain]
    reports: dict[LevelNumber, Reporting] = Field(default_factory=dict)
    """The written reports of each level; a level that is not named owes none (EP-5.1)."""
    command_posts: dict[Slug, CommandPost]
    pools: dict[Slug, Pool]
    playbooks: dict[Slug, Playbook]
    customers: Customers | None = None
    recovery: Recovery | None = None
    training: Training | None = None
    revision: Revision | None = None

    def chain_of(self, level: int, department: str | None) -> Chain:
        """The chain of a level as it is called for an incident of this department."""
        known = self.organisation.departments.get(department) if department else None
        return self.chains[level].told_about(known.head if known else None)

    def grading(self) -> Levels:
        """The levels' part on its own."""
        watch = self.monitoring
        return Levels(
            levels=self.levels, risk=self.risk, types=self.types, playbooks=list(self.playbooks),
            time_zone=self.plan.time_zone, storm=watch.storm if watch else Storm(),
            routing=watch.routing if watch else [], flapping=watch.flapping if watch else Flapping(),
        )  # fmt: skip
