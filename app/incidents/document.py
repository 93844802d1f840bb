"""The command posts (EP-2.5, EG-1, ST-7) and what concerns customers (EP-7.1.2, EG-3) as the plan writes them."""

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
