"""The history checker: what senders saw acknowledged, against what the ledger and the tracker hold. Pure.

Every message of a run carries a marker of its own in its words, so it is found again wherever it went, whatever
number it was given.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A sender was told "kept". `matter`: what must have one receipt (a call and its fuller transcript share one).
    `receipt` None: the answer carried none.
    """

    marker: str
    matter: str
    receipt: str | None


@dataclass(frozen=True, slots=True)
class Held:
    """One row of a system of record: a ledger's entry, or a delivery that a tracker took, in the order of taking.
    `ticket` is the ticket it made, empty where it changed one that was there.
    """

    receipt: str
    version: int
    ticket: str
    text: str


@dataclass(frozen=True, slots=True)
class Told:
    """A mail to who began a matter. `mail_id` stays the same however often one mail is sent."""

    matter: str
    receipt: str | None
    mail_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Of one run, read after everything stands still. `parked`: the codes of what waits for a person; `poison`: the
    markers of which that is expected, and `poison_codes` under which codes. `chain` and `books`: what `huiyin audit
    verify` and `huiyin conservation` said against it; empty: they hold. `waiting`: what never came to an end. `told`: None where nobody
    is told by mail.
    """

    acknowledged: Sequence[Acknowledged]
    sent: Collection[str]
    ledger: Sequence[Held]
    tracker: Sequence[Held]
    parked: Sequence[str] = ()
    poison: Mapping[str, str] = field(default_factory=dict)
    chain: str = ""
    books: str = ""
    waiting: str = ""
    told: Sequence[Told] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`accepted`: different messages acknowledged; `forwarded`: those of them at the tracker. Each of the others is a
    list of what is wrong, one line each, empty if nothing is.
    """

    accepted: int
    forwarded: int
    lost: Sequence[str]
    doubled: Sequence[str]
    contradicting: Sequence[str]
    disordered: Sequence[str]
    stuck: Sequence[str]
    chain: Sequence[str]
    books: Sequence[str]
    untold: Sequence[str]

    @property
    def faults(self) -> list[str]:
        return [
            *(f"lost: {one}" for one in self.lost),
            *(f"doubled: {one}" for one in self.doubled),
            *(f"contradicting: {one}" for one in self.contradicting),
            *(f"disordered: {one}" for one in self.disordered),
            *(f"stuck: {one}" for one in self.stuck),
            *(f"chain: {one}" for one in self.chain),
            *(f"books: {one}" for one in self.books),
            *(f"untold: {one}" for one in self.untold),
        ]


def check(record: Record) -> Finding:
    accepted = {one.marker for one in record.acknowledged}
    in_ledger = _find_markers(record.ledger, record.sent)
    at_tracker = _find_markers(record.tracker, record.sent)
    expected = {marker for marker in accepted if marker not in record.poison}
    return Finding(
        accepted=len(accepted),
        forwarded=len(accepted & at_tracker.keys()),
        lost=[
            *(f"{marker} is not in the ledger" for marker in sorted(expected - in_ledger.keys())),
            *(f"{marker} is not at the tracker" for marker in sorted(expected - at_tracker.keys())),
        ],
        doubled=[
            *_find_scattered(in_ledger, "ledger"),
            *_find_scattered(at_tracker, "tracker"),
            *_find_second_tickets(record.ledger, "ledger"),
            *_find_second_tickets(record.tracker, "tracker"),
        ],
        contradicting=[*_find_contradictions(record.acknowledged), *_find_misfiled(record, in_ledger)],
        disordered=_find_disorder(record.tracker),
        stuck=[*_find_unexpected(record.parked, record.poison), *filter(None, [record.waiting])],
        chain=[record.chain] if record.chain else [],
        books=[record.books] if record.books else [],
        untold=list(_find_untold(record)),
    )


def _find_markers(held: Sequence[Held], markers: Collection[str]) -> dict[str, set[str]]:
    """Marker -> the receipts whose texts hold it."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for one in held:
        for marker in markers:
            if marker in one.text:
                found[marker].add(one.receipt)
    return dict(found)


def _find_scattered(found: Mapping[str, set[str]], where: str) -> list[str]:
    return [
        f"{marker} is under {len(receipts)} receipts in the {where}"
        for marker, receipts in found.items()
        if len(receipts) > 1
    ]


def _find_second_tickets(held: Sequence[Held], where: str) -> list[str]:
    tickets: defaultdict[str, list[str]] = defaultdict(list)
    for one in held:
        if one.ticket:
            tickets[one.receipt].append(one.ticket)
    return [f"{receipt} has {len(made)} tickets in the {where}" for receipt, made in tickets.items() if len(made) > 1]


def _find_contradictions(acknowledged: Sequence[Acknowledged]) -> list[str]:
    told: defaultdict[str, set[str]] = defaultdict(set)
    for one in acknowledged:
        if one.receipt:
            told[one.matter].add(one.receipt)
    return [f"{matter} was given {len(receipts)} receipts" for matter, receipts in told.items() if len(receipts) > 1]


def _find_misfiled(record: Record, in_ledger: Mapping[str, set[str]]) -> list[str]:
    """What the sender was told must be the number under which it is found."""
    return sorted(
        f"{one.marker} was acknowledged as {one.receipt} and is filed under another number"
        for one in set(record.acknowledged)
        if one.receipt and one.marker in in_ledger and one.receipt not in in_ledger[one.marker]
    )


def _find_untold(record: Record) -> Iterator[str]:
    if record.told is None:
        return
    for matter, receipt in {one.matter: one.receipt for one in record.acknowledged}.items():
        heard = [one for one in record.told if one.matter == matter]
        if matter.startswith("mail ") and not heard:
            yield f"{matter} was never told its number"
        if any(one.receipt != receipt for one in heard):
            yield f"{matter} was told another number than {receipt}"
        if len({one.mail_id for one in heard}) > 1:
            yield f"{matter} was told in more than one mail"


def _find_disorder(tracker: Sequence[Held]) -> list[str]:
    last: dict[str, int] = {}
    found = []
    for one in tracker:
        if one.receipt not in last and not one.ticket:
            found.append(f"{one.receipt} was changed before it was made")
        if one.version <= last.get(one.receipt, 0):
            found.append(f"{one.receipt} came to the tracker as version {one.version} after {last[one.receipt]}")
        last[one.receipt] = one.version
    return found


def _find_unexpected(parked: Sequence[str], poison: Mapping[str, str]) -> list[str]:
    left = list(poison.values())
    found = []
    for code in parked:
        if code in left:
            left.remove(code)
        else:
            found.append(f"parked as {code}")
    return [*found, *(f"poison that was to be parked as {code} is not" for code in left)]
