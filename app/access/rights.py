"""Who may call what: every route, every role, on one page. What is not listed is refused to everybody.

`PUBLIC` needs no key; where the address itself holds a secret mark (`/a/…`, `/calendars/…`) or the
body is signed (`/callbacks/…`), the room checks it. `SOURCE`
routes check a monitoring source's own key themselves, because senders show it in their own ways.
Finer rules (which level a role may declare, which task is whose) are the rooms' business.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final

from app.access.tables import Role


class Open(Enum):
    PUBLIC = "public"  # anybody
    SOURCE = "source"  # whoever shows the key of the source addressed


_L, _M, _E, _C, _A = Role.LEADERSHIP, Role.MANAGEMENT, Role.EXECUTION, Role.COLLABORATION, Role.AUDITOR

LEADS: Final = frozenset({_L})
MANAGES: Final = frozenset({_L, _M})
ACTS: Final = frozenset({_L, _M, _E})
HELPS: Final = frozenset({_L, _M, _E, _C})
READS: Final = frozenset({_L, _M, _E, _A})
SEES: Final = frozenset({_L, _M, _E, _C, _A})
OVERSEES: Final = frozenset({_L, _M, _A})
AUDITS: Final = frozenset({_L, _A})

RIGHTS: Final[Mapping[tuple[str, str], frozenset[Role] | Open]] = {
    # incidents
    ("POST", "/api/v1/incidents"): ACTS,
    ("GET", "/api/v1/incidents"): SEES,
    ("GET", "/api/v1/incidents/{incident_id}"): SEES,
    ("POST", "/api/v1/incidents/{incident_id}/transitions"): MANAGES,
    ("POST", "/api/v1/incidents/{incident_id}/acknowledgements"): ACTS,
    ("PATCH", "/api/v1/incidents/{incident_id}/facts"): ACTS,
    ("POST", "/api/v1/incidents/{incident_id}/updates"): ACTS,
    ("GET", "/api/v1/incidents/{incident_id}/updates"): SEES,
    ("GET", "/api/v1/obligations"): READS,
    ("POST", "/api/v1/incidents/{incident_id}/obligations/{obligation_id}/waive"): MANAGES,
    ("GET", "/api/v1/incidents/{incident_id}/timeline"): SEES,
    ("GET", "/api/v1/incidents/{incident_id}/tasks"): SEES,
    ("POST", "/api/v1/tasks/{task_id}/transitions"): HELPS,
    ("GET", "/api/v1/incidents/{incident_id}/decisions"): READS,
    ("POST", "/api/v1/decisions/{decision_id}/choices"): ACTS,
    ("GET", "/api/v1/incidents/{incident_id}/announcements"): SEES,
    ("GET", "/api/v1/incidents/{incident_id}/report"): READS,
    # intake
    ("GET", "/api/v1/sources"): OVERSEES,
    ("POST", "/api/v1/sources"): MANAGES,
    ("PATCH", "/api/v1/sources/{slug}"): MANAGES,
    ("POST", "/api/v1/sources/{slug}/keys"): MANAGES,
    ("POST", "/api/v1/sources/{slug}/disable"): MANAGES,
    ("POST", "/api/v1/sources/{slug}/try"): MANAGES,
    ("GET", "/api/v1/receipts"): OVERSEES,
    ("GET", "/api/v1/receipts/{receipt_id}"): OVERSEES,
    ("POST", "/intake/{slug}"): Open.SOURCE,
    ("PUT", "/intake/{slug}"): Open.SOURCE,
    ("OPTIONS", "/intake/{slug}"): Open.SOURCE,
    ("POST", "/v2/enqueue"): Open.SOURCE,
    ("POST", "/v2/alerts"): Open.SOURCE,
    ("POST", "/v2/alerts/{alias}/close"): Open.SOURCE,
    ("POST", "/v2/alerts/{alias}/acknowledge"): Open.SOURCE,
    ("POST", "/v2/alerts/{alias}/notes"): Open.SOURCE,
    ("PUT", "/v2/alerts/{alias}/message"): Open.SOURCE,
    ("PUT", "/v2/alerts/{alias}/description"): Open.SOURCE,
    # levels
    ("GET", "/api/v1/levels"): SEES,
    # playbooks
    ("GET", "/api/v1/incidents/{incident_id}/run"): READS,
    # notify
    ("GET", "/api/v1/incidents/{incident_id}/notices"): READS,
    ("GET", "/api/v1/deliveries"): READS,
    ("GET", "/api/v1/deliveries/{delivery_id}"): READS,
    ("GET", "/a/page.css"): Open.PUBLIC,
    ("GET", "/a/{delivery_id}/{mark}"): Open.PUBLIC,
    ("POST", "/a/{delivery_id}/{mark}"): Open.PUBLIC,
    ("GET", "/api/v1/answers"): READS,
    ("POST", "/callbacks/chats/{group}"): Open.PUBLIC,  # the signature is the right
    ("GET", "/callbacks/chats/{group}"): Open.PUBLIC,
    ("POST", "/callbacks/{way}"): Open.PUBLIC,
    # people
    ("GET", "/api/v1/people"): READS,
    ("POST", "/api/v1/people"): MANAGES,
    ("POST", "/api/v1/people/import"): MANAGES,
    ("GET", "/api/v1/people/{person_id}"): READS,
    (
        "PATCH",
        "/api/v1/people/{person_id}",
    ): ACTS,  # of themselves how they are reached; the rest whoever manages
    ("POST", "/api/v1/people/{person_id}/leave"): MANAGES,
    (
        "POST",
        "/api/v1/people/{person_id}/contacts/{contact_id}/test",
    ): ACTS,  # their own; of others whoever manages
    ("GET", "/api/v1/departments"): READS,
    ("POST", "/api/v1/departments"): MANAGES,
    ("GET", "/api/v1/positions"): READS,
    ("GET", "/api/v1/rosters"): READS,
    ("POST", "/api/v1/rosters"): MANAGES,
    ("GET", "/api/v1/rosters/{position}"): READS,
    ("POST", "/api/v1/rosters/{position}/end"): MANAGES,
    ("GET", "/api/v1/rosters/{position}/turns"): READS,
    ("GET", "/api/v1/rosters/{position}/overrides"): READS,
    ("POST", "/api/v1/rosters/{position}/overrides"): MANAGES,
    ("POST", "/api/v1/rosters/{position}/overrides/import"): MANAGES,
    ("POST", "/api/v1/overrides/{override_id}/withdraw"): MANAGES,
    ("GET", "/api/v1/rosters/{position}/swaps"): READS,
    ("POST", "/api/v1/rosters/{position}/swaps"): ACTS,
    ("POST", "/api/v1/swaps/{swap_id}/transitions"): ACTS,
    ("GET", "/api/v1/on-call"): READS,
    ("GET", "/api/v1/people/{person_id}/absences"): READS,
    ("POST", "/api/v1/people/{person_id}/absences"): ACTS,
    ("POST", "/api/v1/people/{person_id}/absences/import"): ACTS,
    ("POST", "/api/v1/absences/{absence_id}/transitions"): ACTS,
    ("POST", "/api/v1/people/{person_id}/check-ins"): ACTS,
    ("GET", "/api/v1/check-ins"): MANAGES,
    ("GET", "/api/v1/rosters/{position}/calendar"): READS,
    ("GET", "/api/v1/people/{person_id}/calendar"): READS,
    ("GET", "/api/v1/calendar-feeds"): READS,
    ("POST", "/api/v1/calendar-feeds"): ACTS,
    ("POST", "/api/v1/calendar-feeds/{feed_id}/revoke"): ACTS,
    ("GET", "/calendars/{feed_mark}.ics"): Open.PUBLIC,
    # resources
    ("GET", "/api/v1/pools"): READS,
    ("GET", "/api/v1/pools/{pool_id}"): READS,
    ("GET", "/api/v1/pools/{pool_id}/movements"): READS,
    ("POST", "/api/v1/pools/{pool_id}/movements"): MANAGES,
    ("POST", "/api/v1/pools/{pool_id}/stocktakes"): MANAGES,
    ("POST", "/api/v1/pools/{pool_id}/assets/{name}/state"): MANAGES,
    ("GET", "/api/v1/replenishments"): READS,
    ("POST", "/api/v1/replenishments/{replenishment_id}/order"): MANAGES,
    ("POST", "/api/v1/replenishments/{replenishment_id}/receive"): MANAGES,
    ("GET", "/api/v1/reservations"): READS,
    ("POST", "/api/v1/reservations"): MANAGES,
    ("POST", "/api/v1/reservations/{reservation_id}/release"): MANAGES,
    ("POST", "/api/v1/reservations/{reservation_id}/extend"): MANAGES,
    ("GET", "/api/v1/preemptions"): READS,
    ("POST", "/api/v1/incidents/{incident_id}/preemptions"): MANAGES,
    ("GET", "/api/v1/incidents/{incident_id}/reservations"): READS,
    # plan
    ("GET", "/api/v1/plan"): SEES,
    ("GET", "/api/v1/plan/check"): MANAGES,
    ("POST", "/api/v1/plan/check"): MANAGES,
    ("POST", "/api/v1/simulations"): MANAGES,
    ("GET", "/api/v1/plan/revisions"): READS,
    ("POST", "/api/v1/plan/revisions"): MANAGES,
    ("GET", "/api/v1/plan/revisions/{revision_id}"): READS,
    ("GET", "/api/v1/plan/revisions/{revision_id}/source"): READS,
    ("PUT", "/api/v1/plan/revisions/{revision_id}"): MANAGES,
    ("POST", "/api/v1/plan/revisions/{revision_id}/transitions"): MANAGES,
    ("GET", "/api/v1/plan/revisions/{revision_id}/impact"): READS,
    ("POST", "/api/v1/plan/revisions/{revision_id}/impact"): MANAGES,
    ("GET", "/api/v1/plan/due"): READS,
    ("POST", "/api/v1/plan/due"): ACTS,
    ("POST", "/api/v1/plan/due/{due_id}/dismissals"): MANAGES,
    ("GET", "/api/v1/incidents/{incident_id}/plan"): READS,
    ("POST", "/api/v1/incidents/{incident_id}/plan"): ACTS,
    # readiness
    ("GET", "/api/v1/duties"): READS,
    ("GET", "/api/v1/capacity"): READS,
    ("POST", "/api/v1/duties/{key}/completions"): HELPS,
    ("GET", "/api/v1/drills"): READS,
    ("POST", "/api/v1/drills"): MANAGES,
    ("GET", "/api/v1/drills/{drill_id}"): READS,
    ("POST", "/api/v1/drills/{drill_id}/transitions"): ACTS,  # whoever is there may stop one
    ("POST", "/api/v1/drills/{drill_id}/scores"): ACTS,
    ("POST", "/api/v1/drills/{drill_id}/findings"): ACTS,
    ("POST", "/api/v1/drills/{drill_id}/plays"): MANAGES,
    ("GET", "/api/v1/drills/{drill_id}/report"): READS,
    ("GET", "/api/v1/drill-years/{year}"): READS,
    # reviews
    ("GET", "/api/v1/incidents/{incident_id}/review"): READS,
    ("PATCH", "/api/v1/incidents/{incident_id}/review"): ACTS,
    ("POST", "/api/v1/incidents/{incident_id}/review/publish"): MANAGES,
    ("GET", "/api/v1/improvements"): READS,
    ("POST", "/api/v1/improvements/{improvement_id}/transitions"): ACTS,
    ("GET", "/api/v1/metrics"): READS,
    # risks
    ("GET", "/api/v1/risks"): READS,
    ("POST", "/api/v1/risks"): MANAGES,
    ("GET", "/api/v1/risks/{risk_id}"): READS,
    ("PATCH", "/api/v1/risks/{risk_id}"): MANAGES,
    ("GET", "/api/v1/risks/{risk_id}/history"): READS,
    ("POST", "/api/v1/assessments"): MANAGES,
    ("GET", "/api/v1/assessments"): SEES,
    ("GET", "/api/v1/assessments/{assessment_id}"): SEES,
    ("POST", "/api/v1/assessments/{assessment_id}/scores"): HELPS,
    ("POST", "/api/v1/assessments/{assessment_id}/transitions"): MANAGES,
    # warnings
    ("POST", "/api/v1/indicators"): ACTS,
    ("GET", "/api/v1/indicators"): READS,
    ("GET", "/api/v1/indicators/{indicator}"): READS,
    ("GET", "/api/v1/indicators/{indicator}/samples"): READS,
    ("GET", "/api/v1/warnings"): READS,
    ("GET", "/api/v1/warnings/{warning_id}"): READS,
    ("POST", "/api/v1/warnings/{warning_id}/acknowledgements"): ACTS,
    ("POST", "/api/v1/warnings/{warning_id}/transitions"): MANAGES,
    # customers
    ("GET", "/status"): Open.PUBLIC,
    ("GET", "/status.atom"): Open.PUBLIC,
    ("GET", "/status.json"): Open.PUBLIC,
    ("GET", "/status.css"): Open.PUBLIC,
    ("GET", "/api/v1/incidents/{incident_id}/announcement-words"): READS,
    ("POST", "/api/v1/incidents/{incident_id}/announcements"): ACTS,
    ("GET", "/api/v1/announcements"): READS,
    ("GET", "/api/v1/announcements/{announcement_id}"): READS,
    ("POST", "/api/v1/announcements/{announcement_id}/versions"): ACTS,
    ("POST", "/api/v1/announcements/{announcement_id}/transitions"): ACTS,  # approving: whom the plan names
    ("GET", "/api/v1/outlets"): READS,
    ("POST", "/api/v1/outlets"): MANAGES,
    ("POST", "/api/v1/outlets/{outlet_id}/retire"): MANAGES,
    ("GET", "/api/v1/feedback"): READS,
    ("POST", "/api/v1/feedback"): ACTS,
    ("GET", "/api/v1/feedback/{feedback_id}"): READS,
    ("POST", "/api/v1/feedback/{feedback_id}/transitions"): ACTS,
    ("GET", "/api/v1/feedback-figures"): READS,
    # access
    ("GET", "/api/v1/keys"): OVERSEES,
    ("POST", "/api/v1/keys"): LEADS,
    ("POST", "/api/v1/keys/{key_id}/revoke"): LEADS,
    # the console: each page and form as its twin above
    ("GET", "/"): Open.PUBLIC,
    ("GET", "/sign-in"): Open.PUBLIC,
    ("POST", "/sign-in"): Open.PUBLIC,
    ("POST", "/sign-out"): Open.PUBLIC,
    ("POST", "/language"): Open.PUBLIC,
    ("GET", "/board"): SEES,
    ("POST", "/incidents"): ACTS,
    ("GET", "/incidents/{incident_id}"): SEES,
    ("POST", "/incidents/{incident_id}/transitions"): MANAGES,
    ("POST", "/incidents/{incident_id}/acknowledgements"): ACTS,
    ("POST", "/incidents/{incident_id}/facts"): ACTS,
    ("POST", "/incidents/{incident_id}/updates"): ACTS,
    ("POST", "/incidents/{incident_id}/obligations/{obligation_id}"): MANAGES,
    ("POST", "/incidents/{incident_id}/tasks/{task_id}"): HELPS,
    ("POST", "/incidents/{incident_id}/decisions/{decision_id}"): ACTS,
    ("GET", "/incidents/{incident_id}/review"): READS,
    ("GET", "/incidents/{incident_id}/review.md"): READS,
    ("POST", "/incidents/{incident_id}/review"): ACTS,
    ("POST", "/incidents/{incident_id}/review/publish"): MANAGES,
    ("GET", "/rosters"): READS,
    ("POST", "/rosters/check-ins"): ACTS,
    ("POST", "/rosters/absences"): ACTS,
    ("POST", "/rosters/absences/{absence_id}"): ACTS,
    ("POST", "/rosters/swaps"): ACTS,
    ("POST", "/rosters/swaps/{swap_id}"): ACTS,
    ("GET", "/drills"): READS,
    ("GET", "/drills/{drill_id}.md"): READS,
    ("POST", "/drills"): MANAGES,
    ("GET", "/drills/{drill_id}"): READS,
    ("POST", "/drills/{drill_id}/transitions"): ACTS,
    ("POST", "/drills/{drill_id}/plays"): MANAGES,
    ("POST", "/drills/{drill_id}/scores"): ACTS,
    ("POST", "/drills/{drill_id}/findings"): ACTS,
    ("GET", "/pools"): READS,
    ("GET", "/plan"): READS,
    ("GET", "/plan/revisions/{revision_id}"): READS,
    ("POST", "/plan/revisions/{revision_id}/transitions"): MANAGES,
    ("POST", "/plan/revisions/{revision_id}/impact"): MANAGES,
    ("POST", "/incidents/{incident_id}/plan"): ACTS,
    ("GET", "/people"): READS,
    ("GET", "/risks"): READS,
    ("GET", "/risks/{risk_id}"): READS,
    ("POST", "/risks/{risk_id}/changes"): MANAGES,
    ("POST", "/risks/{risk_id}/assessments"): MANAGES,
    ("POST", "/risks/{risk_id}/assessments/{assessment_id}/scores"): ACTS,
    ("POST", "/risks/{risk_id}/assessments/{assessment_id}/transitions"): MANAGES,
    ("GET", "/announcements"): READS,
    ("GET", "/announcements/{announcement_id}"): READS,
    ("GET", "/announcements/{announcement_id}/preview"): READS,
    ("POST", "/announcements/{announcement_id}/versions"): ACTS,
    ("POST", "/announcements/{announcement_id}/transitions"): ACTS,
    ("GET", "/incidents/{incident_id}/announcements/new"): ACTS,
    ("POST", "/incidents/{incident_id}/announcements"): ACTS,
    ("POST", "/outlets"): MANAGES,
    ("POST", "/outlets/{outlet_id}/retire"): MANAGES,
    ("GET", "/feedback"): READS,
    ("POST", "/feedback"): ACTS,
    ("POST", "/feedback/{feedback_id}"): ACTS,
    ("POST", "/people/import"): MANAGES,
    ("POST", "/people/sample"): MANAGES,
    ("POST", "/people/{person_id}/availability"): MANAGES,
    ("GET", "/answers"): READS,
    ("GET", "/people/{person_id}"): READS,
    ("POST", "/people/{person_id}/reaching"): ACTS,  # their own; management everybody's
    ("POST", "/people/{person_id}/contacts/{contact_id}/test"): ACTS,  # likewise
    ("GET", "/parked"): OVERSEES,
    ("GET", "/sources"): OVERSEES,
    ("GET", "/sources/{slug}/try"): MANAGES,
    ("POST", "/sources/{slug}/try"): MANAGES,
    ("GET", "/plan/check"): MANAGES,
    ("POST", "/parked/{parked_id}/retry"): MANAGES,
    # the service itself
    ("GET", "/healthz"): Open.PUBLIC,
    ("GET", "/readyz"): Open.PUBLIC,
    ("GET", "/metrics"): OVERSEES,
    ("GET", "/problems/{slug}"): Open.PUBLIC,
    ("GET", "/api/v1/stream"): READS,
    ("GET", "/api/v1/audit"): AUDITS,
    ("GET", "/api/v1/installation"): SEES,
    ("POST", "/api/v1/installation/release"): LEADS,
    ("GET", "/api/v1/parked"): OVERSEES,
    ("POST", "/api/v1/parked/{parked_id}/retry"): MANAGES,
}

WITHOUT_DATABASE: Final = frozenset(
    {
        ("GET", "/healthz"), ("GET", "/a/page.css"), ("GET", "/status"), ("GET", "/status.atom"), ("GET", "/status.json"),
        ("GET", "/status.css"),
    }
)  # fmt: skip
"""Public, and answered whatever state the database is in: these take no turn at it."""

OUTSIDE_TRANSACTIONS: Final = frozenset(
    {
        ("POST", "/api/v1/simulations"),
        ("POST", "/api/v1/plan/check"),
        ("POST", "/api/v1/drills/{drill_id}/plays"),
        ("POST", "/drills/{drill_id}/plays"),
    }
)
"""Take seconds, and change nothing, or in a short transaction of their own at the end: let in by a look at the database, and served
without a turn at it that others wait for."""
