"""Settings of a webhook."""

import base64
import binascii
from typing import Annotated

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, field_validator

from config.secret import Secret


class SystemSettings(BaseModel):
    """`secrets`: the current one first, then those being rotated out; each signs. `whsec_` and base64 of 24 to 64 bytes.

    `allow_private` opens the bank's inner networks, `allow_loopback` this very machine; addresses of neither kind are
    public. Link-local ones (cloud metadata) stay closed always.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: AnyHttpUrl
    secrets: Annotated[tuple[Secret, ...], Field(min_length=1)]
    timeout_s: Annotated[float, Field(gt=0, le=25)] = 15
    """All of one attempt. Standard Webhooks advises 15 to 30 s; a stage gives up at half its lease, 30 s."""
    allow_private: bool = False
    allow_loopback: bool = False

    @field_validator("secrets")
    @classmethod
    def _check_secrets(cls, secrets: tuple[Secret, ...]) -> tuple[Secret, ...]:
        for secret in secrets:
            text = secret.get_secret_value().removeprefix("whsec_")
            try:
                size = len(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))
            except binascii.Error:
                raise ValueError("a secret is whsec_ and base64; make one with: openssl rand -base64 32") from None
            if not 24 <= size <= 64:
                raise ValueError("a secret has 24 to 64 bytes; make one with: openssl rand -base64 32")
        return secrets
