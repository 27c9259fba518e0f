"""The store's tables (SQLAlchemy Core). Columns carry the names of `core/records.py`; migrations build them."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """A timezone-aware UTC time on both databases (SQLite forgets the zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone must not reach the store")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)


person = Table(
    "person",
    metadata,
    Column("person_id", String(80), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("email", String(320), nullable=False, unique=True),
    Column("groups", JSON, nullable=False),
    Column("clearance", String(20), nullable=False),
    Column("roles", JSON, nullable=False),
    Column("password_hash", String(200)),
    Column("issuer", String(300), nullable=False, default=""),
    Column("subject", String(300), nullable=False, default=""),
    Column("active", Boolean, nullable=False, default=True),
    Column("created_at", UtcDateTime, nullable=False),
    Index(
        "ix_person_identity",
        "issuer",
        "subject",
        unique=True,
        sqlite_where=text("issuer <> ''"),
        postgresql_where=text("issuer <> ''"),
    ),
)

access_group = Table(
    "access_group",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("description", String(500), nullable=False, default=""),
)

mailbox = Table(
    "mailbox",
    metadata,
    Column("address", String(320), primary_key=True),
    Column("group_name", ForeignKey("access_group.name", ondelete="CASCADE"), nullable=False),
)
"""A shared address that owns documents, and the group whose members answer for it. It opens no document to anybody."""

session = Table(
    "session",
    metadata,
    Column("session_hash", String(64), primary_key=True),
    Column("person_id", ForeignKey("person.person_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)

api_key = Table(
    "api_key",
    metadata,
    Column("key_id", String(32), primary_key=True),
    Column("key_hash", String(64), nullable=False, unique=True),
    Column("person_id", ForeignKey("person.person_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String(100), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
)

conversation = Table(
    "conversation",
    metadata,
    Column("conversation_id", String(36), primary_key=True),
    Column("person_id", ForeignKey("person.person_id", ondelete="CASCADE"), nullable=False),
    Column("title", String(200), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index("ix_conversation_person", "person_id", "updated_at"),
)

turn = Table(
    "turn",
    metadata,
    Column("turn_id", String(36), primary_key=True),
    Column("person_id", String(80), nullable=False),
    Column("conversation_id", ForeignKey("conversation.conversation_id", ondelete="CASCADE")),
    Column("created_at", UtcDateTime, nullable=False, index=True),
    Column("question", Text, nullable=False),
    Column("standalone_question", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("status", String(20), nullable=False),
    Column("reason", String(80), nullable=False),
    Column("evidence", Float, nullable=False),
    Column("adapter", String(200), nullable=False),
    Column("model", String(200), nullable=False),
    Column("template_sha256", String(64), nullable=False),
    Column("passages", JSON, nullable=False),
    Column("verdicts", JSON, nullable=False),
    Column("citations", JSON, nullable=False),
    Column("timings_ms", JSON, nullable=False),
    Column("counts", JSON, nullable=False),
    Column("temporary", Boolean, nullable=False),
    Column("replaces", String(36)),
    Column("rollout_id", Integer),
    Column("arm", String(20), nullable=False, server_default="production"),
    Column("policy_sha256", String(64), nullable=False, server_default=""),
    Index("ix_turn_conversation", "conversation_id", "created_at"),
    Index("ix_turn_person", "person_id", "created_at"),
)

feedback = Table(
    "feedback",
    metadata,
    Column("feedback_id", String(36), primary_key=True),
    Column("turn_id", ForeignKey("turn.turn_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("person_id", String(80), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("comment", Text, nullable=False),
    Column("expected", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

document = Table(
    "document",
    metadata,
    Column("document_id", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("title", String(500), nullable=False),
    Column("owner", String(320), nullable=False),
    Column("department", String(100), nullable=False),
    Column("classification", String(20), nullable=False),
    Column("allowed_groups", JSON, nullable=False),
    Column("denied_groups", JSON, nullable=False),
    Column("effective", Date, nullable=False),
    Column("expires", Date),
    Column("review", Date),
    Column("legal_hold", Boolean, nullable=False),
    Column("language", String(10), nullable=False),
    Column("source", String(1000), nullable=False),
    Column("status", String(20), nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("path", String(1000), nullable=False, index=True),
    Column("state", String(20), nullable=False),
    Column("reason", String(1000), nullable=False),
    Column("duplicate_of", String(220), nullable=False),
    Column("near_duplicates", JSON, nullable=False),
    Column("personal_data", JSON, nullable=False),
    Column("chunks", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("document_id", "version"),
)

passage = Table(
    "passage",
    metadata,
    Column("passage_id", String(64), primary_key=True),
    Column("document_id", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("section", String(500), nullable=False),
    Column("page", Integer),
    Column("text", Text, nullable=False),
    Index("ix_passage_document", "document_id", "version", "ordinal"),
)

document_text = Table(
    "document_text",
    metadata,
    Column("document_id", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("text_sha256", String(64), nullable=False, index=True),
    Column("minhash", LargeBinary, nullable=False),
    Column("governance_sha256", String(64), nullable=False),
    PrimaryKeyConstraint("document_id", "version"),
    ForeignKeyConstraint(["document_id", "version"], ["document.document_id", "document.version"], ondelete="CASCADE"),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("at", String(40), nullable=False),
    Column("actor", String(80), nullable=False),
    Column("action", String(80), nullable=False),
    Column("subject", String(300), nullable=False),
    Column("details", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

# The closed loop: review, dataset, registry, rollout. Texts of people stand in `review_item`'s turn and in `review` only.

review_item = Table(
    "review_item",
    metadata,
    Column("item_id", String(36), primary_key=True),
    Column("turn_id", ForeignKey("turn.turn_id", ondelete="CASCADE"), index=True),
    Column("feedback_id", ForeignKey("feedback.feedback_id", ondelete="CASCADE")),
    Column("source", String(20), nullable=False),
    Column("status", String(20), nullable=False, index=True),
    Column("priority", Integer, nullable=False),
    Column("department", String(100), nullable=False),
    Column("language", String(10), nullable=False),
    Column("assigned_to", String(80), nullable=False, index=True),
    Column("lease_until", UtcDateTime),
    Column("gold", JSON),
    Column("created_at", UtcDateTime, nullable=False, index=True),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
)

review = Table(
    "review",
    metadata,
    Column("review_id", String(36), primary_key=True),
    Column("item_id", ForeignKey("review_item.item_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("reviewer", String(80), nullable=False, index=True),
    Column("step", String(20), nullable=False),
    Column("decision", String(20), nullable=False),
    Column("correction", JSON, nullable=False),
    Column("note", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

document_task = Table(
    "document_task",
    metadata,
    Column("task_id", String(36), primary_key=True),
    Column("document_id", String(200), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("item_id", ForeignKey("review_item.item_id", ondelete="SET NULL")),
    Column("owner", String(320), nullable=False, index=True),
    Column("opened_by", String(80), nullable=False),
    Column("note", Text, nullable=False),
    Column("status", String(20), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("closed_by", String(80), nullable=False),
    Column("closing_note", Text, nullable=False),
)

training_consent = Table(
    "training_consent",
    metadata,
    Column("person_id", ForeignKey("person.person_id", ondelete="CASCADE"), primary_key=True),
    Column("allowed", Boolean, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
)

dataset = Table(
    "dataset",
    metadata,
    Column("dataset_id", String(80), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("folder", String(1000), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("ceiling", String(20), nullable=False),
    Column("counts", JSON, nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

dataset_row = Table(
    "dataset_row",
    metadata,
    Column("dataset_id", ForeignKey("dataset.dataset_id", ondelete="CASCADE"), nullable=False),
    Column("row_sha256", String(64), nullable=False),
    Column("split", String(20), nullable=False),
    Column("turn_id", String(36), nullable=False),
    Column("feedback_id", String(36), nullable=False),
    Column("item_id", String(36), nullable=False),
    Column("review_id", String(36), nullable=False),
    Column("person_id", String(80), nullable=False, index=True),
    Column("reviewer", String(80), nullable=False),
    Column("document_id", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    PrimaryKeyConstraint("dataset_id", "row_sha256", "item_id", "document_id", "version"),
    Index("ix_dataset_row_document", "document_id", "version"),
)
"""Lineage: whose words and which documents each row was made of. It outlives the turn, so that an erasure finds it."""

dataset_hold = Table(
    "dataset_hold",
    metadata,
    Column("item_id", ForeignKey("review_item.item_id", ondelete="CASCADE"), nullable=False),
    Column("reason", String(40), nullable=False),
    Column("detail", String(300), nullable=False),
    Column("held_at", UtcDateTime, nullable=False),
    Column("released_at", UtcDateTime),
    Column("released_by", String(80), nullable=False),
    Column("note", Text, nullable=False),
    PrimaryKeyConstraint("item_id", "reason"),
)
"""An approved item that a bound keeps out of every dataset until a person releases it."""

adapter = Table(
    "adapter",
    metadata,
    Column("adapter_id", String(120), primary_key=True),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("kind", String(20), nullable=False),
    Column("base", String(200), nullable=False),
    Column("base_sha256", String(64), nullable=False),
    Column("folder", String(1000), nullable=False),
    Column("stage", String(20), nullable=False, index=True),
    Column("ceiling", String(20), nullable=False),
    Column("dataset_id", ForeignKey("dataset.dataset_id")),
    Column("run_id", String(80), nullable=False),
    Column("parent", String(120), nullable=False),
    Column("blocked", String(500), nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

adapter_document = Table(
    "adapter_document",
    metadata,
    Column("adapter_id", ForeignKey("adapter.adapter_id"), nullable=False),
    Column("document_id", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    PrimaryKeyConstraint("adapter_id", "document_id", "version"),
    Index("ix_adapter_document_document", "document_id", "version"),
)
"""Documents that an adapter's training read whole, in no dataset. It outlives their words, so that an erasure finds the adapter."""

adapter_event = Table(
    "adapter_event",
    metadata,
    Column("event_id", Integer, primary_key=True, autoincrement=True),
    Column("adapter_id", ForeignKey("adapter.adapter_id"), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("action", String(40), nullable=False),
    Column("from_stage", String(20), nullable=False),
    Column("to_stage", String(20), nullable=False),
    Column("reason", String(1000), nullable=False),
    Column("report", JSON),
)

rollout = Table(
    "rollout",
    metadata,
    Column("rollout_id", Integer, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("action", String(20), nullable=False),
    Column("reason", String(1000), nullable=False),
    Column("experiment_id", String(80), nullable=False),
    Column("configuration", JSON, nullable=False),
    Column("restores", Integer),
)
"""What serves whom: the newest row. A rollback is one more row that holds an earlier row's configuration."""

canary_judgement = Table(
    "canary_judgement",
    metadata,
    Column("judgement_id", Integer, primary_key=True, autoincrement=True),
    Column("rollout_id", ForeignKey("rollout.rollout_id"), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("decision", String(20), nullable=False),
    Column("reason", String(1000), nullable=False),
    Column("figures", JSON, nullable=False),
    Column("became", Integer),
)
"""What a canary's judge decided, and the rollout that followed where one did."""

shadow_answer = Table(
    "shadow_answer",
    metadata,
    Column("shadow_id", String(36), primary_key=True),
    Column("turn_id", ForeignKey("turn.turn_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("adapter", String(200), nullable=False, index=True),
    Column("status", String(20), nullable=False),
    Column("answer", Text, nullable=False),
    Column("agrees", Boolean, nullable=False),
    Column("ms", Float, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

job = Table(
    "job",
    metadata,
    Column("job_id", String(80), primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("trigger", String(20), nullable=False),
    Column("status", String(20), nullable=False, index=True),
    Column("step", String(80), nullable=False),
    Column("details", JSON, nullable=False),
    Column("error", String(1000), nullable=False),
    Column("lease_owner", String(120), nullable=False),
    Column("lease_until", UtcDateTime),
    Column("fence", Integer, nullable=False),
    Column("requested_by", String(80), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
)

worker = Table(
    "worker",
    metadata,
    Column("name", String(120), primary_key=True),
    Column("started_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)
"""Which workers run: each says every few seconds that it does (core/workers.py)."""

drift_check = Table(
    "drift_check",
    metadata,
    Column("due_at", UtcDateTime, primary_key=True),
    Column("claimed_by", String(120), nullable=False),
    Column("claimed_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("verdict", String(20), nullable=False),
    Column("reference_days", Integer, nullable=False),
    Column("days", Integer, nullable=False),
    Column("reference_turns", Integer, nullable=False),
    Column("current_turns", Integer, nullable=False),
    Column("signals", JSON, nullable=False),
    Column("told", JSON, nullable=False),
)
"""The checks for drift: one for each time that the schedule names, whichever process does it (core/drift_checks.py)."""

rating_batch = Table(
    "rating_batch",
    metadata,
    Column("batch_id", String(36), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("rubric", JSON, nullable=False),
    Column("runs", JSON, nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

rating_rater = Table(
    "rating_rater",
    metadata,
    Column("batch_id", ForeignKey("rating_batch.batch_id", ondelete="CASCADE"), nullable=False),
    Column("person_id", ForeignKey("person.person_id", ondelete="CASCADE"), nullable=False, index=True),
    PrimaryKeyConstraint("batch_id", "person_id"),
)
"""Who is asked to rate a batch, whatever their roles."""

rating_item = Table(
    "rating_item",
    metadata,
    Column("item_id", String(36), primary_key=True),
    Column("batch_id", ForeignKey("rating_batch.batch_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("ordinal", Integer, nullable=False),
    Column("case_id", String(120), nullable=False),
    Column("question", Text, nullable=False),
    Column("answers", JSON, nullable=False),
    Column("gold", JSON),
)

rating = Table(
    "rating",
    metadata,
    Column("item_id", ForeignKey("rating_item.item_id", ondelete="CASCADE"), nullable=False),
    Column("rater", String(80), nullable=False),
    Column("scores", JSON, nullable=False),
    Column("preferred", String(10), nullable=False),
    Column("comment", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("item_id", "rater"),
)

pseudonym = Table(
    "pseudonym",
    metadata,
    Column("pseudonym", String(60), primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("entity_type", String(40), nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
"""What stands for a person's datum in redacted text. The key that opens `ciphertext` is not in the database."""

guard_report = Table(
    "guard_report",
    metadata,
    Column("report_id", String(36), primary_key=True),
    Column("turn_id", ForeignKey("turn.turn_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("guard", String(80), nullable=False),
    Column("rule", String(200), nullable=False),
    Column("note", Text, nullable=False),
    Column("status", String(20), nullable=False),
    Column("reported_by", String(80), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
