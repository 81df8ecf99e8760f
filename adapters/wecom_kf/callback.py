"""The callback `kf_msg_or_event`: it says that there is something to ask for, and holds no message.

Source: developer.work.weixin.qq.com/document/path/90930 (回调配置) and 94670. Everything is encrypted, the echo of the URL
verification too; the receiver in the encrypted text is the corpid.
"""

import re
from dataclasses import dataclass
from typing import NoReturn

from adapters._tencent.crypto import NotDecrypted, decrypt, find_token, read_aes_key
from adapters._tencent.messages import Malformed, read_message
from adapters.wecom_kf.settings import ChannelSettings
from gateway.contract.call import Call
from gateway.contract.errors import Refused

_SIGNATURE = re.compile(r"[0-9a-f]{40}")
_TIMESTAMP = re.compile(r"[0-9]{10}")
_NONCE = re.compile(r"[0-9A-Za-z_-]{1,64}")
_TOKEN = re.compile(r"[0-9A-Za-z_-]{1,128}")


@dataclass(frozen=True, slots=True)
class Nudge:
    """`token` makes the asking exempt from the strict rate limit, for ten minutes."""

    open_kfid: str
    token: str


class Callback:
    def __init__(self, settings: ChannelSettings) -> None:
        self._corpid = settings.corpid
        self._window_s = settings.window_s
        self._tokens = tuple(token.get_secret_value() for token in settings.tokens)
        self._keys = tuple(read_aes_key(key.get_secret_value()) for key in settings.aes_keys)

    def read_echo(self, call: Call) -> bytes:
        """The answer to the console's URL verification. Raises Refused."""
        return self._open(call, call.query.get("echostr", ""))

    def read_nudge(self, call: Call) -> Nudge | None:
        """None for other events. Raises Refused."""
        try:
            outer = read_message(call.body)
        except Malformed as error:
            raise Refused(error.code.replace("wechat", "wecom"), error.detail) from None
        opened = self._open(call, outer.encrypted)
        try:
            message = read_message(opened)
        except Malformed:
            return None
        token, open_kfid = message.fields.get("Token", ""), message.fields.get("OpenKfId", "")
        if message.event != "kf_msg_or_event" or not _TOKEN.fullmatch(token) or not _TOKEN.fullmatch(open_kfid):
            return None
        return Nudge(open_kfid, token)

    def _open(self, call: Call, encrypted: str) -> bytes:
        signature, timestamp = call.query.get("msg_signature", ""), call.query.get("timestamp", "")
        nonce = call.query.get("nonce", "")
        if not (_SIGNATURE.fullmatch(signature) and _TIMESTAMP.fullmatch(timestamp) and _NONCE.fullmatch(nonce)):
            _refuse("wecom_unsigned", "The call does not carry WeCom's signature.")
        if not encrypted.isascii() or find_token(self._tokens, signature, timestamp, nonce, encrypted) is None:
            _refuse("wecom_signature", "The signature does not fit. Check that `tokens` holds the console's Token.")
        if self._window_s and abs(call.received_at / 1000 - int(timestamp)) > self._window_s:
            _refuse("wecom_stale", "The signature is too old or from the future. Check this machine's clock.")
        try:
            return decrypt(encrypted, self._keys, self._corpid)[0]
        except NotDecrypted:
            _refuse("wecom_undecryptable", "The call was encrypted for another. Check `aes_keys` and `corpid`.")


def _refuse(code: str, detail: str) -> NoReturn:
    raise Refused(code, detail, status=403)
