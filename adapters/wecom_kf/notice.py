"""Words to customers of 微信客服: up to five messages in the 48 hours after they wrote last (kf/send_msg)."""

from collections.abc import Sequence

from adapters.wecom_kf.account import open_api
from adapters.wecom_kf.channel import make_reference
from adapters.wecom_kf.settings import NoticeSettings
from gateway.contract.errors import Rejected
from gateway.contract.ports import House, Notice

LIMIT_TEXT_BYTES = 2_048


class WeComNotifier:
    serves: Sequence[str] = ("wecom",)

    def __init__(self, settings: NoticeSettings, house: House) -> None:
        self._settings = settings
        self._api = open_api(settings, house.clock)

    async def send(self, notice: Notice) -> str:
        """`msgid` is the notice's own: WeCom refuses a second one with it, so a lost answer is not told twice."""
        if not notice.to.thread:
            raise Rejected("wecom_kf_no_account", "The address names no 客服账号 to write as.")
        raw = notice.text.encode()
        text = (
            notice.text if len(raw) <= LIMIT_TEXT_BYTES else raw[: LIMIT_TEXT_BYTES - 3].decode(errors="ignore") + "…"
        )
        await self._api.call(
            "/cgi-bin/kf/send_msg",
            {
                "touser": notice.to.value,
                "open_kfid": notice.to.thread,
                "msgid": notice.id,
                "msgtype": "text",
                "text": {"content": text},
            },
        )
        return make_reference(notice.id)

    async def check(self) -> str:
        await self._api.check()
        return f"{self._settings.api_url} gives a token"

    async def close(self) -> None:
        await self._api.close()


def open_notice(instance: str, settings: NoticeSettings, house: House) -> WeComNotifier:
    del instance
    return WeComNotifier(settings, house)
