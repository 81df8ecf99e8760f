"""Settings of a hotline channel."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from config.secret import Secret

ReplyStyle = Literal["huiyin", "aliyun", "huawei", "tccc", "tencent"]
LongSecret = Annotated[Secret, Field(min_length=16)]


class ChannelSettings(BaseModel):
    """`keys` and `signing_secrets`: the current one first, then those being rotated out. At least one of either kind.

    `reply_style`: whose success body to answer; to most call-centre software anything else is a failure, sent again.
    `own_numbers`: further numbers of the bank (branches, 400 numbers) that are never the customer's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[LongSecret, ...] = ()
    signing_secrets: tuple[LongSecret, ...] = ()
    limit_bytes: Annotated[int, Field(ge=1_000, le=64_000_000)] = 2_000_000
    reply_style: ReplyStyle = "huiyin"
    own_numbers: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _require_a_secret(self) -> Self:
        if not self.keys and not self.signing_secrets:
            raise ValueError("give keys or signing_secrets (or keys_file): nobody could be let in without one")
        return self
