"""Mails to customers (acknowledgements) and to people on duty (warnings), handed to the bank's mail server by SMTP."""

import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from zoneinfo import ZoneInfo

import aiosmtplib

from adapters.email.address import is_address, read_domain
from adapters.email.composing import compose
from adapters.email.message_ids import make_message_id
from adapters.email.settings import NoticeSettings
from gateway.contract.clock import to_datetime
from gateway.contract.errors import AdapterError, Misconfigured, Rejected, TryLater
from gateway.contract.ports import House, Notice, Purpose

_LOGIN_NEEDED = frozenset({530, 534, 535, 538})


class EmailNotifier:
    """One connection a mail: a mail server that was restarted in between is no special case."""

    serves: Sequence[str] = ("email",)

    def __init__(self, settings: NoticeSettings, house: House) -> None:
        self._settings = settings
        self._house = house
        self._zone = ZoneInfo(house.timezone)
        self._tls = None if settings.tls == "none" else ssl.create_default_context(cafile=settings.ca_file)

    async def send(self, notice: Notice) -> str:
        """Returns the Message-ID. Raises TryLater, Rejected or Misconfigured; `uncertain` once the mail was on its way."""
        settings = self._settings
        recipient = _find_recipient(notice.to.value)
        mail = compose(
            notice,
            recipient,
            from_address=settings.from_address,
            from_name=settings.from_name or self._house.bank_name,
            sent_at=to_datetime(self._house.clock.now_ms()).astimezone(self._zone),
        )
        nowhere = settings.null_sender and notice.purpose is not Purpose.WARNING
        async with self._connected() as server:
            await _hand_over(server, "" if nowhere else settings.from_address, recipient, mail)
        return make_message_id(notice, read_domain(settings.from_address))

    async def check(self) -> str:
        async with self._connected() as server:
            logged_in = f" as {self._settings.username}" if self._settings.username else ""
            size = server.esmtp_extensions.get("size", "")
            return f"{self._settings.host}:{self._settings.port} greets{logged_in}" + (
                f", takes {size} bytes" if size else ""
            )

    async def close(self) -> None:
        """Nothing is kept open."""

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """Greeted, encrypted and logged in as the settings say; afterwards QUIT, whose answer no longer matters."""
        settings = self._settings
        server = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            local_hostname=read_domain(settings.from_address),
            username=settings.username or None,
            password=settings.password.get_secret_value() if settings.password else None,
            timeout=settings.timeout_s,
            use_tls=settings.tls == "implicit",
            start_tls=settings.tls == "starttls",
            tls_context=self._tls,
        )
        try:
            await server.connect()
            await server.ehlo()
        except Exception as error:
            server.close()
            raise _name_connect_failure(error, settings) from error
        try:
            yield server
            with suppress(aiosmtplib.SMTPException, OSError):
                await server.quit()
        finally:
            server.close()


def open_notice(instance: str, settings: NoticeSettings, house: House) -> EmailNotifier:
    del instance
    return EmailNotifier(settings, house)


def _find_recipient(value: str) -> str:
    """The address, its domain in ASCII. Anything that is no plain address is refused rather than guessed at."""
    local, _, domain = value.rpartition("@")
    try:
        recipient = f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        recipient = ""
    if not is_address(value) or not is_address(recipient):
        raise Rejected("email_bad_address", "The address cannot be written to. Reach the customer another way.")
    return recipient


async def _hand_over(server: aiosmtplib.SMTP, sender: str, recipient: str, mail: bytes) -> None:
    wide = not recipient.isascii()
    if wide and not server.supports_extension("smtputf8"):
        raise Rejected(
            "email_no_smtputf8", "The mail server takes no address in other letters. Reach the customer another way."
        )
    options = (["SMTPUTF8"] if wide else []) + (
        ["BODY=8BITMIME"] if wide and server.supports_extension("8bitmime") else []
    )
    encoding = "utf-8" if wide else "ascii"
    try:
        await server.mail(sender, options=options, encoding=encoding)
    except aiosmtplib.SMTPException as error:
        raise _name_sender_failure(error, sender) from error
    try:
        await server.rcpt(recipient, encoding=encoding)
    except aiosmtplib.SMTPException as error:
        raise _name_failure(error, "recipient") from error
    try:
        await server.data(mail)
    except aiosmtplib.SMTPResponseException as error:
        raise _name_failure(error, "content") from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise TryLater("email_lost_after_data", "The connection broke before the answer.", uncertain=True) from error


def _name_connect_failure(error: Exception, settings: NoticeSettings) -> AdapterError:
    where = f"{settings.host}:{settings.port}"
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Misconfigured(
            "email_bad_certificate", f"The certificate of {where} does not hold. Set ca_file, or host as it names it."
        )
    if isinstance(cause, ssl.SSLError):
        return Misconfigured("email_no_tls", f"{where} speaks no TLS there. Check port and tls.")
    if isinstance(cause, socket.gaierror) and cause.errno != socket.EAI_AGAIN:
        return Misconfigured("email_unknown_host", f"There is no host {settings.host}.")
    if isinstance(error, aiosmtplib.SMTPResponseException):
        if error.code < 500:
            return _later(error)
        if isinstance(error, aiosmtplib.SMTPAuthenticationError):
            return Misconfigured("email_login_refused", f"{where} refused user name or password.")
        return Misconfigured(
            "email_refused_us",
            f"{where} answered {error.code} before any mail. Check host and port, and that it lets this machine in.",
        )
    if isinstance(
        error, (aiosmtplib.SMTPConnectError, aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPTimeoutError, OSError)
    ):
        return TryLater("email_unreachable", f"{where} did not answer.")
    if isinstance(error, aiosmtplib.SMTPException):
        # The library's words for what the server does not offer: STARTTLS, AUTH.
        return Misconfigured("email_not_offered", f"{where}: {error.message}")
    raise error


def _name_sender_failure(error: aiosmtplib.SMTPException, sender: str) -> AdapterError:
    if isinstance(error, aiosmtplib.SMTPResponseException) and error.code >= 500:
        if error.code in _LOGIN_NEEDED:
            return Misconfigured("email_login_needed", "The mail server wants a login. Set username and password.")
        hint = "Check that the account may send as from_address." if sender else "Set null_sender = false."
        return Misconfigured("email_sender_refused", f"The mail server answered {error.code} to our sender. {hint}")
    return _name_failure(error, "sender")


def _name_failure(error: aiosmtplib.SMTPException, what: str) -> AdapterError:
    """Only the code of an answer is told: its text repeats addresses."""
    if not isinstance(error, aiosmtplib.SMTPResponseException):
        return TryLater("email_unreachable", "The connection broke before the mail was handed over.")
    if error.code in _LOGIN_NEEDED:
        return Misconfigured("email_login_needed", "The mail server wants a login. Set username and password.")
    if error.code >= 500 and "relay" in error.message.lower():
        return Misconfigured(
            "email_relay_denied", "The mail server does not pass our mail on. Let this machine relay there."
        )
    if error.code >= 500:
        return Rejected(
            f"email_{what}_refused", f"The mail server answered {error.code}. Reach the person another way."
        )
    return _later(error)


def _later(error: aiosmtplib.SMTPResponseException) -> TryLater:
    return TryLater("email_later", f"The mail server answered {error.code}.")
