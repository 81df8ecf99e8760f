"""The first form: all tables, and on PostgreSQL the partitions for what has no month of its own."""

import secrets

import sqlalchemy as sa
from alembic import op

from gateway.store.months import make_rest

revision = "0010"
down_revision = None

_ID = sa.String(length=32).with_variant(sa.String(length=32, collation="C"), "postgresql")
_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "alarm_calls",
        sa.Column("recipient", sa.String(length=32), nullable=False),
        sa.Column("told_ms", sa.BigInteger(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("recipient", name="pk_alarm_calls"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "alarms",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_alarms"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "chain",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("sums", sa.BigInteger(), nullable=False),
        sa.Column("summed", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("sum_signature", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_chain"),
    )
    op.create_table(
        "complaint_versions",
        sa.Column("complaint_id", _ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("envelope_id", _ID, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("complaint_id", "version", name="pk_complaint_versions"),
        postgresql_partition_by="RANGE (complaint_id)",
    )
    op.create_table(
        "complaints",
        sa.Column("id", _ID, nullable=False),
        sa.Column("receipt", sa.String(length=12), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("branch", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_complaints"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_complaints_number", "complaints", ["number"], unique=True)
    op.create_table(
        "cursors",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel", name="pk_cursors"),
    )
    op.create_table(
        "deadlines",
        sa.Column("complaint_id", _ID, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("decide_ms", sa.BigInteger(), nullable=False),
        sa.Column("decided_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("complaint_id", name="pk_deadlines"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_deadlines_open",
        "deadlines",
        ["decide_ms", "channel"],
        unique=False,
        sqlite_where=sa.text("decided_ms IS NULL"),
        postgresql_where=sa.text("decided_ms IS NULL"),
    )
    op.create_table(
        "duties",
        sa.Column("id", _ID, nullable=False),
        sa.Column("complaint_id", _ID, nullable=False),
        sa.Column("receipt", sa.String(length=12), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("target", sa.String(length=8), nullable=False),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("to", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("owed_ms", sa.BigInteger(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("lease_until_ms", sa.BigInteger(), nullable=False),
        sa.Column("claim", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("uncertain", sa.Boolean(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.LargeBinary(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("done_ms", sa.BigInteger(), nullable=True),
        sa.Column("address", sa.LargeBinary(length=16), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_duties"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_duties_complaint", "duties", ["complaint_id"], unique=False)
    op.create_index(
        "ix_duties_files",
        "duties",
        ["reference", "complaint_id"],
        unique=False,
        sqlite_where=sa.text("target = 'collect' AND state = 'done'"),
        postgresql_where=sa.text("target = 'collect' AND state = 'done'"),
    )
    op.create_index(
        "ix_duties_parked",
        "duties",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state = 'parked'"),
        postgresql_where=sa.text("state = 'parked'"),
    )
    op.create_index(
        "ix_duties_reference",
        "duties",
        ["reference"],
        unique=False,
        sqlite_where=sa.text("address IS NOT NULL AND state = 'done'"),
        postgresql_where=sa.text("address IS NOT NULL AND state = 'done'"),
    )
    op.create_index(
        "ix_duties_sent",
        "duties",
        ["address", "instance", "done_ms"],
        unique=False,
        sqlite_where=sa.text("address IS NOT NULL AND state = 'done'"),
        postgresql_where=sa.text("address IS NOT NULL AND state = 'done'"),
    )
    op.create_index(
        "ix_duties_waiting",
        "duties",
        ["target", "instance", "held", "due_ms", "id", "owed_ms"],
        unique=False,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "envelopes",
        sa.Column("id", _ID, nullable=False),
        sa.Column("said", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_envelopes"),
        postgresql_partition_by="RANGE (id)",
    )
    op.create_table(
        "heard",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel", name="pk_heard"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "history",
        sa.Column("seq", _BIG, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.String(length=12), nullable=False),
        sa.Column("subject_id", _ID, nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("before", sa.String(length=12), nullable=False),
        sa.Column("after", sa.String(length=12), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_history"),
    )
    op.create_index("ix_history_subject", "history", ["subject_id"], unique=False)
    op.create_table(
        "inbox",
        sa.Column("id", _ID, nullable=False),
        sa.Column("key", sa.LargeBinary(length=80), nullable=False),
        sa.Column("content", sa.LargeBinary(length=32), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("receipt", sa.String(length=12), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("lease_until_ms", sa.BigInteger(), nullable=False),
        sa.Column("claim", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_inbox"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_inbox_accepted",
        "inbox",
        ["channel", "since_ms", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'accepted'"),
        postgresql_where=sa.text("state = 'accepted'"),
    )
    op.create_index("ix_inbox_key", "inbox", ["key"], unique=True)
    op.create_index(
        "ix_inbox_set_aside",
        "inbox",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state = 'set_aside'"),
        postgresql_where=sa.text("state = 'set_aside'"),
    )
    op.create_index(
        "ix_inbox_unregistered",
        "inbox",
        ["number", "part"],
        unique=True,
        sqlite_where=sa.text("state <> 'registered'"),
        postgresql_where=sa.text("state <> 'registered'"),
    )
    op.create_table(
        "late_rows",
        sa.Column("seq", _BIG, autoincrement=False, nullable=False),
        sa.Column("block", sa.BigInteger(), nullable=False),
        sa.Column("found_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_late_rows"),
    )
    op.create_table(
        "lenders",
        sa.Column("key", sa.LargeBinary(length=80), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("envelope_id", _ID, nullable=False),
        sa.PrimaryKeyConstraint("key", "received_ms", "envelope_id", name="pk_lenders"),
        sqlite_with_rowid=False,
    )
    numbering = op.create_table(
        "numbering",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("secret", sa.LargeBinary(length=32), nullable=False),
        sa.Column("next", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_numbering"),
    )
    op.create_table(
        "marks",
        sa.Column("month", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("mark", sa.LargeBinary(length=16), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("month", "mark", "number", name="pk_marks"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "probes",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_probes"),
    )
    op.create_table(
        "seals",
        sa.Column("number", _BIG, autoincrement=False, nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("late", sa.Integer(), nullable=False),
        sa.Column("gaps", sa.Text(), nullable=False),
        sa.Column("sealed_ms", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("checks", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_seals"),
    )
    op.create_index(
        "ix_seals_gaps",
        "seals",
        ["number"],
        unique=False,
        sqlite_where=sa.text("gaps <> ''"),
        postgresql_where=sa.text("gaps <> ''"),
    )
    op.create_table(
        "source_gaps",
        sa.Column("id", _ID, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_source_gaps"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_source_gaps_place", "source_gaps", ["channel", "stream", "first"], unique=False)
    op.create_table(
        "source_streams",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "stream", name="pk_source_streams"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sums",
        sa.Column("number", _BIG, autoincrement=False, nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("first_block", sa.BigInteger(), nullable=False),
        sa.Column("last_block", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_sums"),
    )
    op.create_table(
        "tallies",
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("subject", sa.String(length=8), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "subject", "channel", "instance", "state", name="pk_tallies"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "threads",
        sa.Column("key", sa.LargeBinary(length=80), nullable=False),
        sa.Column("receipt", sa.String(length=12), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_threads"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tickets",
        sa.Column("complaint_id", _ID, nullable=False),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("ticket", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("complaint_id", "instance", name="pk_tickets"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "vault",
        sa.Column("month", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("destroyed_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("month", name="pk_vault"),
    )
    op.bulk_insert(numbering, [{"id": 1, "secret": secrets.token_bytes(32), "next": 0}])
    if op.get_bind().dialect.name == "postgresql":
        # What is sealed cannot be compressed; not trying to saves a tenth of what a long transcript costs.
        op.execute("ALTER TABLE envelopes ALTER COLUMN said SET STORAGE EXTERNAL")
        op.execute("ALTER TABLE complaint_versions ALTER COLUMN document SET STORAGE EXTERNAL")
        for statement in make_rest():
            op.execute(statement)
