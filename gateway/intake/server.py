"""HTTP in, values out: bytes within limits -> `Call` -> adapter -> commit -> `Reply`."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiohttp import web

from gateway.contract.call import Call, Reply, Route
from gateway.contract.clock import Clock
from gateway.contract.errors import AdapterError, Refused, TryLater
from gateway.contract.ports import Push
from gateway.intake.accept import Acceptance
from gateway.intake.limits import PublicLimit
from gateway.ops import metrics
from gateway.ops.logs import log

Answer = Callable[[Call], Awaitable[Reply]]
PROBLEM = "application/problem+json"


class Intake:
    """Builds the web application. `public_url` is how the world calls us, without a slash at its end."""

    def __init__(
        self, *, accept: Acceptance, clock: Clock, public_url: str, trusted_proxies: Sequence[str], per_minute: int
    ) -> None:
        self._accept = accept
        self._clock = clock
        self._public_url = public_url
        self._trusted = frozenset(trusted_proxies)
        self._limit = PublicLimit(per_minute)
        self._taken: set[tuple[str, str]] = set()
        self._largest = 1
        self.routes: list[tuple[str, Route]] = []
        self.app = web.Application(client_max_size=0, middlewares=[_speak_problem])

    def add_channel(self, instance: str, channel: Push) -> None:
        for route in channel.routes():
            self._add(instance, route, self._answer_push(instance, channel, route))

    def add_page(self, name: str, route: Route, answer: Answer) -> None:
        """A page of the gateway's own (status, acknowledgement, health)."""

        async def guarded(call: Call) -> Reply:
            try:
                if route.public:
                    self._limit.check(call.remote)
                return await answer(call)
            except AdapterError as error:
                return describe_problem(error)

        self._add(name, route, guarded)

    def _add(self, name: str, route: Route, answer: Answer) -> None:
        if (route.method, route.path) in self._taken:
            # Two instances of one party share its short address; the first in the settings has it.
            log.warning("route.taken", channel=name, method=route.method, path=route.path)
            return
        self._taken.add((route.method, route.path))
        self.routes.append((name, route))
        self._largest = max(self._largest, route.limit_bytes)
        # aiohttp knows one limit for all; each route checks its own, smaller one.
        self.app._client_max_size = self._largest  # noqa: SLF001
        self.app.router.add_route(route.method, route.path, self._handle(name, route, answer))

    def _handle(self, name: str, route: Route, answer: Answer) -> Callable[[web.Request], Awaitable[web.Response]]:
        limit = route.limit_bytes
        trusted, public_url, clock = self._trusted, self._public_url, self._clock
        seconds = metrics.answer_seconds.labels(name)

        async def handle(request: web.Request) -> web.Response:
            if (request.content_length or 0) > limit:
                return _too_large(name)
            body = await request.read()
            if len(body) > limit:
                return _too_large(name)
            began = time.perf_counter()
            remote = request.remote or ""
            if remote in trusted:
                remote = request.headers.get("X-Forwarded-For", remote).rpartition(",")[2].strip()
            call = Call(
                method=request.method,
                path=request.path,
                url=public_url + request.raw_path,
                query=request.query if request.query_string else {},
                headers={key.lower(): value for key, value in request.headers.items()},
                body=body,
                remote=remote,
                received_at=clock.now_ms(),
                params=request.match_info,
            )
            try:
                reply = await answer(call)
            except asyncio.CancelledError:
                raise
            except Exception:
                metrics.bugs.labels(name).inc()
                log.exception("answer.failed", channel=name)
                reply = describe_problem(TryLater("internal_error", "Something failed on our side. Please try again."))
            seconds.observe(time.perf_counter() - began)
            return _to_response(reply)

        return handle

    def _answer_push(self, instance: str, channel: Push, route: Route) -> Answer:
        accept, limit = self._accept, self._limit

        async def answer(call: Call) -> Reply:
            try:
                if route.public:
                    limit.check(call.remote)
                got = channel.receive(call)
                if isinstance(got, Reply):
                    return got
                return channel.reply(call, await accept.keep(got))
            except AdapterError as error:
                metrics.refused.labels(instance, error.code).inc()
                return channel.refuse(call, error) or describe_problem(error)

        return answer


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


def _to_response(reply: Reply) -> web.Response:
    headers: Mapping[str, str] = {**reply.headers, "Content-Type": reply.content_type}
    return web.Response(status=reply.status, body=reply.body, headers=headers)


def _too_large(name: str) -> web.Response:
    metrics.refused.labels(name, "too_large").inc()
    return _to_response(
        describe_problem(Refused("too_large", "The body is larger than this address takes.", status=413))
    )


_STATUS_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 400: "malformed"}


@web.middleware
async def _speak_problem(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        code = _STATUS_CODES.get(error.status, "refused")
        metrics.refused.labels("-", code).inc()
        response = _to_response(describe_problem(Refused(code, status=error.status)))
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
