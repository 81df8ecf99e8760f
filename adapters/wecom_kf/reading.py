"""One message of `sync_msg` -> a Draft: only what the message says.

Source: developer.work.weixin.qq.com/document/path/94670 (读取消息).
"""

import json
from collections.abc import Mapping
from typing import Any

from gateway.contract.clock import to_datetime
from gateway.contract.draft import Address, AddressKind, Attachment, Draft
from gateway.contract.errors import Ignored, Unreadable

CUSTOMER = 3
"""`origin` of what the customer wrote; 4: an event, 5: a person of the bank in WeCom."""

_MEDIA = {
    # kind: words that stand in the narrative where the thing was sent, file ending, media type
    "image": ("[图片]", "jpg", "image/jpeg"),
    "voice": ("[语音]", "amr", "audio/amr"),
    "video": ("[视频]", "mp4", "video/mp4"),
    "file": ("[文件]", "bin", "application/octet-stream"),
}
_TEXTS = frozenset({"text", "location", "link", "miniprogram", "merged_msg", "channels_shop_product"})

Message = Mapping[str, Any]


def write_message(message: Message) -> bytes:
    """The same bytes however often WeCom sends it."""
    return json.dumps(message, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace")


def read_message(raw: bytes) -> Message:
    """Raises Unreadable."""
    try:
        message = json.loads(raw)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise Unreadable("wecom_not_a_message", "This is no message of WeCom. Look at the raw bytes.")
    return message


def is_from_customer(message: Message) -> bool:
    """Of a kind that is known and says something."""
    return message.get("origin") == CUSTOMER and find_kind(message) in {*_MEDIA, *_TEXTS}


def find_kind(message: Message) -> str:
    kind = message.get("msgtype")
    return kind if isinstance(kind, str) else ""


def find_text(message: Message, *names: str) -> str:
    """The text at this path, or the empty string."""
    here: Any = message
    for name in names:
        here = here.get(name) if isinstance(here, dict) else None
    return here if isinstance(here, str) else ""


def ends_conversation(message: Message, end_words: tuple[str, ...]) -> bool:
    return find_text(message, "text", "content").strip() in end_words


def read_draft(message: Message, end_words: tuple[str, ...], hints: Mapping[str, str]) -> Draft:
    """`hints` may hold the `branch` whose link was opened before. Raises Ignored for events and for words of the bank's own people, Unreadable for kinds not known yet."""
    kind = find_kind(message)
    if kind == "event":
        raise Ignored("wecom_event", "An event of the account, not a customer's words.")
    if message.get("origin") != CUSTOMER:
        raise Ignored("wecom_not_from_customer", "Words of the bank's own people in WeCom.")
    if not is_from_customer(message):
        raise Unreadable(
            "wecom_kind_unknown", "WeCom sent a kind of message that is not known yet. Read the raw bytes."
        )
    if kind == "text" and ends_conversation(message, end_words):
        raise Ignored("wecom_end_word", "The customer said that this was all.")
    text, attachments = _read_text(message, kind), _read_attachments(message, kind)
    if not text and not attachments:
        raise Unreadable("wecom_empty", "The message has no content. Read the raw bytes.")
    sent = message.get("send_time")
    person, account = find_text(message, "external_userid"), find_text(message, "open_kfid")
    return Draft(
        text=text,
        branch_code=hints.get("branch", ""),
        attachments=attachments,
        unheard=tuple(each.remote for each in attachments) if kind == "voice" else (),
        occurred_at=to_datetime(sent * 1000) if isinstance(sent, int) and 0 < sent < 10**10 else None,
        # There is no passive reply: the number goes out as a message.
        acknowledge=Address(AddressKind.WECOM, person, account) if person and account else None,
    )


def _read_text(message: Message, kind: str) -> str:
    match kind:
        case "text":
            return find_text(message, "text", "content")
        case "location":
            place = message.get("location")
            place = place if isinstance(place, dict) else {}
            point = ", ".join(str(place[name]) for name in ("latitude", "longitude") if name in place)
            parts = (find_text(place, "name"), find_text(place, "address"), f"({point})" if point else "")
            return " ".join(filter(None, ("[位置]", *parts)))
        case "link":
            lines = (find_text(message, "link", name) for name in ("title", "desc", "url"))
            return "\n".join(dict.fromkeys(filter(None, lines)))
        case "miniprogram":
            return " ".join(filter(None, ("[小程序]", find_text(message, "miniprogram", "title"))))
        case "merged_msg":
            return " ".join(filter(None, ("[聊天记录]", find_text(message, "merged_msg", "title"))))
        case "channels_shop_product":
            return " ".join(filter(None, ("[商品]", find_text(message, "channels_shop_product", "title"))))
    return _MEDIA[kind][0]


def _read_attachments(message: Message, kind: str) -> tuple[Attachment, ...]:
    media_id = find_text(message, kind, "media_id")
    if kind not in _MEDIA or not media_id:
        return ()
    _, ending, media_type = _MEDIA[kind]
    name = find_text(message, "msgid")[-32:] or "1"
    return (Attachment(name=f"{kind}-{name}.{ending}", media_type=media_type, remote=f"media:{media_id}"),)
