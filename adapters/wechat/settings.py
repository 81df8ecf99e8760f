"""Settings of one official account, as they stand under `[channels.<name>]`."""

import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from adapters._tencent.crypto import read_aes_key
from adapters.wechat.account import AccountSettings
from adapters.wechat.menu import check_menu
from adapters.wechat.scenes import make_scene
from adapters.wechat.texts import check_text
from config.secret import Secret
from gateway.contract.complaint import Kind
from gateway.contract.envelope import LENT_LIMIT_S

Words = tuple[str, ...]

_KIND_WORDS: Mapping[Kind, Words] = {
    Kind.COMPLAINT: ("投诉", "我要投诉", "投訴", "我要投訴", "complaint", "شكوى"),
    Kind.PRAISE: ("表扬", "我要表扬", "表揚", "我要表揚", "praise", "ثناء"),
    Kind.SUGGESTION: ("建议", "我要建议", "建議", "我要建議", "suggestion", "اقتراح"),
    Kind.INQUIRY: ("咨询", "我要咨询", "諮詢", "我要諮詢", "question", "inquiry", "استفسار"),
}


def _fold(words: Words) -> Words:
    """As the words of a message are compared: width and case do not count."""
    folded = tuple(unicodedata.normalize("NFKC", word).strip().casefold() for word in words)
    if not all(folded):
        raise ValueError("an empty word is none")
    return folded


class ChannelSettings(AccountSettings):
    """`tokens` and `aes_keys`: the current one first, then those being rotated out.

    `mode` is the 消息加解密方式 chosen in the WeChat console. `safe` accepts encrypted pushes only; `compatible` and
    `plain` also take pushes whose signature does not cover the words.
    `account`: the account's original id (gh_...); pushes for another one are refused.
    `window_s`: how far a push's timestamp may be from our clock; 0 switches the check off.
    `conversation_window_s`: messages of one customer closer together than this are one matter.
    `secret`, `api_url`, `api_timeout_s`: as in AccountSettings; without `secret` pictures and voices are named, not
    fetched. `media_limit_bytes`: larger ones are not taken (WeChat's own limit is 10 MB).

    The conversation. Words are compared without regard to case, width and the full stop behind them.
    `end_words`: a message of exactly one of these ends the matter; the next message starts a new one.
    `progress_words`: a message of exactly one of these, or of one and a receipt number, asks how far it is.
    `people_words`: a message of exactly one of these asks for a person.
    `kind_words`: at the beginning of a message, with a colon or (Chinese) a space behind, they say what it is; alone,
    they choose what comes next.
    `follow_ups`: whether a later message of a matter is answered with where it went, or `silent`.
    `language`: of replies to what has no words, such as a picture or a menu entry.
    `texts`: replies in other words than the shipped ones (`texts.toml`), for all languages or by language.

    Branches. `scene_prefix` and the branch's code are the scene of codes made here; `scenes` are codes that were printed
    before: scene -> branch code. `branch_window_s`: how long after a scan a matter counts as of that branch.

    `menu`: the buttons, as WeChat's interface takes them; empty: the shipped menu.
    """

    tokens: Annotated[tuple[Secret, ...], Field(min_length=1)]
    aes_keys: tuple[Secret, ...] = ()
    mode: Literal["safe", "compatible", "plain"] = "safe"
    account: str = ""
    window_s: Annotated[int, Field(ge=0)] = 600
    conversation_window_s: Annotated[int, Field(ge=0, le=LENT_LIMIT_S)] = 1_800
    limit_bytes: Annotated[int, Field(ge=1_024)] = 65_536
    media_limit_bytes: Annotated[int, Field(ge=1_024)] = 20_000_000

    end_words: Words = (
        "完毕", "提交", "结束", "完畢", "結束", "done", "submit", "finish", "that's all", "انتهى", "انتهيت", "إرسال",
    )  # fmt: skip
    progress_words: Words = (
        "查询", "查询进度", "查进度", "进度", "处理得怎么样了", "处理到哪了", "有结果了吗", "有进展吗",
        "查詢", "查詢進度", "查進度", "進度", "處理得怎麼樣了", "有結果了嗎",
        "status", "progress", "any news", "متابعة", "الحالة", "حالة الشكوى",
    )  # fmt: skip
    people_words: Words = (
        "人工", "人工服务", "人工服務", "人工客服", "转人工", "轉人工", "human", "agent", "speak to a person", "موظف",
    )  # fmt: skip
    kind_words: Annotated[dict[Kind, Words], Field(default_factory=lambda: dict(_KIND_WORDS))]
    follow_ups: Literal["told", "silent"] = "told"
    language: Literal["zh-Hans", "zh-Hant", "en", "ar"] = "zh-Hans"
    texts: Annotated[dict[str, str | dict[Literal["zh-Hans", "zh-Hant", "en", "ar"], str]], Field(default_factory=dict)]

    scene_prefix: Annotated[str, Field(pattern=r"^[0-9A-Za-z:_-]{1,24}$")] = "branch:"
    scenes: Annotated[dict[str, str], Field(default_factory=dict)]
    branch_window_s: Annotated[int, Field(ge=0, le=LENT_LIMIT_S)] = 7_200

    menu: tuple[dict[str, Any], ...] = ()

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

    @field_validator("end_words", "progress_words", "people_words")
    @classmethod
    def _folds_words(cls, words: Words) -> Words:
        return _fold(words)

    @field_validator("kind_words")
    @classmethod
    def _folds_kind_words(cls, words: dict[Kind, Words]) -> dict[Kind, Words]:
        return {kind: _fold(listed) for kind, listed in words.items()}

    @field_validator("texts")
    @classmethod
    def _fits_texts(cls, texts: dict[str, str | dict[Any, str]]) -> dict[str, str | dict[Any, str]]:
        for name, given in texts.items():
            for text in [given] if isinstance(given, str) else given.values():
                check_text(name, text)
        return texts

    @field_validator("scenes")
    @classmethod
    def _fits_scenes(cls, scenes: dict[str, str]) -> dict[str, str]:
        for scene, branch in scenes.items():
            make_scene(scene, "")
            make_scene(branch, "")
        return scenes

    @field_validator("menu")
    @classmethod
    def _fits_menu(cls, menu: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        if menu:
            check_menu(menu)
        return menu

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
