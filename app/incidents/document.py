"""What the plan says of an incident as it is handled: command posts (EP-2.5, EG-1, ST-7), written reports (EP-5.1), and what
concerns customers (EP-7.1.2, EG-3)."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from app.incidents.tables import Stage
from app.vocabulary import Localised, Part, Slug, Span


class Function(StrEnum):
    """Functions of a command post (ISO 22320)."""

    COMMAND = "command"  # 指挥
    OPERATIONS = "operations"  # 行动
    PLANNING = "planning"  # 计划
    LOGISTICS = "logistics"  # 保障
    LIAISON = "liaison"  # 联络
    PUBLIC_INFORMATION = "public_information"  # 信息发布


class Post(Part):
    """A role in a command post: what it does, and which positions fill it, in that order."""

    title: Localised
    function: Function
    filled_by: Annotated[list[Slug], Field(min_length=1)]
    duties: Localised


class CommandPost(Part):
    """A template; the role `commander` is the one that decides."""

    title: Localised
    roles: Annotated[dict[Slug, Post], Field(min_length=1)]


class Reporting(Part):
    """The reports a level owes: by whom, by when, to whom, and who lets them leave the centre (EP-5.1, EP-5.2).

    Owed from activation on. Partners and regulators are positions held by people outside: nothing is sent to them before it is
    approved.
    """

    owner: Slug
    """The position that owes the reports."""
    first_within: Span
    """The first report, counted from detection; one given orally counts."""
    written_within: Span
    """After an oral first report, the written one."""
    follow_up_every: Span | None = None
    """A follow-up report is due this long after the report before it. None: none is owed."""
    final_within: Span = timedelta(days=3)
    """The final report, counted from the close."""
    departments: list[Slug] = Field(default_factory=list)
    """Departments of the centre; whoever heads them is sent the report."""
    superiors: list[Slug] = Field(default_factory=list)
    """Positions the centre reports to."""
    partners: list[Slug] = Field(default_factory=list)
    """Positions outside the centre that work with it."""
    regulators: list[Slug] = Field(default_factory=list)
    """Positions outside the centre that watch over it."""
    approved_by: list[Slug] = Field(default_factory=list)
    """Positions of which one approves what leaves the centre, leadership apart; never its author."""


class Words(Part):
    """What an announcement begins with before somebody edits it."""

    title: Localised
    text: Localised


class FeedbackKind(Part):
    """A kind of feedback: who answers it, and by when (EG-3)."""

    title: Localised
    position: Slug
    answer_within: Span
    complaint: bool = False
    """Counted among the complaints."""


class Customers(Part):
    """What customers are told, and what becomes of what they say (EP-7.1.2, EP-7.3, EG-3)."""

    approve_by: Annotated[list[Slug], Field(min_length=1)]
    """Positions any holder of which may approve an announcement that somebody else wrote."""
    announcements: dict[Slug, dict[Stage, Words]] = Field(default_factory=dict)
    """By type of incident and stage, what an announcement begins with; `other` is for the types that have none."""
    sorted_by: Slug
    """The position that sorts feedback nobody has sorted."""
    sort_within: Span
    feedback: Annotated[dict[Slug, FeedbackKind], Field(min_length=1)]
