"""What a canary's judge decided, on which figures, and which rollout followed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "canary_judgement",
        sa.Column("judgement_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("rollout_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("decision", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("became", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["rollout_id"], ["rollout.rollout_id"], name=op.f("fk_canary_judgement_rollout_id")),
        sa.PrimaryKeyConstraint("judgement_id", name=op.f("pk_canary_judgement")),
    )
    op.create_index("ix_canary_judgement_rollout_id", "canary_judgement", ["rollout_id"])
