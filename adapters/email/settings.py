"""Settings of a complaints mailbox (`[channels.<name>]`) and of a way out for mail (`[notices.<name>]`)."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FilePath, field_validator, model_validator

from adapters.email.address import is_address
from config.secret import Secret

_Domain = Annotated[str, Field(pattern=r"^[^\s@<>]+$")]


class ChannelSettings(BaseModel):
    """`port`: where the listener stands; without it the channel only imports files, 0 takes any free port.

    `protocol`: `smtp` for any mail client or a mail server that forwards, `lmtp` for one that delivers here.
    `recipients`: the addresses mail is taken for, any case; empty: all.
    `limit_bytes`: larger mails get 552. `connections`: above it callers get 421 and come again.
    `authserv_id`: the name our own mail server puts into Authentication-Results; headers of any other are not believed.
    The mail server must remove headers of that name from incoming mail (RFC 8601, 5).
    `staff_domains`: a mail from these domains with a mail attached is a colleague handing on a customer's words; the
    domains of `recipients` always belong to them. With neither, mail between addresses of one domain counts as such.
    `own_lists`: List-Id values of the distribution lists that stand before this mailbox.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] | None = None
    protocol: Literal["smtp", "lmtp"] = "smtp"
    hostname: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]{1,253}$")] = "localhost"
    recipients: tuple[str, ...] = ()
    limit_bytes: Annotated[int, Field(ge=1_024)] = 25_000_000
    connections: Annotated[int, Field(ge=1)] = 100
    idle_s: Annotated[float, Field(gt=0)] = 300
    authserv_id: str = ""
    staff_domains: tuple[_Domain, ...] = ()
    own_lists: tuple[str, ...] = ()

    @field_validator("recipients")
    @classmethod
    def _fits_recipients(cls, recipients: tuple[str, ...]) -> tuple[str, ...]:
        if not all(is_address(recipient) for recipient in recipients):
            raise ValueError("each must be a mail address")
        return tuple(recipient.lower() for recipient in recipients)

    @field_validator("staff_domains", "own_lists")
    @classmethod
    def _folds_case(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(value.lower() for value in values)


class NoticeSettings(BaseModel):
    """`tls`: `implicit` from the first byte (port 465), `starttls` demanded after the greeting (587), `none` for a
    mail server on the same machine. `ca_file`: PEM file of the authority that signed the server's certificate, where
    the system does not know it. `from_address` is what people see and answer to: the complaints mailbox itself.
    `null_sender`: automatic mail goes out with MAIL FROM:<>, so that no bounce can make a loop (RFC 3834); false for
    providers that take only the account's own address there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    username: str = ""
    password: Secret | None = None
    ca_file: FilePath | None = None
    from_address: str
    from_name: str = ""
    null_sender: bool = True
    timeout_s: Annotated[float, Field(gt=0)] = 30

    @field_validator("from_address")
    @classmethod
    def _fits_from(cls, address: str) -> str:
        if not is_address(address) or not address.isascii():
            raise ValueError("must be a mail address in ASCII (write a domain in other letters as xn--...)")
        return address

    @model_validator(mode="after")
    def _fits_login(self) -> Self:
        if bool(self.username) != (self.password is not None):
            raise ValueError("username and password belong together")
        if self.username and self.tls == "none":
            raise ValueError("a password needs tls: starttls or implicit")
        return self
