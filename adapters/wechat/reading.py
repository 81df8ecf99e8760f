"""A message in WeChat's form -> a Draft: only what the message says."""

import re
from collections.abc import Mapping
from datetime import datetime

from adapters._tencent.messages import Message
from adapters.wechat.intent import Intent, Wish
from gateway.contract.clock import to_datetime
from gateway.contract.complaint import Kind
from gateway.contract.draft import Attachment, Draft
from gateway.contract.errors import Ignored, Unreadable

_NOT_SNAKE = re.compile(r"[^a-z0-9]+")
_SECONDS = re.compile(r"[0-9]{9,10}")

_MEDIA = {
    # kind: words that stand in the narrative where the thing was sent, file ending, media type
    "image": ("[图片]", "jpg", "image/jpeg"),
    "voice": ("[语音]", "amr", "audio/amr"),
    "video": ("[视频]", "mp4", "video/mp4"),
    "shortvideo": ("[小视频]", "mp4", "video/mp4"),
}
_VOICE_TYPES = {"mp3": "audio/mpeg", "speex": "audio/speex", "amr": "audio/amr"}


_ORDERS = {
    Wish.END: ("wechat_end_word", "The customer said that this was all."),
    Wish.ASK: ("wechat_progress_question", "The customer asked how far the matter is, and was answered."),
    Wish.CHOOSE: ("wechat_kind_word", "The customer named the kind of what comes next."),
    Wish.PEOPLE: ("wechat_people_word", "The customer asked for a person, and was told how to reach one."),
}


def read_draft(message: Message, intent: Intent, hints: Mapping[str, str]) -> Draft:
    """`hints` are those of the envelope, lent ones included: `branch` and `kind`.

    Raises Ignored for events and for words that are orders to the machine, Unreadable for kinds not known yet.
    """
    if message.is_event:
        raise Ignored(f"wechat_event_{_name_code(message.event)}", "An event of the account, not a customer's words.")
    if not message.kind:
        if message.fields.get("InfoType"):
            raise Ignored(
                f"wechat_info_{_name_code(message.fields['InfoType'])}", "News of the platform for the account."
            )
        raise Unreadable("wechat_not_a_message", "This is no message that WeChat pushes. Look at the raw bytes.")
    if not message.is_from_customer:
        raise Unreadable(
            "wechat_kind_unknown", "WeChat sent a kind of message that is not known yet. Read the raw bytes."
        )
    if intent.wish in _ORDERS:
        raise Ignored(*_ORDERS[intent.wish])
    text = _read_text(message)
    attachments = _read_attachments(message)
    if not text and not attachments:
        raise Unreadable("wechat_empty", "The message has no content. Read the raw bytes.")
    is_unheard = message.kind == "voice" and not message.fields.get("Recognition", "").strip()
    return Draft(
        text=text,
        kind=intent.kind or _read_kind(hints.get("kind", "")),
        wechat_openid=message.openid,
        branch_code=hints.get("branch", ""),
        attachments=attachments,
        unheard=tuple(attachment.remote for attachment in attachments) if is_unheard else (),
        occurred_at=_read_moment(message),
    )


def _read_kind(name: str) -> Kind | None:
    return Kind(name) if name in set(Kind) else None


def _read_text(message: Message) -> str:
    fields = message.fields
    match message.kind:
        case "text":
            return fields.get("Content", "")
        case "voice":
            # Recognition is there only where the account switched it on, and may be empty even then.
            return fields.get("Recognition", "").strip() or _MEDIA["voice"][0]
        case "location":
            point = ", ".join(filter(None, (fields.get("Location_X", ""), fields.get("Location_Y", ""))))
            return " ".join(filter(None, ("[位置]", fields.get("Label", ""), f"({point})" if point else "")))
        case "link":
            lines = (fields.get("Title", ""), fields.get("Description", ""), fields.get("Url", ""))
            return "\n".join(dict.fromkeys(line for line in lines if line))
        case "file":
            # No interface hands the file out; its name is what can be kept.
            return " ".join(filter(None, ("[文件]", fields.get("Title", ""), fields.get("Description", ""))))
    return _MEDIA[message.kind][0]


def _read_attachments(message: Message) -> tuple[Attachment, ...]:
    media = message.fields.get("MediaId", "").strip()
    if message.kind not in _MEDIA or not media:
        return ()
    _, ending, media_type = _MEDIA[message.kind]
    if message.kind == "voice":
        spelled = message.fields.get("Format", "").strip().lower()
        if spelled in _VOICE_TYPES:
            ending, media_type = spelled, _VOICE_TYPES[spelled]
    name = "-".join(filter(None, (message.kind, message.message_id)))
    return (Attachment(name=f"{name}.{ending}", media_type=media_type, remote=f"media:{media}"),)


def _read_moment(message: Message) -> datetime | None:
    created = message.fields.get("CreateTime", "").strip()
    return to_datetime(int(created) * 1000) if _SECONDS.fullmatch(created) else None


def _name_code(name: str) -> str:
    return _NOT_SNAKE.sub("_", name.lower())[:48].strip("_") or "unnamed"
