"""What every engine must offer. The only thing two stages share is the store; every hand-over is a committed row.

All writes raise `StoreUnavailable` when they could not be committed (disk full, database away, queue over its limit);
nothing of that write is then kept. All times are milliseconds UTC and come from the caller's clock.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol, TypeAlias

from gateway.contract.clock import Millis
from gateway.contract.envelope import Accepted, Envelope
from gateway.contract.receipt import Receipt
from gateway.states import EnvelopeState
from gateway.store.chain import Days, DaySum, Head, Move, Seal, Sealed, Sealing, Signer, Tally
from gateway.store.rows import (
    AlarmCall,
    Balance,
    Deadlines,
    Duty,
    Found,
    InboxItem,
    KeptMonth,
    Missing,
    MonthKey,
    Moved,
    NewDuty,
    Parked,
    Registered,
    Settled,
    Standing,
    Target,
    Trace,
)


class StoreUnavailable(Exception):
    """The store cannot commit now. `after_s`: when to try again."""

    def __init__(self, detail: str, after_s: int = 5) -> None:
        super().__init__(detail)
        self.after_s = after_s


class StoreAway(StoreUnavailable):
    """The database cannot be reached or cannot be used now, and may be any moment."""


class SchemaMismatch(StoreUnavailable):
    """The database is of another version than this program; the text says what to run."""


class KeyConflict(Exception):
    """The same source key came with other content. `source_key` is not in the text: it may be personal."""


Told: TypeAlias = Sequence[Accepted] | Exception
"""What came of an accept."""
Tell: TypeAlias = Callable[[Told], None]


class Store(Protocol):
    # --- life ------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Check the schema version (SchemaMismatch for a newer or older one, see `migrate`) and start the writer."""

    async def close(self) -> None:
        """Commit what is queued, then stop."""

    async def probe(self) -> None:
        """Write and commit one row: the readiness check."""

    async def look_after_keys(self) -> None:
        """Now and then: what was destroyed elsewhere goes from memory, and the next months' keys are made long before they are
        needed. All that waits for its write does it by itself. Raises StoreUnavailable.
        """

    # --- what lies outside the database, under the same keys -------------------------------------------------------

    async def wrap(self, value: bytes, about: str, matter: str) -> bytes:
        """Sealed under the key of the month in which the matter (a complaint's id) began; opens only as `about` the same
        thing. Raises StoreUnavailable.
        """

    async def unwrap(self, sealed: bytes, about: str) -> bytes:
        """Raises Erased where its month was destroyed, Tampered where it was changed or is about another thing."""

    def mark(self, value: bytes) -> bytes:
        """The keyed hash (32 bytes) under which a thing is found again."""

    # --- accept ----------------------------------------------------------------------------------------------------

    async def accept(
        self, envelopes: Sequence[Envelope], *, cursor: str | None = None, channel: str = ""
    ) -> Sequence[Accepted]:
        """As `accept_soon`, waited for."""

    def accept_soon(
        self, envelopes: Sequence[Envelope], tell: Tell, *, cursor: str | None = None, channel: str = ""
    ) -> None:
        """Keep envelopes with their receipts and history in one transaction, group-committed with its neighbours.

        `cursor` (with all envelopes of one channel, or with none and the `channel` named) is committed with them.
        `tell` is called once, in the event loop's thread: with what was accepted after the commit, or with the error.
        One Accepted each, in order. An envelope without `receipt_wanted` joins an open matter but opens none.
        A source key that is known gives the earlier Accepted with `duplicate=True`. KeyConflict if any
        key is known with other content; then none of these envelopes was kept, neighbours in the same group are untouched.
        """

    async def cursor(self, channel: str) -> str | None: ...

    # --- register --------------------------------------------------------------------------------------------------

    async def claim_inbox(self, limit: int, now: Millis, lease_ms: int) -> Sequence[InboxItem]:
        """Lease envelopes in state ACCEPTED that are due, oldest first, at most one per receipt, and none whose
        receipt has an older envelope still in ACCEPTED. Fair over channels: one flooding channel does not starve others.
        """

    async def register(self, results: Sequence[Registered | Moved], now: Millis) -> Sequence[bool]:
        """Commit a batch, each item by itself compare-and-set on its claim and on the complaint's version.

        False: the claim was lost or the version moved; that item changed nothing and will be claimed again.
        A Registered whose envelope has no receipt is set aside (`receipt_missing`): released, it gets a number.
        """

    # --- forward and notify ----------------------------------------------------------------------------------------

    async def claim_duties(
        self, target: Target, instance: str, limit: int, now: Millis, lease_ms: int
    ) -> Sequence[Duty]:
        """Lease WAITING duties of one target that are due, oldest first. Of one complaint at one system only the first
        unfinished step (in planned order) is claimable; a parked step holds back the later ones.
        """

    async def settle(self, outcomes: Sequence[Settled], now: Millis) -> Sequence[bool]:
        """Commit outcomes, each compare-and-set on its claim; learn tickets. False: the claim was lost.

        `uncertain` stays set until the duty is done, and is set by the store where a lease lapsed unsettled.
        """

    async def extend(self, duties: Sequence[Duty], now: Millis, lease_ms: int) -> None:
        """Heartbeat: prolong leases still held under the same claim."""

    async def cancel_warnings(self, receipt: Receipt, by: str, now: Millis) -> int:
        """A person acknowledged: dismiss the waiting warning notices of this complaint (steps `warning` and
        `warning:...`), also those under way, whose outcome then is no longer taken. Returns how many.
        """

    async def heard(self, channel: str, thread_key: str) -> Millis | None:
        """When the last envelope of this thread came in; None if none ever did."""

    async def count_sent(self, address: bytes, instance: str, since: Millis) -> int:
        """Notices done to this address (`Duty.address`) by this notice instance since then, of all complaints."""

    async def find_sent(self, reference: str) -> Duty | None:
        """The notice to a customer that was done under this reference and has not been found undelivered."""

    async def delivered(self, duty: Duty, now: Millis) -> None:
        """The other side says that the notice arrived: one more line of its history."""

    async def undelivered(self, duty: Duty, code: str, then: NewDuty | None, now: Millis) -> bool:
        """A notice that counted as done did not arrive: dismissed, with `then` born in its place; parked if there is
        none. Compare-and-set on DONE, so the same news twice changes nothing. False: it was not done.
        """

    async def owe(self, receipt: Receipt, owed: Sequence[NewDuty], now: Millis) -> bool:
        """New notices about the complaint's current version. False: there is no such complaint, or it is forgotten."""

    # --- people ----------------------------------------------------------------------------------------------------

    async def trace(self, receipt: Receipt) -> Trace | None: ...

    async def find(self, values: Sequence[str]) -> Sequence[Found]:
        """Complaints that were registered as `found_by` any of these, the latest first."""

    async def find_matter(self, channel: str, thread: str, *, sequential: bool = False) -> Receipt | None:
        """The latest matter of a thread, open or not. `sequential` as in the thread."""

    async def find_envelope(self, envelope_id: str) -> InboxItem | None:
        """One envelope with its context, claim 0: for a dry run or a replay. `earlier` are all others registered."""

    async def find_kept(self, channel: str, since: Millis, until: Millis, after_id: str, limit: int) -> Sequence[str]:
        """Envelope ids of a channel (all channels if empty) received in [since, until) and not forgotten, in order, page
        by page.
        """

    async def count_states(self, ids: Sequence[str]) -> Mapping[EnvelopeState, int]:
        """How many of these envelopes are in which state; a state with none counts 0."""

    async def parked(self, limit: int, after_id: str = "") -> Sequence[Parked]: ...

    async def release(self, ids: Sequence[str], by: str, now: Millis) -> Sequence[bool]:
        """Set-aside or dismissed envelopes and parked duties go back to work, their attempts at 0. False: no such thing.

        An envelope that was kept without a receipt number gets one.
        """

    async def dismiss(self, ids: Sequence[str], why: str, by: str, now: Millis) -> Sequence[bool]:
        """Set-aside envelopes, duties that are parked or wait unclaimed, and gaps in what a source counts by. The next
        step then comes to its turn.
        """

    async def reread(self, result: Registered, now: Millis) -> bool:
        """Commit a new complaint version made by a replay (result.item.claim is 0), compare-and-set on the version."""

    async def read_month_keys(self) -> Sequence[MonthKey]:
        """The keys that seal, in order. The first, without a month, marks what is found by its value."""

    async def rewrap_keys(self) -> int:
        """Seal them with the newest master key of the keyring, which is read anew. Returns how many were not."""

    async def sign_again(self, signer: Signer) -> str:
        """The head of the chain, with the newest key. What is wrong with the signature it has; empty: nothing."""

    async def skip_numbers(self) -> None:
        """After a restore from a backup: receipts given since it was made are not given again."""

    async def standings(self) -> Sequence[Standing]:
        """Count and age of the oldest, for every unfinished state, per channel or target; finished states: count 0/None
        is fine to leave out. Must cost about the same at 10 million finished rows as at none.
        """

    async def totals(self) -> Sequence[Standing]:
        """The same over finished states too (may be slow): for `huiyin stats` and the conservation check."""

    # --- growth ----------------------------------------------------------------------------------------------------

    async def make_months(self, now: Millis) -> Sequence[str]:
        """Room for the months ahead, where the engine keeps each in a place of its own. Returns the months that were
        made; nearly always none.
        """

    async def find_months(self, before: str) -> Sequence[str]:
        """The months before this one (as `2026-11`, UTC) of which something is kept, oldest first."""

    async def look_at_month(self, month: str) -> KeptMonth:
        """How much there is of it, and what holds it. Costs as much as the month is large."""

    async def find_files(self, month: str, after: str, limit: int) -> Sequence[str]:
        """Names (`Blobs.find_name`) of the collected files that complaints of this month have and those of no other month, in order, page
        by page.
        """

    async def forget(self, month: KeptMonth, by: str, now: Millis) -> Mapping[str, int]:
        """What customers said in this month goes, for ever; the history says so. In many short transactions: one that was
        broken off is taken up by calling this again. Returns what holds the month; empty: it is forgotten.
        """

    # --- audit -----------------------------------------------------------------------------------------------------

    settle_s: float
    """How long after a number of the history was drawn its row may still become visible. 0: rows appear in order."""

    async def newest_move(self) -> int:
        """The highest number of a row of the history that can be seen now; 0 if there is none."""

    async def seal(self, upto: int, how: Sealing, now: Millis) -> Sealed:
        """Append one block of the rows up to `upto` that are not sealed yet, or the sum of a day that is over.

        At most one sealer moves the head (compare-and-set). Rows that became visible behind the head are sealed with
        this block, and told.
        """

    async def read_head(self) -> Head | None:
        """Where the chain stands; None: nothing is sealed yet."""

    async def read_seals(self, after: int, limit: int) -> Sequence[Seal]: ...

    async def read_sums(self, after: int, limit: int) -> Sequence[DaySum]: ...

    async def read_moves(self, after: int, upto: int, limit: int) -> Sequence[Move]:
        """Rows of the history in (after, upto], in order."""

    async def read_late(self, block: int) -> Sequence[Move]:
        """The rows that a block sealed belatedly, in order."""

    # --- conservation ----------------------------------------------------------------------------------------------

    async def check_balance(self, days: Days, *, recount: bool = False) -> Balance:
        """The books against the tables, in one snapshot. Costs the same whatever is finished, but for a `recount`."""

    async def read_books(self, days: Days, since: str, until: str) -> Counter[Tally]:
        """The books of these days (inclusive; empty: open), with what is not sealed yet."""

    # --- promises --------------------------------------------------------------------------------------------------

    async def read_deadlines(self, now: Millis, within_ms: int) -> Sequence[Deadlines]:
        """Per channel, what is undecided and must be decided before `now + within_ms`; of many only the earliest."""

    async def read_missing(self, now: Millis, for_ms: int) -> Sequence[Missing]:
        """Per channel, the numbers of its source that are missing for so long."""

    async def decide(self, receipt: Receipt, by: str, now: Millis) -> bool:
        """The bank has given its decision: the deadline is kept, and the history says `complaint.closed`. False: there
        is no such complaint, it needs no decision, or it has one.
        """

    async def redate(self, now: Millis, lease_ms: int) -> int:
        """What a clock that ran ahead has put off into hours to come is due now. Returns how many; `lease_ms` is the
        longest lease that any node gives.
        """

    async def note_alarms(self, keys: Collection[str], now: Millis) -> Mapping[str, int]:
        """These alarms stand now. Returns since when each does; one that no node has seen for a minute is solved."""

    async def read_calls(self) -> Mapping[str, AlarmCall]: ...

    async def move_call(self, before: AlarmCall, after: AlarmCall) -> bool:
        """Compare-and-set. False: somebody else moved it."""
