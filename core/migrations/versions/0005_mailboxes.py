"""Which access group reads a mailbox that owns documents."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "mailbox",
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("group_name", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_name"], ["access_group.name"], name=op.f("fk_mailbox_group_name"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_mailbox")),
    )
