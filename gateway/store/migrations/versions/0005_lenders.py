"""Envelopes that lend their hints to others of their thread are found by an index of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0001"

_LENDS = sa.text("thread_key IS NOT NULL AND hints <> '' AND NOT receipt_wanted")


def upgrade() -> None:
    op.create_index(
        "ix_envelopes_lenders",
        "envelopes",
        ["thread_key", "received_ms"],
        sqlite_where=_LENDS,
        postgresql_where=_LENDS,
    )
