"""The channel of one official account: pushes in, passive replies out.

Source of the protocol: developers.weixin.qq.com/doc/subscription/guide/dev/push/encryption.md and 接收普通消息,
接收事件推送, 被动回复用户消息 beside it. Without an answer within 5 seconds WeChat sends a push again, three times in all.
"""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import BinaryIO, Literal, NoReturn

from adapters._tencent.crypto import NotDecrypted, decrypt, find_token, read_aes_key
from adapters._tencent.media import KEPT_S, TAKES, open_media
from adapters._tencent.messages import (
    Malformed,
    Message,
    digest_content,
    make_content_key,
    make_source_key,
    read_message,
)
from adapters.wechat.account import PARTY, open_api
from adapters.wechat.delivery import read_news
from adapters.wechat.files import FORMATS, split_pushes
from adapters.wechat.reading import ends_conversation, read_draft
from adapters.wechat.replies import EMPTY, Seal, make_text_reply
from adapters.wechat.settings import RECEIPT_MARK, ChannelSettings
from gateway.contract.call import Call, Reply, Route
from gateway.contract.clock import Millis
from gateway.contract.complaint import Authenticity
from gateway.contract.draft import Draft
from gateway.contract.envelope import Accepted, Envelope, Thread
from gateway.contract.errors import AdapterError, Misconfigured, Refused, Rejected, Unreadable
from gateway.contract.ports import House, Media, News
from gateway.contract.receipt import spoken

_SIGNATURE = re.compile(r"[0-9a-f]{40}")
# Ten digits and a plain nonce: the signature runs its parts together without separators.
_TIMESTAMP = re.compile(r"[0-9]{10}")
_NONCE = re.compile(r"[0-9A-Za-z_-]{1,64}")
_ECHO = re.compile(r"[0-9A-Za-z]{1,64}")

_SAFE = Authenticity(verified=True, method="wechat_safe")
_PLAIN = Authenticity(
    verified=False, method="wechat_plain", detail="The signature of an unencrypted push does not cover the words."
)
_FILE = Authenticity(verified=False, method="none", detail="Read from a file.")

SignatureName = Literal["signature", "msg_signature"]


@dataclass(frozen=True, slots=True)
class _Opened:
    """An authentic push. `message` is None where the decrypted bytes are no push we can read."""

    raw: bytes
    message: Message | None
    seal: Seal | None


class WeChatChannel:
    formats: Sequence[str] = FORMATS
    kept_s = KEPT_S
    takes: Sequence[str] = TAKES

    def __init__(self, instance: str, settings: ChannelSettings, house: House) -> None:
        self._instance = instance
        self._settings = settings
        self._clock = house.clock
        self._tokens = tuple(token.get_secret_value() for token in settings.tokens)
        self._api = open_api(settings, house.clock)
        self.collects = self._api is not None
        self.limit_bytes = settings.media_limit_bytes
        self._keys = tuple(read_aes_key(key.get_secret_value()) for key in settings.aes_keys)

    # --- Push

    def routes(self) -> Sequence[Route]:
        path = f"/wechat/{self._instance}"
        return (Route(method="GET", path=path), Route(method="POST", path=path, limit_bytes=self._settings.limit_bytes))

    def receive(self, call: Call) -> Sequence[Envelope] | Reply:
        """One envelope a push; the answer itself for the console's URL verification. Raises Refused."""
        if call.method == "GET":
            return self._answer_verification(call)
        opened = self._open(call)
        authenticity = _SAFE if opened.seal else _PLAIN
        return (self._make_envelope(opened.raw, opened.message, authenticity, call.received_at),)

    def reply(self, call: Call, accepted: Sequence[Accepted]) -> Reply:
        # Opened again rather than remembered: it takes a tenth of a millisecond, and nothing is kept between calls.
        opened = self._open(call)
        message = opened.message
        if message is None:
            return EMPTY
        text = self._choose_text(message, accepted[0])
        return make_text_reply(message, text, at_s=call.received_at // 1000, seal=opened.seal) if text else EMPTY

    def refuse(self, call: Call, error: AdapterError) -> Reply | None:
        """Plain text with the code. Whatever is not a refusal is 503 without a body, never an empty 200: that
        would tell WeChat that we have the push, and it would not come again.
        """
        del call
        if isinstance(error, Refused):
            return Reply(error.status, error.code.encode())
        return Reply(503)

    # --- Channel

    def draft(self, envelope: Envelope) -> Draft:
        try:
            message = read_message(envelope.raw)
            if message.encrypted and not message.kind:
                # A file of encrypted pushes; readable as soon as the settings hold the key they were made with.
                message = read_message(self._decrypt(message)[0])
        except Malformed as error:
            raise Unreadable(error.code, error.detail) from None
        except NotDecrypted:
            raise Unreadable(
                "wechat_encrypted",
                "The push is encrypted for another key or app. Add the key it was made with to aes_keys, then release it.",
            ) from None
        return read_draft(message, self._settings.end_words)

    def read_news(self, envelope: Envelope) -> News | None:
        try:
            return read_news(read_message(envelope.raw), self._settings.appid)
        except Malformed:
            return None

    # --- Collect

    @asynccontextmanager
    async def collect(self, remote: str) -> AsyncIterator[Media]:
        kind, _, media_id = remote.partition(":")
        if self._api is None:
            raise Misconfigured("wechat_no_secret", "The AppSecret is gone from the settings; set `secret`.")
        if kind != "media" or not media_id:
            raise Rejected("wechat_no_media", "The attachment names no media of WeChat.")
        async with open_media(self._api, str(self._settings.api_url), media_id, PARTY) as media:
            yield media

    async def close(self) -> None:
        if self._api is not None:
            await self._api.close()

    # --- Files

    def split(self, source: BinaryIO, name: str, format_name: str | None) -> Iterator[Envelope]:
        for raw in split_pushes(source, name, format_name):
            yield self._keep_imported(raw)

    def _keep_imported(self, raw: bytes) -> Envelope:
        message: Message | None = None
        try:
            message = read_message(raw)
            if message.encrypted and not message.kind:
                opened, _ = self._decrypt(message)
                # The decrypted bytes are kept, as for a push, so that both have the same key and content.
                message, raw = None, opened
                message = read_message(raw)
        except (Malformed, NotDecrypted):
            message = message if message and message.kind else None
        return replace(self._make_envelope(raw, message, _FILE, self._clock.now_ms()), backfill=True)

    # --- the parts

    def _answer_verification(self, call: Call) -> Reply:
        self._check_signature(call, "signature")
        echo = call.query.get("echostr", "")
        if not _ECHO.fullmatch(echo):
            # The signature does not cover it, and it is handed back as a page of ours.
            _refuse("wechat_echostr", "The echostr is not one that WeChat makes.")
        return Reply(200, echo.encode())

    def _open(self, call: Call) -> _Opened:
        if len(call.body) > self._settings.limit_bytes:
            raise Refused("too_large", "The body is larger than any WeChat push.", status=413)
        try:
            outer = read_message(call.body)
        except Malformed as error:
            # No Encrypt to check here; the signature of the address at least tells WeChat from strangers.
            self._check_signature(call, "signature")
            raise Refused(error.code, error.detail, status=400) from None
        if self._must_unseal(call, outer):
            opened = self._unseal(call, outer)
        else:
            self._check_signature(call, "signature")
            opened = _Opened(call.body, outer, None)
        account = self._settings.account
        if account and opened.message and opened.message.account != account:
            _refuse(
                "wechat_other_account", "The push is for another official account. Check `account` in the settings."
            )
        return opened

    def _must_unseal(self, call: Call, outer: Message) -> bool:
        if self._settings.mode == "safe" or (outer.encrypted and not outer.kind):
            return True
        return self._settings.mode == "compatible" and bool(outer.encrypted) and "msg_signature" in call.query

    def _unseal(self, call: Call, outer: Message) -> _Opened:
        if not outer.encrypted:
            _refuse("wechat_not_encrypted", "The account is set to safe mode, and this push is not encrypted.")
        token = self._check_signature(call, "msg_signature", outer.encrypted)
        try:
            raw, key = self._decrypt(outer)
        except NotDecrypted as error:
            _refuse(error.code, "The push was encrypted for another key or app. Check `aes_keys` and `appid`.")
        try:
            message = read_message(raw)
        except Malformed:
            # Surely WeChat's own words, so they are kept; a person reads what we cannot.
            message = None
        return _Opened(raw, message, Seal(token, key, self._settings.appid))

    def _decrypt(self, outer: Message) -> tuple[bytes, bytes]:
        return decrypt(outer.encrypted, self._keys, self._settings.appid)

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

    def _make_envelope(
        self, raw: bytes, message: Message | None, authenticity: Authenticity, received_at: Millis
    ) -> Envelope:
        envelope = Envelope(
            channel=self._instance,
            adapter="wechat",
            source_key="",
            media_type="application/json" if raw.lstrip().startswith(b"{") else "text/xml",
            raw=raw,
            received_at=received_at,
            authenticity=authenticity,
            receipt_wanted=False,
        )
        if message is None:
            return replace(envelope, source_key=make_content_key(envelope.content_digest()))
        content = digest_content(raw, message)
        envelope = replace(envelope, source_key=make_source_key(message, content), content=content)
        if not message.is_from_customer:
            return envelope
        thread = None
        if message.openid:
            ends = ends_conversation(message, self._settings.end_words)
            window_ms = self._settings.conversation_window_s * 1000
            thread = Thread(key=message.openid, window_ms=window_ms, ends=ends)
        return replace(envelope, receipt_wanted=True, thread=thread)

    def _choose_text(self, message: Message, accepted: Accepted) -> str:
        """Depends on nothing but the push and its receipt, so that a retry reads the same."""
        texts = self._settings.texts
        if accepted.receipt is None:
            return texts.welcome if message.event == "subscribe" and message.is_event else ""
        text = texts.supplemented if accepted.supplement else texts.received
        return text.replace(RECEIPT_MARK, spoken(accepted.receipt))


def _refuse(code: str, detail: str) -> NoReturn:
    raise Refused(code, detail, status=403)


def open_channel(instance: str, settings: ChannelSettings, house: House) -> WeChatChannel:
    return WeChatChannel(instance, settings, house)
