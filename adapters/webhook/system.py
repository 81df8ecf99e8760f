"""Complaints as signed events (Standard Webhooks 1.0).

    {"type": "complaint.registered", "timestamp": "<when the complaint came in>", "data": {<the complaint>}}

`webhook-id` is the delivery's id and the body is the same at every attempt, so the receiver can drop what it has;
`webhook-timestamp` is of the attempt.
"""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from typing import assert_never

import aiohttp
from pydantic import ValidationError
from standardwebhooks import Webhook as Signer

from adapters.webhook.answers import find_ticket, name_failure
from adapters.webhook.guard import Guard
from adapters.webhook.settings import SystemSettings
from gateway.contract.clock import Clock, to_datetime
from gateway.contract.errors import AdapterError, Misconfigured, Rejected, TryLater
from gateway.contract.ports import Change, Delivered, Delivery, Event, House, Step

ANSWER_LIMIT_BYTES = 65_536


class Webhook:
    def __init__(self, settings: SystemSettings, clock: Clock) -> None:
        self._url = str(settings.url)
        self._host = (settings.url.host or "").strip("[]")
        self._signers = [Signer(secret.get_secret_value()) for secret in settings.secrets]
        self._timeout = aiohttp.ClientTimeout(total=settings.timeout_s)
        self._guard = Guard(allow_private=settings.allow_private, allow_loopback=settings.allow_loopback)
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    def plan(self, change: Change) -> Sequence[Step]:
        match change.event:
            case Event.REGISTERED:
                return (Step("create"),)
            case Event.SUPPLEMENTED | Event.REREAD:
                return (Step(f"update:{change.version}"),)
            case _ as never:
                assert_never(never)

    async def deliver(self, delivery: Delivery) -> Delivered:
        body = _compose(delivery)
        headers = {"Content-Type": "application/json", **self._sign(delivery.id, body)}
        status, answer_headers, answer = await self._call("POST", body, headers)
        if failure := name_failure(status, answer_headers, answer, to_datetime(self._clock.now_ms())):
            raise failure
        return Delivered(ticket=find_ticket(answer), reference=delivery.id)

    async def check(self) -> str:
        """OPTIONS changes nothing; any answer shows that the way is open."""
        status, _, _ = await self._call("OPTIONS", b"", {})
        return f"the receiver answers (status {status})"

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _sign(self, identifier: str, body: bytes) -> dict[str, str]:
        moment = to_datetime(self._clock.now_ms())
        text = body.decode()
        return {
            "webhook-id": identifier,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": " ".join(signer.sign(identifier, moment, text) for signer in self._signers),
        }

    async def _call(self, method: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        try:
            async with self._open_session().request(
                method, self._url, data=body, headers=headers, allow_redirects=False
            ) as response:
                answer = await _read_limited(response.content)
                return response.status, {"Retry-After": response.headers.get("Retry-After", "")}, answer
        except Exception as error:
            raise _name_loss(error) from None

    def _open_session(self) -> aiohttp.ClientSession:
        if _is_address(self._host):
            # aiohttp resolves names only; an address in the URL is judged here.
            self._guard.check(self._host)
        if self._session is None:
            connector = aiohttp.TCPConnector(resolver=self._guard)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session


def open_system(instance: str, settings: SystemSettings, house: House) -> Webhook:  # noqa: ARG001 - the port's shape
    return Webhook(settings, house.clock)


def _compose(delivery: Delivery) -> bytes:
    try:
        moment = delivery.complaint.received_at.isoformat()
    except ValidationError:
        raise Rejected("document_invalid", "The complaint does not fit its schema; read it again.") from None
    return (
        f'{{"type":"complaint.{delivery.event.value}","timestamp":"{moment}","data":'.encode()
        + delivery.document
        + b"}"
    )


async def _read_limited(stream: aiohttp.StreamReader) -> bytes:
    """The first ANSWER_LIMIT_BYTES: the ticket stands there, and no receiver may fill our memory."""
    parts: list[bytes] = []
    left = ANSWER_LIMIT_BYTES
    while left > 0 and (part := await stream.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return True
    return False


def _name_loss(error: Exception) -> Exception:
    """What went wrong without an answer. Anything unknown stays what it is: a bug."""
    match error:
        case AdapterError():
            return error
        case asyncio.TimeoutError():
            return TryLater("timeout", "The receiver did not answer in time.", uncertain=True)
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return Misconfigured(
                "tls_refused", "The receiver's certificate is not valid for its name; correct one of the two."
            )
        case aiohttp.ClientConnectorError():
            return TryLater("unreachable", "No connection to the receiver; look at name, address and network.")
        case aiohttp.ClientError() | ConnectionError():
            return TryLater("connection_lost", "The connection broke before the answer was complete.", uncertain=True)
        case _:
            return error
