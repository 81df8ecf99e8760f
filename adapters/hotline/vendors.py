"""Transcripts as call-centre and speech-recognition products write them.

One row of `_VENDORS` per product: the field that tells it, where its utterances stand and how they are named. Speakers
that a product only numbers are placed by `speakers`. Call records that come without words are known, too, so that
they are set aside as what they are.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from adapters.hotline.format import Context, Format, require_words
from adapters.hotline.speakers import Utterance, assign_speakers
from adapters.hotline.text import read_lines
from adapters.hotline.values import dig, read_id, read_label, read_moment, read_ms, read_text, rows_of
from gateway.contract.draft import Draft

Path = tuple[str | int, ...]
Rows = Callable[[Any], Iterable[Utterance]]

_NO_SPEECH = 0.6
"""Whisper's own threshold: above it a segment is silence, and its words are invented."""

_LANGUAGES = {"chinese": "zh", "cantonese": "yue", "english": "en", "arabic": "ar"}
"""OpenAI's server names the language in English where Whisper itself gives its code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Vendor:
    """`marker` leads to a `kind` that only this product has there. `ids`, `start`, `language`: where these may stand."""

    name: str
    marker: Path
    kind: type
    rows: Rows
    ids: tuple[Path, ...] = ()
    start: tuple[Path, ...] = ()
    language: tuple[Path, ...] = ()

    def matches(self, value: Any) -> bool:
        return isinstance(dig(value, *self.marker), self.kind)

    def find_call_id(self, value: Any) -> str:
        return next((found for path in self.ids if (found := read_id(dig(value, *path)))), "")

    def read(self, value: Any, context: Context) -> Draft:
        said = [each for each in self.rows(value) if each.text]
        if all(each.start_ms is not None for each in said):
            # Some products list one channel after the other.
            said.sort(key=lambda each: each.start_ms or 0)
        moments = (read_moment(dig(value, *path), context.zone) for path in self.start)
        language = next((found for path in self.language if (found := read_text(dig(value, *path)))), "")
        return require_words(
            Draft(
                turns=assign_speakers(said),
                occurred_at=next((moment for moment in moments if moment), None),
                language=_LANGUAGES.get(language.lower(), language),
                replaces=bool(self.find_call_id(value)),
            )
        )


def _at(
    *path: str | int, text: str, voice: tuple[str, ...] = (), begin: str = "", end: str = "", factor: float = 1
) -> Rows:
    """Rows that stand in one list, each an utterance."""

    def read(value: Any) -> Iterable[Utterance]:
        for row in rows_of(dig(value, *path)):
            named = next((label for name in voice if (label := read_label(row.get(name)))), "")
            yield Utterance(
                named, read_text(row.get(text)), read_ms(row.get(begin), factor), read_ms(row.get(end), factor)
            )

    return read


def _read_realtime(value: Any) -> Iterable[Utterance]:
    """Amazon Connect streams; `Utterance` is partial and comes again whole as `Transcript`."""
    segments = [segment for event in rows_of(value) or [value] for segment in rows_of(event.get("Segments"))]
    return _at(
        "rows",
        text="Content",
        voice=("ParticipantRole", "ParticipantId"),
        begin="BeginOffsetMillis",
        end="EndOffsetMillis",
    )({"rows": [dig(segment, "Transcript") for segment in segments]})


def _read_genesys(value: Any) -> Iterable[Utterance]:
    """Times are Unix milliseconds; `decoratedText`, with punctuation, is optional."""
    for transcript in rows_of(value.get("transcripts")):
        zero = read_ms(value.get("conversationStartTime")) or read_ms(transcript.get("startTime"))
        for row in rows_of(transcript.get("phrases")):
            text = read_text(row.get("decoratedText")) or read_text(row.get("text"))
            at = read_ms(row.get("startTimeMs"))
            begin = max(0, at - zero) if at is not None and zero is not None else None
            lasting = read_ms(dig(row, "duration", "milliseconds"))
            end = begin + lasting if begin is not None and lasting is not None else None
            yield Utterance(read_label(row.get("participantPurpose")), text, begin, end)


def _read_insights(value: Any) -> Iterable[Utterance]:
    rows = rows_of(value.get("entries"))
    times = [read_ms(row.get("start_timestamp_usec"), 0.001) for row in rows]
    # Older exports count from the start of the call, newer ones from 1970.
    zero = min((at for at in times if at is not None), default=0)
    for row, at in zip(rows, times, strict=True):
        begin = at if at is None or zero < 10**11 else at - zero
        yield Utterance(read_label(row.get("role")), read_text(row.get("text")), begin)


def _read_google(value: Any) -> Iterable[Utterance]:
    """Speech-to-Text v1. With diarisation the last result repeats all words, so its transcript is left out."""
    results = rows_of(value.get("results"))
    texts = [read_text(dig(result, "alternatives", 0, "transcript")) for result in results]
    if len(results) > 1 and _squeeze(texts[-1]) in ("", _squeeze("".join(texts[:-1]))):
        results.pop()
    for result, text in zip(results, texts, strict=False):
        words = rows_of(dig(result, "alternatives", 0, "words"))
        voice = read_label(result.get("channelTag")) or read_label(dig(words, 0, "speakerTag"))
        end = read_ms(dig(words, -1, "endTime")) or read_ms(result.get("resultEndTime"))
        yield Utterance(voice, text, read_ms(dig(words, 0, "startTime")), end)


def _squeeze(text: str) -> str:
    return "".join(text.split())


def _read_azure(value: Any) -> Iterable[Utterance]:
    for row in rows_of(value.get("recognizedPhrases")):
        begin = read_ms(row.get("offset"))
        lasting = read_ms(row.get("duration"))
        voice = f"{read_label(row.get('channel'))}.{read_label(row.get('speaker'))}"
        end = begin + lasting if begin is not None and lasting is not None else None
        yield Utterance(voice, read_text(dig(row, "nBest", 0, "display")), begin, end)


def _read_azure_conversation(value: Any) -> Iterable[Utterance]:
    for conversation in rows_of(dig(value, "analysisInput", "conversations")):
        yield from _at("conversationItems", text="text", voice=("role", "participantId"))(conversation)


def _read_whisper(value: Any) -> Iterable[Utterance]:
    heard = [row for row in rows_of(value.get("segments")) if (_number(row.get("no_speech_prob")) or 0) <= _NO_SPEECH]
    return _at("rows", text="text", voice=("speaker",), begin="start", end="end", factor=1000)({"rows": heard})


def _number(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) else None


def _read_funasr_stream(value: Any) -> Iterable[Utterance]:
    """`text_seg` puts a space between any two Chinese characters; of other scripts the spaces are kept."""
    for row in rows_of(value.get("stamp_sents")):
        words = read_text(row.get("text_seg"))
        text = words if any(len(word) > 1 for word in words.split()) else words.replace(" ", "")
        yield Utterance(
            read_label(row.get("spk")),
            text + read_text(row.get("punc")),
            read_ms(row.get("start")),
            read_ms(row.get("end")),
        )


def _read_iflytek(value: Any) -> Iterable[Utterance]:
    """JSON in a JSON string in a JSON string."""
    for row in rows_of(dig(_parse(dig(value, "content", "orderResult")), "lattice")):
        sentence = dig(_parse(row.get("json_1best")), "st")
        words = [
            read_text(dig(word, "cw", 0, "w"))
            for part in rows_of(dig(sentence, "rt"))
            for word in rows_of(part.get("ws"))
        ]
        yield Utterance(
            read_label(dig(sentence, "rl")), "".join(words), read_ms(dig(sentence, "bg")), read_ms(dig(sentence, "ed"))
        )


def _read_tencent(value: Any) -> Iterable[Utterance]:
    """The callback (form fields) and the polled result; without `resultDetail` the text lines carry the times."""
    data = dig(value, "Response", "Data") or value
    detail = data.get("ResultDetail") or _parse(data.get("resultDetail"))
    rows = rows_of(detail)
    if not rows:
        return read_lines(read_text(data.get("Result")) or read_text(data.get("text")))
    return _at("rows", text="FinalSentence", voice=("SpeakerId",), begin="StartMs", end="EndMs")({"rows": rows})


def _parse(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return None


def parse_form(body: str) -> Any:
    """Form fields -> a mapping, as JSON bodies are. Raises ValueError."""
    return {name: values[-1] for name, values in parse_qs(body, keep_blank_values=True, strict_parsing=True).items()}


def _read_nothing(value: Any) -> Iterable[Utterance]:  # noqa: ARG001 - the shape of Rows
    return ()


_LENS = _at(
    "Transcript",
    text="Content",
    voice=("ParticipantRole", "ParticipantId"),
    begin="BeginOffsetMillis",
    end="EndOffsetMillis",
)
_NLS = _at("Result", "Sentences", text="Text", voice=("ChannelId",), begin="BeginTime", end="EndTime")
_SENTENCES = _at("sentences", text="text", voice=("channelId",), begin="beginTime", end="endTime")

_VENDORS: tuple[_Vendor, ...] = (
    _Vendor(
        name="contact_lens", marker=("Transcript",), kind=list, rows=_LENS,
        ids=(("CustomerMetadata", "ContactId"), ("ContactId",), ("JobName",)), language=(("LanguageCode",),),
    ),
    _Vendor(name="contact_lens_events", marker=(0, "Segments"), kind=list, rows=_read_realtime, ids=((0, "ContactId"),)),
    _Vendor(name="contact_lens_event", marker=("Segments",), kind=list, rows=_read_realtime),
    _Vendor(
        name="genesys", marker=("transcripts",), kind=list, rows=_read_genesys, ids=(("conversationId",),),
        start=(("conversationStartTime",), ("startTime",)), language=(("transcripts", 0, "language"),),
    ),
    _Vendor(
        name="google_insights", marker=("entries",), kind=list, rows=_read_insights,
        start=(("entries", 0, "start_timestamp_usec"),),
    ),
    _Vendor(name="google_speech", marker=("results", 0, "alternatives"), kind=list, rows=_read_google),
    _Vendor(name="azure_speech", marker=("recognizedPhrases",), kind=list, rows=_read_azure),
    _Vendor(
        name="azure_conversation", marker=("analysisInput", "conversations"), kind=list, rows=_read_azure_conversation,
        ids=(("analysisInput", "conversations", 0, "id"),),
        language=(("analysisInput", "conversations", 0, "language"),),
    ),
    _Vendor(
        name="aliyun_ccc", marker=("Phrases",), kind=list,
        rows=_at("Phrases", text="Words", voice=("Role", "Identity"), begin="Begin", end="End"),
        ids=(("ContactId",),),
    ),
    _Vendor(
        name="aliyun_ccai", marker=("data", "asrResult"), kind=list,
        rows=_at("data", "asrResult", text="words", voice=("roleName", "role"), begin="begin", end="end"),
        ids=(("data", "taskId"),),
    ),
    _Vendor(
        name="aliyun_nls", marker=("Result", "Sentences"), kind=list, rows=_NLS,
        ids=(("TaskId",),),
    ),
    _Vendor(
        name="aliyun_secret", marker=("sentences",), kind=list, rows=_SENTENCES, ids=(("callId",),),
    ),
    _Vendor(name="tencent_task", marker=("Response", "Data"), kind=dict, rows=_read_tencent),
    _Vendor(name="tencent_callback", marker=("resultDetail",), kind=str, rows=_read_tencent),
    _Vendor(
        name="huawei", marker=("body", "body", "lattices"), kind=list,
        rows=_at("body", "body", "lattices", text="onebest", voice=("spk",), begin="begin", end="end"),
        ids=(("body", "body", "aid"),),
    ),
    _Vendor(
        name="iflytek", marker=("content", "orderResult"), kind=str, rows=_read_iflytek,
        ids=(("content", "orderInfo", "orderId"),),
    ),
    _Vendor(
        name="funasr", marker=(0, "sentence_info"), kind=list,
        rows=_at(0, "sentence_info", text="text", voice=("spk",), begin="start", end="end"), ids=((0, "key"),),
    ),
    _Vendor(name="funasr_stream", marker=("stamp_sents",), kind=list, rows=_read_funasr_stream, ids=(("wav_name",),)),
    _Vendor(
        name="whisper", marker=("segments", 0, "text"), kind=str, rows=_read_whisper, language=(("language",),),
    ),
    _Vendor(name="tccc_record", marker=("SdkAppId",), kind=int, rows=_read_nothing, ids=(("SessionId",),)),
    _Vendor(name="tccc_wrapped", marker=("body", "SdkAppId"), kind=int, rows=_read_nothing),
    _Vendor(name="aliyun_voice_report", marker=(0, "voice_type"), kind=str, rows=_read_nothing),
)  # fmt: skip

FORMATS: Mapping[str, Format] = {
    vendor.name: Format(name=vendor.name, matches=vendor.matches, read=vendor.read, find_call_id=vendor.find_call_id)
    for vendor in _VENDORS
}
NAMES: Mapping[str | int, tuple[str, ...]] = {
    first: tuple(vendor.name for vendor in _VENDORS if vendor.marker[0] == first)
    for first in dict.fromkeys(vendor.marker[0] for vendor in _VENDORS)
}
"""First step of a marker -> the formats it may tell."""
