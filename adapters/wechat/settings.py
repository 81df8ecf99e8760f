"""Settings of one official account, as they stand under `[channels.<name>]`."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from adapters._tencent.crypto import read_aes_key
from adapters.wechat.account import AccountSettings
from config.secret import Secret

RECEIPT_MARK = "{receipt}"

# A text reply above this shows the customer an error instead.
_LIMIT_REPLY_CHARACTERS = 600

ReplyText = Annotated[str, Field(min_length=1, max_length=_LIMIT_REPLY_CHARACTERS)]


class ReplyTexts(BaseModel):
    """What the customer reads. `{receipt}` becomes the number in groups of four."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    received: ReplyText = (
        "您好，您反映的情况我们已经收到，会有专人处理。\n"
        "受理编号：{receipt}\n"
        "请保存好这个编号。还要补充的话，请直接接着发；说完了请回复“完毕”。"
    )
    supplemented: ReplyText = "已补充到 {receipt}。"
    welcome: Annotated[str, Field(max_length=_LIMIT_REPLY_CHARACTERS)] = ""
    """Said to new followers; empty: nothing."""

    @field_validator("received", "supplemented")
    @classmethod
    def _names_receipt(cls, text: str) -> str:
        if RECEIPT_MARK not in text:
            raise ValueError(f"must contain {RECEIPT_MARK}: nobody is left without a number")
        return text


class ChannelSettings(AccountSettings):
    """`tokens` and `aes_keys`: the current one first, then those being rotated out.

    `mode` is the 消息加解密方式 chosen in the WeChat console. `safe` accepts encrypted pushes only; `compatible` and
    `plain` also take pushes whose signature does not cover the words.
    `account`: the account's original id (gh_...); pushes for another one are refused.
    `window_s`: how far a push's timestamp may be from our clock; 0 switches the check off.
    `conversation_window_s`: messages of one customer closer together than this are one matter.
    `secret`, `api_url`, `api_timeout_s`: as in AccountSettings; without `secret` pictures and voices are named, not
    fetched. `media_limit_bytes`: larger ones are not taken (WeChat's own limit is 10 MB).
    `end_words`: a message of exactly one of these ends the matter; the next message starts a new one.
    """

    tokens: Annotated[tuple[Secret, ...], Field(min_length=1)]
    aes_keys: tuple[Secret, ...] = ()
    mode: Literal["safe", "compatible", "plain"] = "safe"
    account: str = ""
    window_s: Annotated[int, Field(ge=0)] = 600
    conversation_window_s: Annotated[int, Field(ge=0)] = 1_800
    limit_bytes: Annotated[int, Field(ge=1_024)] = 65_536
    media_limit_bytes: Annotated[int, Field(ge=1_024)] = 20_000_000
    end_words: tuple[str, ...] = ("完毕", "提交", "完畢")
    texts: ReplyTexts = ReplyTexts()

    @field_validator("tokens")
    @classmethod
    def _fits_tokens(cls, tokens: tuple[Secret, ...]) -> tuple[Secret, ...]:
        if any(len(token.get_secret_value()) < 3 for token in tokens):
            raise ValueError("a token has 3 to 32 characters")
        return tokens

    @field_validator("aes_keys")
    @classmethod
    def _fits_keys(cls, keys: tuple[Secret, ...]) -> tuple[Secret, ...]:
        for key in keys:
            read_aes_key(key.get_secret_value())
        return keys

    @model_validator(mode="after")
    def _has_keys(self) -> Self:
        if self.mode != "plain" and not self.aes_keys:
            raise ValueError(f"aes_keys is needed in {self.mode} mode (EncodingAESKey in the WeChat console)")
        return self


class NoticeSettings(AccountSettings):
    """`way`: `service` 客服消息, or `template` 模板消息 or `subscribe` 订阅通知 (then `template_id` and `template_fields`, whose
    values may hold `{receipt}`, `{subject}`, `{bank}` and `{time}`).
    `channel`: the name of this account's channel in the settings; customers of other accounts are then not tried here.
    `window_s`, `window_messages`: WeChat's rule for customer-service messages, if it changes.
    """

    secret: Secret
    way: Literal["service", "template", "subscribe"] = "service"
    channel: str = ""
    template_id: str = ""
    template_fields: Annotated[dict[str, str], Field(default_factory=dict)]
    window_s: Annotated[int, Field(ge=1)] = 48 * 3600
    window_messages: Annotated[int, Field(ge=1)] = 5

    @model_validator(mode="after")
    def _has_template(self) -> Self:
        if self.way != "service" and not (self.template_id and self.template_fields):
            raise ValueError(f'template_id and template_fields are needed for way = "{self.way}"')
        return self
