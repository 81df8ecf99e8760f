"""The channel of one complaints mailbox: files are imported, and a mail server hands mails over by SMTP or LMTP."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO

from adapters.email.address import read_domain
from adapters.email.authenticity import read_authenticity
from adapters.email.automail import find_origin
from adapters.email.files import FORMATS, split_mails
from adapters.email.keys import read_keys
from adapters.email.listener import Listener
from adapters.email.reading import Reader
from adapters.email.settings import ChannelSettings
from gateway.contract.draft import Draft
from gateway.contract.envelope import Envelope
from gateway.contract.ports import Accept, House

_NULL_SENDER = {"null_sender": "1"}
"""The session said MAIL FROM:<>; the bytes of the mail do not hold it."""


class EmailChannel:
    formats: Sequence[str] = FORMATS

    def __init__(self, instance: str, settings: ChannelSettings, house: House) -> None:
        self._instance = instance
        self._settings = settings
        self._clock = house.clock
        staff = {*settings.staff_domains, *(read_domain(recipient) for recipient in settings.recipients)}
        self._reader = Reader(frozenset(staff), settings.own_lists, settings.recipients)
        self._listener: Listener | None = None

    # --- Channel

    def draft(self, envelope: Envelope) -> Draft:
        return self._reader.read_draft(envelope.raw, null_sender="null_sender" in envelope.hints)

    # --- Files

    def split(self, source: BinaryIO, name: str, format_name: str | None) -> Iterator[Envelope]:
        del name
        for raw in split_mails(source, format_name):
            yield replace(self.make_envelope(raw), backfill=True)

    # --- Listen

    async def listen(self, accept: Accept) -> None:
        """Raises OSError when the address is taken."""
        if self._settings.port is not None:
            self._listener = Listener(self._settings, self.make_envelope, accept)
            await self._listener.open()

    async def close(self) -> None:
        if self._listener:
            await self._listener.close()
            self._listener = None

    @property
    def port(self) -> int | None:
        """Where the listener stands, once it does."""
        return self._listener.port if self._listener else None

    # --- the parts

    def make_envelope(self, raw: bytes, *, null_sender: bool = False) -> Envelope:
        """Reads the header only. A mail by a machine is kept without a number."""
        keys = read_keys(raw)
        settings = self._settings
        origin = find_origin(
            keys.fields, null_sender=null_sender, own_lists=settings.own_lists, recipients=settings.recipients
        )
        return Envelope(
            channel=self._instance,
            adapter="email",
            source_key=keys.source_key,
            media_type="message/rfc822",
            raw=raw,
            content=keys.digest,
            received_at=self._clock.now_ms(),
            authenticity=read_authenticity(keys.fields, settings.authserv_id),
            thread=keys.thread,
            joins=keys.joins,
            receipt_wanted=not origin.code,
            hints=_NULL_SENDER if null_sender else {},
        )


def open_channel(instance: str, settings: ChannelSettings, house: House) -> EmailChannel:
    return EmailChannel(instance, settings, house)
