"""A playbook as the plan writes it: steps with their kinds, order, conditions, time limits and ways out (EP-4.1, EP-7.1.3)."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from app.resources.document import Ask
from app.vocabulary import (
    ChannelName,
    LevelNumber,
    Localised,
    LocalisedTemplate,
    Part,
    Slug,
    Span,
    Template,
    When,
)


class OnFailure(StrEnum):
    """What happens when a step has failed for good."""

    ASK = "ask"  # the commander decides: retry, skip or stop
    CONTINUE = "continue"  # go on as if it were done; `steps.<id>.state` says failed
    STOP = "stop"  # the run ends; what has not started is withdrawn


class Retry(Part):
    """Try again up to `attempts` times in all, `wait` apart, twice as long each time."""

    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    wait: Span


class _Step(Part):
    id: Slug
    title: Localised
    measures: list[str] = Field(default_factory=list)
    """The clauses of the emergency plan this step carries out, such as `EP-4.1.1`."""
    levels: Annotated[list[LevelNumber], Field(min_length=1)] = Field(default_factory=lambda: [1, 2, 3, 4])
    """The levels at which the step is part of the run."""
    needs: list[Slug] = Field(default_factory=list)
    """Steps that must have ended first. A need that is not part of the run at this level counts as ended."""
    condition: When | None = Field(default=None, alias="if")
    """Runs only if this holds when its turn comes; otherwise it is skipped. Unknown counts as not held."""
    timeout: Span | None = None
    """Counted from the step's start; when it passes, the step has failed."""
    retry: Retry | None = None
    on_failure: OnFailure = OnFailure.ASK


class NotifyParams(Part):
    tell: Annotated[list[Slug], Field(min_length=1)]
    """Positions, each told through their holders' contact points."""
    via: list[ChannelName] = Field(default_factory=list)
    text: LocalisedTemplate


class NotifyStep(_Step):
    """Tells the holders of positions; done when the messages are written, sent like every other."""

    kind: Literal["notify"]
    params: NotifyParams = Field(alias="with")


class TaskParams(Part):
    position: Slug
    text: LocalisedTemplate
    due: Span
    """Counted from the moment the task is given."""


class TaskStep(_Step):
    """Gives a task to a position; done when it is completed or waived."""

    kind: Literal["task"]
    params: TaskParams = Field(alias="with")


class ReserveParams(Part):
    ask: Annotated[list[Ask], Field(min_length=1, max_length=20)]
    """All of these or nothing."""
    hold: Span
    """How long the reservation is meant to last; it ends with the incident at the latest."""
    when_short: Slug
    """The position that decides when every tier and substitute is short."""


class ReserveStep(_Step):
    """Takes people, materials and technology out of the pools (EP-6)."""

    kind: Literal["reserve"]
    params: ReserveParams = Field(alias="with")


class AssetUse(StrEnum):
    """What a call does to the technology of a pool (EP-6.3)."""

    FAIL_OVER = (
        "fail_over"  # a standby takes over its work: reserved before the call; what failed is marked faulty
    )
    VERIFY_BACKUP = "verify_backup"  # an answer as expected counts as a check of it


class AssetParams(Part):
    does: AssetUse
    pool: Slug
    name: str
    """`verify_backup`: the asset looked at. `fail_over`: what has failed, as `standby_of` names it; the standby's name is sent
    as `standby` beside the body."""
    hold: Span = timedelta(hours=24)
    """How long the standby is meant to be in use; it ends with the incident at the latest."""


class HttpParams(Part):
    connection: Slug | None = None
    """A connection of the settings (`MUSTER_CONNECTIONS`): address and secret stay out of the plan."""
    url: Template | None = None
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    body: dict[str, Any] = Field(default_factory=dict)
    """Sent as JSON; texts in it may hold `{{ … }}`."""
    expect: list[Annotated[int, Field(ge=100, le=599)]] = Field(default_factory=list)
    """Status codes that mean success; none: every 2xx."""
    asset: AssetParams | None = None
    """What the call does to an asset of the pools, if it does."""

    @model_validator(mode="after")
    def _one_destination(self) -> Self:
        if (self.connection is None) == (self.url is None):
            raise ValueError("give either a connection or a url")
        return self


class HttpStep(_Step):
    """Calls another system; the same Idempotency-Key on each attempt. Its JSON answer is the step's result."""

    kind: Literal["http"]
    params: HttpParams = Field(alias="with")


class ApprovalParams(Part):
    by: Annotated[list[Slug], Field(min_length=1)]
    """Positions any holder of which may decide."""
    text: LocalisedTemplate
    due: Span


class ApprovalStep(_Step):
    """Asks for a yes or no; a no makes the step failed."""

    kind: Literal["approval"]
    params: ApprovalParams = Field(alias="with")


class WaitParams(Part):
    time: Span | None = Field(default=None, alias="for")
    until: When | None = None
    """Looked at again whenever a fact or a step changes."""

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if (self.time is None) == (self.until is None):
            raise ValueError("give either 'for' or 'until'")
        return self


class WaitStep(_Step):
    """Waits for a time, or until a condition holds."""

    kind: Literal["wait"]
    params: WaitParams = Field(alias="with")


class UpdateParams(Part):
    text: LocalisedTemplate
    audience: Literal["internal", "leadership", "partners"] = "internal"


class UpdateStep(_Step):
    """Posts a status update, which pays the update that is owed."""

    kind: Literal["update"]
    params: UpdateParams = Field(alias="with")


class EscalateParams(Part):
    to_level: LevelNumber | None = None
    """Raise the incident to this level, if it is not there yet."""
    tell: list[Slug] = Field(default_factory=list)
    """Or call these positions, one after the other, until one answers."""
    within: Span | None = None
    text: LocalisedTemplate

    @model_validator(mode="after")
    def _one_way_up(self) -> Self:
        if (self.to_level is None) == (not self.tell):
            raise ValueError("give either 'to_level' or 'tell'")
        if self.tell and self.within is None:
            raise ValueError("'tell' needs 'within': how long each has to answer")
        return self


class EscalateStep(_Step):
    """Goes up: a graver level, or people who must answer."""

    kind: Literal["escalate"]
    params: EscalateParams = Field(alias="with")


class NoticeParams(Part):
    audience: Literal["customers", "affected_customers", "partners", "regulator"] = "customers"
    text: LocalisedTemplate
    approve_by: list[Slug] = Field(default_factory=list)
    """Positions any holder of which may approve it; none: published at once."""
    due: Span
    parties: Annotated[list[Slug], Field(max_length=50)] = Field(default_factory=list)
    """Parties outside, by the ids of the register, that are told of it by a link of their own once it is published (EP-2.4)."""
    ask: Annotated[dict[Slug, Annotated[int, Field(ge=1, le=1_000_000)]], Field(max_length=50)] = Field(
        default_factory=dict
    )
    """What they are asked for and how much of it; each must be something that the party may be asked for."""

    @model_validator(mode="after")
    def _asked_of_somebody(self) -> Self:
        if self.ask and not self.parties:
            raise ValueError("'ask' needs 'parties': who is asked")
        if self.parties and self.audience not in ("partners", "regulator"):
            raise ValueError(
                "'parties' are told with the audience 'partners' or 'regulator', which needs an approval"
            )
        return self


class NoticeStep(_Step):
    """A notice to people outside: drafted, approved, then recorded as published (EP-7.1.2, EP-7.1.3)."""

    kind: Literal["notice"]
    params: NoticeParams = Field(alias="with")


class CommandPostParams(Part):
    template: Slug | None = None
    """None: the incident type's, or else the level's."""


class CommandPostStep(_Step):
    """Forms, or forms anew, the command post (EP-7.1.1)."""

    kind: Literal["command_post"]
    params: CommandPostParams = Field(default=CommandPostParams(), alias="with")


Step = Annotated[
    NotifyStep
    | TaskStep
    | ReserveStep
    | HttpStep
    | ApprovalStep
    | WaitStep
    | UpdateStep
    | EscalateStep
    | NoticeStep
    | CommandPostStep,
    Field(discriminator="kind"),
]


class PlaybookTier(StrEnum):
    """The three tiers of plans (GB/T 29639-2020)."""

    COMPREHENSIVE = "comprehensive"  # 综合预案
    SPECIAL = "special"  # 专项预案
    ON_SITE = "on_site"  # 现场处置方案


class Playbook(Part):
    """What is done about one kind of incident, at each level."""

    title: Localised
    tier: PlaybookTier
    owner: Slug
    """The department that keeps it (EP-2.2)."""
    steps: Annotated[list[Step], Field(min_length=1, max_length=200)]
