"""Passive replies: what the customer reads, in the form and under the key of the push that is answered."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from adapters._tencent.crypto import encrypt, make_signature
from adapters._tencent.messages import Form, Message
from gateway.contract.call import Reply

_CONTENT_TYPES: Mapping[Form, str] = {"xml": "text/xml; charset=utf-8", "json": "application/json; charset=utf-8"}

EMPTY = Reply(200)
"""Taken, nothing to say. WeChat neither sends the push again nor shows the customer an error."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What opened an encrypted push, so that the answer is made with the same: the other side knows these."""

    token: str
    key: bytes
    appid: str


def make_text_reply(message: Message, text: str, *, at_s: int, seal: Seal | None) -> Reply:
    """`at_s`: seconds since the epoch. Empty where the push does not say whom to answer."""
    if not (message.openid and message.account):
        return EMPTY
    # Sender and receiver change places.
    fields: dict[str, str | int] = {
        "ToUserName": message.openid,
        "FromUserName": message.account,
        "CreateTime": at_s,
        "MsgType": "text",
        "Content": text,
    }
    if seal:
        encrypted = encrypt(render(message.form, fields), seal.key, seal.appid)
        nonce = secrets.token_hex(8)
        fields = {
            "Encrypt": encrypted,
            "MsgSignature": make_signature(seal.token, str(at_s), nonce, encrypted),
            "TimeStamp": at_s,
            "Nonce": nonce,
        }
    return Reply(200, render(message.form, fields), _CONTENT_TYPES[message.form])


def render(form: Form, fields: Mapping[str, str | int]) -> bytes:
    if form == "json":
        return json.dumps(fields, ensure_ascii=False).encode()
    lines = (f"<{name}>{_render_value(value)}</{name}>" for name, value in fields.items())
    return "\n".join(("<xml>", *lines, "</xml>")).encode()


def _render_value(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    # A CDATA section ends at the first "]]>"; divided in the middle it is text again.
    return f"<![CDATA[{value.replace(']]>', ']]]]><![CDATA[>')}]]>"
