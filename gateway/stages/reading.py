"""One kept envelope -> one complaint version: draft, normalise, judge. Pure given its tables, so it runs anywhere:
in the gateway, in worker processes, in a dry run and in a replay.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from config.codes import load_codes
from config.settings import Settings
from gateway import plugins
from gateway.contract.clock import Millis, to_datetime, to_millis
from gateway.contract.collected import COLLECTED, read_collected
from gateway.contract.complaint import AttachmentRef, Complaint, Kind
from gateway.contract.draft import Address, Attachment, Draft
from gateway.contract.envelope import LENT_LIMIT_S, LENT_S, Envelope
from gateway.contract.errors import AdapterError, Ignored, Unreadable
from gateway.contract.pages.supplement import SUPPLEMENT, read_supplement
from gateway.contract.ports import BringsNews, Channel, Event, House, News
from gateway.contract.receipt import Receipt
from gateway.contract.scanned import SCANNED, read_scanned
from gateway.contract.value import value
from gateway.contract.verdict import Level
from gateway.stages.search import list_ways
from gateway.states import EnvelopeState
from gateway.store.months import make_id_beside
from gateway.store.rows import InboxItem, Lender, Moved
from gateway.triage.judge import judge
from gateway.triage.rules import load_rules
from normalizers.normalize import Reading, Tables, normalize
from normalizers.secret import remove_secrets

_RANK = {Level.NORMAL: 0, Level.HIGH: 1, Level.CRITICAL: 2}


@value
class Read:
    """A complaint version ready to be committed. `raised`: more urgent than the version before (or urgent at all, for
    the first). `acknowledge`: where the receipt must be sent, if the channel could not say it itself.
    `remote`: attachments of the new envelope that are still to be fetched, of a thing sent at `sent_ms`; `unheard`: those
    among them that are speech. `brought`: SHA-256 of the attachments whose bytes came with it, those over the limits not.
    """

    complaint_id: str
    version: int
    event: Event
    kind: Kind
    level: Level
    raised: bool
    language: str
    branch: str
    signals: tuple[str, ...]
    attachments: tuple[AttachmentRef, ...]
    acknowledge: Address | None
    decide_ms: Millis | None
    document: bytes
    remote: tuple[Attachment, ...] = ()
    unheard: tuple[str, ...] = ()
    sent_ms: int = 0
    brought: tuple[str, ...] = ()
    found_by: Sequence[str] = ()


class Reader:
    """Holds the channels and the compiled tables."""

    def __init__(self, settings: Settings, house: House, channels: Mapping[str, Channel]) -> None:
        self._channels = channels
        self.codes = load_codes(settings.codes.file)
        self.rules = load_rules(settings.triage)
        self._tables = Tables(
            branches=house.branches,
            codes=self.codes,
            profile=settings.promises.profile,
            decide_days=settings.promises.decide_days,
            timezone=settings.bank.timezone,
            bank_numbers=frozenset({settings.bank.hotline}),
            limits=settings.attachments,
        )

    def read(self, item: InboxItem) -> Read | Moved:
        """Never raises an AdapterError: what cannot be read is set aside with its reason."""
        try:
            draft = self.draft(borrow_hints(item.envelope, item.lenders))
        except Ignored as error:
            news, detail = self._read_news(item.envelope), remove_secrets(error.detail).text
            return Moved(item=item, state=EnvelopeState.DISMISSED, code=error.code, detail=detail, news=news)
        except AdapterError as error:
            detail = remove_secrets(error.detail).text
            return Moved(item=item, state=EnvelopeState.SET_ASIDE, code=error.code, detail=detail)
        if item.receipt is None:
            return Moved(
                item=item,
                state=EnvelopeState.SET_ASIDE,
                code="without_receipt",
                detail="The channel took this for no complaint, but it holds words of a customer.",
            )
        earlier = self._read_earlier([borrow_hints(envelope, item.lenders) for envelope in item.earlier])
        complaint = self.build(
            [*earlier, draft],
            item.envelope,
            complaint_id=item.complaint_id or make_id_beside(item.id),
            receipt=item.receipt,
            version=item.version + 1,
            first_received=item.earlier[0] if item.earlier else item.envelope,
        )
        before = Level.NORMAL
        if earlier:
            before = self.build(
                earlier,
                item.envelope,
                complaint_id=complaint.id,
                receipt=item.receipt,
                version=item.version,
                first_received=item.earlier[0],
            ).verdict.level
        level = complaint.verdict.level
        return Read(
            complaint_id=complaint.id,
            version=complaint.version,
            event=Event.REGISTERED if item.version == 0 else Event.SUPPLEMENTED,
            kind=complaint.kind,
            level=level,
            raised=_RANK[level] > _RANK[before],
            language=complaint.language,
            branch=complaint.branch.code if complaint.branch else "",
            signals=tuple(signal.id for signal in complaint.verdict.signals),
            attachments=complaint.attachments,
            acknowledge=draft.acknowledge if item.version == 0 and not item.envelope.backfill else None,
            decide_ms=to_millis(complaint.due.decide_at) if complaint.kind is Kind.COMPLAINT else None,
            document=complaint.model_dump_json(by_alias=True).encode(),
            remote=tuple(each for each in draft.attachments if each.remote and each.content is None),
            unheard=draft.unheard,
            sent_ms=_find_sent(draft, item.envelope),
            brought=_find_brought(draft, complaint),
            found_by=list_ways(complaint.complainant),
        )

    def draft(self, envelope: Envelope) -> Draft:
        """Raises Ignored, or Unreadable for everything else that keeps this envelope from being read."""
        if envelope.media_type == SUPPLEMENT:
            return read_supplement(envelope)
        if envelope.media_type == COLLECTED:
            return read_collected(envelope)
        if envelope.media_type == SCANNED:
            return read_scanned(envelope)
        channel = self._channels.get(envelope.channel)
        if channel is None:
            raise Unreadable(
                "channel_missing",
                f"There is no channel {envelope.channel!r} in the settings; add it, then release this.",
            )
        return channel.draft(envelope)

    def build(
        self,
        drafts: Sequence[Draft],
        envelope: Envelope,
        *,
        complaint_id: str,
        receipt: Receipt | None,
        version: int,
        first_received: Envelope,
    ) -> Complaint:
        complaint = normalize(
            drafts,
            Reading(
                id=complaint_id,
                receipt=receipt,
                version=version,
                party=envelope.adapter,
                instance=envelope.channel,
                source_key=first_received.source_key,
                thread_key=first_received.thread.key if first_received.thread else None,
                received_at=to_datetime(first_received.received_at),
                authenticity=envelope.authenticity,
                envelope_sha256=hashlib.sha256(envelope.raw).hexdigest(),
                rules_version=self.rules.version,
            ),
            self._tables,
        )
        judgement = judge(
            text=complaint.narrative,
            turns=complaint.turns,
            channel=complaint.channel.party,
            language=complaint.language,
            rules=self.rules,
        )
        changes: dict[str, object] = {"verdict": judgement.verdict}
        if judgement.groups:
            groups = tuple(dict.fromkeys((*complaint.complainant.groups, *judgement.groups)))
            changes["complainant"] = complaint.complainant.model_copy(update={"groups": groups})
        return complaint.model_copy(update=changes)

    def _read_news(self, envelope: Envelope) -> News | None:
        channel = self._channels.get(envelope.channel)
        return channel.read_news(envelope) if isinstance(channel, BringsNews) else None

    def _read_earlier(self, envelopes: Sequence[Envelope]) -> list[Draft]:
        drafts = []
        for envelope in envelopes:
            try:
                drafts.append(self.draft(envelope))
            except AdapterError:
                continue  # it waits for a person under its own name; this one must not wait with it
        return drafts


def _find_brought(draft: Draft, complaint: Complaint) -> tuple[str, ...]:
    contents = [each.content for each in draft.attachments if each.content is not None]
    came = {hashlib.sha256(content).hexdigest() for content in contents}
    came |= {each.sha256 for each in draft.collected if not each.transcribed}
    return tuple(each.sha256 for each in complaint.attachments if each.sha256 in came and not each.note)


def _find_sent(draft: Draft, envelope: Envelope) -> int:
    """A time without a zone is a guess, and late is safer than early: what is gone says so itself."""
    sent = draft.occurred_at
    return to_millis(sent) if sent is not None and sent.tzinfo is not None else envelope.received_at


def borrow_hints(envelope: Envelope, lenders: Sequence[Lender]) -> Envelope:
    """With what earlier envelopes of its thread lend it (contract.envelope.LENT_S)."""
    lent: dict[str, str] = {}
    own = (envelope.channel, envelope.thread.key) if envelope.thread else None
    for lender in lenders:
        age_ms = envelope.received_at - lender.received_at
        if (lender.channel, lender.thread) == own and 0 <= age_ms <= min(
            _read_seconds(lender.hints[LENT_S]), LENT_LIMIT_S
        ) * 1000:
            lent |= lender.hints
    lent.pop(LENT_S, None)
    return replace(envelope, hints={**lent, **envelope.hints}) if lent else envelope


def _read_seconds(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def open_reader(settings: Settings, house: House) -> Reader:
    """With channels of its own, which only read: no sockets are opened. Raises SettingsError."""
    channels = {
        name: plugins.open_channel(name, entry, house) for name, entry in settings.channels.items() if entry.enabled
    }
    return Reader(settings, house, channels)
