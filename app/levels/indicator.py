"""Indicators as the plan writes them: a figure somebody measures, and the thresholds at which it warns (EP-2.5, OM-2).

A warning has the colour of the level of response it warns of: blue of level 4, yellow of 3, orange of 2, red of 1.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from app.levels.document import Colour
from app.vocabulary import Localised, Part, Slug, Span

LEVELS: Final = {Colour.RED: 1, Colour.ORANGE: 2, Colour.YELLOW: 3, Colour.BLUE: 4}
COLOURS: Final = {level: colour for colour, level in LEVELS.items()}
Figure = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-1e15, le=1e15)]
"""A value of an indicator."""
Symbol = Annotated[str, Field(pattern=r"^\S{1,8}$", examples=["%"])]


class Worse(StrEnum):
    """In which direction an indicator gets worse."""

    HIGHER = "higher"  # a queue, a share of errors
    LOWER = "lower"  # a share of calls answered


class Indicator(Part):
    """A figure that is pushed in (`POST /api/v1/indicators`), and when it warns."""

    title: Localised
    unit: Localised | Symbol | None = None
    """A word, or a symbol that is the same in every language."""
    worse: Worse
    thresholds: dict[Colour, Figure] = Field(default_factory=dict)
    """The value from which each colour holds; a colour that is not named is never reached. None at all: it is kept and shown."""
    hold: Span = timedelta()
    """How long the value must stand at a threshold, or beyond it, before the warning rises to that colour."""
    back: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """How far on the good side of a threshold the value must come before the colour may fall (hysteresis)."""
    dwell: Span = timedelta(minutes=10)
    """How long it must stay there before the colour does fall."""
    silent_after: Span | None = None
    """Heard for no longer than this, its owner is told that it is silent; none: nothing is expected of it."""
    owner: Slug | None = None
    """The position that hears of its silence; none: the owner of the monitoring."""
    type: Slug
    """The type of incident it warns of, and becomes."""
    fact: Slug | None = None
    """The fact of that incident which the value fills; none: one of the indicator's own name."""
    becomes: Colour | None = None
    """The colour at which the warning becomes an incident by itself; none: somebody decides."""
    lifted: Literal["by_itself", "by_hand"] = "by_itself"
    """Whether the warning is lifted when no colour holds any more, or waits for somebody who says why."""

    @model_validator(mode="after")
    def _numbers_are_numbers(self) -> Self:
        if any(isinstance(value, bool) for value in self.thresholds.values()):
            raise ValueError("a threshold is a number")
        return self

    @property
    def limits(self) -> dict[int, float]:
        """The thresholds by the level their colour warns of, the gravest first."""
        return {LEVELS[colour]: self.thresholds[colour] for colour in LEVELS if colour in self.thresholds}


class ColourSpec(Part):
    """What is done about a warning of one colour: who is told, and what they do."""

    tell: list[Slug] = Field(default_factory=list)
    """Positions."""
    measures: Annotated[list[Localised], Field(min_length=1)]
    acknowledge: Span | None = None
    """Not acknowledged for so long, whoever those told report to hears of it; none: no answer is asked for."""
