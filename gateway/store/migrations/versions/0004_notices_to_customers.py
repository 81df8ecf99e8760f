"""Notices to customers: to whom they went, and what the other side calls them. Adds a column and two small indexes."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0001"

_SENT = "address IS NOT NULL AND state = 'done'"


def upgrade() -> None:
    op.add_column("duties", sa.Column("address", sa.LargeBinary(length=16), nullable=True))
    for name, columns in (
        ("ix_duties_sent", ["address", "instance", "done_ms"]),
        ("ix_duties_reference", ["reference"]),
    ):
        op.create_index(
            name, "duties", columns, unique=False, sqlite_where=sa.text(_SENT), postgresql_where=sa.text(_SENT)
        )
