"""Words to customers by WeChat: as a customer-service message in the window after they wrote, or as a template message.

One instance is one way, so that a plan of the gateway can try one after the other: a customer-service message says more
and costs nothing, but WeChat takes five in the 48 hours after the customer wrote last; a template message has no window; a
subscribed one needs the customer's leave.
Sources: 客服接口-发消息, 模板消息接口 and api_sendnewsubscribemsg on developers.weixin.qq.com.
"""

from collections.abc import Sequence
from typing import assert_never
from zoneinfo import ZoneInfo

from adapters.wechat.account import PARTY, open_api
from adapters.wechat.delivery import make_reference
from adapters.wechat.settings import NoticeSettings
from gateway.contract.clock import to_datetime
from gateway.contract.errors import Rejected, TryLater
from gateway.contract.ports import House, Notice

LIMIT_TEXT_BYTES = 2_048


class WeChatNotifier:
    serves: Sequence[str] = ("wechat",)

    def __init__(self, settings: NoticeSettings, house: House) -> None:
        api = open_api(settings, house.clock)
        if api is None:
            raise ValueError("the settings of a notice hold a secret")
        self._api = api
        self._settings = settings
        self._house = house
        self._zone = ZoneInfo(house.timezone)

    async def send(self, notice: Notice) -> str:
        """Returns what WeChat calls the message. Rejected: this customer cannot be reached this way."""
        if self._settings.channel and notice.to.thread and notice.to.thread != self._settings.channel:
            raise Rejected("wechat_other_account", "The customer wrote to another official account.")
        match self._settings.way:
            case "service":
                return await self._send_service(notice)
            case "template":
                return await self._send_template(notice)
            case "subscribe":
                return await self._send_subscribed(notice)
            case never:
                assert_never(never)

    async def check(self) -> str:
        await self._api.check()
        return f"{self._settings.api_url} gives a token"

    async def close(self) -> None:
        await self._api.close()

    async def _send_service(self, notice: Notice) -> str:
        settings = self._settings
        if notice.heard_at is not None:
            # What we know beforehand costs no call; WeChat has the last word (45015, 45047) on what we do not.
            if self._house.clock.now_ms() - notice.heard_at > settings.window_s * 1000:
                raise Rejected("wechat_window_closed", "The customer wrote last more than 48 hours ago.")
            if notice.sent_since >= settings.window_messages:
                raise Rejected("wechat_window_used", "As many messages as allowed were sent since the customer wrote.")
        text = _cut(notice.text, LIMIT_TEXT_BYTES)
        await self._api.call(
            "/cgi-bin/message/custom/send",
            {"touser": notice.to.value, "msgtype": "text", "text": {"content": text}},
        )
        return f"{PARTY}:service:{notice.id}"

    async def _send_template(self, notice: Notice) -> str:
        settings = self._settings
        answer = await self._api.call(
            "/cgi-bin/message/template/send",
            {
                "touser": notice.to.value,
                "template_id": settings.template_id,
                "url": notice.link,
                # WeChat drops a second one with the same id for ten minutes: a lost answer is not told twice.
                "client_msg_id": notice.id,
                "data": self._fill(notice),
            },
        )
        message_id = answer.get("msgid")
        if not isinstance(message_id, int):
            raise TryLater("wechat_bad_answer", "The answer names no message.", uncertain=True)
        return make_reference(settings.appid, message_id)

    async def _send_subscribed(self, notice: Notice) -> str:
        # Its answer names no message, so the event about its delivery cannot be told to be about this one.
        await self._api.call(
            "/cgi-bin/message/subscribe/bizsend",
            {
                "touser": notice.to.value,
                "template_id": self._settings.template_id,
                "page": notice.link,
                "data": self._fill(notice),
            },
        )
        return f"{PARTY}:subscribe:{notice.id}"

    def _fill(self, notice: Notice) -> dict[str, dict[str, str]]:
        facts = {
            "{receipt}": notice.receipt or "",
            "{subject}": notice.subject,
            "{bank}": self._house.bank_name,
            "{time}": f"{to_datetime(self._house.clock.now_ms()).astimezone(self._zone):%Y年%m月%d日 %H:%M}",
        }
        filled = {}
        for name, pattern in self._settings.template_fields.items():
            text = pattern
            for mark, value in facts.items():
                text = text.replace(mark, value)
            filled[name] = {"value": text}
        return filled


def open_notice(instance: str, settings: NoticeSettings, house: House) -> WeChatNotifier:
    del instance
    return WeChatNotifier(settings, house)


def _cut(text: str, limit_bytes: int) -> str:
    raw = text.encode()
    return text if len(raw) <= limit_bytes else raw[: limit_bytes - 3].decode(errors="ignore") + "…"
