"""Numbers that a source counts by (call ids, IMAP UIDs): what is missing between those that came.

Noted by the sealer, once for every accepted envelope, in the transaction of its block. A stream begins with the first
number that came; only numbers between two that came can be missing. Open gaps are rows, so asking for them costs what is
missing and not what came.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import uuid_utils
from sqlalchemy import bindparam, delete, func, or_, select, update

from gateway.contract.clock import Millis
from gateway.store.accepting import WRITE_HISTORY
from gateway.store.plan import Ask, Plan, Row, Statement, ask_for, insert_into, is_in, put
from gateway.store.rows import Missing
from gateway.store.tables import source_gaps, source_streams

HIGHEST = 2**62

_STREAM = Statement(
    select(source_streams.c.first, source_streams.c.last)
    .where(source_streams.c.channel == bindparam("channel"), source_streams.c.stream == bindparam("stream"))
    .with_for_update(),
    ("channel", "stream"),
)
_OPEN_STREAM = insert_into(source_streams)
_MOVE_STREAM = Statement(
    update(source_streams)
    .where(source_streams.c.channel == bindparam("at_channel"), source_streams.c.stream == bindparam("at_stream"))
    .values(first=bindparam("to_first"), last=bindparam("to_last")),
    ("to_first", "to_last", "at_channel", "at_stream"),
)
GAP_AROUND = Statement(
    select(source_gaps.c.id, source_gaps.c.first, source_gaps.c.last, source_gaps.c.since_ms).where(
        source_gaps.c.channel == bindparam("channel"),
        source_gaps.c.stream == bindparam("stream"),
        source_gaps.c.first <= bindparam("number"),
        source_gaps.c.last >= bindparam("number"),
    ),
    ("channel", "stream", "number"),
)
_OPEN_GAP = insert_into(source_gaps)
_MOVE_GAP = Statement(
    update(source_gaps)
    .where(source_gaps.c.id == bindparam("at_id"))
    .values(first=bindparam("to_first"), last=bindparam("to_last")),
    ("to_first", "to_last", "at_id"),
)
_CLOSE_GAP = Statement(delete(source_gaps).where(source_gaps.c.id == bindparam("at_id")), ("at_id",))
_GAPS = Statement(select(source_gaps.c.id).where(is_in(source_gaps.c.id, "ids")).with_for_update(), ("ids",))
_MISSING = Statement(
    select(
        source_gaps.c.channel, func.sum(source_gaps.c.last - source_gaps.c.first + 1), func.min(source_gaps.c.since_ms)
    )
    # One that began in a time still to come is of a clock that ran ahead.
    .where(or_(source_gaps.c.since_ms <= bindparam("until"), source_gaps.c.since_ms > bindparam("now")))
    .group_by(source_gaps.c.channel),
    ("until", "now"),
)


class Numbered(NamedTuple):
    """An accepted envelope's place in its source's counting."""

    channel: str
    stream: str
    number: int


def note_numbers(numbers: Iterable[Numbered], now: Millis) -> Plan[None]:
    by_stream: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for one in numbers:
        if 0 <= one.number <= HIGHEST:
            by_stream[one.channel, one.stream].add(one.number)
    for place, found in sorted(by_stream.items()):
        yield from _note_stream(place, sorted(found), now)


def _note_stream(place: tuple[str, str], numbers: Sequence[int], now: Millis) -> Plan[None]:
    rows = yield Ask(_STREAM, place)
    if not rows:
        yield from put(_OPEN_STREAM, [(*place, numbers[0], numbers[0])])
    first, last = begin = rows[0] if rows else (numbers[0], numbers[0])
    for number in numbers:
        if number > last:
            yield from _open_gap(place, last + 1, number - 1, now, now)
            last = number
        elif number < first:
            yield from _open_gap(place, number + 1, first - 1, now, now)
            first = number
        else:
            yield from _fill(place, number, now)
    if (first, last) != tuple(begin):
        yield from put(_MOVE_STREAM, [(first, last, *place)])


def _fill(place: tuple[str, str], number: int, now: Millis) -> Plan[None]:
    """Nothing where the number was there already: a fuller transcript of the same call, or a source that begins anew."""
    for gap_id, first, last, since_ms in (yield Ask(GAP_AROUND, (*place, number))):
        if first == last:
            yield from put(_CLOSE_GAP, [(gap_id,)])
            yield from put(WRITE_HISTORY, [(now, "gap", gap_id, "gap.filled", "open", "filled", "")])
        elif number == first:
            yield from put(_MOVE_GAP, [(number + 1, last, gap_id)])
        else:
            yield from put(_MOVE_GAP, [(first, number - 1, gap_id)])
            yield from _open_gap(place, number + 1, last, since_ms, now)


def _open_gap(place: tuple[str, str], first: int, last: int, since_ms: int, now: Millis) -> Plan[None]:
    if first > last:
        return
    gap_id = uuid_utils.uuid7().hex
    yield from put(_OPEN_GAP, [(gap_id, *place, first, last, since_ms)])
    yield from put(WRITE_HISTORY, [(now, "gap", gap_id, "gap.found", "", "open", f"{first}-{last}")])


def dismiss_gaps(ids: Sequence[str], note: str, now: Millis) -> Plan[set[str]]:
    """Those of `ids` that were open gaps."""
    found = [row[0] for row in (yield from ask_for(_GAPS, ids))]
    yield from put(_CLOSE_GAP, [(gap_id,) for gap_id in found])
    rows: list[Row] = [(now, "gap", gap_id, "gap.dismissed", "open", "dismissed", note) for gap_id in found]
    yield from put(WRITE_HISTORY, rows)
    return set(found)


def read_missing(now: Millis, for_ms: int) -> Plan[list[Missing]]:
    """Per channel, the numbers that are missing for so long."""
    return [
        Missing(channel=channel, count=int(count), since_ms=since_ms)
        for channel, count, since_ms in (yield Ask(_MISSING, (now - for_ms, now)))
    ]
