"""Every table of the first release."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

# As they were when this was written; the models may have moved on.
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "attached_files",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_attached_files")),
    )
    op.create_table(
        "channel_episodes",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("failing_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("working_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channel_episodes")),
    )
    op.create_index(
        "uq_channel_episodes_failing",
        "channel_episodes",
        ["channel"],
        unique=True,
        postgresql_where=sa.text("working_at is null"),
        sqlite_where=sa.text("working_at is null"),
    )
    op.create_table(
        "check_in_summaries",
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("fired_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_check_in_summaries")),
    )
    op.create_table(
        "departments",
        sa.Column("id", sa.String(length=63), nullable=False),
        sa.Column("title", JSON, nullable=False),
        sa.Column("layer", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_departments")),
    )
    op.create_table(
        "duty_occurrences",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("duty", sa.String(length=63), nullable=False),
        sa.Column("title", JSON, nullable=False),
        sa.Column("clause", sa.String(length=32), nullable=False),
        sa.Column("owner", sa.String(length=63), nullable=False),
        sa.Column("fired_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_by", sa.String(length=200), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_duty_occurrences")),
    )
    op.create_table(
        "enrolments",
        sa.Column("ref", sa.String(length=64), nullable=False),
        sa.Column("who", sa.String(length=63), nullable=False),
        sa.PrimaryKeyConstraint("ref", "who", name=op.f("pk_enrolments")),
    )
    op.create_table(
        "handover_occurrences",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("position", sa.String(length=63), nullable=False),
        sa.Column("handed_over_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("from_id", sa.String(length=26), nullable=True),
        sa.Column("to_id", sa.String(length=26), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_handover_occurrences")),
    )
    op.create_table(
        "holds",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", JSON, nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_by", sa.String(length=200), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("outcome", JSON, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holds")),
    )
    op.create_table(
        "incidents",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("title", sa.String(length=500), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("type", sa.String(length=63), nullable=False),
        sa.Column("type_said", sa.String(length=200), nullable=True),
        sa.Column("category", sa.String(length=16), nullable=False),
        sa.Column("department", sa.String(length=63), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("provisional", sa.Boolean(), nullable=False),
        sa.Column("level_reason", JSON, nullable=False),
        sa.Column("level_suggested", sa.Integer(), nullable=True),
        sa.Column("warned_of", sa.Integer(), nullable=True),
        sa.Column("warned_because", JSON, nullable=True),
        sa.Column("gravity", sa.String(length=32), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("occurrence", sa.Integer(), nullable=False),
        sa.Column("signals", sa.Integer(), nullable=False),
        sa.Column("grew_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("facts", JSON, nullable=False),
        sa.Column("reporter", sa.String(length=200), nullable=True),
        sa.Column("raised_by", sa.String(length=200), nullable=False),
        sa.Column("source", sa.String(length=63), nullable=True),
        sa.Column("dedup_key", sa.String(length=300), nullable=True),
        sa.Column("group_key", sa.String(length=300), nullable=True),
        sa.Column("flaps", sa.Integer(), nullable=False),
        sa.Column("plan_revision", sa.String(length=26), nullable=False),
        sa.Column("playbook", sa.String(length=63), nullable=False),
        sa.Column("merged_into", sa.String(length=26), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("detected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=200), nullable=True),
        sa.Column("assessed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("responding_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_task_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recovering_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_seq", sa.Integer(), nullable=False),
        sa.Column("last_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["merged_into"], ["incidents.id"], name=op.f("fk_incidents_merged_into_incidents")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
        sa.UniqueConstraint("number", name=op.f("uq_incidents_number")),
    )
    op.create_index(op.f("ix_incidents_detected_at"), "incidents", ["detected_at"], unique=False)
    op.create_index(
        "ix_incidents_group",
        "incidents",
        ["group_key", "grew_at"],
        unique=False,
        postgresql_where=sa.text("group_key is not null"),
        sqlite_where=sa.text("group_key is not null"),
    )
    op.create_index("ix_incidents_state", "incidents", ["state"], unique=False)
    op.create_index("ix_incidents_storm", "incidents", ["source", "type", "grew_at"], unique=False)
    op.create_index(
        "uq_incidents_open_dedup",
        "incidents",
        ["dedup_key", "status"],
        unique=True,
        postgresql_where=sa.text(
            "dedup_key is not null and state not in ('closed', 'reviewed', 'cancelled')"
        ),
        sqlite_where=sa.text("dedup_key is not null and state not in ('closed', 'reviewed', 'cancelled')"),
    )
    op.create_table(
        "indicator_samples",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("is_late", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_indicator_samples")),
    )
    op.create_index("ix_indicator_samples_at", "indicator_samples", ["at"], unique=False)
    op.create_index("uq_indicator_samples_moment", "indicator_samples", ["name", "at"], unique=True)
    op.create_table(
        "indicators",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("level", sa.Integer(), nullable=True),
        sa.Column("runs", JSON, nullable=False),
        sa.Column("silent_since", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_indicators")),
    )
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("home", sa.Text(), nullable=False),
        sa.Column("mark", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    op.create_table(
        "kept_answers",
        sa.Column("key", sa.String(length=300), nullable=False),
        sa.Column("request_digest", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", JSON, nullable=False),
        sa.Column("body_sealed", sa.Text(), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_kept_answers")),
    )
    op.create_index(op.f("ix_kept_answers_expires_at"), "kept_answers", ["expires_at"], unique=False)
    op.create_table(
        "keys",
        sa.Column("id", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=26), nullable=True),
        sa.Column("source_id", sa.String(length=26), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_keys")),
    )
    op.create_table(
        "maintenance_windows",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("begins_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("repeats", sa.String(length=8), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("over_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sources", JSON, nullable=False),
        sa.Column("labels", JSON, nullable=False),
        sa.Column("types", JSON, nullable=False),
        sa.Column("departments", JSON, nullable=False),
        sa.Column("holds_gravest", sa.Boolean(), nullable=False),
        sa.Column("set_by", sa.String(length=200), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changes", JSON, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maintenance_windows")),
    )
    op.create_index("ix_maintenance_over", "maintenance_windows", ["over_at"], unique=False)
    op.create_table(
        "matrices",
        sa.Column("revision_id", sa.String(length=26), nullable=False),
        sa.Column("document", JSON, nullable=False),
        sa.Column("adopted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("in_force", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("revision_id", name=op.f("pk_matrices")),
    )
    op.create_index(
        "uq_matrices_in_force",
        "matrices",
        ["in_force"],
        unique=True,
        postgresql_where=sa.text("in_force"),
        sqlite_where=sa.text("in_force"),
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("ref", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("exercise", sa.Boolean(), nullable=False),
        sa.Column("subject", JSON, nullable=False),
        sa.Column("text", JSON, nullable=False),
        sa.Column("page", sa.String(length=200), nullable=True),
        sa.Column("attached", JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
    )
    op.create_index(op.f("ix_notices_ref"), "notices", ["ref"], unique=False)
    op.create_table(
        "number_series",
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("year", name=op.f("pk_number_series")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("topic", sa.String(length=64), nullable=False),
        sa.Column("ref", sa.String(length=64), nullable=False),
        sa.Column("payload", JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("urgency", sa.SmallInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index(
        "ix_outbox_oldest",
        "outbox",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
        sqlite_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "ix_outbox_parked",
        "outbox",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state = 'parked'"),
        sqlite_where=sa.text("state = 'parked'"),
    )
    op.create_index(
        "ix_outbox_pending",
        "outbox",
        ["ref", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
        sqlite_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "ix_outbox_urgent",
        "outbox",
        ["urgency", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'pending' and urgency < 2"),
        sqlite_where=sa.text("state = 'pending' and urgency < 2"),
    )
    op.create_table(
        "parties",
        sa.Column("id", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("owner", sa.String(length=63), nullable=False),
        sa.Column("contract", sa.String(length=200), nullable=True),
        sa.Column("language", sa.String(length=8), nullable=True),
        sa.Column("may_be_asked", JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_parties")),
    )
    op.create_table(
        "plan_outlooks",
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision_id", sa.String(length=26), nullable=False),
        sa.Column("grave", JSON, nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_plan_outlooks")),
    )
    op.create_table(
        "plan_revisions",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("document", JSON, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("author", sa.String(length=200), nullable=False),
        sa.Column("author_key", sa.String(length=8), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(length=200), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("in_force_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("findings", JSON, nullable=False),
        sa.Column("reasons", JSON, nullable=False),
        sa.Column("hands", JSON, nullable=False),
        sa.Column("impact", JSON, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_revisions")),
    )
    op.create_index(op.f("ix_plan_revisions_digest"), "plan_revisions", ["digest"], unique=False)
    op.create_index(
        "uq_plan_revisions_in_force",
        "plan_revisions",
        ["state"],
        unique=True,
        postgresql_where=sa.text("state = 'in_force'"),
        sqlite_where=sa.text("state = 'in_force'"),
    )
    op.create_table(
        "pools",
        sa.Column("id", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("tier", sa.String(length=16), nullable=False),
        sa.Column("title", JSON, nullable=False),
        sa.Column("owner", sa.String(length=63), nullable=False),
        sa.Column("next", sa.String(length=63), nullable=True),
        sa.Column("positions", JSON, nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("stocktake_every", sa.Integer(), nullable=True),
        sa.Column("stocktake_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pools")),
    )
    op.create_table(
        "preemptions",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("ref", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("step", sa.String(length=26), nullable=True),
        sa.Column("asked", JSON, nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("takings", JSON, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("decision_id", sa.String(length=26), nullable=True),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_preemptions")),
    )
    op.create_index(op.f("ix_preemptions_decision_id"), "preemptions", ["decision_id"], unique=False)
    op.create_index(op.f("ix_preemptions_ref"), "preemptions", ["ref"], unique=False)
    op.create_table(
        "reservations",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("ref", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("exercise", sa.Boolean(), nullable=False),
        sa.Column("reserved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("asked", JSON, nullable=False),
        sa.Column("decision_id", sa.String(length=26), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservations")),
        sa.UniqueConstraint("key", name=op.f("uq_reservations_key")),
    )
    op.create_index(op.f("ix_reservations_decision_id"), "reservations", ["decision_id"], unique=False)
    op.create_index(
        "ix_reservations_held",
        "reservations",
        ["ref"],
        unique=False,
        postgresql_where=sa.text("state = 'held'"),
        sqlite_where=sa.text("state = 'held'"),
    )
    op.create_index(op.f("ix_reservations_ref"), "reservations", ["ref"], unique=False)
    op.create_table(
        "revisions_due",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("said", JSON, nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("noted_by", sa.String(length=200), nullable=False),
        sa.Column("reminders", sa.Integer(), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_by", sa.String(length=200), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revisions_due")),
        sa.UniqueConstraint("key", name=op.f("uq_revisions_due_key")),
    )
    op.create_index(
        "ix_revisions_due_open",
        "revisions_due",
        ["id"],
        unique=False,
        postgresql_where=sa.text("settled_at is null"),
        sqlite_where=sa.text("settled_at is null"),
    )
    op.create_table(
        "risks",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=True),
        sa.Column("title", JSON, nullable=False),
        sa.Column("category", sa.String(length=16), nullable=False),
        sa.Column("owner", sa.String(length=63), nullable=False),
        sa.Column("likelihood", sa.Integer(), nullable=False),
        sa.Column("impact", sa.Integer(), nullable=False),
        sa.Column("strategy", sa.String(length=16), nullable=False),
        sa.Column("type", sa.String(length=63), nullable=True),
        sa.Column("playbook", sa.String(length=63), nullable=True),
        sa.Column("review_on", sa.Date(), nullable=False),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_risks")),
        sa.UniqueConstraint("name", name=op.f("uq_risks_name")),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("ref", sa.String(length=64), nullable=False),
        sa.Column("occurrence", sa.Integer(), nullable=False),
        sa.Column("playbook", sa.String(length=63), nullable=False),
        sa.Column("title", JSON, nullable=False),
        sa.Column("plan_revision", sa.String(length=26), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("command_posts", JSON, nullable=False),
        sa.Column("fallback", sa.String(length=63), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
    )
    op.create_index(op.f("ix_runs_ref"), "runs", ["ref"], unique=False)
    op.create_index(
        "uq_runs_running",
        "runs",
        ["ref"],
        unique=True,
        postgresql_where=sa.text("state = 'running'"),
        sqlite_where=sa.text("state = 'running'"),
    )
    op.create_table(
        "self_tests",
        sa.Column("key", sa.String(length=20), nullable=False),
        sa.Column("first_message", BIG_ID, nullable=True),
        sa.Column("receipt_id", sa.String(length=26), nullable=True),
        sa.Column("incident_id", sa.String(length=26), nullable=True),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("graded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("timer_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("late_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_self_tests")),
    )
    op.create_index(op.f("ix_self_tests_incident_id"), "self_tests", ["incident_id"], unique=False)
    op.create_table(
        "sources",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("slug", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("mapping", JSON, nullable=True),
        sa.Column("signing_sealed", sa.Text(), nullable=True),
        sa.Column("addresses", JSON, nullable=True),
        sa.Column("topics", JSON, nullable=True),
        sa.Column("default_type", sa.String(length=63), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expect_every", sa.Integer(), nullable=True),
        sa.Column("silent_since", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sources")),
        sa.UniqueConstraint("slug", name=op.f("uq_sources_slug")),
    )
    op.create_table(
        "timers",
        sa.Column("id", BIG_ID, sa.Identity(always=False), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("topic", sa.String(length=64), nullable=False),
        sa.Column("ref", sa.String(length=64), nullable=False),
        sa.Column("payload", JSON, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("urgency", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_timers")),
        sa.UniqueConstraint("key", name=op.f("uq_timers_key")),
    )
    op.create_index(
        "ix_timers_due",
        "timers",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("state = 'armed'"),
        sqlite_where=sa.text("state = 'armed'"),
    )
    op.create_index(
        "ix_timers_grave",
        "timers",
        ["urgency", "due_at"],
        unique=False,
        postgresql_where=sa.text("state = 'armed' and urgency = 0"),
        sqlite_where=sa.text("state = 'armed' and urgency = 0"),
    )
    op.create_index(op.f("ix_timers_ref"), "timers", ["ref"], unique=False)
    op.create_table(
        "warnings",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("indicator", sa.String(length=63), nullable=False),
        sa.Column("title", JSON, nullable=False),
        sa.Column("type", sa.String(length=63), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("level", sa.Integer(), nullable=True),
        sa.Column("gravest", sa.Integer(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=200), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.String(length=200), nullable=True),
        sa.Column("reason", JSON, nullable=True),
        sa.Column("incident_id", sa.String(length=26), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_warnings")),
    )
    op.create_index("ix_warnings_incident", "warnings", ["incident_id"], unique=False)
    op.create_index("ix_warnings_indicator", "warnings", ["indicator", "id"], unique=False)
    op.create_index(
        "uq_warnings_open",
        "warnings",
        ["indicator"],
        unique=True,
        postgresql_where=sa.text("state = 'open'"),
        sqlite_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "announcements",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("incident_id", sa.String(length=26), nullable=False),
        sa.Column("step", sa.String(length=26), nullable=True),
        sa.Column("audience", sa.String(length=32), nullable=False),
        sa.Column("text", JSON, nullable=False),
        sa.Column("outlets", JSON, nullable=False),
        sa.Column("parties", JSON, nullable=False),
        sa.Column("ask", JSON, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("drafted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_by", sa.String(length=200), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_announcements_incident_id_incidents")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_announcements")),
    )
    op.create_index(op.f("ix_announcements_incident_id"), "announcements", ["incident_id"], unique=False)
    op.create_index(
        "ix_announcements_public", "announcements", ["audience", "state", "published_at"], unique=False
    )
    op.create_table(
        "assessments",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("risk_id", sa.String(length=26), nullable=True),
        sa.Column("incident_id", sa.String(length=26), nullable=True),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("type", sa.String(length=63), nullable=True),
        sa.Column("start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("figures", JSON, nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by", sa.String(length=200), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("likelihood", sa.Integer(), nullable=True),
        sa.Column("impact", sa.Integer(), nullable=True),
        sa.Column("ended_by", sa.String(length=200), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_assessments_incident_id_incidents")
        ),
        sa.ForeignKeyConstraint(["risk_id"], ["risks.id"], name=op.f("fk_assessments_risk_id_risks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assessments")),
    )
    op.create_index("ix_assessments_incident", "assessments", ["incident_id"], unique=False)
    op.create_index("ix_assessments_risk", "assessments", ["risk_id"], unique=False)
    op.create_table(
        "browser_sessions",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=8), nullable=False),
        sa.Column("csrf", sa.String(length=64), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name=op.f("fk_browser_sessions_key_id_keys")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_browser_sessions")),
    )
    op.create_table(
        "command_posts",
        sa.Column("incident_id", sa.String(length=26), nullable=False),
        sa.Column("template", sa.String(length=63), nullable=False),
        sa.Column("title", JSON, nullable=False),
        sa.Column("formed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("members", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_command_posts_incident_id_incidents")
        ),
        sa.PrimaryKeyConstraint("incident_id", name=op.f("pk_command_posts")),
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("incident_id", sa.String(length=26), nullable=False),
        sa.Column("step", sa.String(length=26), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("question", JSON, nullable=False),
        sa.Column("options", JSON, nullable=False),
        sa.Column("positions", JSON, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("choice", sa.String(length=16), nullable=True),
        sa.Column("decided_by", sa.String(length=200), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_decisions_incident_id_incidents")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
    )
    op.create_index(op.f("ix_decisions_incident_id"), "decisions", ["incident_id"], unique=False)
    op.create_table(
        "drills",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("title", sa.String(length=500), nullable=False),
        sa.Column("type", sa.String(length=63), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("playbook", sa.String(length=63), nullable=True),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("place", sa.String(length=500), nullable=False),
        sa.Column("scheme", sa.Text(), nullable=False),
        sa.Column("scenario", JSON, nullable=False),
        sa.Column("props", JSON, nullable=False),
        sa.Column("duty", sa.String(length=200), nullable=True),
        sa.Column("planned_by", sa.String(length=200), nullable=False),
        sa.Column("planned_key", sa.String(length=8), nullable=True),
        sa.Column("approved_by", sa.String(length=200), nullable=True),
        sa.Column("incident_id", sa.String(length=26), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_because", JSON, nullable=True),
        sa.Column("figures", JSON, nullable=True),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_drills_incident_id_incidents")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drills")),
    )
    op.create_index(op.f("ix_drills_incident_id"), "drills", ["incident_id"], unique=False)
    op.create_table(
        "feedback",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("incident_id", sa.String(length=26), nullable=True),
        sa.Column("came", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("reference", sa.String(length=100), nullable=True),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entered_by", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=63), nullable=True),
        sa.Column("position", sa.String(length=63), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("missed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("ended_by", sa.String(length=200), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_feedback_incident_id_incidents")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
    )
    op.create_index(op.f("ix_feedback_incident_id"), "feedback", ["incident_id"], unique=False)
    op.create_index(
        "ix_feedback_owed",
        "feedback",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("state in ('received', 'sorted')"),
        sqlite_where=sa.text("state in ('received', 'sorted')"),
    )
    op.create_index("ix_feedback_said", "feedback", ["said_at"], unique=False)
    op.create_table(
        "improvements",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("incident_id", sa.String(length=26), nullable=True),
        sa.Column("drill_id", sa.String(length=26), nullable=True),
        sa.Column("title", sa.String(length=500), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("done_by", sa.String(length=200), nullable=True),
        sa.Column("done_key", sa.String(length=8), nullable=True),
        sa.Column("verified_by", sa.String(length=200), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_improvements_incident_id_incidents")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_improvements")),
    )
    op.create_index(op.f("ix_improvements_drill_id"), "improvements", ["drill_id"], unique=False)
    op.create_index(op.f("ix_improvements_incident_id"), "improvements", ["incident_id"], unique=False)
    op.create_table(
        "meetings",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("incident_id", sa.String(length=26), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lasts", sa.Integer(), nullable=False),
        sa.Column("room", sa.String(length=200), nullable=True),
        sa.Column("link", sa.String(length=1000), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("organiser", sa.String(length=200), nullable=False),
        sa.Column("called_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("minutes", JSON, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_meetings_incident_id_incidents")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meetings")),
    )
    op.create_index(op.f("ix_meetings_incident_id"), "meetings", ["incident_id"], unique=False)
    op.create_table(
        "obligations",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("incident_id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=63), nullable=False),
        sa.Column("owed_to", JSON, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("missed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_by", sa.String(length=200), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_obligations_incident_id_incidents")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_obligations")),
        sa.UniqueConstraint(
            "incident_id", "kind", "round", name=op.f("uq_obligations_incident_id_kind_round")
        ),
    )
    op.create_index(op.f("ix_obligations_incident_id"), "obligations", ["incident_id"], unique=False)
    op.create_table(
        "oral_reports",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("incident_id", sa.String(length=26), nullable=False),
        sa.Column("told_by", sa.String(length=200), nullable=False),
        sa.Column("told", sa.String(length=200), nullable=False),
        sa.Column("position", sa.String(length=63), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("way", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("counts", sa.Boolean(), nullable=False),
        sa.Column("recorded_by", sa.String(length=200), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_oral_reports_incident_id_incidents")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oral_reports")),
    )
    op.create_index(op.f("ix_oral_reports_incident_id"), "oral_reports", ["incident_id"], unique=False)
    op.create_table(
        "party_requests",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("incident_id", sa.String(length=26), nullable=False),
        sa.Column("party_id", sa.String(length=63), nullable=False),
        sa.Column("subject", JSON, nullable=False),
        sa.Column("text", JSON, nullable=False),
        sa.Column("asked", JSON, nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("within", sa.Integer(), nullable=False),
        sa.Column("rung", sa.Integer(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by", sa.String(length=200), nullable=False),
        sa.Column("owner_told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_party_requests_incident_id_incidents")
        ),
        sa.ForeignKeyConstraint(
            ["party_id"], ["parties.id"], name=op.f("fk_party_requests_party_id_parties")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_party_requests")),
    )
    op.create_index(op.f("ix_party_requests_incident_id"), "party_requests", ["incident_id"], unique=False)
    op.create_index(
        "ix_party_requests_open",
        "party_requests",
        ["incident_id"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
        sqlite_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "people",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("staff_number", sa.String(length=64), nullable=True),
        sa.Column("department_id", sa.String(length=63), nullable=True),
        sa.Column("language", sa.String(length=8), nullable=True),
        sa.Column("availability", sa.String(length=16), nullable=False),
        sa.Column("available_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("skills", JSON, nullable=False),
        sa.Column("certificates", JSON, nullable=False),
        sa.Column("quiet_hours", JSON, nullable=True),
        sa.Column("contact_rules", JSON, nullable=False),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["department_id"], ["departments.id"], name=op.f("fk_people_department_id_departments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
        sa.UniqueConstraint("staff_number", name=op.f("uq_people_staff_number")),
    )
    op.create_table(
        "positions",
        sa.Column("id", sa.String(length=63), nullable=False),
        sa.Column("title", JSON, nullable=False),
        sa.Column("layer", sa.String(length=16), nullable=False),
        sa.Column("department_id", sa.String(length=63), nullable=False),
        sa.Column("duties", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["department_id"], ["departments.id"], name=op.f("fk_positions_department_id_departments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_positions")),
    )
    op.create_table(
        "problems",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("source_id", sa.String(length=26), nullable=False),
        sa.Column("dedup_key", sa.String(length=300), nullable=False),
        sa.Column("occurrence", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("incident_id", sa.String(length=26), nullable=True),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("level_hint", sa.Integer(), nullable=True),
        sa.Column("facts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("dwell", sa.Integer(), nullable=False),
        sa.Column("quiet_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("window_id", sa.String(length=26), nullable=True),
        sa.Column("held", JSON, nullable=True),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_problems_source_id_sources")),
        sa.ForeignKeyConstraint(
            ["window_id"], ["maintenance_windows.id"], name=op.f("fk_problems_window_id_maintenance_windows")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_problems")),
        sa.UniqueConstraint("source_id", "dedup_key", name=op.f("uq_problems_source_id_dedup_key")),
    )
    op.create_index(
        "ix_problems_held",
        "problems",
        ["window_id"],
        unique=False,
        postgresql_where=sa.text("window_id is not null"),
        sqlite_where=sa.text("window_id is not null"),
    )
    op.create_index(op.f("ix_problems_incident_id"), "problems", ["incident_id"], unique=False)
    op.create_table(
        "receipts",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("source_id", sa.String(length=26), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content_type", sa.String(length=200), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("signals", JSON, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("unjudged", sa.Boolean(), nullable=False),
        sa.Column("delivery", sa.String(length=255), nullable=True),
        sa.Column("error", JSON, nullable=True),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_receipts_source_id_sources")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipts")),
    )
    op.create_index(
        "ix_receipts_delivery",
        "receipts",
        ["delivery"],
        unique=False,
        postgresql_where=sa.text("delivery IS NOT NULL"),
        sqlite_where=sa.text("delivery IS NOT NULL"),
    )
    op.create_index(
        "ix_receipts_not_understood",
        "receipts",
        ["received_at"],
        unique=False,
        postgresql_where=sa.text("state = 'not_understood'"),
        sqlite_where=sa.text("state = 'not_understood'"),
    )
    op.create_index(op.f("ix_receipts_source_id"), "receipts", ["source_id"], unique=False)
    op.create_index(
        "ix_receipts_unjudged",
        "receipts",
        ["id"],
        unique=False,
        postgresql_where=sa.text("unjudged"),
        sqlite_where=sa.text("unjudged = 1"),
    )
    op.create_table(
        "replenishments",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("pool_id", sa.String(length=63), nullable=False),
        sa.Column("item", sa.String(length=63), nullable=False),
        sa.Column("supplier", sa.String(length=63), nullable=True),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("received", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ordered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["pool_id"], ["pools.id"], name=op.f("fk_replenishments_pool_id_pools")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replenishments")),
    )
    op.create_index(
        "uq_replenishments_running",
        "replenishments",
        ["pool_id", "item"],
        unique=True,
        postgresql_where=sa.text("state <> 'received'"),
        sqlite_where=sa.text("state <> 'received'"),
    )
    op.create_table(
        "reports",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("incident_id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_by", sa.String(length=200), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rejected_because", sa.Text(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_reports_incident_id_incidents")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
        sa.UniqueConstraint(
            "incident_id", "kind", "ordinal", name=op.f("uq_reports_incident_id_kind_ordinal")
        ),
    )
    op.create_index(op.f("ix_reports_incident_id"), "reports", ["incident_id"], unique=False)
    op.create_table(
        "reviews",
        sa.Column("incident_id", sa.String(length=26), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("causes", JSON, nullable=False),
        sa.Column("losses", JSON, nullable=False),
        sa.Column("went_well", JSON, nullable=False),
        sa.Column("went_wrong", JSON, nullable=False),
        sa.Column("figures", JSON, nullable=False),
        sa.Column("drafted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("edited_by", sa.String(length=200), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("published_by", sa.String(length=200), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_reviews_incident_id_incidents")
        ),
        sa.PrimaryKeyConstraint("incident_id", name=op.f("pk_reviews")),
    )
    op.create_table(
        "risk_changes",
        sa.Column("risk_id", sa.String(length=26), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("changes", JSON, nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("assessment_id", sa.String(length=26), nullable=True),
        sa.ForeignKeyConstraint(["risk_id"], ["risks.id"], name=op.f("fk_risk_changes_risk_id_risks")),
        sa.PrimaryKeyConstraint("risk_id", "version", name=op.f("pk_risk_changes")),
    )
    op.create_table(
        "rounds",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("ref", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("notice_id", sa.String(length=26), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=8), nullable=False),
        sa.Column("chain", JSON, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("lap", sa.Integer(), nullable=False),
        sa.Column("hop", sa.Integer(), nullable=False),
        sa.Column("reached", sa.Boolean(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=200), nullable=True),
        sa.Column("via", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name=op.f("fk_rounds_notice_id_notices")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rounds")),
        sa.UniqueConstraint("key", name=op.f("uq_rounds_key")),
    )
    op.create_index(
        "ix_rounds_calling",
        "rounds",
        ["ref"],
        unique=False,
        postgresql_where=sa.text("state = 'calling'"),
        sqlite_where=sa.text("state = 'calling'"),
    )
    op.create_index(op.f("ix_rounds_code"), "rounds", ["code"], unique=False)
    op.create_index(
        "ix_rounds_ended",
        "rounds",
        ["ended_at"],
        unique=False,
        postgresql_where=sa.text("ended_at is not null"),
        sqlite_where=sa.text("ended_at is not null"),
    )
    op.create_index(op.f("ix_rounds_ref"), "rounds", ["ref"], unique=False)
    op.create_table(
        "status_updates",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("incident_id", sa.String(length=26), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author", sa.String(length=200), nullable=False),
        sa.Column("text", JSON, nullable=False),
        sa.Column("audience", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_status_updates_incident_id_incidents")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_status_updates")),
    )
    op.create_index(op.f("ix_status_updates_incident_id"), "status_updates", ["incident_id"], unique=False)
    op.create_table(
        "steps",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("run_id", sa.String(length=26), nullable=False),
        sa.Column("ref", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("document", JSON, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("call", JSON, nullable=True),
        sa.Column("result", JSON, nullable=False),
        sa.Column("reason", JSON, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("untried", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_steps_run_id_runs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_steps")),
        sa.UniqueConstraint("run_id", "name", name=op.f("uq_steps_run_id_name")),
    )
    op.create_index(
        "ix_steps_due",
        "steps",
        ["not_before"],
        unique=False,
        postgresql_where=sa.text("state in ('queued', 'doing')"),
        sqlite_where=sa.text("state in ('queued', 'doing')"),
    )
    op.create_index(
        "ix_steps_given_up",
        "steps",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state in ('asking', 'failed')"),
        sqlite_where=sa.text("state in ('asking', 'failed')"),
    )
    op.create_index(op.f("ix_steps_run_id"), "steps", ["run_id"], unique=False)
    op.create_table(
        "tasks",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("incident_id", sa.String(length=26), nullable=False),
        sa.Column("step", sa.String(length=26), nullable=True),
        sa.Column("title", JSON, nullable=False),
        sa.Column("text", JSON, nullable=False),
        sa.Column("position", sa.String(length=63), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("assignee", sa.String(length=200), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("evidence", JSON, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_tasks_incident_id_incidents")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
    )
    op.create_index(op.f("ix_tasks_incident_id"), "tasks", ["incident_id"], unique=False)
    op.create_index(
        "ix_tasks_unended",
        "tasks",
        ["incident_id"],
        unique=False,
        postgresql_where=sa.text("state in ('open', 'started')"),
        sqlite_where=sa.text("state in ('open', 'started')"),
    )
    op.create_table(
        "timeline",
        sa.Column("incident_id", sa.String(length=26), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_timeline_incident_id_incidents")
        ),
        sa.PrimaryKeyConstraint("incident_id", "seq", name=op.f("pk_timeline")),
    )
    op.create_table(
        "units",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("pool_id", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("title", JSON, nullable=False),
        sa.Column("measure", JSON, nullable=True),
        sa.Column("place", sa.String(length=200), nullable=False),
        sa.Column("batch", sa.String(length=64), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("person_id", sa.String(length=26), nullable=True),
        sa.Column("on_hand", sa.Integer(), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.Column("minimum", sa.Integer(), nullable=False),
        sa.Column("supplier", sa.String(length=63), nullable=True),
        sa.Column("order", sa.Integer(), nullable=True),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("standby_of", sa.String(length=63), nullable=True),
        sa.Column("check_every", sa.Integer(), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("check_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("held >= 0 and held <= on_hand", name=op.f("ck_units_never_oversold")),
        sa.ForeignKeyConstraint(["pool_id"], ["pools.id"], name=op.f("fk_units_pool_id_pools")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_units")),
        sa.UniqueConstraint(
            "pool_id", "name", "place", "batch", name=op.f("uq_units_pool_id_name_place_batch")
        ),
    )
    op.create_index(
        "ix_units_held",
        "units",
        ["id"],
        unique=False,
        postgresql_where=sa.text("held > 0"),
        sqlite_where=sa.text("held > 0"),
    )
    op.create_index(op.f("ix_units_pool_id"), "units", ["pool_id"], unique=False)
    op.create_table(
        "warning_entries",
        sa.Column("warning_id", sa.String(length=26), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("said", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["warning_id"], ["warnings.id"], name=op.f("fk_warning_entries_warning_id_warnings")
        ),
        sa.PrimaryKeyConstraint("warning_id", "seq", name=op.f("pk_warning_entries")),
    )
    op.create_table(
        "absences",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("person_id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("begins", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("uid", sa.String(length=200), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by", sa.String(length=200), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_by", sa.String(length=200), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_absences_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_absences")),
        sa.UniqueConstraint("person_id", "uid", "begins", name=op.f("uq_absences_person_id_uid_begins")),
    )
    op.create_index("ix_absences_person", "absences", ["person_id", "ends"], unique=False)
    op.create_table(
        "announcement_wordings",
        sa.Column("announcement_id", sa.String(length=26), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("title", JSON, nullable=False),
        sa.Column("text", JSON, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("key_id", sa.String(length=26), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(length=200), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["announcement_id"],
            ["announcements.id"],
            name=op.f("fk_announcement_wordings_announcement_id_announcements"),
        ),
        sa.PrimaryKeyConstraint("announcement_id", "number", name=op.f("pk_announcement_wordings")),
    )
    op.create_table(
        "assessors",
        sa.Column("assessment_id", sa.String(length=26), nullable=False),
        sa.Column("position", sa.String(length=63), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("by", sa.String(length=200), nullable=True),
        sa.Column("key_id", sa.String(length=26), nullable=True),
        sa.Column("likelihood", sa.Integer(), nullable=True),
        sa.Column("impact", sa.Integer(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["assessment_id"], ["assessments.id"], name=op.f("fk_assessors_assessment_id_assessments")
        ),
        sa.PrimaryKeyConstraint("assessment_id", "position", name=op.f("pk_assessors")),
    )
    op.create_table(
        "assignments",
        sa.Column("person_id", sa.String(length=26), nullable=False),
        sa.Column("position_id", sa.String(length=63), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_assignments_person_id_people")),
        sa.ForeignKeyConstraint(
            ["position_id"], ["positions.id"], name=op.f("fk_assignments_position_id_positions")
        ),
        sa.PrimaryKeyConstraint("person_id", "position_id", name=op.f("pk_assignments")),
    )
    op.create_index(op.f("ix_assignments_position_id"), "assignments", ["position_id"], unique=False)
    op.create_table(
        "calendar_feeds",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("position_id", sa.String(length=63), nullable=True),
        sa.Column("person_id", sa.String(length=26), nullable=True),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(length=200), nullable=False),
        sa.Column("maker", sa.String(length=32), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_calendar_feeds_person_id_people")
        ),
        sa.ForeignKeyConstraint(
            ["position_id"], ["positions.id"], name=op.f("fk_calendar_feeds_position_id_positions")
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_calendar_feeds")),
        sa.UniqueConstraint("id", name=op.f("uq_calendar_feeds_id")),
    )
    op.create_table(
        "check_ins",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("person_id", sa.String(length=26), nullable=False),
        sa.Column("health", sa.String(length=16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_check_ins_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_check_ins")),
    )
    op.create_index(op.f("ix_check_ins_at"), "check_ins", ["at"], unique=False)
    op.create_table(
        "contact_points",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("person_id", sa.String(length=26), nullable=True),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("address_sealed", sa.Text(), nullable=False),
        sa.Column("address_masked", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_contact_points_person_id_people")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_points")),
        sa.UniqueConstraint("person_id", "rank", name=op.f("uq_contact_points_person_id_rank")),
    )
    op.create_index(op.f("ix_contact_points_person_id"), "contact_points", ["person_id"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("notice_id", sa.String(length=26), nullable=False),
        sa.Column("round_id", sa.String(length=26), nullable=True),
        sa.Column("ref", sa.String(length=64), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("hop", sa.Integer(), nullable=True),
        sa.Column("lap", sa.Integer(), nullable=True),
        sa.Column("position", sa.String(length=63), nullable=False),
        sa.Column("person_id", sa.String(length=26), nullable=True),
        sa.Column("person_name", sa.String(length=200), nullable=True),
        sa.Column("language", sa.String(length=8), nullable=True),
        sa.Column("contact_id", sa.String(length=26), nullable=True),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("address_masked", sa.String(length=200), nullable=False),
        sa.Column("asks", sa.Boolean(), nullable=False),
        sa.Column("opens", sa.String(length=16), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", JSON, nullable=True),
        sa.Column("note", JSON, nullable=True),
        sa.Column("further", JSON, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("untried", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name=op.f("fk_deliveries_notice_id_notices")),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_deliveries_round_id_rounds")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint(
            "round_id",
            "lap",
            "hop",
            "position",
            "contact_id",
            "person_id",
            name=op.f("uq_deliveries_round_id_lap_hop_position_contact_id_person_id"),
        ),
    )
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["level", "not_before"],
        unique=False,
        postgresql_where=sa.text("state in ('pending', 'sending')"),
        sqlite_where=sa.text("state in ('pending', 'sending')"),
    )
    op.create_index(
        "ix_deliveries_failed",
        "deliveries",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state = 'failed'"),
        sqlite_where=sa.text("state = 'failed'"),
    )
    op.create_index(op.f("ix_deliveries_notice_id"), "deliveries", ["notice_id"], unique=False)
    op.create_index("ix_deliveries_person", "deliveries", ["person_id", "created_at"], unique=False)
    op.create_index(op.f("ix_deliveries_ref"), "deliveries", ["ref"], unique=False)
    op.create_index(op.f("ix_deliveries_round_id"), "deliveries", ["round_id"], unique=False)
    op.create_table(
        "drill_findings",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("drill_id", sa.String(length=26), nullable=False),
        sa.Column("topic", sa.String(length=16), nullable=False),
        sa.Column("text", sa.String(length=500), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("found_by", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["drill_id"], ["drills.id"], name=op.f("fk_drill_findings_drill_id_drills")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_findings")),
    )
    op.create_index(op.f("ix_drill_findings_drill_id"), "drill_findings", ["drill_id"], unique=False)
    op.create_table(
        "drill_parts",
        sa.Column("drill_id", sa.String(length=26), nullable=False),
        sa.Column("who", sa.String(length=63), nullable=False),
        sa.Column("is_person", sa.Boolean(), nullable=False),
        sa.Column("observes", sa.Boolean(), nullable=False),
        sa.Column("role", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(["drill_id"], ["drills.id"], name=op.f("fk_drill_parts_drill_id_drills")),
        sa.PrimaryKeyConstraint("drill_id", "who", name=op.f("pk_drill_parts")),
    )
    op.create_table(
        "drill_scores",
        sa.Column("drill_id", sa.String(length=26), nullable=False),
        sa.Column("topic", sa.String(length=16), nullable=False),
        sa.Column("evaluator_key", sa.String(length=8), nullable=False),
        sa.Column("evaluator", sa.String(length=200), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("remark", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["drill_id"], ["drills.id"], name=op.f("fk_drill_scores_drill_id_drills")),
        sa.PrimaryKeyConstraint("drill_id", "topic", "evaluator_key", name=op.f("pk_drill_scores")),
    )
    op.create_table(
        "former_assignments",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("person_id", sa.String(length=26), nullable=False),
        sa.Column("position_id", sa.String(length=63), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_former_assignments_person_id_people")
        ),
        sa.ForeignKeyConstraint(
            ["position_id"], ["positions.id"], name=op.f("fk_former_assignments_position_id_positions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_former_assignments")),
    )
    op.create_index(
        op.f("ix_former_assignments_position_id"), "former_assignments", ["position_id"], unique=False
    )
    op.create_table(
        "meeting_guests",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("meeting_id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("of", sa.String(length=63), nullable=False),
        sa.Column("position", sa.String(length=63), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("attended", sa.Boolean(), nullable=True),
        sa.Column("why_not", JSON, nullable=True),
        sa.ForeignKeyConstraint(
            ["meeting_id"], ["meetings.id"], name=op.f("fk_meeting_guests_meeting_id_meetings")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meeting_guests")),
        sa.UniqueConstraint("meeting_id", "kind", "of", name=op.f("uq_meeting_guests_meeting_id_kind_of")),
    )
    op.create_table(
        "movements",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("unit_id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("change", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_movements_unit_id_units")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_movements")),
    )
    op.create_index(op.f("ix_movements_unit_id"), "movements", ["unit_id"], unique=False)
    op.create_table(
        "party_answers",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("request_id", sa.String(length=26), nullable=False),
        sa.Column("does", sa.String(length=16), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("via", sa.String(length=16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("committed", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"], ["party_requests.id"], name=op.f("fk_party_answers_request_id_party_requests")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_party_answers")),
    )
    op.create_index(op.f("ix_party_answers_request_id"), "party_answers", ["request_id"], unique=False)
    op.create_table(
        "report_recipients",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("report_id", sa.String(length=26), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("position", sa.String(length=63), nullable=False),
        sa.Column("whom", sa.String(length=16), nullable=False),
        sa.Column("notice_id", sa.String(length=26), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withheld", JSON, nullable=True),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["notices.id"], name=op.f("fk_report_recipients_notice_id_notices")
        ),
        sa.ForeignKeyConstraint(
            ["report_id"], ["reports.id"], name=op.f("fk_report_recipients_report_id_reports")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_recipients")),
        sa.UniqueConstraint(
            "report_id", "version", "position", name=op.f("uq_report_recipients_report_id_version_position")
        ),
    )
    op.create_table(
        "report_versions",
        sa.Column("report_id", sa.String(length=26), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("title", sa.String(length=500), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author", sa.String(length=200), nullable=False),
        sa.Column("author_key", sa.String(length=16), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("parts", JSON, nullable=False),
        sa.Column("approved_by", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(
            ["report_id"], ["reports.id"], name=op.f("fk_report_versions_report_id_reports")
        ),
        sa.PrimaryKeyConstraint("report_id", "version", name=op.f("pk_report_versions")),
    )
    op.create_table(
        "reservation_lines",
        sa.Column("reservation_id", sa.String(length=26), nullable=False),
        sa.Column("unit_id", sa.String(length=26), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("pool_id", sa.String(length=63), nullable=False),
        sa.Column("person_id", sa.String(length=26), nullable=True),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["reservation_id"],
            ["reservations.id"],
            name=op.f("fk_reservation_lines_reservation_id_reservations"),
        ),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_reservation_lines_unit_id_units")),
        sa.PrimaryKeyConstraint("reservation_id", "unit_id", name=op.f("pk_reservation_lines")),
    )
    op.create_index(
        "ix_reservation_lines_held",
        "reservation_lines",
        ["unit_id"],
        unique=False,
        postgresql_where=sa.text("held"),
        sqlite_where=sa.text("held = 1"),
    )
    op.create_index(
        "uq_reservation_lines_person",
        "reservation_lines",
        ["person_id"],
        unique=True,
        postgresql_where=sa.text("held and person_id is not null"),
        sqlite_where=sa.text("held and person_id is not null"),
    )
    op.create_table(
        "roster_overrides",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("position_id", sa.String(length=63), nullable=False),
        sa.Column("person_id", sa.String(length=26), nullable=False),
        sa.Column("begins", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends", sa.DateTime(timezone=True), nullable=False),
        sa.Column("instead_of", sa.String(length=26), nullable=True),
        sa.Column("swap_id", sa.String(length=26), nullable=True),
        sa.Column("uid", sa.String(length=200), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(length=200), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_roster_overrides_person_id_people")
        ),
        sa.ForeignKeyConstraint(
            ["position_id"], ["positions.id"], name=op.f("fk_roster_overrides_position_id_positions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roster_overrides")),
        sa.UniqueConstraint(
            "position_id", "uid", "begins", name=op.f("uq_roster_overrides_position_id_uid_begins")
        ),
    )
    op.create_index("ix_roster_overrides_position", "roster_overrides", ["position_id", "ends"], unique=False)
    op.create_table(
        "roster_swaps",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("position_id", sa.String(length=63), nullable=False),
        sa.Column("person_id", sa.String(length=26), nullable=False),
        sa.Column("begins", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends", sa.DateTime(timezone=True), nullable=False),
        sa.Column("with_id", sa.String(length=26), nullable=False),
        sa.Column("back_begins", sa.DateTime(timezone=True), nullable=True),
        sa.Column("back_ends", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_by", sa.String(length=200), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_roster_swaps_person_id_people")),
        sa.ForeignKeyConstraint(
            ["position_id"], ["positions.id"], name=op.f("fk_roster_swaps_position_id_positions")
        ),
        sa.ForeignKeyConstraint(["with_id"], ["people.id"], name=op.f("fk_roster_swaps_with_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roster_swaps")),
    )
    op.create_index(op.f("ix_roster_swaps_position_id"), "roster_swaps", ["position_id"], unique=False)
    op.create_table(
        "rosters",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("position_id", sa.String(length=63), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("rotations", JSON, nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["position_id"], ["positions.id"], name=op.f("fk_rosters_position_id_positions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rosters")),
        sa.UniqueConstraint("position_id", "version", name=op.f("uq_rosters_position_id_version")),
    )
    op.create_index(
        "ix_rosters_in_force",
        "rosters",
        ["position_id"],
        unique=True,
        postgresql_where=sa.text("replaced_at is null"),
        sqlite_where=sa.text("replaced_at is null"),
    )
    op.create_table(
        "verdicts",
        sa.Column("receipt_id", sa.String(length=26), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("incident_id", sa.String(length=26), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["receipt_id"], ["receipts.id"], name=op.f("fk_verdicts_receipt_id_receipts")
        ),
        sa.PrimaryKeyConstraint("receipt_id", "position", name=op.f("pk_verdicts")),
    )
    op.create_table(
        "answers",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("via", sa.String(length=32), nullable=False),
        sa.Column("token", sa.String(length=200), nullable=True),
        sa.Column("deed", sa.String(length=16), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("reason", JSON, nullable=True),
        sa.Column("ref", sa.String(length=64), nullable=True),
        sa.Column("round_id", sa.String(length=26), nullable=True),
        sa.Column("lap", sa.Integer(), nullable=True),
        sa.Column("delivery_id", sa.String(length=26), nullable=True),
        sa.Column("person_id", sa.String(length=26), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name=op.f("fk_answers_delivery_id_deliveries")
        ),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_answers_round_id_rounds")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answers")),
        sa.UniqueConstraint("token", name=op.f("uq_answers_token")),
    )
    op.create_index(op.f("ix_answers_person_id"), "answers", ["person_id"], unique=False)
    op.create_index(op.f("ix_answers_ref"), "answers", ["ref"], unique=False)
    op.create_index(op.f("ix_answers_round_id"), "answers", ["round_id"], unique=False)
    op.create_table(
        "attempts",
        sa.Column("delivery_id", sa.String(length=26), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name=op.f("fk_attempts_delivery_id_deliveries")
        ),
        sa.PrimaryKeyConstraint("delivery_id", "number", name=op.f("pk_attempts")),
    )
    op.create_table(
        "outlets",
        sa.Column("id", sa.String(length=63), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("contact_id", sa.String(length=26), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("address_masked", sa.String(length=200), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contact_points.id"], name=op.f("fk_outlets_contact_id_contact_points")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outlets")),
    )
    op.create_table(
        "party_contacts",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("party_id", sa.String(length=63), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("address_masked", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["id"], ["contact_points.id"], name=op.f("fk_party_contacts_id_contact_points")
        ),
        sa.ForeignKeyConstraint(
            ["party_id"], ["parties.id"], name=op.f("fk_party_contacts_party_id_parties")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_party_contacts")),
        sa.UniqueConstraint("party_id", "rank", name=op.f("uq_party_contacts_party_id_rank")),
    )


def downgrade() -> None:
    op.drop_table("party_contacts")
    op.drop_table("outlets")
    op.drop_table("attempts")
    op.drop_index(op.f("ix_answers_round_id"), table_name="answers")
    op.drop_index(op.f("ix_answers_ref"), table_name="answers")
    op.drop_index(op.f("ix_answers_person_id"), table_name="answers")
    op.drop_table("answers")
    op.drop_table("verdicts")
    op.drop_index(
        "ix_rosters_in_force",
        table_name="rosters",
        postgresql_where=sa.text("replaced_at is null"),
        sqlite_where=sa.text("replaced_at is null"),
    )
    op.drop_table("rosters")
    op.drop_index(op.f("ix_roster_swaps_position_id"), table_name="roster_swaps")
    op.drop_table("roster_swaps")
    op.drop_index("ix_roster_overrides_position", table_name="roster_overrides")
    op.drop_table("roster_overrides")
    op.drop_index(
        "uq_reservation_lines_person",
        table_name="reservation_lines",
        postgresql_where=sa.text("held and person_id is not null"),
        sqlite_where=sa.text("held and person_id is not null"),
    )
    op.drop_index(
        "ix_reservation_lines_held",
        table_name="reservation_lines",
        postgresql_where=sa.text("held"),
        sqlite_where=sa.text("held = 1"),
    )
    op.drop_table("reservation_lines")
    op.drop_table("report_versions")
    op.drop_table("report_recipients")
    op.drop_index(op.f("ix_party_answers_request_id"), table_name="party_answers")
    op.drop_table("party_answers")
    op.drop_index(op.f("ix_movements_unit_id"), table_name="movements")
    op.drop_table("movements")
    op.drop_table("meeting_guests")
    op.drop_index(op.f("ix_former_assignments_position_id"), table_name="former_assignments")
    op.drop_table("former_assignments")
    op.drop_table("drill_scores")
    op.drop_table("drill_parts")
    op.drop_index(op.f("ix_drill_findings_drill_id"), table_name="drill_findings")
    op.drop_table("drill_findings")
    op.drop_index(op.f("ix_deliveries_round_id"), table_name="deliveries")
    op.drop_index(op.f("ix_deliveries_ref"), table_name="deliveries")
    op.drop_index("ix_deliveries_person", table_name="deliveries")
    op.drop_index(op.f("ix_deliveries_notice_id"), table_name="deliveries")
    op.drop_index(
        "ix_deliveries_failed",
        table_name="deliveries",
        postgresql_where=sa.text("state = 'failed'"),
        sqlite_where=sa.text("state = 'failed'"),
    )
    op.drop_index(
        "ix_deliveries_due",
        table_name="deliveries",
        postgresql_where=sa.text("state in ('pending', 'sending')"),
        sqlite_where=sa.text("state in ('pending', 'sending')"),
    )
    op.drop_table("deliveries")
    op.drop_index(op.f("ix_contact_points_person_id"), table_name="contact_points")
    op.drop_table("contact_points")
    op.drop_index(op.f("ix_check_ins_at"), table_name="check_ins")
    op.drop_table("check_ins")
    op.drop_table("calendar_feeds")
    op.drop_index(op.f("ix_assignments_position_id"), table_name="assignments")
    op.drop_table("assignments")
    op.drop_table("assessors")
    op.drop_table("announcement_wordings")
    op.drop_index("ix_absences_person", table_name="absences")
    op.drop_table("absences")
    op.drop_table("warning_entries")
    op.drop_index(op.f("ix_units_pool_id"), table_name="units")
    op.drop_index(
        "ix_units_held",
        table_name="units",
        postgresql_where=sa.text("held > 0"),
        sqlite_where=sa.text("held > 0"),
    )
    op.drop_table("units")
    op.drop_table("timeline")
    op.drop_index(
        "ix_tasks_unended",
        table_name="tasks",
        postgresql_where=sa.text("state in ('open', 'started')"),
        sqlite_where=sa.text("state in ('open', 'started')"),
    )
    op.drop_index(op.f("ix_tasks_incident_id"), table_name="tasks")
    op.drop_table("tasks")
    op.drop_index(op.f("ix_steps_run_id"), table_name="steps")
    op.drop_index(
        "ix_steps_given_up",
        table_name="steps",
        postgresql_where=sa.text("state in ('asking', 'failed')"),
        sqlite_where=sa.text("state in ('asking', 'failed')"),
    )
    op.drop_index(
        "ix_steps_due",
        table_name="steps",
        postgresql_where=sa.text("state in ('queued', 'doing')"),
        sqlite_where=sa.text("state in ('queued', 'doing')"),
    )
    op.drop_table("steps")
    op.drop_index(op.f("ix_status_updates_incident_id"), table_name="status_updates")
    op.drop_table("status_updates")
    op.drop_index(op.f("ix_rounds_ref"), table_name="rounds")
    op.drop_index(
        "ix_rounds_ended",
        table_name="rounds",
        postgresql_where=sa.text("ended_at is not null"),
        sqlite_where=sa.text("ended_at is not null"),
    )
    op.drop_index(op.f("ix_rounds_code"), table_name="rounds")
    op.drop_index(
        "ix_rounds_calling",
        table_name="rounds",
        postgresql_where=sa.text("state = 'calling'"),
        sqlite_where=sa.text("state = 'calling'"),
    )
    op.drop_table("rounds")
    op.drop_table("risk_changes")
    op.drop_table("reviews")
    op.drop_index(op.f("ix_reports_incident_id"), table_name="reports")
    op.drop_table("reports")
    op.drop_index(
        "uq_replenishments_running",
        table_name="replenishments",
        postgresql_where=sa.text("state <> 'received'"),
        sqlite_where=sa.text("state <> 'received'"),
    )
    op.drop_table("replenishments")
    op.drop_index(
        "ix_receipts_unjudged",
        table_name="receipts",
        postgresql_where=sa.text("unjudged"),
        sqlite_where=sa.text("unjudged = 1"),
    )
    op.drop_index(op.f("ix_receipts_source_id"), table_name="receipts")
    op.drop_index(
        "ix_receipts_not_understood",
        table_name="receipts",
        postgresql_where=sa.text("state = 'not_understood'"),
        sqlite_where=sa.text("state = 'not_understood'"),
    )
    op.drop_index(
        "ix_receipts_delivery",
        table_name="receipts",
        postgresql_where=sa.text("delivery IS NOT NULL"),
        sqlite_where=sa.text("delivery IS NOT NULL"),
    )
    op.drop_table("receipts")
    op.drop_index(op.f("ix_problems_incident_id"), table_name="problems")
    op.drop_index(
        "ix_problems_held",
        table_name="problems",
        postgresql_where=sa.text("window_id is not null"),
        sqlite_where=sa.text("window_id is not null"),
    )
    op.drop_table("problems")
    op.drop_table("positions")
    op.drop_table("people")
    op.drop_index(
        "ix_party_requests_open",
        table_name="party_requests",
        postgresql_where=sa.text("state = 'open'"),
        sqlite_where=sa.text("state = 'open'"),
    )
    op.drop_index(op.f("ix_party_requests_incident_id"), table_name="party_requests")
    op.drop_table("party_requests")
    op.drop_index(op.f("ix_oral_reports_incident_id"), table_name="oral_reports")
    op.drop_table("oral_reports")
    op.drop_index(op.f("ix_obligations_incident_id"), table_name="obligations")
    op.drop_table("obligations")
    op.drop_index(op.f("ix_meetings_incident_id"), table_name="meetings")
    op.drop_table("meetings")
    op.drop_index(op.f("ix_improvements_incident_id"), table_name="improvements")
    op.drop_index(op.f("ix_improvements_drill_id"), table_name="improvements")
    op.drop_table("improvements")
    op.drop_index("ix_feedback_said", table_name="feedback")
    op.drop_index(
        "ix_feedback_owed",
        table_name="feedback",
        postgresql_where=sa.text("state in ('received', 'sorted')"),
        sqlite_where=sa.text("state in ('received', 'sorted')"),
    )
    op.drop_index(op.f("ix_feedback_incident_id"), table_name="feedback")
    op.drop_table("feedback")
    op.drop_index(op.f("ix_drills_incident_id"), table_name="drills")
    op.drop_table("drills")
    op.drop_index(op.f("ix_decisions_incident_id"), table_name="decisions")
    op.drop_table("decisions")
    op.drop_table("command_posts")
    op.drop_table("browser_sessions")
    op.drop_index("ix_assessments_risk", table_name="assessments")
    op.drop_index("ix_assessments_incident", table_name="assessments")
    op.drop_table("assessments")
    op.drop_index("ix_announcements_public", table_name="announcements")
    op.drop_index(op.f("ix_announcements_incident_id"), table_name="announcements")
    op.drop_table("announcements")
    op.drop_index(
        "uq_warnings_open",
        table_name="warnings",
        postgresql_where=sa.text("state = 'open'"),
        sqlite_where=sa.text("state = 'open'"),
    )
    op.drop_index("ix_warnings_indicator", table_name="warnings")
    op.drop_index("ix_warnings_incident", table_name="warnings")
    op.drop_table("warnings")
    op.drop_index(op.f("ix_timers_ref"), table_name="timers")
    op.drop_index(
        "ix_timers_grave",
        table_name="timers",
        postgresql_where=sa.text("state = 'armed' and urgency = 0"),
        sqlite_where=sa.text("state = 'armed' and urgency = 0"),
    )
    op.drop_index(
        "ix_timers_due",
        table_name="timers",
        postgresql_where=sa.text("state = 'armed'"),
        sqlite_where=sa.text("state = 'armed'"),
    )
    op.drop_table("timers")
    op.drop_table("sources")
    op.drop_index(op.f("ix_self_tests_incident_id"), table_name="self_tests")
    op.drop_table("self_tests")
    op.drop_index(
        "uq_runs_running",
        table_name="runs",
        postgresql_where=sa.text("state = 'running'"),
        sqlite_where=sa.text("state = 'running'"),
    )
    op.drop_index(op.f("ix_runs_ref"), table_name="runs")
    op.drop_table("runs")
    op.drop_table("risks")
    op.drop_index(
        "ix_revisions_due_open",
        table_name="revisions_due",
        postgresql_where=sa.text("settled_at is null"),
        sqlite_where=sa.text("settled_at is null"),
    )
    op.drop_table("revisions_due")
    op.drop_index(op.f("ix_reservations_ref"), table_name="reservations")
    op.drop_index(
        "ix_reservations_held",
        table_name="reservations",
        postgresql_where=sa.text("state = 'held'"),
        sqlite_where=sa.text("state = 'held'"),
    )
    op.drop_index(op.f("ix_reservations_decision_id"), table_name="reservations")
    op.drop_table("reservations")
    op.drop_index(op.f("ix_preemptions_ref"), table_name="preemptions")
    op.drop_index(op.f("ix_preemptions_decision_id"), table_name="preemptions")
    op.drop_table("preemptions")
    op.drop_table("pools")
    op.drop_index(
        "uq_plan_revisions_in_force",
        table_name="plan_revisions",
        postgresql_where=sa.text("state = 'in_force'"),
        sqlite_where=sa.text("state = 'in_force'"),
    )
    op.drop_index(op.f("ix_plan_revisions_digest"), table_name="plan_revisions")
    op.drop_table("plan_revisions")
    op.drop_table("plan_outlooks")
    op.drop_table("parties")
    op.drop_index(
        "ix_outbox_urgent",
        table_name="outbox",
        postgresql_where=sa.text("state = 'pending' and urgency < 2"),
        sqlite_where=sa.text("state = 'pending' and urgency < 2"),
    )
    op.drop_index(
        "ix_outbox_pending",
        table_name="outbox",
        postgresql_where=sa.text("state = 'pending'"),
        sqlite_where=sa.text("state = 'pending'"),
    )
    op.drop_index(
        "ix_outbox_parked",
        table_name="outbox",
        postgresql_where=sa.text("state = 'parked'"),
        sqlite_where=sa.text("state = 'parked'"),
    )
    op.drop_index(
        "ix_outbox_oldest",
        table_name="outbox",
        postgresql_where=sa.text("state = 'pending'"),
        sqlite_where=sa.text("state = 'pending'"),
    )
    op.drop_table("outbox")
    op.drop_table("number_series")
    op.drop_index(op.f("ix_notices_ref"), table_name="notices")
    op.drop_table("notices")
    op.drop_index(
        "uq_matrices_in_force",
        table_name="matrices",
        postgresql_where=sa.text("in_force"),
        sqlite_where=sa.text("in_force"),
    )
    op.drop_table("matrices")
    op.drop_index("ix_maintenance_over", table_name="maintenance_windows")
    op.drop_table("maintenance_windows")
    op.drop_table("keys")
    op.drop_index(op.f("ix_kept_answers_expires_at"), table_name="kept_answers")
    op.drop_table("kept_answers")
    op.drop_table("installation")
    op.drop_table("indicators")
    op.drop_index("uq_indicator_samples_moment", table_name="indicator_samples")
    op.drop_index("ix_indicator_samples_at", table_name="indicator_samples")
    op.drop_table("indicator_samples")
    op.drop_index(
        "uq_incidents_open_dedup",
        table_name="incidents",
        postgresql_where=sa.text(
            "dedup_key is not null and state not in ('closed', 'reviewed', 'cancelled')"
        ),
        sqlite_where=sa.text("dedup_key is not null and state not in ('closed', 'reviewed', 'cancelled')"),
    )
    op.drop_index("ix_incidents_storm", table_name="incidents")
    op.drop_index("ix_incidents_state", table_name="incidents")
    op.drop_index(
        "ix_incidents_group",
        table_name="incidents",
        postgresql_where=sa.text("group_key is not null"),
        sqlite_where=sa.text("group_key is not null"),
    )
    op.drop_index(op.f("ix_incidents_detected_at"), table_name="incidents")
    op.drop_table("incidents")
    op.drop_table("holds")
    op.drop_table("handover_occurrences")
    op.drop_table("enrolments")
    op.drop_table("duty_occurrences")
    op.drop_table("departments")
    op.drop_table("check_in_summaries")
    op.drop_index(
        "uq_channel_episodes_failing",
        table_name="channel_episodes",
        postgresql_where=sa.text("working_at is null"),
        sqlite_where=sa.text("working_at is null"),
    )
    op.drop_table("channel_episodes")
    op.drop_table("attached_files")
