"""Drafts of one matter -> one Complaint. Pure: everything it knows comes in; it never raises on a Draft."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from config.branches import BranchEntry
from config.codes import CodeTable
from config.settings import AttachmentSettings
from gateway.contract.complaint import (
    Authenticity,
    ChannelRef,
    Classification,
    Complainant,
    Complaint,
    Document,
    Due,
    Finding,
    Kind,
    Moment,
    Precision,
    Privacy,
    Provenance,
    Role,
    Speaker,
    Turn,
)
from gateway.contract.draft import Draft
from gateway.contract.value import value
from gateway.contract.verdict import Verdict
from normalizers import business_code, channel_code, kind, reason_code
from normalizers.accused import find_accused
from normalizers.attachment import describe_attachments
from normalizers.facet import find_hints
from normalizers.identifier import Identifier, IdentifierKind, find_identifiers, read_document, read_phone
from normalizers.language import find_language, read_tag
from normalizers.moment import find_moment
from normalizers.money import find_amounts
from normalizers.person import count_party, find_addressed_name, find_anonymous, find_name, find_role, read_name
from normalizers.place import BranchIndex
from normalizers.privacy import find_kept, list_removed, mask_in_text
from normalizers.secret import Conversation, remove_secrets
from normalizers.sentence import find_request, make_title
from normalizers.speech import join_speech
from normalizers.text import clean, fold, plain

ACKNOWLEDGE = timedelta(hours=24)
"""No rule fixes hours for an acknowledgement; this is the house's own promise."""
_LINE_LENGTH = 200
_UNJUDGED = Verdict(made_by="none")


@value
class Reading:
    """What the machine knows of the matter. `received_at`, `source_key` and `thread_key` are those of its first envelope;
    `authenticity` and `envelope_sha256` those of the envelope that is being read.
    """

    id: str
    receipt: str | None
    version: int
    party: str
    instance: str
    source_key: str
    thread_key: str | None
    received_at: datetime
    authenticity: Authenticity
    envelope_sha256: str
    rules_version: str


@dataclass(frozen=True, kw_only=True)
class Tables:
    """What the bank sets. `bank_numbers` are its own telephone numbers, never taken for a customer's. Picklable."""

    branches: Mapping[str, BranchEntry]
    codes: CodeTable
    profile: str
    decide_days: int
    timezone: str
    bank_numbers: frozenset[str] = frozenset()
    limits: AttachmentSettings = field(default_factory=AttachmentSettings)

    @cached_property
    def branch_index(self) -> BranchIndex:
        return BranchIndex(self.branches)

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @cached_property
    def own_phones(self) -> frozenset[str]:
        return frozenset(read_phone(number) for number in self.bank_numbers)


def normalize(drafts: Sequence[Draft], reading: Reading, tables: Tables) -> Complaint:
    """`drafts` in the order they came, at least one; one with `replaces` supersedes all before it (unless it came late,
    and one of them says all that it says and more), the others add up.

    The verdict is neutral (`made_by` "none"): the judge comes after.
    """
    drafts = _drop_superseded(drafts)
    # The gateway removes secrets from the bytes before it stores them; what only a reader of the format can see goes here.
    written = remove_secrets(clean("\n\n".join(draft.text for draft in drafts if draft.text))).text
    turns = _remove_said(_clean_turns(drafts))
    headline = remove_secrets(_line(_first(draft.title for draft in drafts))).text
    wish = remove_secrets(clean("\n".join(dict.fromkeys(draft.request for draft in drafts if draft.request)))).text
    listed = describe_attachments(drafts, tables.limits)

    speech = join_speech(written, turns)
    view = plain(speech)
    folded = fold(speech, compact=True)
    identifiers = find_identifiers(view)
    hints = find_hints(speech, tables.codes)
    chosen_kind = kind.decide(speech, folded, _find_chosen(drafts))
    branch = tables.branch_index.find(
        code=_line(_first(draft.branch_code for draft in drafts)),
        name=_line(_first(draft.branch_name for draft in drafts)),
        words=folded,
    )
    accused_person = _line(_first(draft.accused_person for draft in drafts))
    accused = None
    if chosen_kind is Kind.COMPLAINT or accused_person:
        institution = branch.name if branch and branch.matched_by != "code" else ""
        accused = find_accused(view, speech, person=accused_person, institution=institution)

    return Complaint(
        id=reading.id,
        receipt=reading.receipt,
        version=reading.version,
        kind=chosen_kind,
        channel=ChannelRef(party=reading.party, instance=reading.instance),
        source_key=reading.source_key,
        thread_key=reading.thread_key,
        received_at=reading.received_at,
        occurred_at=_find_occurred(drafts, view, speech, reading, tables),
        language=_find_language(drafts, speech or headline),
        branch=branch,
        complainant=_describe_complainant(drafts, turns, view, speech, identifiers, tables),
        title=_make_title(headline, speech),
        narrative=written,
        turns=turns,
        attachments=listed.references,
        unlisted_attachments=listed.left_out,
        request=wish or find_request(view, speech),
        amounts=find_amounts(view, speech),
        accused=accused,
        classification=Classification(
            channel=channel_code.classify(hints),
            business=business_code.classify(hints),
            reason=reason_code.classify(hints),
        ),
        verdict=_UNJUDGED,
        transferred_by=next((draft.transferred_by for draft in drafts if draft.transferred_by), None),
        due=_set_due(reading, tables),
        authenticity=reading.authenticity,
        privacy=_report_privacy(
            list_removed(
                (written, headline, wish, *(turn.text for turn in turns), *(each.name for each in listed.references))
            ),
            find_kept(identifiers),
        ),
        provenance=Provenance(
            envelope_sha256=reading.envelope_sha256, adapter=reading.party, rules_version=reading.rules_version
        ),
    )


def _find_chosen(drafts: Sequence[Draft]) -> Kind | None:
    """What the customer chose when the matter began. What is chosen later may only make a complaint of it: only a
    complaint carries rights and clocks, and a question about a complaint takes them from nobody.
    """
    later = {draft.kind for draft in drafts[1:]}
    return Kind.COMPLAINT if Kind.COMPLAINT in later else drafts[0].kind


def _drop_superseded(drafts: Sequence[Draft]) -> Sequence[Draft]:
    left: list[Draft] = []
    for draft in drafts:
        if not draft.replaces:
            left.append(draft)
        # What was sent first may come last, when its first push found no answer.
        elif not any(_holds(earlier, draft) for earlier in left):
            left = [draft]
    return left


def _holds(fuller: Draft, other: Draft) -> bool:
    """Whether a draft says all that the other says, word by word, and more."""
    whole, parts = "\n".join(_list_words(fuller)), _list_words(other)
    return bool(parts) and len(whole) > len("\n".join(parts)) and all(part in whole for part in parts)


def _list_words(draft: Draft) -> list[str]:
    return [text for text in (draft.text, *(turn.text for turn in draft.turns)) if text]


def _clean_turns(drafts: Sequence[Draft]) -> list[Turn]:
    """The text of others that came along with a mail stands as a turn of the system: kept, not judged."""
    turns = [
        turn.model_copy(update={"text": text}) if text != turn.text else turn
        for draft in drafts
        for turn in draft.turns
        if (text := clean(turn.text))
    ]
    quoted = [text for draft in drafts if draft.quoted and (text := clean(draft.quoted))]
    return turns + [Turn(speaker=Speaker.SYSTEM, text=text) for text in quoted]


def _remove_said(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """Also what is asked in one turn and answered in the next ones. Words of the system answer nobody."""
    conversation = Conversation()
    said = []
    for turn in turns:
        remove = remove_secrets if turn.speaker is Speaker.SYSTEM else conversation.remove
        text = remove(turn.text).text
        said.append(turn if text == turn.text else turn.model_copy(update={"text": text}))
    return tuple(said)


def _first(values: Iterable[str]) -> str:
    return next((value for value in values if value and not value.isspace()), "")


def _line(text: str) -> str:
    return " ".join(clean(text).split())[:_LINE_LENGTH] if text else ""


def _find_occurred(drafts: Sequence[Draft], view: str, speech: str, reading: Reading, tables: Tables) -> Moment | None:
    given = next((draft.occurred_at for draft in drafts if draft.occurred_at), None)
    try:
        # 昨天 is the day before the call, not the day before a late import of it.
        at = _localize(given or reading.received_at, tables.zone)
    except (OverflowError, ValueError):
        given, at = None, _localize(reading.received_at, tables.zone)
    return find_moment(view, speech, at) or (Moment(value=at, precision=Precision.MINUTE) if given else None)


def _localize(moment: datetime, zone: ZoneInfo) -> datetime:
    """A time without zone is the bank's."""
    return moment.astimezone(zone) if moment.tzinfo else moment.replace(tzinfo=zone)


def _find_language(drafts: Sequence[Draft], text: str) -> str:
    given = _first(read_tag(draft.language) for draft in drafts)
    return given or find_language(text)


def _make_title(given: str, speech: str) -> str:
    """Titles become subjects and list entries: the numbers in them are masked."""
    title = make_title(given, speech)
    return mask_in_text(title, find_identifiers(plain(title)))


def _describe_complainant(
    drafts: Sequence[Draft],
    turns: Sequence[Turn],
    view: str,
    speech: str,
    identifiers: Sequence[Identifier],
    tables: Tables,
) -> Complainant:
    own = [identifier for identifier in identifiers if identifier.own]
    typed = [read_phone(_line(number)) for draft in drafts for number in draft.phones]
    phones = typed + [found.value for found in own if found.kind is IdentifierKind.PHONE]
    mails = [_line(address).lower() for draft in drafts for address in draft.emails]
    mails += [found.value for found in own if found.kind is IdentifierKind.EMAIL]
    given = [read_document(_line(number)) for draft in drafts for number in draft.id_numbers]
    documents = [found for found in given if found]
    documents += [found for found in own if found.kind not in {IdentifierKind.PHONE, IdentifierKind.EMAIL}]
    anonymous = any(draft.anonymous for draft in drafts) or find_anonymous(view)
    return Complainant(
        name=_find_name(drafts, turns, view, speech),
        phones=_unique(phone for phone in phones if phone not in tables.own_phones),
        emails=_unique(mails),
        wechat_openid=_line(_first(draft.wechat_openid for draft in drafts)),
        documents=tuple(
            Document(kind=name, number=number, valid=valid)
            for (name, number), valid in {
                (document.kind.value, document.value): document.valid for document in documents
            }.items()
        ),
        role=next((draft.role for draft in drafts if draft.role), None) or find_role(view) or Role.SELF,
        anonymous=anonymous,
        party_count=count_party(view),
    )


def _find_name(drafts: Sequence[Draft], turns: Sequence[Turn], view: str, speech: str) -> str:
    name = _first(read_name(_line(draft.name)) for draft in drafts) or find_name(view, speech)
    if len(name) > 1 or not turns:
        return name
    addressed = (find_addressed_name(plain(turn.text)) for turn in turns if turn.speaker is Speaker.AGENT)
    return next((found for found in addressed if found.startswith(name)), name)


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


def _set_due(reading: Reading, tables: Tables) -> Due:
    """Civil Code art. 201, 203: the day of receipt is not counted, the last day ends at midnight."""
    local = _localize(reading.received_at, tables.zone)
    last_day = local.date() + timedelta(days=tables.decide_days)
    return Due(
        acknowledge_at=local + ACKNOWLEDGE,
        decide_at=datetime.combine(last_day, time(23, 59, 59), tables.zone),
        profile=tables.profile,
    )


def _report_privacy(removed: Sequence[Finding], kept: Sequence[Finding]) -> Privacy:
    return Privacy(findings=(*removed, *kept), redactions=len(removed))
