"""Settings of one WeCom account's 微信客服, as they stand under `[channels.<name>]` and `[notices.<name>]`."""

from typing import Annotated

from pydantic import Field, field_validator

from adapters._tencent.crypto import read_aes_key
from adapters.wecom_kf.account import AccountSettings
from config.secret import Secret
from gateway.contract.envelope import LENT_LIMIT_S

OpenKfId = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")]


class ChannelSettings(AccountSettings):
    """`open_kfids`: the 客服账号 that are asked. `tokens` and `aes_keys` of the callback, the current one first.

    `poll_s`: how often they are asked when no callback came (it can be lost; WeCom limits such calls strictly).
    `window_s`: how far a callback's timestamp may be from our clock; 0 switches the check off.
    `conversation_window_s`: messages of one customer closer together than this are one matter.
    `branch_window_s`: how long after a branch's link was opened a matter counts as of that branch.
    `end_words`: a message of exactly one of these ends the matter.
    """

    open_kfids: Annotated[tuple[OpenKfId, ...], Field(min_length=1)]
    tokens: Annotated[tuple[Secret, ...], Field(min_length=1)]
    aes_keys: Annotated[tuple[Secret, ...], Field(min_length=1)]
    poll_s: Annotated[float, Field(gt=0)] = 60
    window_s: Annotated[int, Field(ge=0)] = 600
    conversation_window_s: Annotated[int, Field(ge=0)] = 1_800
    branch_window_s: Annotated[int, Field(ge=0, le=LENT_LIMIT_S)] = 7_200
    media_limit_bytes: Annotated[int, Field(ge=1_024)] = 25_000_000
    end_words: tuple[str, ...] = ("完毕", "提交", "完畢")

    @field_validator("aes_keys")
    @classmethod
    def _fits_keys(cls, keys: tuple[Secret, ...]) -> tuple[Secret, ...]:
        for key in keys:
            read_aes_key(key.get_secret_value())
        return keys


class NoticeSettings(AccountSettings):
    """Nothing but the account: whom to write to, and as which 客服账号, stands in the address."""
