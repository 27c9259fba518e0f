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
