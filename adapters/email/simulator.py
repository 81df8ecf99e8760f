"""The other side's mail server: keeps what it takes, and misbehaves when told to."""

import asyncio
import email
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from typing import cast

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword, Session
from aiosmtpd.smtp import Envelope as Handover

SETTINGS: dict[str, object] = {
    "port": 0,
    "recipients": ["complaints@bank.example"],
    "authserv_id": "mx.bank.example",
}
USERNAME, PASSWORD = "huiyin", "a password for the tests"


@dataclass(frozen=True, slots=True)
class Mail:
    """`sender` is '' for MAIL FROM:<>."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.raw, policy=default)

    @property
    def text(self) -> str:
        return cast("str", self.message.get_content())


@dataclass
class MailServer:
    """`answers` replaces the answer to a command (`CONNECT`, `EHLO`, `MAIL`, `RCPT`, `DATA`), e.g. `{"RCPT": "450 4.2.1 Later"}`;
    then nothing is taken. `drops` hangs up instead of answering it - after DATA the mail was taken. `delays` answers it
    after so many seconds.
    """

    login_needed: bool = False
    answers: dict[str, str] = field(default_factory=dict)
    drops: set[str] = field(default_factory=set)
    delays: dict[str, float] = field(default_factory=dict)
    mails: list[Mail] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    port: int = 0

    async def handle_EHLO(  # noqa: N802  the names are the library's
        self, server: SMTP, session: Session, envelope: Handover, hostname: str, responses: list[str]
    ) -> list[str]:
        del envelope
        session.host_name = hostname
        own = await self._behave("EHLO", server)
        return [own] if own else responses

    async def handle_MAIL(  # noqa: N802  as above
        self, server: SMTP, session: Session, envelope: Handover, address: str, options: list[str]
    ) -> str:
        own = await self._behave("MAIL", server)
        if own:
            return own
        if self.login_needed and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802  as above
        self, server: SMTP, session: Session, envelope: Handover, address: str, options: list[str]
    ) -> str:
        del session, options
        own = await self._behave("RCPT", server)
        if not own:
            envelope.rcpt_tos.append(address)
        return own or "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Handover) -> str:  # noqa: N802  as above
        del session
        if "DATA" not in self.answers:
            sender = "" if envelope.mail_from in {None, "<>"} else str(envelope.mail_from)
            raw = envelope.content if isinstance(envelope.content, bytes) else b""
            self.mails.append(Mail(sender, tuple(envelope.rcpt_tos), raw))
        return await self._behave("DATA", server) or "250 2.0.0 Queued"

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Handover) -> str:  # noqa: N802  as above
        del session, envelope
        return await self._behave("QUIT", server) or "221 2.0.0 Bye"

    async def _behave(self, command: str, server: SMTP) -> str:
        self.commands.append(command)
        if command in self.delays:
            await asyncio.sleep(self.delays[command])
        if command in self.drops and isinstance(server.transport, asyncio.Transport):
            server.transport.abort()
        return self.answers.get(command, "")


class _Session(SMTP):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        answer = self.event_handler.answers.get("CONNECT")
        if answer and isinstance(transport, asyncio.WriteTransport):
            # Before the library's greeting: a server that is full says this and is gone.
            transport.write(f"{answer}\r\n".encode())
        super().connection_made(transport)
        if answer:
            transport.close()


def _let_in(server: SMTP, session: Session, envelope: Handover, mechanism: str, login: object) -> AuthResult:
    del server, session, envelope, mechanism
    right = isinstance(login, LoginPassword) and (login.login, login.password) == (USERNAME.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=right)


@asynccontextmanager
async def open_mail_server(
    *, login_needed: bool = False, starttls: ssl.SSLContext | None = None, implicit: ssl.SSLContext | None = None
) -> AsyncIterator[MailServer]:
    """Stands on a free port of 127.0.0.1 in the running loop. Takes USERNAME with PASSWORD, over TLS only."""
    party = MailServer(login_needed=login_needed)
    sessions: list[_Session] = []

    def open_session() -> _Session:
        session = _Session(
            party,
            hostname="mail.simulator.example",
            enable_SMTPUTF8=True,
            tls_context=starttls,
            authenticator=_let_in,
            auth_require_tls=implicit is None,
        )
        sessions.append(session)
        return session

    server = await asyncio.get_running_loop().create_server(open_session, "127.0.0.1", 0, ssl=implicit)
    party.port = server.sockets[0].getsockname()[1]
    try:
        yield party
    finally:
        server.close()
        for session in sessions:
            if session.transport is not None:
                session.transport.close()
        await server.wait_closed()
