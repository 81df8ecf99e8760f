"""The chain over the history with its daily sums, the tallies, alarms, deadlines, and the numbers sources count by.

Only adds: a program of the version before can go on working beside this. Duties that are there already get the row of
history that every new one is born with, at the time of this upgrade: without it they could not be counted as owed.
"""

import json
import time
from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
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
        "late_rows",
        sa.Column("seq", _BIG, autoincrement=False, nullable=False),
        sa.Column("block", sa.BigInteger(), nullable=False),
        sa.Column("found_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_late_rows"),
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
        "heard",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel", name="pk_heard"),
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
        "alarm_calls",
        sa.Column("recipient", sa.String(length=32), nullable=False),
        sa.Column("told_ms", sa.BigInteger(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("recipient", name="pk_alarm_calls"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "deadlines",
        sa.Column("complaint_id", sa.String(length=32), nullable=False),
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
        "source_streams",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "stream", name="pk_source_streams"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "source_gaps",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_source_gaps"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_source_gaps_place", "source_gaps", ["channel", "stream", "first"], unique=False)
    _note_births()
    _note_deadlines()


def _note_births() -> None:
    # In the order of their birth, so that their numbers have it too.
    op.execute(
        sa.text(
            "INSERT INTO history (at_ms, subject, subject_id, event, before, after, detail) "
            "SELECT :now, 'duty', id, 'duty.owed', '', 'waiting', 'noted at an upgrade' FROM duties ORDER BY id"
        ).bindparams(now=time.time_ns() // 1_000_000)
    )


def _note_deadlines() -> None:
    connection = op.get_bind()
    after = ""
    page = sa.text(
        "SELECT c.id, c.channel, v.document FROM complaints c "
        "JOIN complaint_versions v ON v.complaint_id = c.id AND v.version = c.version "
        "WHERE c.kind = 'complaint' AND c.id > :after ORDER BY c.id LIMIT 500"
    )
    keep = sa.text("INSERT INTO deadlines (complaint_id, channel, decide_ms) VALUES (:id, :channel, :decide_ms)")
    while rows := connection.execute(page, {"after": after}).all():
        after = rows[-1][0]
        found = [(complaint_id, channel, json.loads(document).get("due")) for complaint_id, channel, document in rows]
        values = [
            {
                "id": complaint_id,
                "channel": channel,
                "decide_ms": int(datetime.fromisoformat(due["decide_at"]).timestamp() * 1000),
            }
            for complaint_id, channel, due in found
            if due
        ]
        if values:
            connection.execute(keep, values)
