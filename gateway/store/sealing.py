"""Sealing the history: blocks, daily sums, and the tallies that go with them.

Nothing here runs on the way of a complaint. A block is prepared in a reading transaction, as sealed rows never change,
and appended in a short writing one, compare-and-set on the head: of two sealers one finds that the other was quicker.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

import orjson
from sqlalchemy import Integer, and_, bindparam, func, select, update

from gateway.contract.clock import Millis
from gateway.store.chain import (
    BLOCK_ROWS,
    LATE_ROWS,
    Counts,
    DaySum,
    Head,
    Move,
    Seal,
    Sealed,
    Sealing,
    Signer,
    Tally,
    count_moves,
    find_gaps,
    make_seal,
    read_gaps,
    tally_moves,
    to_json,
)
from gateway.store.heads import read_said, read_source_key
from gateway.store.missing import Numbered, note_numbers
from gateway.store.plan import Ask, Plan, Statement, ask_for, insert_into, is_in, put, word
from gateway.store.tables import (
    chain,
    complaints,
    duties,
    heard,
    history,
    inbox,
    late_rows,
    seals,
    sums,
    tallies,
)
from gateway.store.vault import Vault

LATE_BLOCKS = 2_000
"""How many blocks more the gaps of one are watched for rows that become visible late. No time: clocks jump."""
DAY_RESTS_MS = 300_000
"""How long after midnight a day without further rows is summed."""
_WIDE_GAP = 1_000
_LOWEST = -(2**63)

_of_duty = complaints.alias("of_duty")
_MOVES = (
    select(
        history.c.seq,
        history.c.at_ms,
        history.c.subject,
        history.c.subject_id,
        history.c.event,
        history.c.before,
        history.c.after,
        history.c.detail,
        func.coalesce(inbox.c.channel, complaints.c.channel, _of_duty.c.channel),
        func.coalesce(inbox.c.received_ms, duties.c.created_ms),
        duties.c.target,
        duties.c.instance,
        late_rows.c.block,
    )
    .select_from(history)
    .outerjoin(inbox, and_(history.c.subject == word("envelope"), inbox.c.id == history.c.subject_id))
    .outerjoin(complaints, and_(history.c.subject == word("complaint"), complaints.c.id == history.c.subject_id))
    .outerjoin(duties, and_(history.c.subject == word("duty"), duties.c.id == history.c.subject_id))
    .outerjoin(_of_duty, _of_duty.c.id == duties.c.complaint_id)
    .outerjoin(late_rows, late_rows.c.seq == history.c.seq)
)
MOVES_BETWEEN = Statement(
    _MOVES.where(history.c.seq > bindparam("after"), history.c.seq <= bindparam("upto"))
    .order_by(history.c.seq)
    .limit(bindparam("limit", type_=Integer)),
    ("after", "upto", "limit"),
)
_MOVES_AT = Statement(_MOVES.where(is_in(history.c.seq, "seqs")), ("seqs",))
_LATE_OF_BLOCK = Statement(
    select(late_rows.c.seq)
    .where(late_rows.c.block == bindparam("block"))
    .order_by(late_rows.c.seq)
    .limit(bindparam("limit", type_=Integer)),
    ("block", "limit"),
)
_NEWEST = Statement(select(func.max(history.c.seq)), ())
_HEAD_COLUMNS = [column for column in chain.c if column.name != "id"]
_HEAD = Statement(select(*_HEAD_COLUMNS), ())
_HEAD_TO_MOVE = Statement(select(*_HEAD_COLUMNS).with_for_update(), ())
_OPEN_CHAIN = insert_into(chain)
_MOVE_HEAD = Statement(
    update(chain).values({column.name: bindparam(f"to_{column.name}") for column in _HEAD_COLUMNS}),
    tuple(f"to_{column.name}" for column in _HEAD_COLUMNS),
)
_KEEP_SEAL = insert_into(seals)
_KEEP_SUM = insert_into(sums)
_KEEP_LATE = insert_into(late_rows)
GAPS = Statement(select(seals.c.gaps).where(seals.c.gaps != word(""), seals.c.number > bindparam("after")), ("after",))
_SEALS = Statement(
    select(*seals.c)
    .where(seals.c.number > bindparam("after"))
    .order_by(seals.c.number)
    .limit(bindparam("limit", type_=Integer)),
    ("after", "limit"),
)
_SUMS = Statement(
    select(*sums.c)
    .where(sums.c.number > bindparam("after"))
    .order_by(sums.c.number)
    .limit(bindparam("limit", type_=Integer)),
    ("after", "limit"),
)
TALLIES = Statement(select(*tallies.c).where(is_in(tallies.c.day, "days")), ("days",))
_KEEP_TALLY = insert_into(tallies)
_MOVE_TALLY = Statement(
    update(tallies)
    .where(
        tallies.c.day == bindparam("at_day"),
        tallies.c.subject == bindparam("at_subject"),
        tallies.c.channel == bindparam("at_channel"),
        tallies.c.instance == bindparam("at_instance"),
        tallies.c.state == bindparam("at_state"),
    )
    .values(count=bindparam("to_count")),
    ("to_count", "at_day", "at_subject", "at_channel", "at_instance", "at_state"),
)
_HEARD = Statement(select(heard.c.channel, heard.c.last_ms), ())
_HEAR = Statement(
    update(heard).where(heard.c.channel == bindparam("at_channel")).values(last_ms=bindparam("to_ms")),
    ("to_ms", "at_channel"),
)
_HEAR_FIRST = insert_into(heard)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is to be appended behind `before`."""

    before: Head
    after: Head
    seal: Seal | None
    day_sum: DaySum | None
    moves: Sequence[Move]
    late: Sequence[Move]
    numbers: Sequence[Numbered] = ()


def read_newest() -> Plan[int]:
    """The highest number of a row of the history that can be seen now; 0 if there is none."""
    return int((yield Ask(_NEWEST))[0][0] or 0)


def prepare(vault: Vault, upto: int, sealing: Sealing, now: Millis) -> Plan[Prepared | Sealed]:
    """The next block, of rows up to `upto`, or the sum of a day that is over. A Sealed where there is nothing to do."""
    head = yield from read_head()
    if head is None:
        if (yield Ask(_SEALS, (_LOWEST, 1))) or (yield Ask(_SUMS, (_LOWEST, 1))):
            return Sealed(fault="the head of the chain is gone")
        head = Head()
    elif fault := sealing.signer.find_fault(head.to_message(), head.signature):
        return Sealed(fault=f"the head of the chain {fault}")
    days = sealing.days
    rows = [Move._make(row) for row in (yield Ask(MOVES_BETWEEN, (head.last_seq, upto, BLOCK_ROWS)))]
    today = days.find(now)
    if head.rows and _is_over(head.day, days.find(rows[0].at_ms) if rows else days.find(now - DAY_RESTS_MS), today):
        day_sum = _make_sum(head, sealing.signer, now)
        after = replace(
            head, sums=day_sum.number, summed=head.number, day="", rows=0, counts="{}", sum_signature=day_sum.signature
        )
        return Prepared(head, _sign(after, sealing.signer), None, day_sum, (), ())
    day = head.day or (days.find(rows[0].at_ms) if rows else today)
    rows = rows[: next((n for n, row in enumerate(rows) if _is_over(day, days.find(row.at_ms), today)), len(rows))]
    late = yield from _find_late(head)
    if not rows and not late:
        return Sealed()
    last_seq = rows[-1].seq if rows else head.last_seq
    gaps = find_gaps(head.last_seq, [row.seq for row in rows])
    seal = make_seal(head, rows, late, gaps, last_seq, now)
    counts: Counts = orjson.loads(head.counts)
    count_moves(counts, [*rows, *late], days)
    after = replace(
        head,
        number=seal.number,
        digest=seal.digest,
        last_seq=last_seq,
        day=day,
        rows=head.rows + len(rows) + len(late),
        counts=to_json(counts, sort=True).decode(),
    )
    numbers = yield from _find_numbers(vault, [*rows, *late], sealing)
    return Prepared(head, _sign(after, sealing.signer), seal, None, rows, late, numbers)


def append(prepared: Prepared, sealing: Sealing, now: Millis) -> Plan[bool]:
    """False, and nothing written, if the head is no longer where it was."""
    found = yield Ask(_HEAD_TO_MOVE)
    if (Head(*found[0]) if found else Head()) != prepared.before:
        return False
    seal, day_sum = prepared.seal, prepared.day_sum
    if day_sum is not None:
        yield from put(_KEEP_SUM, [astuple(day_sum)])
    if seal is not None:
        yield from put(_KEEP_SEAL, [astuple(seal)])
        yield from put(_KEEP_LATE, [(move.seq, seal.number, now) for move in prepared.late])
    if found:
        yield from put(_MOVE_HEAD, [astuple(prepared.after)])
    else:
        yield from put(_OPEN_CHAIN, [(1, *astuple(prepared.after))])
    moves = [*prepared.moves, *prepared.late]
    yield from _add_tallies(tally_moves(moves, sealing.days))
    yield from _hear(moves)
    yield from note_numbers(prepared.numbers, now)
    return True


def sign_again(signer: Signer) -> Plan[str]:
    """The head, signed with the newest key. What is wrong with the signature it has, if anything; then it stays."""
    found = yield Ask(_HEAD_TO_MOVE)
    if found:
        head = Head(*found[0])
        if fault := signer.find_fault(head.to_message(), head.signature):
            return f"the head of the chain {fault}"
        yield from put(_MOVE_HEAD, [astuple(_sign(head, signer))])
    return ""


def read_head() -> Plan[Head | None]:
    rows = yield Ask(_HEAD)
    return Head(*rows[0]) if rows else None


def read_seals(after: int, limit: int) -> Plan[list[Seal]]:
    return [Seal(*row) for row in (yield Ask(_SEALS, (after, limit)))]


def read_sums(after: int, limit: int) -> Plan[list[DaySum]]:
    return [DaySum(*row) for row in (yield Ask(_SUMS, (after, limit)))]


def read_moves(after: int, upto: int, limit: int) -> Plan[list[Move]]:
    return [Move._make(row) for row in (yield Ask(MOVES_BETWEEN, (after, upto, limit)))]


def read_late(block: int) -> Plan[list[Move]]:
    """The rows that a block sealed belatedly, in order."""
    seqs = [row[0] for row in (yield Ask(_LATE_OF_BLOCK, (block, LATE_ROWS + 1)))]
    return sorted(Move._make(row) for row in (yield from ask_for(_MOVES_AT, seqs)))


def read_heard() -> Plan[dict[str, int]]:
    return {row[0]: row[1] for row in (yield Ask(_HEARD))}


def find_last_accepted(moves: Sequence[Move]) -> dict[str, int]:
    """When each channel last had something accepted, in milliseconds. The last is that with the highest number: a clock
    that ran ahead for a moment must not hide a channel's silence.
    """
    accepted = (move for move in moves if move.event == "envelope.accepted" and move.channel is not None)
    return {move.channel or "": move.at_ms for move in sorted(accepted)}


def _is_over(day: str, next_day: str, today: str) -> bool:
    """Whether what comes next belongs to another daily sum. A row of a day that is past joins the day that is open
    (nodes pass midnight a little apart) - unless that day has not come yet, because a clock had run ahead.
    """
    return next_day > day or (next_day < day and day > today)


def _sign(head: Head, signer: Signer) -> Head:
    return replace(head, signature=signer.sign(head.to_message()))


def _make_sum(head: Head, signer: Signer, now: Millis) -> DaySum:
    unsigned = DaySum(
        number=head.sums + 1,
        day=head.day,
        first_block=head.summed + 1,
        last_block=head.number,
        last_seq=head.last_seq,
        rows=head.rows,
        counts=head.counts,
        digest=head.digest,
        made_ms=now,
    )
    return replace(unsigned, signature=signer.sign(unsigned.to_message(head.sum_signature)))


def _find_late(head: Head) -> Plan[list[Move]]:
    narrow: list[int] = []
    found: list[Move] = []
    for (gaps,) in (yield Ask(GAPS, (head.number - LATE_BLOCKS,))):
        for first, last in read_gaps(gaps):
            if last - first < _WIDE_GAP:
                narrow += range(first, last + 1)
            else:
                found += [Move._make(row) for row in (yield Ask(MOVES_BETWEEN, (first - 1, last, LATE_ROWS)))]
    found += [Move._make(row) for row in (yield from ask_for(_MOVES_AT, narrow))]
    fresh = {move.seq: move for move in found if move.late_block is None and move.seq <= head.last_seq}
    return [fresh[seq] for seq in sorted(fresh)[:LATE_ROWS]]


def _find_numbers(vault: Vault, moves: Sequence[Move], sealing: Sealing) -> Plan[list[Numbered]]:
    """Of what was accepted on channels whose source counts."""
    channels = {
        move.subject_id: move.channel
        for move in moves
        if move.event == "envelope.accepted" and move.channel in sealing.find_number
    }
    numbers = []
    for envelope_id, said in (yield from read_said(list(channels))).items():
        channel = channels[envelope_id] or ""
        found = sealing.find_number[channel](read_source_key(vault, envelope_id, said))
        if found is not None:
            numbers.append(Numbered(channel, found.stream, found.number))
    return numbers


def _add_tallies(changes: Counter[Tally]) -> Plan[None]:
    days = sorted({tally.day for tally in changes})
    known = {Tally(*row[:-1]): row[-1] for row in (yield from ask_for(TALLIES, days))}
    wanted = {tally: change for tally, change in changes.items() if change}
    yield from put(_KEEP_TALLY, [(*tally, change) for tally, change in wanted.items() if tally not in known])
    yield from put(_MOVE_TALLY, [(known[t] + change, *t) for t, change in wanted.items() if t in known])


def _hear(moves: Sequence[Move]) -> Plan[None]:
    last = find_last_accepted(moves)
    known = (yield from read_heard()) if last else {}
    yield from put(_HEAR_FIRST, [(channel, at) for channel, at in last.items() if channel not in known])
    yield from put(_HEAR, [(at, channel) for channel, at in last.items() if channel in known])
