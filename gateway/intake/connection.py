"""One connection: a request that came whole is answered the short way, everything else by aiohttp's own.

aiohttp spends most of a small request's time on objects it makes for it (request, response, writer, a task, their
headers). The short way keeps aiohttp's parser, with all its checks, and its life of a connection, and writes the reply
itself (docs/decisions/0003-short-way.md). It is taken only on a connection at rest and for a request whose last byte is
there; bodies that are still coming, HTTP/1.0, `Connection: close`, HEAD, compression, upgrades, pipelined requests,
clients that do not read and bytes that are no HTTP are aiohttp's.

A sender writes the same head before every body, but for its length. What the parser made of those bytes the last time
holds for them again, so a connection remembers its last head and has only a new one parsed.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from email.utils import formatdate
from functools import lru_cache
from http.client import responses
from typing import Any, NamedTuple, Protocol

from aiohttp import HttpVersion11, StreamReader, web
from aiohttp.http_parser import RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy, MultiMapping

from gateway.contract.call import Reply

SERVER = "Huiyin"
_LINE_ENDS = str.maketrans("", "", "\r\n\0")
_LENGTH = "content-length"
_LENGTH_LINE = b"\r\nContent-Length: "
_HEAD_END = b"\r\n\r\n"
_HEAD_LIMIT = 4096
_LOST = -1

BeginWhole = Callable[[RawRequestMessage, bytes, str, Callable[[Reply], None]], None]
"""(message, body, address of the caller, what takes the reply, once, now or later). Raises nothing."""
HandleError = Callable[[int, BaseException | None], Reply]
"""(status, the bug if it is one) -> the reply to what is no HTTP or went wrong."""


class Server(web.Server):
    """Makes the connections; `handle` is aiohttp's way of a request, `begin` the short one."""

    hand_over: Callable[[int], bool] | None = None
    """Gives the socket of this number to a process that answers beside this one; False: not now."""

    def __init__(
        self,
        handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        begin: BeginWhole,
        describe_error: HandleError,
        *,
        largest_body: int,
    ) -> None:
        def make_request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
            loop = asyncio.get_running_loop()
            return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=largest_body)

        super().__init__(handle, request_factory=make_request)
        self.begin = begin
        self.describe_error = describe_error

    def __call__(self) -> web.RequestHandler:
        return Connection(self)

    def hand_all_over(self) -> None:
        """Those that are between two requests; the others leave when they have been answered."""
        for connection in self.connections:
            if isinstance(connection, Connection):
                connection.leave()


class _Parser(Protocol):
    def feed_data(self, data: bytes) -> tuple[Sequence[tuple[RawRequestMessage, StreamReader]], bool, bytes]: ...

    def message_consumed(self) -> None: ...


class _Taking:
    """The parser as aiohttp knows it, less the requests that the connection takes for itself."""

    __slots__ = ("_parser", "_take")

    def __init__(self, parser: _Parser, take: Callable[[RawRequestMessage, StreamReader], bool]) -> None:
        self._parser = parser
        self._take = take

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)

    def feed_data(self, data: bytes) -> tuple[Sequence[tuple[RawRequestMessage, StreamReader]], bool, bytes]:
        messages, upgraded, tail = self._parser.feed_data(data)
        if len(messages) == 1 and not upgraded and self._take(*messages[0]):
            self._parser.message_consumed()
            return (), upgraded, tail
        return messages, upgraded, tail


class _Parts(NamedTuple):
    """Of a request: its head without the digits of its Content-Length, the length they tell, and the bytes of its body so far."""

    head: bytes
    length: int
    body: bytes


def _split(data: bytes) -> _Parts | None:
    """None for what is written in another way than nearly everybody does."""
    end = data.find(_HEAD_END, 0, _HEAD_LIMIT) + len(_HEAD_END)
    start = data.find(_LENGTH_LINE, 0, end) + len(_LENGTH_LINE)
    if end < len(_HEAD_END) or start < len(_LENGTH_LINE):
        return None
    stop = data.find(b"\r", start)
    digits = data[start:stop]
    if not digits.isdigit() or len(digits) > 9:
        return None
    return _Parts(data[:start] + data[stop:end], int(digits), data[end:])


class Connection(web.RequestHandler):
    __slots__ = ("_answering", "_begin", "_head", "_held", "_message", "_missing", "_remote", "_server")

    def __init__(self, server: Server) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), access_log=None)  # type: ignore[arg-type]  # none is kept
        self._begin = server.begin
        self._server = server
        self._answering = False
        self._held = b""
        self._remote = ""
        self._head = b""
        self._message: RawRequestMessage | None = None
        # Bytes until the end of the request that is coming: the parser is between two requests at 0. It may not be known.
        self._missing = 0
        self._parser: Any = _Taking(self._parser, self._take)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self._remote = str(peer[0]) if isinstance(peer, tuple) else ""
        self._leave_now()

    def leave(self) -> None:
        """To another process, where there is one and nothing of a request has been read yet."""
        if self._may_take() and self._missing == 0 and not self._answering:
            self._leave_now()

    def _leave_now(self) -> None:
        transport, hand_over = self.transport, self._server.hand_over
        if hand_over is None or transport is None or transport.get_write_buffer_size():
            return
        if hand_over(transport.get_extra_info("socket").fileno()):
            # The other process has a socket of its own for it now; here it ends without a word to the caller.
            transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._answering:
            # Answers leave in the order of their requests, so what comes early waits; no more of it is read.
            self._held += data
            if data and self.transport is not None:
                self.transport.pause_reading()
        elif self._missing == 0 and data:
            self._begin_request(data)
        else:
            if self._missing > 0:
                self._missing = max(self._missing - len(data), _LOST)
            super().data_received(data)

    def _begin_request(self, data: bytes) -> None:
        """The first bytes of a request, and perhaps all of it."""
        parts = _split(data)
        if parts is None:
            self._missing = _LOST
            self._message = None
        else:
            head, length, body = parts
            self._missing = max(length - len(body), _LOST)
            if head == self._head:
                if self._message is not None and self._missing == 0 and self._may_take():
                    self._answer(self._message, body)
                    return
            else:
                self._head, self._message = head, None
        super().data_received(data)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's shape; it holds what was sent
    ) -> web.StreamResponse:
        """Answers what is no HTTP in our own form: aiohttp would repeat the bytes it could not read."""
        if request.writer.output_size > 0:
            raise ConnectionError("the reply was begun; another cannot be sent")
        response = to_response(self._server.describe_error(status, exc))
        response.force_close()
        return response

    def _take(self, message: RawRequestMessage, payload: StreamReader) -> bool:
        """True if the request is answered the short way; aiohttp then never hears of it."""
        if message.chunked:
            self._missing = _LOST  # its length is not the one that is told, if one is
        if (
            not self._may_take()
            or not payload.is_eof()
            or payload.exception() is not None
            or message.should_close
            or message.upgrade
            or message.compression
            or message.version != HttpVersion11
            or message.method == "HEAD"
        ):
            return False
        message = message._replace(headers=clean_headers(message.headers))
        if self._missing == 0:
            self._message = message
        self._answer(message, payload.read_nowait())
        return True

    def _may_take(self) -> bool:
        at_rest = self._waiter is not None and not self._waiter.done() and not self._messages
        return at_rest and not self.writing_paused and not self._close and not self._force_close

    def _answer(self, message: RawRequestMessage, body: bytes) -> None:
        # Whoever stops the server waits for what is in progress.
        self._request_in_progress = self._answering = True
        self._begin(message, body, self._remote, self._reply)

    def _reply(self, reply: Reply) -> None:
        try:
            sent = to_bytes(reply)
        except Exception as bug:  # what cannot be written, e.g. half a character in a header
            sent = to_bytes(self._server.describe_error(500, bug))
        if self.transport is not None:
            self.transport.write(sent)
        self._request_in_progress = self._answering = False
        if self._handler_waiter is not None and not self._handler_waiter.done():
            self._handler_waiter.set_result(None)
        self._next_keepalive_close_time = self._loop.time() + self.keepalive_timeout
        if self._server.hand_over is not None:
            self._loop.call_soon(self.leave)  # once the reply has been sent
        if self._held and self.transport is not None:
            held, self._held = self._held, b""
            self.transport.resume_reading()
            self.data_received(held)


def clean_headers(headers: MultiMapping[str]) -> CIMultiDictProxy[str]:
    """Without Content-Length, as the body is all there. Bytes that are no UTF-8 come as lone surrogates, which nothing behind
    can encode; they are written as `\\xb9`.
    """
    clean = CIMultiDict(headers)
    clean.popall(_LENGTH, None)
    for name, value in headers.items():
        if not value.isascii():
            clean[name] = value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return CIMultiDictProxy(clean)


def to_response(reply: Reply) -> web.Response:
    headers = {"Server": SERVER, **dict(_write_headers(reply)), "Content-Type": _write_value(reply.content_type)}
    return web.Response(status=reply.status, body=reply.body, headers=headers)


def to_bytes(reply: Reply) -> bytes:
    """The same as `to_response`, as it goes over the line."""
    head = _write_head(reply.status, reply.content_type)
    for name, value in _write_headers(reply):
        head += f"{name}: {value}\r\n"
    return f"{head}Content-Length: {len(reply.body)}\r\nDate: {_tell_date()}\r\n\r\n".encode() + reply.body


@lru_cache(256)
def _write_head(status: int, content_type: str) -> str:
    return (
        f"HTTP/1.1 {status} {responses.get(status, '')}\r\n"
        f"Server: {SERVER}\r\n"
        f"Content-Type: {_write_value(content_type)}\r\n"
    )


def _write_headers(reply: Reply) -> Iterable[tuple[str, str]]:
    return ((name, _write_value(value)) for name, value in reply.headers.items())


def _write_value(value: str) -> str:
    """Without line ends: behind one among an adapter's words would begin a header, or a reply, of somebody else's."""
    return value.translate(_LINE_ENDS)


_now = (0, "")


def _tell_date() -> str:
    global _now  # noqa: PLW0603 - one moment for all connections, told anew every second
    second = int(time.time())
    if _now[0] != second:
        _now = (second, formatdate(second, usegmt=True))
    return _now[1]
