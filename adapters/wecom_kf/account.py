"""The WeCom account at its HTTP interface."""

from typing import Annotated

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field

from adapters._tencent.api import Api, TokenCall
from config.secret import Secret
from gateway.contract.clock import Clock

PARTY = "wecom_kf"


class AccountSettings(BaseModel):
    """`corpid` is the 企业 ID, `secret` that of 微信客服. `api_url`: WeCom's own, or the bank's proxy that leads there."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    corpid: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
    secret: Secret
    api_url: AnyHttpUrl = AnyHttpUrl("https://qyapi.weixin.qq.com")
    api_timeout_s: Annotated[float, Field(gt=0, le=25)] = 8


class _Credentials:
    party = PARTY

    def __init__(self, settings: AccountSettings) -> None:
        self._settings = settings

    def ask_for_token(self, *, force: bool) -> TokenCall:
        # `gettoken` gives everybody the same token until it ends; there is no way to force another.
        del force
        secret = self._settings.secret.get_secret_value()
        return TokenCall(path="/cgi-bin/gettoken", query={"corpid": self._settings.corpid, "corpsecret": secret})


def open_api(settings: AccountSettings, clock: Clock) -> Api:
    return Api(str(settings.api_url), _Credentials(settings), clock, timeout_s=settings.api_timeout_s)
