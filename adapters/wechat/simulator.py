"""WeChat's side of the line: pushes as its servers send them, and the customer's view of our reply."""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Literal

from adapters._tencent.crypto import decrypt, encrypt, make_signature, read_aes_key
from adapters._tencent.messages import Form, read_message
from adapters.wechat.replies import render
from gateway.contract.call import Call, Reply
from gateway.contract.clock import Millis

APPID = "wx0123456789abcdef"
TOKENS = ("gateway-test-token", "gateway-test-token-before")
AES_KEYS = ("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", "GFEDCBA9876543210zyxwvutsrqponmlkjihgfedcba")
ACCOUNT = "gh_7f083739789a"
OPENID = "oia2TjuEGTNoeX76QEjQNrcURxG8"
RECEIVED_AT = 1_790_000_001_000

# A strange sender knows the form, not the secrets.
_WRONG_TOKEN = "a-stranger's-guess"  # noqa: S105  no secret, that is the point
_WRONG_AES_KEY = "0" * 43

SETTINGS: dict[str, object] = {
    "appid": APPID,
    "tokens": list(TOKENS),
    "aes_keys": list(AES_KEYS),
    "mode": "safe",
    "account": ACCOUNT,
}

Mode = Literal["safe", "compatible", "plain"]


def push(
    *,
    text: str,
    key: str,
    secret: str = "right",  # noqa: S107  a choice of secret, not one
    instance: str = "gzh",
    received_at: int = RECEIVED_AT,
    openid: str = OPENID,
    mode: Mode = "safe",
    form: Form = "xml",
    created_at_s: int = RECEIVED_AT // 1000 - 1,
    fields: Mapping[str, str] | None = None,
) -> Call:
    """A customer's message. `key` decides its MsgId. `fields` replace those of the text message (an event, a picture;
    an empty value leaves the field out). Calling it again with the same words is what WeChat does when it got no answer:
    encrypted afresh, so `created_at_s` does not follow `received_at`.
    """
    message: dict[str, str] = {
        "ToUserName": ACCOUNT,
        "FromUserName": openid,
        "CreateTime": str(created_at_s),
        "MsgType": "text",
        "Content": text,
        "MsgId": _make_message_id(key),
    }
    message.update(fields or {})
    written = {name: value for name, value in message.items() if value}
    return make_call(
        render(form, written), secret=secret, instance=instance, received_at=received_at, mode=mode, form=form
    )


def make_call(
    message: bytes,
    *,
    secret: str = "right",  # noqa: S107
    instance: str = "gzh",
    received_at: int = RECEIVED_AT,
    mode: Mode = "safe",
    form: Form = "xml",
) -> Call:
    """The call that carries these message bytes. In compatible mode they must be a message of `form`."""
    token, aes_key = _choose_secrets(secret)
    timestamp, nonce = str(received_at // 1000), str(secrets.randbelow(10**10))
    query = {
        "signature": make_signature(token, timestamp, nonce),
        "timestamp": timestamp,
        "nonce": nonce,
        "openid": OPENID,
    }
    body = message
    if mode != "plain":
        encrypted = encrypt(message, read_aes_key(aes_key), APPID)
        outer = dict(read_message(message).fields) if mode == "compatible" else {"ToUserName": ACCOUNT}
        body = render(form, {**outer, "Encrypt": encrypted})
        query["encrypt_type"] = "aes"
        query["msg_signature"] = make_signature(token, timestamp, nonce, encrypted)
    if secret == "missing":  # noqa: S105
        query.pop("signature")
        query.pop("msg_signature", None)
    return _build_call(method="POST", instance=instance, query=query, body=body, received_at=received_at, form=form)


def verify_url(
    *,
    secret: str = "right",  # noqa: S107
    instance: str = "gzh",
    received_at: int = RECEIVED_AT,
    echostr: str = "5837397520665436492",
) -> Call:
    """What the WeChat console sends when the address is saved."""
    timestamp, nonce = str(received_at // 1000), str(secrets.randbelow(10**10))
    signature = make_signature(_choose_secrets(secret)[0], timestamp, nonce)
    query = {"signature": signature, "timestamp": timestamp, "nonce": nonce, "echostr": echostr}
    if secret == "missing":  # noqa: S105
        query.pop("signature")
    return _build_call(method="GET", instance=instance, query=query, body=b"", received_at=received_at, form="xml")


def decrypt_reply(reply: Reply, *, secret: str = "right") -> dict[str, str]:  # noqa: S107
    """The fields the customer's telephone gets to see; empty when nothing is said. Raises ValueError on a reply WeChat
    would not take.
    """
    if not reply.body:
        return {}
    outer = read_message(reply.body)
    if not outer.encrypted:
        return dict(outer.fields)
    token, aes_key = _choose_secrets(secret)
    parts = (outer.fields["TimeStamp"], outer.fields["Nonce"], outer.encrypted)
    if make_signature(token, *parts) != outer.fields["MsgSignature"]:
        raise ValueError("the reply is signed with another token")
    return dict(read_message(decrypt(outer.encrypted, (read_aes_key(aes_key),), APPID)[0]).fields)


def _choose_secrets(secret: str) -> tuple[str, str]:
    match secret:
        case "rotated":
            return TOKENS[1], AES_KEYS[1]
        case "wrong":
            return _WRONG_TOKEN, _WRONG_AES_KEY
    return TOKENS[0], AES_KEYS[0]


def _make_message_id(key: str) -> str:
    """A MsgId is a number of up to 64 bits."""
    if key.isascii() and key.isdigit():
        return key
    return str(int.from_bytes(hashlib.sha256(key.encode()).digest()[:7], "big"))


def _build_call(
    *, method: str, instance: str, query: Mapping[str, str], body: bytes, received_at: int, form: Form
) -> Call:
    path = f"/wechat/{instance}"
    address = "&".join(f"{name}={value}" for name, value in query.items())
    return Call(
        method=method,
        path=path,
        url=f"https://gateway.example{path}?{address}",
        query=query,
        headers={"content-type": "text/xml" if form == "xml" else "application/json", "user-agent": "Mozilla/4.0"},
        body=body,
        remote="203.0.113.7",
        received_at=Millis(received_at),
    )
