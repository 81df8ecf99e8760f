"""One push of WeChat's, XML or JSON, as a flat table of its fields.

Both are read here rather than by a general library: XML readers for WeChat drop the white space customers wrote and know
no JSON pushes. Only the fields right under the root count; nested parts of events are left in the raw bytes.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from xml.parsers import expat

Form = Literal["xml", "json"]

CUSTOMER_KINDS = frozenset({"text", "image", "voice", "video", "shortvideo", "location", "link", "file"})
"""What a customer says. Anything else is kept without a number until somebody has looked at it."""

_LIMIT_DEPTH = 32
_ID = re.compile(r"[0-9A-Za-z_@.-]{1,64}")
_SHORT_TEXT = re.compile(r"[^\x00-\x20\x7f]{1,128}")


class Malformed(ValueError):
    """The bytes are no push: `code` is stable, `detail` says what was expected."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Message:
    """`fields`: name -> text as it was sent; numbers keep their spelling."""

    form: Form
    fields: Mapping[str, str]

    @property
    def kind(self) -> str:
        return self.fields.get("MsgType", "").strip().lower()

    @property
    def openid(self) -> str:
        """The customer, or the empty string where the push names none we could answer."""
        return self._read_id("FromUserName")

    @property
    def account(self) -> str:
        return self._read_id("ToUserName")

    @property
    def message_id(self) -> str:
        return self._read_id("MsgId")

    @property
    def is_event(self) -> bool:
        return self.kind in {"event", "device_event"}

    @property
    def event(self) -> str:
        return self._read_id("Event")

    @property
    def is_from_customer(self) -> bool:
        return self.kind in CUSTOMER_KINDS

    @property
    def encrypted(self) -> str:
        return self.fields.get("Encrypt", "").strip()

    def _read_id(self, name: str) -> str:
        value = self.fields.get(name, "").strip()
        return value if _ID.fullmatch(value) else ""


def read_message(raw: bytes) -> Message:
    """Raises Malformed, nothing else."""
    body = raw.removeprefix(b"\xef\xbb\xbf").strip()
    if body.startswith(b"<"):
        return Message("xml", _read_xml(body))
    if body.startswith(b"{"):
        return Message("json", _read_json(body))
    raise Malformed("wechat_malformed", "The body is neither an XML nor a JSON push.")


def make_source_key(message: Message, content: bytes) -> str:
    """The idempotency key. WeChat's own rule is the message id, or sender and second for events; event name and key are
    added because two events can share a second. What has no such id is known by its content.
    """
    if message.is_event and message.event:
        # Events without a key of their own (job reports, subscriptions) may come in numbers within one second.
        detail = message.fields.get("EventKey", "") or message.fields.get("MsgID", "")
        if not _SHORT_TEXT.fullmatch(detail):
            detail = content.hex()[:32]
        created = message.fields.get("CreateTime", "").strip()
        if _ID.fullmatch(created):
            return f"event:{message.openid}:{created}:{message.event}:{detail}"
    elif message.openid and message.message_id:
        return f"msg:{message.openid}:{message.message_id}"
    return make_content_key(content)


def make_content_key(content: bytes) -> str:
    return f"sha256:{content.hex()}"


def digest_content(raw: bytes, message: Message) -> bytes:
    """SHA-256 of what was said, the same for a push and its retries in every mode. Customers' messages are flat, so their
    fields say everything; the Encrypt copy that compatible mode sends along differs at every retry.
    """
    if not message.is_from_customer and "Encrypt" not in message.fields:
        return hashlib.sha256(raw).digest()
    said = {name: value for name, value in message.fields.items() if name != "Encrypt"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).digest()


def _read_xml(body: bytes) -> dict[str, str]:
    fields: dict[str, str] = {}
    path: list[str] = []
    pieces: list[str] = []
    nested = False

    def start(name: str, _attributes: Mapping[str, str]) -> None:
        nonlocal nested
        path.append(name)
        if len(path) > _LIMIT_DEPTH:
            raise Malformed("wechat_too_deep", "The XML is nested deeper than any WeChat push.")
        if len(path) == 2:
            pieces.clear()
            nested = False
        elif len(path) > 2:
            nested = True

    def collect(text: str) -> None:
        if len(path) == 2:
            pieces.append(text)

    def end(name: str) -> None:
        if len(path) == 2 and not nested:
            _add(fields, name, "".join(pieces))
        path.pop()

    def refuse_doctype(*_: object) -> None:
        raise Malformed("wechat_doctype", "The XML declares a document type; WeChat never does.")

    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = collect
    parser.StartDoctypeDeclHandler = refuse_doctype
    try:
        parser.Parse(body, True)
    except expat.ExpatError:
        raise Malformed("wechat_malformed", "The XML is not well-formed.") from None
    return fields


def _read_json(body: bytes) -> dict[str, str]:
    def refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table: dict[str, Any] = {}
        for name, value in pairs:
            _add(table, name, value)
        return table

    try:
        # Numbers stay text: ids have 64 bits, and nothing here is calculated with.
        table = json.loads(body, object_pairs_hook=refuse_repeats, parse_int=str, parse_float=str, parse_constant=str)
    except Malformed:
        raise
    except RecursionError:
        raise Malformed("wechat_too_deep", "The JSON is nested deeper than any WeChat push.") from None
    except ValueError:
        raise Malformed("wechat_malformed", "The JSON is not well-formed.") from None
    return {clean_text(name): clean_text(value) for name, value in table.items() if isinstance(value, str)}


def _add(table: dict[str, Any], name: str, value: Any) -> None:
    if name in table:
        raise Malformed("wechat_repeated_field", "The push has the same field twice, so it is not clear what it says.")
    table[name] = value


def clean_text(text: str) -> str:
    """Half a character (a lone surrogate, which JSON can spell but nothing can store) becomes U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
