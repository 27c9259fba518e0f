"""Which documents an adapter's training read whole, in no dataset."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "adapter_document",
        sa.Column("adapter_id", sa.String(length=120), nullable=False),
        sa.Column("document_id", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["adapter_id"], ["adapter.adapter_id"], name=op.f("fk_adapter_document_adapter_id")),
        sa.PrimaryKeyConstraint("adapter_id", "document_id", "version", name=op.f("pk_adapter_document")),
    )
    op.create_index("ix_adapter_document_document", "adapter_document", ["document_id", "version"])
