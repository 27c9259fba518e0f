"""The closed loop: review, datasets, adapters and rollouts; ratings, pseudonyms and reports on guards."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("turn", sa.Column("rollout_id", sa.Integer(), nullable=True))
    op.add_column("turn", sa.Column("arm", sa.String(length=20), nullable=False, server_default="production"))
    op.add_column("turn", sa.Column("policy_sha256", sa.String(length=64), nullable=False, server_default=""))
    _review_item()
    _review()
    _document_task()
    _training_consent()
    _dataset()
    _dataset_row()
    _dataset_hold()
    _adapter()
    _adapter_event()
    _rollout()
    _shadow_answer()
    _job()
    _rating_batch()
    _rating_item()
    _rating()
    _pseudonym()
    _guard_report()


def _review_item() -> None:
    op.create_table(
        "review_item",
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("turn_id", sa.String(length=36), nullable=True),
        sa.Column("feedback_id", sa.String(length=36), nullable=True),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("department", sa.String(length=100), nullable=False),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("assigned_to", sa.String(length=80), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("gold", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["feedback_id"], ["feedback.feedback_id"], name=op.f("fk_review_item_feedback_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["turn_id"], ["turn.turn_id"], name=op.f("fk_review_item_turn_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_review_item")),
    )
    op.create_index("ix_review_item_assigned_to", "review_item", ["assigned_to"])
    op.create_index("ix_review_item_created_at", "review_item", ["created_at"])
    op.create_index("ix_review_item_status", "review_item", ["status"])
    op.create_index("ix_review_item_turn_id", "review_item", ["turn_id"])


def _review() -> None:
    op.create_table(
        "review",
        sa.Column("review_id", sa.String(length=36), nullable=False),
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("reviewer", sa.String(length=80), nullable=False),
        sa.Column("step", sa.String(length=20), nullable=False),
        sa.Column("decision", sa.String(length=20), nullable=False),
        sa.Column("correction", sa.JSON(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["item_id"], ["review_item.item_id"], name=op.f("fk_review_item_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("review_id", name=op.f("pk_review")),
    )
    op.create_index("ix_review_item_id", "review", ["item_id"])
    op.create_index("ix_review_reviewer", "review", ["reviewer"])


def _document_task() -> None:
    op.create_table(
        "document_task",
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.Column("document_id", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.String(length=36), nullable=True),
        sa.Column("owner", sa.String(length=320), nullable=False),
        sa.Column("opened_by", sa.String(length=80), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.String(length=80), nullable=False),
        sa.Column("closing_note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["item_id"], ["review_item.item_id"], name=op.f("fk_document_task_item_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_document_task")),
    )
    op.create_index("ix_document_task_document_id", "document_task", ["document_id"])
    op.create_index("ix_document_task_owner", "document_task", ["owner"])


def _training_consent() -> None:
    op.create_table(
        "training_consent",
        sa.Column("person_id", sa.String(length=80), nullable=False),
        sa.Column("allowed", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.person_id"], name=op.f("fk_training_consent_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_training_consent")),
    )


def _dataset() -> None:
    op.create_table(
        "dataset",
        sa.Column("dataset_id", sa.String(length=80), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("folder", sa.String(length=1000), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("ceiling", sa.String(length=20), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("dataset_id", name=op.f("pk_dataset")),
    )


def _dataset_row() -> None:
    op.create_table(
        "dataset_row",
        sa.Column("dataset_id", sa.String(length=80), nullable=False),
        sa.Column("row_sha256", sa.String(length=64), nullable=False),
        sa.Column("split", sa.String(length=20), nullable=False),
        sa.Column("turn_id", sa.String(length=36), nullable=False),
        sa.Column("feedback_id", sa.String(length=36), nullable=False),
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("review_id", sa.String(length=36), nullable=False),
        sa.Column("person_id", sa.String(length=80), nullable=False),
        sa.Column("reviewer", sa.String(length=80), nullable=False),
        sa.Column("document_id", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["dataset.dataset_id"], name=op.f("fk_dataset_row_dataset_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "dataset_id", "row_sha256", "item_id", "document_id", "version", name=op.f("pk_dataset_row")
        ),
    )
    op.create_index("ix_dataset_row_document", "dataset_row", ["document_id", "version"])
    op.create_index("ix_dataset_row_person_id", "dataset_row", ["person_id"])


def _dataset_hold() -> None:
    op.create_table(
        "dataset_hold",
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("detail", sa.String(length=300), nullable=False),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_by", sa.String(length=80), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["item_id"], ["review_item.item_id"], name=op.f("fk_dataset_hold_item_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("item_id", "reason", name=op.f("pk_dataset_hold")),
    )


def _adapter() -> None:
    op.create_table(
        "adapter",
        sa.Column("adapter_id", sa.String(length=120), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("base", sa.String(length=200), nullable=False),
        sa.Column("base_sha256", sa.String(length=64), nullable=False),
        sa.Column("folder", sa.String(length=1000), nullable=False),
        sa.Column("stage", sa.String(length=20), nullable=False),
        sa.Column("ceiling", sa.String(length=20), nullable=False),
        sa.Column("dataset_id", sa.String(length=80), nullable=True),
        sa.Column("run_id", sa.String(length=80), nullable=False),
        sa.Column("parent", sa.String(length=120), nullable=False),
        sa.Column("blocked", sa.String(length=500), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.dataset_id"], name=op.f("fk_adapter_dataset_id")),
        sa.PrimaryKeyConstraint("adapter_id", name=op.f("pk_adapter")),
        sa.UniqueConstraint("sha256"),
    )
    op.create_index("ix_adapter_stage", "adapter", ["stage"])


def _adapter_event() -> None:
    op.create_table(
        "adapter_event",
        sa.Column("event_id", sa.Integer(), nullable=False, autoincrement=True),
        sa.Column("adapter_id", sa.String(length=120), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("from_stage", sa.String(length=20), nullable=False),
        sa.Column("to_stage", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("report", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["adapter_id"], ["adapter.adapter_id"], name=op.f("fk_adapter_event_adapter_id")),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_adapter_event")),
    )
    op.create_index("ix_adapter_event_adapter_id", "adapter_event", ["adapter_id"])


def _rollout() -> None:
    op.create_table(
        "rollout",
        sa.Column("rollout_id", sa.Integer(), nullable=False, autoincrement=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("experiment_id", sa.String(length=80), nullable=False),
        sa.Column("configuration", sa.JSON(), nullable=False),
        sa.Column("restores", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("rollout_id", name=op.f("pk_rollout")),
    )


def _shadow_answer() -> None:
    op.create_table(
        "shadow_answer",
        sa.Column("shadow_id", sa.String(length=36), nullable=False),
        sa.Column("turn_id", sa.String(length=36), nullable=False),
        sa.Column("adapter", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("agrees", sa.Boolean(), nullable=False),
        sa.Column("ms", sa.Float(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["turn_id"], ["turn.turn_id"], name=op.f("fk_shadow_answer_turn_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("shadow_id", name=op.f("pk_shadow_answer")),
    )
    op.create_index("ix_shadow_answer_adapter", "shadow_answer", ["adapter"])
    op.create_index("ix_shadow_answer_turn_id", "shadow_answer", ["turn_id"])


def _job() -> None:
    op.create_table(
        "job",
        sa.Column("job_id", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("trigger", sa.String(length=20), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("step", sa.String(length=80), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("error", sa.String(length=1000), nullable=False),
        sa.Column("lease_owner", sa.String(length=120), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("requested_by", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_job")),
    )
    op.create_index("ix_job_status", "job", ["status"])


def _rating_batch() -> None:
    op.create_table(
        "rating_batch",
        sa.Column("batch_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("rubric", sa.JSON(), nullable=False),
        sa.Column("runs", sa.JSON(), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("batch_id", name=op.f("pk_rating_batch")),
    )


def _rating_item() -> None:
    op.create_table(
        "rating_item",
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("batch_id", sa.String(length=36), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.String(length=120), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("answers", sa.JSON(), nullable=False),
        sa.Column("gold", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["rating_batch.batch_id"], name=op.f("fk_rating_item_batch_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_rating_item")),
    )
    op.create_index("ix_rating_item_batch_id", "rating_item", ["batch_id"])


def _rating() -> None:
    op.create_table(
        "rating",
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("rater", sa.String(length=80), nullable=False),
        sa.Column("scores", sa.JSON(), nullable=False),
        sa.Column("preferred", sa.String(length=10), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["item_id"], ["rating_item.item_id"], name=op.f("fk_rating_item_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("item_id", "rater", name=op.f("pk_rating")),
    )


def _pseudonym() -> None:
    op.create_table(
        "pseudonym",
        sa.Column("pseudonym", sa.String(length=60), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("entity_type", sa.String(length=40), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("pseudonym", name=op.f("pk_pseudonym")),
        sa.UniqueConstraint("digest"),
    )


def _guard_report() -> None:
    op.create_table(
        "guard_report",
        sa.Column("report_id", sa.String(length=36), nullable=False),
        sa.Column("turn_id", sa.String(length=36), nullable=False),
        sa.Column("guard", sa.String(length=80), nullable=False),
        sa.Column("rule", sa.String(length=200), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("reported_by", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["turn_id"], ["turn.turn_id"], name=op.f("fk_guard_report_turn_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_guard_report")),
    )
    op.create_index("ix_guard_report_turn_id", "guard_report", ["turn_id"])
