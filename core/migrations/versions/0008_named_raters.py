"""Who is named to rate a batch of answers, whatever their roles."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "rating_rater",
        sa.Column("batch_id", sa.String(length=36), nullable=False),
        sa.Column("person_id", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["rating_batch.batch_id"], name=op.f("fk_rating_rater_batch_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.person_id"], name=op.f("fk_rating_rater_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("batch_id", "person_id", name=op.f("pk_rating_rater")),
    )
    op.create_index("ix_rating_rater_person_id", "rating_rater", ["person_id"])
