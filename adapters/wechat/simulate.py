"""`huiyin simulate`: WeChat's servers in front of a gateway that runs with these settings."""

from collections.abc import Sequence

from adapters.wechat.settings import ChannelSettings
from adapters.wechat.simulation import Account, Pusher, open_wechat
from adapters.wechat.simulation.load import KINDS, push_at_rate

__all__ = ["KINDS", "simulate"]


async def simulate(
    settings: ChannelSettings, url: str, *, rate: float, seconds: float, kinds: Sequence[str], people: int, port: int
) -> list[str]:
    """Pushes to `url` in the mode of the settings, with their current token and key; returns lines that tell how it went.
    The account's API answers on `port` of loopback meanwhile (0: any): set `api_url` there and what was sent is fetched.
    """
    account = _make_account(settings)
    pusher = Pusher(account, url, mode=settings.mode, connections=500)
    try:
        async with open_wechat(account, port=port) as wechat:
            report = await push_at_rate(pusher, account, rate=rate, seconds=seconds, kinds=kinds, people=people)
            fetched = wechat.count("/cgi-bin/media/get")
            return [*report.tell(), f"the API at {wechat.url} was asked for {fetched} media"]
    finally:
        await pusher.close()


def _make_account(settings: ChannelSettings) -> Account:
    secret = settings.secret.get_secret_value() if settings.secret else ""
    return Account(
        appid=settings.appid,
        secret=secret,
        callback_token=settings.tokens[0].get_secret_value(),
        encoding_aes_key=settings.aes_keys[0].get_secret_value() if settings.aes_keys else "A" * 43,
        original_id=settings.account or "gh_000000000000",
    )
