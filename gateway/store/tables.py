"""The tables, portable between SQLite and PostgreSQL.

Times are integer milliseconds UTC, ids UUIDv7 as 32 hex digits (they grow, so new rows sit together on the last pages).
What customers said (`envelopes`, `complaint_versions`) is apart from what moves (`inbox`, `duties`): a move rewrites a
short row, never the raw bytes. On PostgreSQL it lies in a partition per month (see months.py), and nothing else does:
what has to be known for ever, such as a source key, stands in the other tables. It is sealed, so not compressed there.

Every index over something that moves is partial and holds unfinished rows only, so its size follows the work in hand and
not the years of history. The exception is the source key, which has to be unique for ever.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

REVISION = "0010"
"""The revision of the migrations that this code works on."""

metadata = MetaData(
    naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"},
)


# By their bytes on every server: the partitions are ranges of ids, and the rules of a language would be slower.
_ID = String(32).with_variant(String(32, collation="C"), "postgresql")


def _id(name: str, **options: bool) -> Column[str]:
    return Column(name, _ID, **options)  # type: ignore[arg-type]


def _index_where(name: str, condition: str, *columns: str, unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, sqlite_where=text(condition), postgresql_where=text(condition))


envelopes = Table(
    "envelopes",
    metadata,
    _id("id", primary_key=True),
    # The raw bytes, and what is known of them, sealed (see heads.py, vault.py).
    Column("said", LargeBinary, nullable=False),
    postgresql_partition_by="RANGE (id)",
)

numbering = Table(
    "numbering",
    metadata,
    # One row: the secret of the receipts and the first number that nobody has reserved (see numbering.py).
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("secret", LargeBinary(32), nullable=False),
    Column("next", BigInteger, nullable=False),
)

vault = Table(
    "vault",
    metadata,
    # The keys that seal, themselves sealed (see vault.py): 0 the one that marks, else months, counted from January 2000.
    Column("month", SmallInteger, primary_key=True, autoincrement=False),
    # Of the master key that sealed it.
    Column("version", SmallInteger, nullable=False),
    # Empty once it was destroyed.
    Column("sealed", LargeBinary, nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("destroyed_ms", BigInteger),
)

marks = Table(
    "marks",
    metadata,
    # By month, so that what is written together lies together, and goes together.
    Column("month", SmallInteger, primary_key=True, autoincrement=False),
    # Vault.mark of whatever a complaint is found by: a telephone number, a document, an address.
    Column("mark", LargeBinary(16), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    sqlite_with_rowid=False,
)

inbox = Table(
    "inbox",
    metadata,
    # The envelope's.
    _id("id", primary_key=True),
    # See accepting.mark_key. A random key costs every accept a page of the index of its own; a sequential one does not.
    Column("key", LargeBinary(80), nullable=False),
    Column("content", LargeBinary(32), nullable=False),
    Column("channel", Text, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("receipt", String(12)),
    # Of the receipt. What is found by a receipt is found by its number: numbers grow, receipts lie anywhere.
    Column("number", BigInteger),
    # Place inside the receipt's matter, from 0.
    Column("part", Integer, nullable=False),
    Column("state", String(12), nullable=False),
    # When it came into this state.
    Column("since_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("lease_until_ms", BigInteger, nullable=False),
    Column("claim", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("code", Text, nullable=False),
    # Sealed: what was wrong may quote what came.
    Column("detail", LargeBinary, nullable=False),
    Index("ix_inbox_key", "key", unique=True),
    _index_where("ix_inbox_accepted", "state = 'accepted'", "channel", "since_ms", "id"),
    # A registered envelope is found by its complaint.
    _index_where("ix_inbox_unregistered", "state <> 'registered'", "number", "part", unique=True),
    _index_where("ix_inbox_set_aside", "state = 'set_aside'", "id"),
    sqlite_with_rowid=False,
)

threads = Table(
    "threads",
    metadata,
    Column("key", LargeBinary(80), primary_key=True),
    Column("receipt", String(12), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("ended", Boolean, nullable=False),
    sqlite_with_rowid=False,
)

lenders = Table(
    "lenders",
    metadata,
    # accepting.mark_key of the thread. Few envelopes lend (a scanned code, a menu entry); those that do are found here.
    Column("key", LargeBinary(80), primary_key=True),
    Column("received_ms", BigInteger, primary_key=True),
    _id("envelope_id", primary_key=True),
    sqlite_with_rowid=False,
)

cursors = Table(
    "cursors",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("cursor", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)

complaints = Table(
    "complaints",
    metadata,
    _id("id", primary_key=True),
    Column("receipt", String(12), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("channel", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("branch", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Index("ix_complaints_number", "number", unique=True),
    sqlite_with_rowid=False,
)

complaint_versions = Table(
    "complaint_versions",
    metadata,
    _id("complaint_id", primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("event", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    _id("envelope_id", nullable=False),
    Column("document", LargeBinary, nullable=False),
    postgresql_partition_by="RANGE (complaint_id)",
)

duties = Table(
    "duties",
    metadata,
    _id("id", primary_key=True),
    _id("complaint_id", nullable=False),
    Column("receipt", String(12), nullable=False),
    Column("version", Integer, nullable=False),
    Column("level", Text, nullable=False),
    Column("target", String(8), nullable=False),
    Column("instance", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("event", Text, nullable=False),
    # Sealed, as `detail` is (see vault.py).
    Column("to", LargeBinary, nullable=False),
    Column("state", String(12), nullable=False),
    # Behind an earlier unfinished step of the same complaint at the same system. A column and not a question asked at
    # every claim: with a system down for a day, the steps behind would be read over and over.
    Column("held", Boolean, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    # Since when it is owed: when it was due first. `due_ms` moves with every retry, this does not.
    Column("owed_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    # Above 0 from the claim until its outcome is settled; a claim that finds it above 0 follows a worker that died.
    Column("lease_until_ms", BigInteger, nullable=False),
    Column("claim", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("uncertain", Boolean, nullable=False),
    Column("code", Text, nullable=False),
    Column("detail", LargeBinary, nullable=False),
    Column("reference", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("done_ms", BigInteger),
    # Mark of a customer's address: how many notices went there, whatever complaint they were about.
    Column("address", LargeBinary(16)),
    Index("ix_duties_complaint", "complaint_id"),
    # Claims read it in this order; standings count from it alone.
    _index_where("ix_duties_waiting", "state = 'waiting'", "target", "instance", "held", "due_ms", "id", "owed_ms"),
    _index_where("ix_duties_parked", "state = 'parked'", "id"),
    # Both hold notices to customers only, which grow at their end.
    _index_where("ix_duties_sent", "address IS NOT NULL AND state = 'done'", "address", "instance", "done_ms"),
    _index_where("ix_duties_files", "target = 'collect' AND state = 'done'", "reference", "complaint_id"),
    _index_where("ix_duties_reference", "address IS NOT NULL AND state = 'done'", "reference"),
    sqlite_with_rowid=False,
)

tickets = Table(
    "tickets",
    metadata,
    _id("complaint_id", primary_key=True),
    Column("instance", Text, primary_key=True),
    Column("ticket", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

history = Table(
    "history",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("subject", String(12), nullable=False),
    _id("subject_id", nullable=False),
    Column("event", Text, nullable=False),
    Column("before", String(12), nullable=False),
    Column("after", String(12), nullable=False),
    Column("detail", Text, nullable=False),
    # By subject alone: subjects are young when they move, so this index grows at its end; by receipt it would not.
    Index("ix_history_subject", "subject_id"),
)

probes = Table(
    "probes",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
)

# --- audit: see sealing.py and docs/audit.md -----------------------------------------------------------------------

seals = Table(
    "seals",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("rows", Integer, nullable=False),
    # Rows behind the head that became visible only later, and are sealed with this block.
    Column("late", Integer, nullable=False),
    # Numbers between the last block and this one's end that no row has, as `5-9,12`.
    Column("gaps", Text, nullable=False),
    Column("sealed_ms", BigInteger, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    # Four bytes per row, to say which row was changed. The proof is the digest.
    Column("checks", LargeBinary, nullable=False),
    _index_where("ix_seals_gaps", "gaps <> ''", "number"),
)

chain = Table(
    "chain",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    # The last daily sum, and what has come since: its day, its blocks and its counts.
    Column("sums", BigInteger, nullable=False),
    Column("summed", BigInteger, nullable=False),
    Column("day", String(10), nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("counts", Text, nullable=False),
    Column("sum_signature", Text, nullable=False),
    Column("signature", Text, nullable=False),
)

sums = Table(
    "sums",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("day", String(10), nullable=False),
    Column("first_block", BigInteger, nullable=False),
    Column("last_block", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("counts", Text, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("signature", Text, nullable=False),
)

late_rows = Table(
    "late_rows",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("block", BigInteger, nullable=False),
    Column("found_ms", BigInteger, nullable=False),
)

tallies = Table(
    "tallies",
    metadata,
    # The day the envelope came, or the duty was born; empty: all days.
    Column("day", String(10), primary_key=True),
    Column("subject", String(8), primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("instance", Text, primary_key=True),
    # A state, or `came`.
    Column("state", String(12), primary_key=True),
    Column("count", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

heard = Table(
    "heard",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("last_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# --- promises: see promising.py ------------------------------------------------------------------------------------

alarms = Table(
    "alarms",
    metadata,
    Column("key", Text, primary_key=True),
    Column("since_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

alarm_calls = Table(
    "alarm_calls",
    metadata,
    # The notice and the address, hashed: who is on duty stands in the settings only.
    Column("recipient", String(32), primary_key=True),
    Column("told_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    sqlite_with_rowid=False,
)

deadlines = Table(
    "deadlines",
    metadata,
    _id("complaint_id", primary_key=True),
    Column("channel", Text, nullable=False),
    Column("decide_ms", BigInteger, nullable=False),
    # When somebody said that it is decided.
    Column("decided_ms", BigInteger),
    _index_where("ix_deadlines_open", "decided_ms IS NULL", "decide_ms", "channel"),
    sqlite_with_rowid=False,
)

# --- what a source counts by: see missing.py ---------------------------------------------------------------------

source_streams = Table(
    "source_streams",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

source_gaps = Table(
    "source_gaps",
    metadata,
    _id("id", primary_key=True),
    Column("channel", Text, nullable=False),
    Column("stream", Text, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    Index("ix_source_gaps_place", "channel", "stream", "first"),
    sqlite_with_rowid=False,
)
