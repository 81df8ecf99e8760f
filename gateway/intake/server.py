"""HTTP in, values out: bytes within limits -> `Call` -> adapter -> commit -> `Reply`."""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TypeVar

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from multidict import MultiMapping
from prometheus_client import Histogram
from yarl import URL

from gateway.contract.call import Call, Reply, Route
from gateway.contract.clock import Clock
from gateway.contract.envelope import Envelope
from gateway.contract.errors import AdapterError, Refused, TryLater
from gateway.contract.ports import Push
from gateway.contract.progress import Ask, Untold
from gateway.intake.connection import Server, clean_headers, to_response
from gateway.intake.limits import PublicLimit
from gateway.ops import metrics
from gateway.ops.logs import log
from gateway.store.port import Tell, Told

T = TypeVar("T")
Answer = Callable[[Call], Awaitable[Reply]]
TellReply = Callable[[Reply], None]
AnswerAsk = Callable[[str, Ask], Awaitable[Reply]]
"""The answer to what a channel asks of the store for its reply; the channel's instance comes first."""
KeepSoon = Callable[[Sequence[Envelope], Tell], None]
"""Keeps envelopes and tells of it: see `Acceptance.keep_soon`."""
Begin = Callable[[Call, TellReply], None]
"""Answers a call now or later, through the second argument, once and in the event loop's thread. May raise a bug instead."""
PROBLEM = "application/problem+json"
_NO_QUERY: Mapping[str, str] = MappingProxyType({})
_NO_PARAMS: Mapping[str, str] = MappingProxyType({})
BODY_LIMIT_S = 60.0
"""How long a body may take to come in; a connection that sends no more must not be kept for ever."""


async def _say_away(_instance: str, ask: Ask) -> Reply:
    return ask.write(Untold.AWAY)


class Intake:
    """Finds the route of a request and answers it. `public_url` is how the world calls us, without a slash at its end.

    Routing is our own and small, because this is the hot path: fixed addresses are one look into a table.
    """

    def __init__(
        self,
        *,
        keep_soon: KeepSoon,
        clock: Clock,
        public_url: str,
        trusted_proxies: Sequence[str],
        per_minute: int,
        body_limit_s: float = BODY_LIMIT_S,
        answer_ask: AnswerAsk = _say_away,
    ) -> None:
        self._keep_soon = keep_soon
        self._answer_ask = answer_ask
        self._clock = clock
        self._public_url = public_url
        self._trusted = frozenset(trusted_proxies)
        self._limit = PublicLimit(per_minute)
        self._body_limit_s = body_limit_s
        self._fixed: dict[tuple[str, str], _Place] = {}
        self._patterns: list[tuple[str, re.Pattern[str], _Place]] = []
        self._largest = 1
        self.routes: list[tuple[str, Route]] = []
        self.pushes = 0
        """So far, of those that any process may answer."""

    def add_channel(self, instance: str, channel: Push) -> None:
        for route in channel.routes():
            self.add_push(instance, channel, route)

    def add_push(self, instance: str, channel: Push, route: Route) -> None:
        self._add(instance, route, self._begin_push(instance, channel, route))

    def add_page(self, name: str, route: Route, answer: Answer) -> None:
        """A page of the gateway's own (status, acknowledgement, health)."""

        async def guarded(call: Call) -> Reply:
            try:
                if route.public:
                    self._limit.check(call.remote)
                return await answer(call)
            except AdapterError as error:
                metrics.refused.labels(name, error.code).inc()
                return describe_problem(error)

        self._add(name, route, _begin_awaited(name, guarded))

    def add_passing(self, name: str, route: Route, answer: Answer) -> None:
        """What another process answers: there it is counted, and there is asked how often an address may call."""
        self._add(name, route, _begin_awaited(name, answer), is_counted=False)

    def build_server(self) -> Server:
        return Server(self.handle, self.begin_whole, self._describe_error, largest_body=self._largest)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request whose body may still be coming. Whatever happens, the caller gets an answer in a documented form."""
        found = self._find(request.method, request.path)
        if isinstance(found, Reply):
            return to_response(found)
        place, params = found
        try:
            body = await self._read_body(request, place.limit_bytes)
        except Refused as error:
            return to_response(place.refuse(error))
        remote = request.remote or ""
        call = self._make_call(
            request.method,
            request.path,
            request.raw_path,
            request.rel_url,
            clean_headers(request.headers),
            body,
            remote,
            params,
        )
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._begin(place, call, lambda told: None if reply.done() else reply.set_result(told))
        return to_response(await reply)

    def begin_whole(self, message: RawRequestMessage, body: bytes, remote: str, tell: TellReply) -> None:
        """The same for a request that is all there, its headers clean."""
        # Most paths are a fixed one as it stands; reading one out of the URL costs as much as the rest of this.
        path, params, place = message.path, _NO_PARAMS, self._fixed.get((message.method, message.path))
        if place is None:
            path = message.url.path
            found = self._find(message.method, path)
            if isinstance(found, Reply):
                tell(found)
                return
            place, params = found
        if len(body) > place.limit_bytes:
            tell(place.refuse(_too_large()))
            return
        call = self._make_call(message.method, path, message.path, message.url, message.headers, body, remote, params)
        self._begin(place, call, tell)

    def begin_call(self, call: Call, tell: TellReply) -> None:
        """The same for a call that another process of this gateway read."""
        found = self._find(call.method, call.path)
        if isinstance(found, Reply):
            tell(found)
        else:
            self._begin(found[0], call, tell)

    def _make_call(
        self,
        method: str,
        path: str,
        raw_path: str,
        url: URL,
        headers: MultiMapping[str],
        body: bytes,
        remote: str,
        params: Mapping[str, str],
    ) -> Call:
        if remote in self._trusted:
            remote = self._find_caller(headers.getall("X-Forwarded-For", ()), remote)
        return Call(
            method="GET" if method == "HEAD" else method,
            path=path,
            url=self._public_url + raw_path,
            query=url.query if "?" in raw_path else _NO_QUERY,
            headers=headers,
            body=body,
            remote=remote,
            received_at=self._clock.now_ms(),
            params=params,
        )

    def _begin(self, place: "_Place", call: Call, tell: TellReply) -> None:
        began = time.perf_counter()

        def told(reply: Reply) -> None:
            if place.seconds is not None:
                place.seconds.observe(time.perf_counter() - began)
            tell(reply)

        try:
            place.begin(call, told)
        except Exception as bug:
            told(_describe_bug(place.name, bug))

    def _describe_error(self, status: int, bug: BaseException | None) -> Reply:
        """The reply to what is no HTTP, or to a request that went wrong outside of any answer."""
        if status < 500:
            metrics.refused.labels("-", "malformed_request").inc()
            return describe_problem(Refused("malformed_request", "This is no HTTP/1.1 request.", status=status))
        return _describe_bug("server", bug)

    async def _read_body(self, request: web.BaseRequest, limit_bytes: int) -> bytes:
        """Raises Refused `too_large`, `too_slow`, `malformed_request` or `caller_gone`."""
        try:
            if (request.content_length or 0) > limit_bytes:
                raise _too_large()
            if request.content.is_eof():
                body = await request.read()
            else:
                if request.headers.get("Expect", "").lower() == "100-continue":
                    # The caller waits for this word before it sends; it is no part of the reply.
                    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                    request.writer.output_size = 0
                async with asyncio.timeout(self._body_limit_s):
                    body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            raise _too_large() from None
        except TimeoutError:
            raise Refused("too_slow", "The body did not come in time. Please send it again.", status=408) from None
        except web.RequestPayloadError:
            raise Refused("malformed_request", "The body is not framed as HTTP/1.1 asks.") from None
        except ConnectionError:
            # Nobody is left to read the answer; it is counted all the same.
            raise Refused("caller_gone", "The connection ended inside the body. Please send it again.") from None
        if len(body) > limit_bytes:
            raise _too_large()
        return body

    def _find_caller(self, forwarded: Sequence[str], remote: str) -> str:
        """The nearest address that is no proxy of ours. What stands further left was written by the caller."""
        for address in reversed(",".join(forwarded).split(",")):
            if address.strip():
                remote = address.strip()
            if remote not in self._trusted:
                break
        return remote

    def _add(self, name: str, route: Route, begin: Begin, *, is_counted: bool = True) -> None:
        place = _Place(name, route.limit_bytes, begin, metrics.answer_seconds.labels(name) if is_counted else None)
        if (route.method, route.path) in {(known.method, known.path) for _, known in self.routes}:
            # Two instances of one party share its short address; the first in the settings has it.
            log.warning("route.taken", channel=name, method=route.method, path=route.path)
            return
        self.routes.append((name, route))
        self._largest = max(self._largest, route.limit_bytes)
        if "{" in route.path:
            parts = re.split(r"\{(\w+)\}", route.path)
            pattern = "".join(f"(?P<{p}>[^/]+)" if i % 2 else re.escape(p) for i, p in enumerate(parts))
            self._patterns.append((route.method, re.compile(pattern), place))
        else:
            self._fixed[route.method, route.path] = place

    def _find(self, method: str, path: str) -> "tuple[_Place, Mapping[str, str]] | Reply":
        place = self._fixed.get((method, path))
        if place is not None:
            return place, _NO_PARAMS
        if method == "HEAD":
            return self._find("GET", path)
        allowed = {known for known, fixed in self._fixed if fixed == path}
        for known, pattern, place in self._patterns:
            if matched := pattern.fullmatch(path):
                if known == method:
                    return place, matched.groupdict()
                allowed.add(known)
        if not allowed:
            metrics.refused.labels("-", "not_found").inc()
            return describe_problem(Refused("not_found", "There is nothing at this address.", status=404))
        metrics.refused.labels("-", "method_not_allowed").inc()
        takes = ", ".join(sorted(allowed | ({"HEAD"} if "GET" in allowed else set())))
        wrong = describe_problem(Refused("method_not_allowed", f"This address takes {takes}.", status=405))
        return replace(wrong, headers={"Allow": takes})

    def _begin_push(self, instance: str, channel: Push, route: Route) -> Begin:
        """Nothing is awaited, as a task and a future for each push cost as much as reading it."""
        keep_soon, limit, public = self._keep_soon, self._limit, route.public
        begin_ask = _begin_awaited(instance, partial(self._answer_ask, instance))

        def refuse(call: Call, error: AdapterError) -> Reply:
            metrics.refused.labels(instance, error.code).inc()
            return channel.refuse(call, error) or describe_problem(error)

        def begin(call: Call, tell: TellReply) -> None:
            def kept(outcome: Told) -> None:
                try:
                    if not isinstance(outcome, Exception):
                        reply = channel.reply(call, outcome)
                        if isinstance(reply, Ask):
                            begin_ask(reply, tell)
                            return
                    elif isinstance(outcome, AdapterError):
                        reply = refuse(call, outcome)
                    else:
                        reply = _describe_bug(instance, outcome)
                except Exception as bug:
                    reply = _describe_bug(instance, bug)
                tell(reply)

            self.pushes += route.stateless
            try:
                if public:
                    limit.check(call.remote)
                got = channel.receive(call)
            except AdapterError as error:
                tell(refuse(call, error))
                return
            if isinstance(got, Reply):
                tell(got)
            else:
                keep_soon(got, kept)

        return begin


def _begin_awaited(name: str, answer: Callable[[T], Awaitable[Reply]]) -> Callable[[T, TellReply], None]:
    """A page, or a question to the store: it may wait for whatever it likes in a task of its own."""
    tasks: set[asyncio.Task[None]] = set()

    async def run(call: T, tell: TellReply) -> None:
        try:
            reply = await answer(call)
        except Exception as bug:
            reply = _describe_bug(name, bug)
        tell(reply)

    def begin(call: T, tell: TellReply) -> None:
        task = asyncio.get_running_loop().create_task(run(call, tell))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return begin


@dataclass(frozen=True, slots=True)
class _Place:
    name: str
    limit_bytes: int
    begin: Begin
    seconds: Histogram | None

    def refuse(self, error: Refused) -> Reply:
        metrics.refused.labels(self.name, error.code).inc()
        return describe_problem(error)


def describe_problem(error: AdapterError) -> Reply:
    """RFC 9457. Never names a secret nor echoes what was sent."""
    status = error.status if isinstance(error, Refused) else 503
    problem: dict[str, object] = {
        "type": "about:blank",
        "title": error.code.replace("_", " ").capitalize(),
        "status": status,
        "code": error.code,
    }
    if error.detail:
        problem["detail"] = error.detail
    if isinstance(error, Refused) and error.fields:
        problem["fields"] = error.fields
    headers: dict[str, str] = {}
    if isinstance(error, TryLater):
        headers["Retry-After"] = str(max(1, round(error.after_s or 5)))
    elif isinstance(error, Refused) and error.after_s:
        headers["Retry-After"] = str(error.after_s)
    return Reply(status, json.dumps(problem, ensure_ascii=False).encode(), PROBLEM, headers)


def _describe_bug(name: str, bug: BaseException | None) -> Reply:
    metrics.bugs.labels(name).inc()
    log.error("answer.failed", channel=name, exc_info=bug)
    return describe_problem(TryLater("internal_error", "Something failed on our side. Please try again."))


def _too_large() -> Refused:
    return Refused("too_large", "The body is larger than this address takes.", status=413)
