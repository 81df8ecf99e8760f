"""Conservation: accepted = registered + set aside + dismissed + still to be read, owed = done + waiting + parked +
dismissed, per channel and day.

The books are kept by the sealer, from the history alone (see chain.tally_moves); what is not sealed yet is added here.
The check sets them against the tables the work is done in: a thing that is in one and not in the other was lost, or
moved without a trace. Both are read in one snapshot, and neither costs more when there are more finished rows.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from sqlalchemy import bindparam, or_, select

from gateway.states import DutyState, EnvelopeState
from gateway.store.asking import standings, totals
from gateway.store.chain import CAME, TOTAL, Days, Move, Tally, tally_moves
from gateway.store.plan import Ask, Plan, Statement, word
from gateway.store.rows import Balance, Imbalance, Standing
from gateway.store.sealing import MOVES_BETWEEN, TALLIES, find_last_accepted, read_head, read_heard
from gateway.store.tables import tallies

TAIL_LIMIT = 50_000
"""Rows not sealed yet that the check reads; with more it waits until the sealer has caught up."""
_END = 2**63 - 1

UNFINISHED: Mapping[str, Sequence[str]] = {
    "envelope": (EnvelopeState.ACCEPTED, EnvelopeState.SET_ASIDE),
    "system": (DutyState.WAITING, DutyState.PARKED),
    "notice": (DutyState.WAITING, DutyState.PARKED),
    "collect": (DutyState.WAITING, DutyState.PARKED),
    "scan": (DutyState.WAITING, DutyState.PARKED),
}

_BOOKS = Statement(
    select(*tallies.c).where(
        tallies.c.day > word(TOTAL),
        tallies.c.day >= bindparam("since"),
        or_(tallies.c.day <= bindparam("until"), bindparam("until") == word("")),
    ),
    ("since", "until"),
)


def check_balance(days: Days, *, recount: bool = False) -> Plan[Balance]:
    """`recount` counts finished things as well, which reads all of them."""
    tail = yield from _read_tail()
    last = yield from read_heard()
    last |= find_last_accepted(tail)
    unsealed_ms = min(move.at_ms for move in tail) if tail else None
    if len(tail) > TAIL_LIMIT:
        return Balance(unsealed=len(tail), unsealed_ms=unsealed_ms, behind=True, heard=last)
    books = Counter({Tally(*row[:-1]): row[-1] for row in (yield Ask(TALLIES, ([TOTAL],)))})
    books.update({tally: change for tally, change in tally_moves(tail, days).items() if tally.day == TOTAL})
    found = yield from (totals() if recount else standings())
    imbalances = [*_check_books(books), *_compare(books, found, recount=recount)]
    return Balance(imbalances=imbalances, unsealed=len(tail), unsealed_ms=unsealed_ms, heard=last)


def read_books(days: Days, since: str, until: str) -> Plan[Counter[Tally]]:
    """The books of these days (inclusive; empty: open), with what is not sealed yet."""
    books = Counter({Tally(*row[:-1]): row[-1] for row in (yield Ask(_BOOKS, (since, until)))})
    tail = yield from _read_tail()
    for tally, change in tally_moves(tail, days).items():
        if tally.day != TOTAL and tally.day >= since and (not until or tally.day <= until):
            books[tally] += change
    return books


def _read_tail() -> Plan[list[Move]]:
    head = yield from read_head()
    after = head.last_seq if head else 0
    return [Move._make(row) for row in (yield Ask(MOVES_BETWEEN, (after, _END, TAIL_LIMIT + 1)))]


def _check_books(books: Counter[Tally]) -> list[Imbalance]:
    """What came is in one of the states, and no state holds less than nothing."""
    came: Counter[tuple[str, str]] = Counter()
    stands: Counter[tuple[str, str]] = Counter()
    imbalances = []
    for tally, count in books.items():
        place = (tally.subject, _find_where(tally))
        (came if tally.state == CAME else stands)[place] += count
        if count < 0:
            imbalances.append(Imbalance(subject=place[0], where=place[1], state=tally.state, told=count, found=0))
    return imbalances + [
        Imbalance(subject=subject, where=where, state=CAME, told=came[subject, where], found=stands[subject, where])
        for subject, where in sorted(came.keys() | stands.keys())
        if came[subject, where] != stands[subject, where]
    ]


def _compare(books: Counter[Tally], found: Sequence[Standing], *, recount: bool) -> list[Imbalance]:
    told: Counter[tuple[str, str, str]] = Counter()
    for tally, count in books.items():
        if tally.state != CAME and (recount or tally.state in UNFINISHED.get(tally.subject, ())):
            told[tally.subject, _find_where(tally), tally.state] += count
    counted = Counter({(one.subject, one.where, one.state): one.count for one in found})
    return [
        Imbalance(subject=place[0], where=place[1], state=place[2], told=told[place], found=counted[place])
        for place in sorted(told.keys() | counted.keys())
        if told[place] != counted[place]
    ]


def _find_where(tally: Tally) -> str:
    return tally.channel if tally.subject == "envelope" else tally.instance
