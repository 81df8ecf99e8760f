"""The channel of one WeCom account: nudged by the callback, it asks `sync_msg` for what was written.

A callback can be lost, so the accounts are asked from time to time all the same; WeCom keeps three days. The cursor of
each 客服账号 is committed with the messages it stands behind, so nothing is passed over and, by msgid, nothing is doubled.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from adapters._tencent.media import KEPT_S, TAKES, open_media
from adapters.wecom_kf.account import PARTY, open_api
from adapters.wecom_kf.callback import Callback, Nudge
from adapters.wecom_kf.reading import (
    Message,
    ends_conversation,
    find_text,
    is_from_customer,
    read_draft,
    read_message,
    write_message,
)
from adapters.wecom_kf.settings import ChannelSettings
from gateway.contract.call import Call, Reply, Route
from gateway.contract.clock import Millis
from gateway.contract.complaint import Authenticity
from gateway.contract.draft import Draft
from gateway.contract.envelope import LENT_S, Accepted, Envelope, Thread
from gateway.contract.errors import AdapterError, Refused, Rejected, TryLater, Unreadable
from gateway.contract.ports import House, Media, News, Polled

SYNC = "/cgi-bin/kf/sync_msg"
PAGE = 1000
LIMIT_BYTES = 65_536
TOKEN_LIFE_MS = 9 * 60_000
"""The token of a callback is good for ten minutes."""
REST_MS = 5_000
"""After a failed asking nothing is asked for so long; nudges wait."""
_SUCCESS = Reply(200, b"success")
_ASKED = Authenticity(verified=True, method="wecom_api", detail="Asked for at WeCom itself, with the account's secret.")


class WeComChannel:
    interval_s = 0.5
    """How often it is looked whether a callback came; without one nothing is asked before `poll_s` has passed."""
    kept_s = KEPT_S
    takes: Sequence[str] = (*TAKES, "application/")
    collects = True

    def __init__(self, instance: str, settings: ChannelSettings, house: House) -> None:
        self._instance = instance
        self._settings = settings
        self._clock = house.clock
        self._branches = house.branches
        self._callback = Callback(settings)
        self._api = open_api(settings, house.clock)
        self.limit_bytes = settings.media_limit_bytes
        self._nudges: dict[str, tuple[Nudge, Millis]] = {}
        self._rest_until_ms = 0
        self._ask_next_ms = dict.fromkeys(settings.open_kfids, 0)

    # --- Push: nudges only

    def routes(self) -> Sequence[Route]:
        path = f"/wecom/{self._instance}"
        return (Route(method="GET", path=path), Route(method="POST", path=path, limit_bytes=LIMIT_BYTES))

    def receive(self, call: Call) -> Sequence[Envelope] | Reply:
        """Nothing is kept: what the callback speaks of stays at WeCom until it was asked for and committed."""
        if call.method == "GET":
            return Reply(200, self._callback.read_echo(call))
        nudge = self._callback.read_nudge(call)
        if nudge is not None and nudge.open_kfid in self._ask_next_ms:
            self._nudges[nudge.open_kfid] = (nudge, call.received_at)
        return _SUCCESS

    def reply(self, call: Call, accepted: Sequence[Accepted]) -> Reply:
        del call, accepted
        return _SUCCESS

    def refuse(self, call: Call, error: AdapterError) -> Reply | None:
        del call
        return Reply(error.status, error.code.encode()) if isinstance(error, Refused) else Reply(503)

    # --- Poll

    async def poll(self, cursor: str | None) -> Polled:
        """One page of one account. `more` while a page says so, or another account was nudged."""
        cursors = _read_cursors(cursor)
        now = self._clock.now_ms()
        due = [each for each, at in self._ask_next_ms.items() if each in self._nudges or now >= at]
        if not due or now < self._rest_until_ms:
            return Polled((), "")
        open_kfid = due[0]
        heard = self._nudges.get(open_kfid)
        asked: dict[str, object] = {"open_kfid": open_kfid, "limit": PAGE, "voice_format": 0}
        if open_kfid in cursors:
            asked["cursor"] = cursors[open_kfid]
        if heard is not None and now - heard[1] < TOKEN_LIFE_MS:
            asked["token"] = heard[0].token
        try:
            answer = await self._api.call(SYNC, asked)
        except AdapterError:
            self._rest_until_ms = now + REST_MS
            raise
        self._ask_next_ms[open_kfid] = now + round(self._settings.poll_s * 1000)
        following, messages = answer.get("next_cursor"), answer.get("msg_list", [])
        if not isinstance(messages, list) or not isinstance(following, str):
            raise TryLater("wecom_kf_bad_answer", "WeCom's answer holds no list of messages.")
        more = bool(answer.get("has_more"))
        if more:
            self._ask_next_ms[open_kfid] = 0
        elif self._nudges.get(open_kfid) == heard:
            # One that came while we asked is kept: it may speak of something newer.
            self._nudges.pop(open_kfid, None)
        envelopes = [self._make_envelope(each) for each in messages if isinstance(each, dict)]
        following = following or cursors.get(open_kfid, "")
        return Polled(envelopes, json.dumps({**cursors, open_kfid: following}), more or len(due) > 1)

    async def confirm(self, polled: Polled) -> None:
        """WeCom wants no word of it."""

    # --- Channel

    def draft(self, envelope: Envelope) -> Draft:
        return read_draft(read_message(envelope.raw), self._settings.end_words, envelope.hints)

    def read_news(self, envelope: Envelope) -> News | None:
        try:
            message = read_message(envelope.raw)
        except Unreadable:
            return None
        if find_text(message, "event", "event_type") != "msg_send_fail":
            return None
        reference = make_reference(find_text(message, "event", "fail_msgid"))
        return News(reference=reference, delivered=False, code="wecom_kf_not_delivered")

    # --- Collect

    @asynccontextmanager
    async def collect(self, remote: str) -> AsyncIterator[Media]:
        kind, _, media_id = remote.partition(":")
        if kind != "media" or not media_id:
            raise Rejected("wecom_kf_no_media", "The attachment names no media of WeCom.")
        async with open_media(self._api, str(self._settings.api_url), media_id, PARTY) as media:
            yield media

    async def close(self) -> None:
        await self._api.close()

    # --- the parts

    def _make_envelope(self, message: dict[str, Any]) -> Envelope:
        raw = write_message(message)
        message_id = find_text(message, "msgid")
        says, branch = is_from_customer(message), self._find_branch(message)
        return Envelope(
            channel=self._instance,
            adapter=PARTY,
            source_key=f"msg:{message_id}" if message_id else f"sha256:{hashlib.sha256(raw).hexdigest()}",
            media_type="application/json",
            raw=raw,
            received_at=self._clock.now_ms(),
            authenticity=_ASKED,
            receipt_wanted=says,
            thread=self._find_thread(message) if says or branch else None,
            hints={"branch": branch, LENT_S: str(self._settings.branch_window_s)} if branch else {},
        )

    def _find_branch(self, message: Message) -> str:
        """The branch whose link the customer came by: its code is the link's `scene_param` or `scene`."""
        if find_text(message, "event", "event_type") != "enter_session":
            return ""
        scenes = (find_text(message, "event", name) for name in ("scene_param", "scene"))
        return next((scene for scene in scenes if scene in self._branches), "")

    def _find_thread(self, message: Message) -> Thread | None:
        # An event names the person inside.
        person = find_text(message, "external_userid") or find_text(message, "event", "external_userid")
        account = find_text(message, "open_kfid") or find_text(message, "event", "open_kfid")
        if not (person and account):
            return None
        return Thread(
            key=f"{account}:{person}",
            window_ms=self._settings.conversation_window_s * 1000,
            ends=ends_conversation(message, self._settings.end_words),
        )


def make_reference(message_id: str) -> str:
    """The sent id of a message: the id we gave it."""
    return f"{PARTY}:{message_id}"


def open_channel(instance: str, settings: ChannelSettings, house: House) -> WeComChannel:
    return WeComChannel(instance, settings, house)


def _read_cursors(cursor: str | None) -> dict[str, str]:
    """What is no cursor of ours begins anew: three days are asked for again, and known by their keys."""
    try:
        cursors = json.loads(cursor or "{}")
    except ValueError:
        return {}
    return (
        {name: value for name, value in cursors.items() if isinstance(value, str)} if isinstance(cursors, dict) else {}
    )
