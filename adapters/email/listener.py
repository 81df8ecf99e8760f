"""SMTP (RFC 5321) and LMTP (RFC 2033): a mail gets its 250 when it is durable, and 451 when it is not, so that the
sending server keeps it and comes again.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import structlog
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Session
from aiosmtpd.smtp import Envelope as Handover

from adapters.email.settings import ChannelSettings
from gateway.contract.envelope import Accepted, Envelope
from gateway.contract.errors import TryLater
from gateway.contract.ports import Accept
from gateway.contract.receipt import spoken

MakeEnvelope = Callable[..., Envelope]

_LIMIT_LINE_BYTES = 1_048_576
"""RFC 5321 says 998; real mails hold pages of HTML in one line, and a customer's mail is not refused for that."""

_SMALL_BYTES = 65_536
"""Up to here the keys are found faster than a thread is woken."""

_LIMIT_RECIPIENTS = 1_000
_DRAIN_S = 15.0
_LATER = "451 4.3.0 Not kept, please send it again"

log: structlog.stdlib.BoundLogger = structlog.get_logger()

# The library logs every command at INFO, addresses of customers included.
logging.getLogger("mail.log").setLevel(logging.ERROR)


def _read_content(envelope: Handover) -> bytes:
    # Text only where the server was told to decode, which ours is not.
    return envelope.content if isinstance(envelope.content, bytes) else b""


class Listener:
    """`open` raises OSError. `close` lets mails that were handed over completely get their answer."""

    def __init__(self, settings: ChannelSettings, make_envelope: MakeEnvelope, accept: Accept) -> None:
        self._settings = settings
        self._make_envelope = make_envelope
        self._accept = accept
        self._server: asyncio.Server | None = None
        self.sessions: set[asyncio.Transport] = set()
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._make_protocol, self._settings.host, self._settings.port)

    @property
    def port(self) -> int:
        if self._server is None:
            raise RuntimeError("the listener is not open")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        if self._server is None:
            return
        self._server.close()
        try:
            async with asyncio.timeout(_DRAIN_S):
                await self._idle.wait()
        except TimeoutError:
            # Not answered: the sending server comes again, and the same bytes get the same receipt.
            pass
        for transport in tuple(self.sessions):
            transport.close()
        await self._server.wait_closed()
        self._server = None

    def is_full(self) -> bool:
        return len(self.sessions) >= self._settings.connections

    def _make_protocol(self) -> asyncio.Protocol:
        kind = _LmtpSession if self._settings.protocol == "lmtp" else _SmtpSession
        session: asyncio.Protocol = kind(
            self,
            data_size_limit=self._settings.limit_bytes,
            enable_SMTPUTF8=True,
            hostname=self._settings.hostname,
            ident="Huiyin",
            timeout=self._settings.idle_s,
        )
        return session

    # --- what the protocol asks

    async def handle_RCPT(  # noqa: N802  the name is the library's
        self, server: SMTP, session: Session, envelope: Handover, address: str, options: list[str]
    ) -> str:
        del server, session
        known = self._settings.recipients
        if known and address.lower() not in known:
            return "550 5.1.1 No such mailbox here"
        if len(envelope.rcpt_tos) >= _LIMIT_RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Handover) -> str:  # noqa: N802  as above
        del session
        # The library gives the null sender as it was written.
        answer = await self._keep(_read_content(envelope), null_sender=envelope.mail_from in {"", "<>"})
        # LMTP answers once for every recipient; it is one mail to us, so all get the same answer.
        count = len(envelope.rcpt_tos) if isinstance(server, LMTP) else 1
        return "\r\n".join([answer] * count)

    async def handle_exception(self, error: Exception) -> str:
        log.error("smtp.failed", exc_info=error)
        return _LATER

    async def _keep(self, raw: bytes, *, null_sender: bool) -> str:
        self._under_way += 1
        self._idle.clear()
        try:
            if len(raw) <= _SMALL_BYTES:
                kept = self._make_envelope(raw, null_sender=null_sender)
            else:
                kept = await asyncio.to_thread(self._make_envelope, raw, null_sender=null_sender)
            accepted = await self._accept((kept,))
        except TryLater:
            return _LATER
        except Exception:
            # Here and not in handle_exception: the library would leave the session unable to take the next mail.
            log.exception("mail.not_kept")
            return _LATER
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()
        return _say_kept(accepted[0])


def _say_kept(accepted: Accepted) -> str:
    if accepted.receipt is None:
        return "250 2.6.0 Kept"
    return f"250 2.6.0 Kept, receipt {spoken(accepted.receipt)}"


class _Bounded:
    """Counts sessions, and turns away those beyond the limit before they cost anything."""

    line_length_limit = _LIMIT_LINE_BYTES
    event_handler: Listener
    _turned_away = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        if self.event_handler.is_full():
            self._turned_away = True
            transport.write(b"421 4.3.2 Too many connections, please come again\r\n")
            transport.close()
            return
        self.event_handler.sessions.add(transport)
        super().connection_made(transport)  # type: ignore[misc]  # of the library's class beside this one

    def connection_lost(self, error: Exception | None) -> None:
        if self._turned_away:
            return
        self.event_handler.sessions.discard(self._get_transport())
        super().connection_lost(error)  # type: ignore[misc]  # as above

    def data_received(self, data: bytes) -> None:
        if not self._turned_away:
            super().data_received(data)  # type: ignore[misc]  # as above

    def eof_received(self) -> bool | None:
        if self._turned_away:
            return False
        ended: bool | None = super().eof_received()  # type: ignore[misc]  # as above
        return ended

    def _get_transport(self) -> Any:
        return getattr(self, "transport", None)


class _SmtpSession(_Bounded, SMTP):  # type: ignore[misc]  # the library publishes no types
    pass


class _LmtpSession(_Bounded, LMTP):  # type: ignore[misc]  # as above
    pass
