"""Settings of a hotline channel."""

import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from config.secret import Secret

ReplyStyle = Literal["huiyin", "aliyun", "huawei", "tccc", "tencent"]
LongSecret = Annotated[Secret, Field(min_length=16)]


class ChannelSettings(BaseModel):
    """`keys` and `signing_secrets`: the current one first, then those being rotated out. At least one of either kind.

    `reply_style`: whose success body to answer; to most call-centre software anything else is a failure, sent again.
    `call_numbers`: regular expression of a whole call id that ends in a running number, with a group `number` and, where
    the numbers begin anew with each day or agent, a group `stream`; empty: call ids are no running numbers.
    `own_numbers`: further numbers of the bank (branches, 400 numbers) that are never the customer's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[LongSecret, ...] = ()
    signing_secrets: tuple[LongSecret, ...] = ()
    limit_bytes: Annotated[int, Field(ge=1_000, le=64_000_000)] = 2_000_000
    reply_style: ReplyStyle = "huiyin"
    own_numbers: tuple[str, ...] = ()
    call_numbers: str = ""

    @field_validator("call_numbers")
    @classmethod
    def _require_a_number(cls, pattern: str) -> str:
        try:
            compiled = re.compile(pattern)
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from None
        if pattern and "number" not in compiled.groupindex:
            raise ValueError("needs a group for the number, like (?P<number>[0-9]+)")
        return pattern

    @model_validator(mode="after")
    def _require_a_secret(self) -> Self:
        if not self.keys and not self.signing_secrets:
            raise ValueError("give keys or signing_secrets (or keys_file): nobody could be let in without one")
        return self
