"""The account as its HTTP interface knows it: AppID, AppSecret, and where the interface is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field

from adapters._tencent.api import Api, TokenCall
from config.secret import Secret
from gateway.contract.clock import Clock
from gateway.contract.errors import Misconfigured

PARTY = "wechat"


class AccountSettings(BaseModel):
    """`secret` is the AppSecret. `api_url`: WeChat's own, or the bank's proxy that leads there. `api_timeout_s` is for one
    call.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    appid: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
    secret: Secret | None = None
    api_url: AnyHttpUrl = AnyHttpUrl("https://api.weixin.qq.com")
    api_timeout_s: Annotated[float, Field(gt=0, le=25)] = 8


class _Credentials:
    party = PARTY

    def __init__(self, appid: str, secret: Secret) -> None:
        self._appid = appid
        self._secret = secret

    def ask_for_token(self, *, force: bool) -> TokenCall:
        # Not /cgi-bin/token: each call of that one ends the token of every other node.
        return TokenCall(
            path="/cgi-bin/stable_token",
            body={
                "grant_type": "client_credential",
                "appid": self._appid,
                "secret": self._secret.get_secret_value(),
                "force_refresh": force,
            },
        )


def open_api(settings: AccountSettings, clock: Clock) -> Api | None:
    """None where the settings hold no `secret`."""
    if settings.secret is None:
        return None
    credentials = _Credentials(settings.appid, settings.secret)
    return Api(str(settings.api_url), credentials, clock, timeout_s=settings.api_timeout_s)


@asynccontextmanager
async def opened_api(settings: AccountSettings, clock: Clock) -> AsyncIterator[Api]:
    """For a command that makes a call or two. Raises Misconfigured where the settings hold no `secret`."""
    api = open_api(settings, clock)
    if api is None:
        raise Misconfigured("wechat_no_secret", "The settings hold no AppSecret; set `secret`.")
    try:
        yield api
    finally:
        await api.close()
