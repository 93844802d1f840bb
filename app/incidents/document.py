"""The command posts as the plan writes them (EP-2.5, EG-1, ST-7)."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from app.vocabulary import Localised, Part, Slug


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
