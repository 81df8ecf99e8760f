"""Envelopes that lend their hints to others of their thread are found in a table of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "lenders",
        sa.Column("key", sa.LargeBinary(length=80), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("envelope_id", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("key", "received_ms", "envelope_id", name="pk_lenders"),
        sqlite_with_rowid=False,
    )
