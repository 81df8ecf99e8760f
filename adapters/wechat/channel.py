"""The channel of one official account: pushes in, passive replies out.

Source of the protocol: developers.weixin.qq.com/doc/subscription/guide/dev/push/encryption.md and 接收普通消息,
接收事件推送, 被动回复用户消息 beside it. Without an answer within 5 seconds WeChat sends a push again, three times in all.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO
from zoneinfo import ZoneInfo

from adapters._tencent.crypto import NotDecrypted
from adapters._tencent.media import KEPT_S, TAKES, open_media
from adapters._tencent.messages import (
    Malformed,
    Message,
    digest_content,
    make_content_key,
    make_source_key,
    read_message,
)
from adapters.wechat.account import PARTY, open_api, opened_api
from adapters.wechat.calling import Client
from adapters.wechat.codes import create_code, write_code
from adapters.wechat.conversation import find_place
from adapters.wechat.delivery import read_news
from adapters.wechat.door import Door, Opened
from adapters.wechat.files import FORMATS, split_pushes
from adapters.wechat.intent import Intent, Wish, read_intent, read_said
from adapters.wechat.language import find_reply_language
from adapters.wechat.menu import create_menu, write_menu
from adapters.wechat.progress import tell_progress
from adapters.wechat.reading import read_draft
from adapters.wechat.replies import EMPTY, make_text_reply
from adapters.wechat.scenes import make_scene
from adapters.wechat.settings import ChannelSettings
from adapters.wechat.texts import Texts
from gateway.contract.call import Call, Reply, Route
from gateway.contract.clock import Millis
from gateway.contract.complaint import Authenticity, Kind
from gateway.contract.draft import Draft
from gateway.contract.envelope import Accepted, Envelope
from gateway.contract.errors import AdapterError, Misconfigured, Refused, Rejected, Unreadable
from gateway.contract.ports import House, Media, News
from gateway.contract.progress import Ask, Progress, Untold
from gateway.contract.receipt import spoken

_SAFE = Authenticity(verified=True, method="wechat_safe")
_PLAIN = Authenticity(
    verified=False, method="wechat_plain", detail="The signature of an unencrypted push does not cover the words."
)
_FILE = Authenticity(verified=False, method="none", detail="Read from a file.")


OpenClient = Callable[[], AbstractAsyncContextManager[Client]]


class WeChatChannel:
    """`open_client` reaches WeChat's interface, for the menu and the codes; None where the settings have no access."""

    formats: Sequence[str] = FORMATS
    kept_s = KEPT_S
    takes: Sequence[str] = TAKES

    def __init__(
        self, instance: str, settings: ChannelSettings, house: House, open_client: OpenClient | None = None
    ) -> None:
        self._instance = instance
        self._settings = settings
        self._house = house
        self._open_client = open_client
        self._door = Door(settings)
        self._zone = ZoneInfo(house.timezone)
        self._texts = Texts(settings.texts, {"bank": house.bank_name, "hotline": house.bank_hotline})
        self._api = open_api(settings, house.clock)
        self.collects = self._api is not None
        self.limit_bytes = settings.media_limit_bytes

    # --- Push

    def routes(self) -> Sequence[Route]:
        path = f"/wechat/{self._instance}"
        # What is not encrypted needs a guard against replays, which remembers.
        pushes = Route(
            method="POST",
            path=path,
            limit_bytes=self._settings.limit_bytes,
            stateless=self._settings.mode == "safe",
        )
        return Route(method="GET", path=path), pushes

    def receive(self, call: Call) -> Sequence[Envelope] | Reply:
        """One envelope a push; the answer itself for the console's URL verification. Raises Refused."""
        if call.method == "GET":
            return self._door.answer_verification(call)
        opened = self._door.open(call)
        authenticity = _SAFE if opened.seal else _PLAIN
        return (self._make_envelope(opened.raw, opened.message, authenticity, call.received_at),)

    def reply(self, call: Call, accepted: Sequence[Accepted]) -> Reply | Ask:
        # Opened again rather than remembered: it takes a tenth of a millisecond, and nothing is kept between calls.
        opened = self._door.open(call)
        message = opened.message
        if message is None or not message.openid:
            return EMPTY
        intent = read_intent(message, self._settings, self._house.branches)
        language = find_reply_language(read_said(message), self._settings.language)
        if intent.wish is not Wish.ASK:
            return _answer(call, opened, self._choose_text(intent, accepted[0], language))

        def write(told: Progress | Untold) -> Reply:
            named = bool(intent.receipt) or intent.misspelt
            # Without encryption anybody who saw one address of a push could ask in another's name.
            linked = opened.seal is not None
            return _answer(
                call, opened, tell_progress(told, self._texts, language, self._zone, named=named, linked=linked)
            )

        if intent.misspelt:
            return write(Untold.UNKNOWN)
        return Ask(thread=message.openid, receipt=intent.receipt, write=write)

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
                message = read_message(self._door.decrypt(message)[0])
        except Malformed as error:
            raise Unreadable(error.code, error.detail) from None
        except NotDecrypted:
            raise Unreadable(
                "wechat_encrypted",
                "The push is encrypted for another key or app. Add the key it was made with to aes_keys, then release it.",
            ) from None
        return read_draft(message, read_intent(message, self._settings, self._house.branches), envelope.hints)

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
                opened, _ = self._door.decrypt(message)
                # The decrypted bytes are kept, as for a push, so that both have the same key and content.
                message, raw = None, opened
                message = read_message(raw)
        except (Malformed, NotDecrypted):
            message = message if message and message.kind else None
        envelope = self._make_envelope(raw, message, _FILE, self._house.clock.now_ms())
        # What an old scan or menu entry stood before is not known, as all of a file is received at one time.
        return replace(envelope, backfill=True, hints={})

    # --- Menus, Codes

    def describe_menu(self) -> str:
        return json.dumps(write_menu(self._settings.menu), ensure_ascii=False, indent=2)

    async def create_menu(self) -> None:
        """Raises Misconfigured, Rejected or TryLater."""
        async with self._reach()() as client:
            await create_menu(client, self._settings.menu)

    async def make_codes(self, codes: Sequence[str], folder: Path, formats: Sequence[str]) -> Sequence[Path]:
        """Raises KeyError for a branch that is not in the table; Misconfigured, Rejected or TryLater."""
        branches = [self._house.branches[code].code for code in codes]
        try:
            scenes = [make_scene(branch, self._settings.scene_prefix) for branch in branches]
        except ValueError as error:
            raise Rejected("wechat_bad_scene", f"A branch code cannot be a scene: {error}.") from None
        written: list[Path] = []
        async with self._reach()() as client:
            for branch, scene in zip(branches, scenes, strict=True):
                written += write_code(await create_code(client, scene), branch, folder, formats)
        return written

    def _reach(self) -> OpenClient:
        if self._open_client is None:
            raise Misconfigured(
                "wechat_no_access",
                "The settings hold no access to the account's interface. Set its AppSecret (`secret`).",
            )
        return self._open_client

    # --- the parts

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
        place = find_place(read_intent(message, self._settings, self._house.branches), message.openid, self._settings)
        return replace(
            envelope,
            source_key=make_source_key(message, content),
            content=content,
            receipt_wanted=place.receipt_wanted,
            thread=place.thread,
            hints=place.hints or {},
        )

    def _choose_text(self, intent: Intent, accepted: Accepted, language: str) -> str:
        """Depends on nothing but the push and its receipt, so that a retry reads the same."""
        receipt = accepted.receipt
        numbers = {"receipt": spoken(receipt), "ending": receipt[-4:]} if receipt else {}
        say = self._texts.say
        match intent.wish:
            case Wish.SAY if receipt and accepted.supplement:
                return say("supplemented", language, **numbers) if self._settings.follow_ups == "told" else ""
            case Wish.SAY if receipt:
                of_kind = intent.kind not in (None, Kind.COMPLAINT)
                return say(f"received_{intent.kind}" if of_kind else "received", language, **numbers)
            case Wish.END:
                return say("ended" if receipt else "ended_nothing", language, **numbers)
            case Wish.CHOOSE:
                return say(f"choose_{intent.kind}", language)
            case Wish.PEOPLE:
                return say("people", language)
            case Wish.SCAN:
                return self._greet(intent.branch, language)
            case Wish.FOLLOW:
                return say("welcome", language)
        return ""

    def _greet(self, code: str, language: str) -> str:
        known = self._house.branches.get(code)
        link = self._house.branch_link(code)
        return self._texts.say(
            "scanned_link" if link else "scanned", language, branch=known.name if known else code, link=link
        )


def _answer(call: Call, opened: Opened, text: str) -> Reply:
    if opened.message is None or not text:
        return EMPTY
    return make_text_reply(opened.message, text, at_s=call.received_at // 1000, seal=opened.seal)


def open_channel(instance: str, settings: ChannelSettings, house: House) -> WeChatChannel:
    open_client = partial(opened_api, settings, house.clock) if settings.secret else None
    return WeChatChannel(instance, settings, house, open_client)
