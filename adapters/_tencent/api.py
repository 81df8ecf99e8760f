"""Calls to the HTTP interface of one account: with its token, time limits, and every failure under a name of ours.

No URL of a call may reach a log: the token stands in it. So no exception of the HTTP library gets out of here.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp

from adapters._tencent.answers import TOKEN_REFUSED, name_failure, read_code
from adapters._tencent.token import Token
from gateway.contract.clock import Clock
from gateway.contract.errors import AdapterError, Misconfigured, TryLater

ANSWER_LIMIT_BYTES = 1_000_000
_CHUNK_BYTES = 65_536
_BAD_SECRET = 40001
"""Where a token is asked for, this code means the secret."""

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCall:
    """How an account asks for its token; secrets are in it."""

    path: str
    query: Mapping[str, str] | None = None
    body: Mapping[str, object] | None = None


class Credentials(Protocol):
    """`party` begins the codes of errors."""

    party: str

    def ask_for_token(self, *, force: bool) -> TokenCall: ...


@dataclass(frozen=True, slots=True)
class Download:
    """What came: `answer` where it is JSON (errors are raised, not given), else bytes."""

    answer: Answer | None
    media_type: str
    size: int | None
    chunks: AsyncIterator[bytes]


class Api:
    def __init__(self, url: str, credentials: Credentials, clock: Clock, *, timeout_s: float) -> None:
        self._url = url.rstrip("/")
        self._credentials = credentials
        self._party = credentials.party
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, connect=min(timeout_s, 5))
        # A large file may take longer than one answer; what counts is that it moves.
        self._download_timeout = aiohttp.ClientTimeout(total=None, connect=min(timeout_s, 5), sock_read=timeout_s)
        self._token = Token(self._fetch_token, clock, self._party)
        self._session: aiohttp.ClientSession | None = None

    async def call(self, path: str, body: Mapping[str, object]) -> Answer:
        """POST JSON. Raises TryLater (`uncertain` where the server may have done it), Rejected or Misconfigured."""
        token = await self._token.get()
        answer = await self._ask("POST", path, {"access_token": token}, body)
        if (code := self._read(answer)) in TOKEN_REFUSED:
            token = await self._token.renew(token)
            answer = await self._ask("POST", path, {"access_token": token}, body)
            code = self._read(answer)
        if code:
            raise name_failure(code, self._party, self._clock.now_ms())
        return answer

    async def check(self) -> None:
        """Reaches the server once; raises like `call`."""
        await self._token.get()

    @asynccontextmanager
    async def download(self, path: str, query: Mapping[str, str]) -> AsyncIterator[Download]:
        """GET with the token. Raises like `call`, also while chunks are read; nothing is ever uncertain here."""
        token = await self._token.get()
        try:
            async with self._open(f"{self._url}{path}", {**query, "access_token": token}) as download:
                yield download
                return
        except _TokenRefused:
            token = await self._token.renew(token)
        try:
            async with self._open(f"{self._url}{path}", {**query, "access_token": token}) as download:
                yield download
        except _TokenRefused as refused:
            raise name_failure(refused.code, self._party, self._clock.now_ms()) from None

    @asynccontextmanager
    async def download_from(self, url: str) -> AsyncIterator[Download]:
        """GET an address the server named, without the token. The caller has judged the address."""
        async with self._open(url, {}) as download:
            yield download

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # --- the parts

    async def _fetch_token(self, force: bool) -> tuple[str, float]:
        asked = self._credentials.ask_for_token(force=force)
        method = "GET" if asked.body is None else "POST"
        try:
            answer = await self._ask(method, asked.path, asked.query or {}, asked.body)
        except TryLater as error:
            # Whatever happened to this call, the one that wanted the token was not made.
            raise TryLater(error.code, error.detail, after_s=error.after_s) from None
        code = self._read(answer)
        if code == _BAD_SECRET:
            raise Misconfigured(f"{self._party}_bad_secret", "The secret is wrong; compare `secret` with the console.")
        if code:
            raise name_failure(code, self._party, self._clock.now_ms())
        value, life_s = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(value, str) or not value or not isinstance(life_s, int):
            raise TryLater(f"{self._party}_bad_answer", "The server gave no token.")
        return value, float(life_s)

    def _read(self, answer: Answer) -> int:
        try:
            return read_code(answer)
        except ValueError:
            raise TryLater(f"{self._party}_bad_answer", "The server's answer cannot be read.", uncertain=True) from None

    async def _ask(self, method: str, path: str, query: Mapping[str, str], body: Mapping[str, object] | None) -> Answer:
        # WeChat shows escaped letters as they stand, so the text goes out in UTF-8.
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = {} if data is None else {"Content-Type": "application/json; charset=utf-8"}
        try:
            async with self._open_session().request(
                method,
                f"{self._url}{path}",
                params=query,
                data=data,
                headers=headers,
                allow_redirects=False,
                timeout=self._timeout,
            ) as response:
                self._check_status(response)
                raw = await response.content.read(ANSWER_LIMIT_BYTES)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._name_loss(error) from None
        return self._parse(raw)

    def _parse(self, raw: bytes) -> Answer:
        try:
            answer = json.loads(raw)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise TryLater(f"{self._party}_bad_answer", "The server's answer cannot be read.", uncertain=True)
        return answer

    @asynccontextmanager
    async def _open(self, url: str, query: Mapping[str, str]) -> AsyncIterator[Download]:
        try:
            response = await self._open_session().get(
                url, params=query, allow_redirects=False, timeout=self._download_timeout
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._name_loss(error, sending=False) from None
        try:
            self._check_status(response, sending=False)
            chunks = self._read_chunks(response)
            first = await anext(chunks, b"")
            if first.lstrip().startswith(b"{"):
                while len(first) < ANSWER_LIMIT_BYTES and (more := await anext(chunks, b"")):
                    first += more
            # Errors come with HTTP 200, whatever type they are said to be of; a customer's file may be JSON as well.
            answer = _read_answer(first)
            if answer is None:
                yield Download(None, response.content_type, response.content_length, _chain(first, chunks))
                return
            if (code := self._read(answer)) in TOKEN_REFUSED:
                raise _TokenRefused(code)
            if code:
                raise name_failure(code, self._party, self._clock.now_ms())
            yield Download(answer, "application/json", None, _chain(b""))
        finally:
            # Not `release`: what was not read of a large body is not waited for.
            response.close()

    async def _read_chunks(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        try:
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._name_loss(error, sending=False) from None

    def _check_status(self, response: aiohttp.ClientResponse, *, sending: bool = True) -> None:
        status = response.status
        if status == 200:
            return
        if status >= 500 or status in (408, 429):
            uncertain = sending and status not in (429, 503)
            raise TryLater(f"{self._party}_status_{status}", "The server could not take it now.", uncertain=uncertain)
        raise Misconfigured(
            f"{self._party}_status_{status}", "This is no answer of the interface; check `api_url` and any proxy there."
        )

    def _name_loss(self, error: Exception, *, sending: bool = True) -> AdapterError:
        if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
            return Misconfigured(f"{self._party}_bad_certificate", "The server's certificate does not hold.")
        if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            return TryLater(f"{self._party}_unreachable", "The server did not answer.")
        return TryLater(f"{self._party}_lost", "The connection broke before the answer.", uncertain=sending)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(headers={"User-Agent": "huiyin"})
        return self._session


def _read_answer(raw: bytes) -> Answer | None:
    """What WeChat says in place of a medium, or None for a medium."""
    try:
        answer = json.loads(raw) if raw.lstrip().startswith(b"{") else None
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) and ("errcode" in answer or "video_url" in answer) else None


class _TokenRefused(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


async def _chain(first: bytes, rest: AsyncIterator[bytes] | None = None) -> AsyncIterator[bytes]:
    if first:
        yield first
    if rest is not None:
        async for chunk in rest:
            yield chunk
