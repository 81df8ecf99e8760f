"""Who may speak: the signature of a push, its decryption, and the verification of the address.

No form of a push is a way round a stricter one: what holds an Encrypt, or says that it is encrypted, must open under a
valid `msg_signature`, and in safe mode nothing else passes.
"""

import re
from dataclasses import dataclass
from typing import Literal, NoReturn

from adapters._tencent.crypto import NotDecrypted, decrypt, find_token, read_aes_key
from adapters._tencent.messages import Malformed, Message, digest_content, read_message
from adapters.wechat.replay import ReplayGuard
from adapters.wechat.replies import Seal
from adapters.wechat.settings import ChannelSettings
from gateway.contract.call import Call, Reply
from gateway.contract.errors import Refused

_SIGNATURE = re.compile(r"[0-9a-f]{40}")
# Ten digits and a plain nonce: the signature runs its parts together without separators.
_TIMESTAMP = re.compile(r"[0-9]{10}")
_NONCE = re.compile(r"[0-9A-Za-z_-]{1,64}")
_ECHO = re.compile(r"[0-9A-Za-z]{1,64}")

SignatureName = Literal["signature", "msg_signature"]


@dataclass(frozen=True, slots=True)
class Opened:
    """An authentic push. `message` is None where the decrypted bytes are no push we can read; `seal` None where the
    signature does not cover the words.
    """

    raw: bytes
    message: Message | None
    seal: Seal | None


class Door:
    def __init__(self, settings: ChannelSettings) -> None:
        self._settings = settings
        self._tokens = tuple(token.get_secret_value() for token in settings.tokens)
        self._keys = tuple(read_aes_key(key.get_secret_value()) for key in settings.aes_keys)
        self._guard = ReplayGuard()

    def answer_verification(self, call: Call) -> Reply:
        """The console's GET when the address is saved. Raises Refused (403)."""
        self._check_signature(call, "signature")
        echo = call.query.get("echostr", "")
        if not _ECHO.fullmatch(echo):
            # The signature does not cover it, and it is handed back as a page of ours.
            _refuse("wechat_echostr", "The echostr is not one that WeChat makes.")
        return Reply(200, echo.encode())

    def open(self, call: Call) -> Opened:
        """The same call gives the same, however often. Raises Refused (400, 403, 413)."""
        if len(call.body) > self._settings.limit_bytes:
            raise Refused("too_large", "The body is larger than any WeChat push.", status=413)
        try:
            outer = read_message(call.body)
        except Malformed as error:
            # No Encrypt to check here; the signature of the address at least tells WeChat from strangers.
            self._check_signature(call, "signature")
            raise Refused(error.code, error.detail, status=400) from None
        opened = self._unseal(call, outer) if self._must_unseal(call, outer) else self._take_plain(call, outer)
        account = self._settings.account
        if account and opened.message and opened.message.account != account:
            _refuse(
                "wechat_other_account", "The push is for another official account. Check `account` in the settings."
            )
        return opened

    def decrypt(self, outer: Message) -> tuple[bytes, bytes]:
        """The message and the key that opened it. Raises NotDecrypted."""
        return decrypt(outer.encrypted, self._keys, self._settings.appid)

    def _must_unseal(self, call: Call, outer: Message) -> bool:
        if self._settings.mode == "safe" or (outer.encrypted and not outer.kind):
            return True
        if self._settings.mode == "plain" and not self._keys:
            return False
        return bool(outer.encrypted) or call.query.get("encrypt_type", "raw") != "raw" or "msg_signature" in call.query

    def _take_plain(self, call: Call, outer: Message) -> Opened:
        self._check_signature(call, "signature")
        if not self._guard.admit(call.query["signature"], digest_content(call.body, outer)):
            _refuse("wechat_replayed", "The signature was used before, under other words.")
        return Opened(call.body, outer, None)

    def _unseal(self, call: Call, outer: Message) -> Opened:
        if not outer.encrypted:
            _refuse("wechat_not_encrypted", "The push should be encrypted, and is not. Check `mode` in the settings.")
        token = self._check_signature(call, "msg_signature", outer.encrypted)
        try:
            raw, key = self.decrypt(outer)
        except NotDecrypted as error:
            _refuse(error.code, "The push was encrypted for another key or app. Check `aes_keys` and `appid`.")
        try:
            message = read_message(raw)
        except Malformed:
            # Surely WeChat's own words, so they are kept; a person reads what we cannot.
            message = None
        return Opened(raw, message, Seal(token, key, self._settings.appid))

    def _check_signature(self, call: Call, name: SignatureName, *signed: str) -> str:
        """The token that signed. Raises Refused (403)."""
        signature, timestamp = call.query.get(name, ""), call.query.get("timestamp", "")
        nonce = call.query.get("nonce", "")
        if not (_SIGNATURE.fullmatch(signature) and _TIMESTAMP.fullmatch(timestamp) and _NONCE.fullmatch(nonce)):
            _refuse("wechat_unsigned", "The call does not carry WeChat's signature.")
        token = find_token(self._tokens, signature, timestamp, nonce, *signed)
        if token is None:
            _refuse("wechat_signature", "The signature does not fit. Check that `tokens` holds the console's Token.")
        window_s = self._settings.window_s
        if window_s and abs(call.received_at / 1000 - int(timestamp)) > window_s:
            _refuse("wechat_stale", "The signature is too old or from the future. Check this machine's clock.")
        return token


def _refuse(code: str, detail: str) -> NoReturn:
    raise Refused(code, detail, status=403)
