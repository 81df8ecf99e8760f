"""Transcripts of the call centre: pushed over HTTP, or imported from files."""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

import orjson

from adapters.hotline import turns, vcon
from adapters.hotline.access import Access
from adapters.hotline.format import Context, Format
from adapters.hotline.formats import FORMATS, find_format, parse
from adapters.hotline.settings import ChannelSettings, ReplyStyle
from gateway.contract.call import Call, Reply, Route
from gateway.contract.clock import Millis
from gateway.contract.complaint import Authenticity
from gateway.contract.draft import Draft
from gateway.contract.envelope import Accepted, Envelope, Thread
from gateway.contract.errors import AdapterError, Refused, Unreadable
from gateway.contract.ports import House, SourceNumber

ADAPTER = "hotline"
_TYPES = frozenset(
    {
        "application/json",
        "application/octet-stream",
        "application/vcon",
        "application/x-subrip",
        "application/x-www-form-urlencoded",
        "text/json",
        "text/plain",
        "text/vtt",
    }
)
_CHARSET = re.compile(r"charset=[\"']?([\w.-]+)", re.IGNORECASE)
_KEY_LIMIT = 255
_JSON = "application/json; charset=utf-8"

_SUCCESS: dict[ReplyStyle, dict[str, object]] = {
    "huiyin": {},
    "aliyun": {"code": 0, "msg": "success"},
    "huawei": {"retCode": "0", "retMsg": "success"},
    "tccc": {"ErrCode": 0, "ErrMsg": "OK"},
    "tencent": {"code": 0, "message": "success"},
}
"""What each product takes for success; with anything else it sends the transcript again."""


class Hotline:
    formats: Sequence[str] = tuple(FORMATS)

    def __init__(self, instance: str, settings: ChannelSettings, house: House) -> None:
        self._instance = instance
        self._settings = settings
        self._access = Access(settings)
        self._clock = house.clock
        self._status_url = f"{house.public_url}/r/"
        self._call_numbers = re.compile(settings.call_numbers) if settings.call_numbers else None
        self.counts = self._call_numbers is not None
        self._success = _SUCCESS[settings.reply_style]
        numbers = (re.sub(r"\D", "", number) for number in (house.bank_hotline, *settings.own_numbers))
        self._context = Context(
            zone=ZoneInfo(house.timezone),
            own_numbers=frozenset(number for number in numbers if number),
            branches=house.branches,
        )

    # --- Push

    def routes(self) -> Sequence[Route]:
        paths = dict.fromkeys(("/intake/hotline", f"/intake/{self._instance}"))
        limit_bytes = self._settings.limit_bytes
        return [Route(method="POST", path=path, limit_bytes=limit_bytes, stateless=True) for path in paths]

    def receive(self, call: Call) -> Sequence[Envelope]:
        authenticity = self._access.check(call)
        media_type, charset = _read_type(call.headers.get("content-type", ""))
        if media_type and media_type not in _TYPES and not media_type.endswith("+json"):
            raise Refused(
                "unsupported_media_type",
                "Send application/json, application/vcon+json, text/plain or text/vtt.",
                status=415,
            )
        asked = call.query.get("format", "")
        if asked and asked not in FORMATS:
            raise Refused("unknown_format", f"`format` is one of: {', '.join(FORMATS)}.", fields={"format": "unknown"})
        value = _parse_pushed(call.body, media_type, charset)
        known = FORMATS[asked] if asked else find_format(value)
        if known is None:
            raise Refused(
                "no_text",
                "The body is understood, but holds no complaint: give the words in `text` or `turns`.",
                status=422,
                fields={"text": "is missing", "turns": "is missing"},
            )
        if problems := known.check(value):
            raise Refused(
                "invalid_fields", "The body is understood, but some fields are not usable; see `fields`.",
                status=422, fields=problems,
            )  # fmt: skip
        call_id = known.find_call_id(value)
        digest = hashlib.sha256(call.body).digest()
        key = call.headers.get("idempotency-key")
        if key is not None:
            if not (0 < len(key) <= _KEY_LIMIT and key.isascii() and key.isprintable()):
                raise Refused("bad_idempotency_key", "Idempotency-Key has 1 to 255 printable ASCII characters.")
            key = f"key:{key}"
        if vcon.is_signed(value):
            authenticity = authenticity.model_copy(update={"detail": "the vCon's own signature is unverified"})
        return (
            Envelope(
                channel=self._instance,
                adapter=ADAPTER,
                source_key=key or _make_key(call_id, digest.hex()),
                media_type=media_type or "application/octet-stream",
                raw=call.body,
                received_at=call.received_at,
                authenticity=authenticity,
                content=digest,
                sequential=True,
                thread=Thread(key=f"call:{call_id}", sequential=True) if call_id else None,
                hints=_make_hints(asked, charset),
            ),
        )

    def reply(self, call: Call, accepted: Sequence[Accepted]) -> Reply:  # noqa: ARG002 - the port's shape
        kept = accepted[0]
        body = {
            **self._success,
            "id": kept.envelope_id,
            "receipt": kept.receipt,
            "duplicate": kept.duplicate,
            "status_url": f"{self._status_url}{kept.receipt}",
        }
        status = 200 if kept.duplicate or self._success else 201
        return Reply(status, orjson.dumps(body), _JSON)

    def refuse(self, call: Call, error: AdapterError) -> Reply | None:  # noqa: ARG002 - problem+json suits every sender
        return None

    # --- Files

    def split(self, source: BinaryIO, name: str, format_name: str | None) -> Iterator[Envelope]:
        """One envelope a file; of JSON Lines and of a JSON list of calls one each."""
        if name.lower().endswith((".jsonl", ".ndjson")):
            for line in source:
                if line.strip():
                    yield self._make_file_envelope(line.strip(), format_name)
            return
        raw = source.read()
        value = _parse_or_none(raw)
        if isinstance(value, list) and value and all(turns.is_call(each) for each in value):
            for each in value:
                yield self._make_file_envelope(
                    json.dumps(each, ensure_ascii=False).encode("utf-8", "surrogatepass"), format_name
                )
        else:
            yield self._make_file_envelope(raw, format_name)

    def _make_file_envelope(self, raw: bytes, format_name: str | None) -> Envelope:
        value = _parse_or_none(raw)
        known = FORMATS.get(format_name) if format_name else find_format(value)
        call_id = known.find_call_id(value) if known else ""
        digest = hashlib.sha256(raw).digest()
        return Envelope(
            channel=self._instance,
            adapter=ADAPTER,
            source_key=_make_key(call_id, digest.hex()),
            media_type="application/octet-stream",
            raw=raw,
            received_at=Millis(self._clock.now_ms()),
            authenticity=Authenticity(verified=False, method="file"),
            content=digest,
            sequential=True,
            thread=Thread(key=f"call:{call_id}", sequential=True) if call_id else None,
            hints={"format": format_name} if format_name else {},
        )

    # --- Numbers

    def find_number(self, source_key: str) -> SourceNumber | None:
        kind, _, rest = source_key.partition(":")
        call_id = rest.rpartition(":")[0] if kind == "call" else rest if kind == "key" else ""
        found = self._call_numbers.fullmatch(call_id) if self._call_numbers else None
        if found is None or not found["number"].isdecimal():
            return None
        return SourceNumber(found.groupdict().get("stream") or "", int(found["number"]))

    # --- both

    def draft(self, envelope: Envelope) -> Draft:
        try:
            value = _parse_kept(envelope)
            return _choose(envelope.hints.get("format"), value).read(value, self._context)
        except RecursionError:
            raise Unreadable("too_deep", "The JSON is nested too deeply. Ask the sender for a flat form.") from None


def open_channel(instance: str, settings: ChannelSettings, house: House) -> Hotline:
    return Hotline(instance, settings, house)


@lru_cache(256)
def _read_type(header: str) -> tuple[str, str]:
    """Media type and charset of a Content-Type, both in lower case, empty if not told."""
    found = _CHARSET.search(header)
    return header.partition(";")[0].strip().lower(), found[1].lower() if found else ""


def _parse_pushed(body: bytes, media_type: str, charset: str) -> Any:
    try:
        value = parse(body, charset)
    except RecursionError:
        raise Refused("too_deep", "The JSON is nested too deeply; send it flat.") from None
    except ValueError:
        raise Refused("malformed_json", "The body is not valid JSON or text; send UTF-8.") from None
    if isinstance(value, str) and media_type.endswith("json"):
        raise Refused("malformed_json", "The body is not JSON, though its type says so.")
    if isinstance(value, list) and value and all(turns.is_call(each) for each in value):
        raise Refused("several_calls", "Send one call in a request, so that each gets its receipt.", status=422)
    return value


def _parse_kept(envelope: Envelope) -> Any:
    try:
        return parse(envelope.raw, envelope.hints.get("charset", ""))
    except ValueError:
        raise Unreadable("malformed", "Neither JSON nor text could be read. Ask the sender for UTF-8.") from None


def _choose(asked: str | None, value: Any) -> Format:
    known = FORMATS.get(asked) if asked else find_format(value)
    if known is None:
        raise Unreadable(
            "unsupported_transcript", "No known transcript format. Release it with --format, or ask for another."
        )
    return known


def _make_key(call_id: str, digest: str) -> str:
    """A fuller transcript of a call is a new envelope of its thread, so the content is part of the key."""
    return f"call:{call_id}:{digest[:32]}" if call_id else f"sha256:{digest}"


def _make_hints(asked: str, charset: str) -> dict[str, str]:
    hints = {"format": asked} if asked else {}
    if charset and not charset.startswith("utf"):
        hints["charset"] = charset
    return hints


def _parse_or_none(raw: bytes) -> Any:
    try:
        return parse(raw)
    except (ValueError, RecursionError):
        return None
