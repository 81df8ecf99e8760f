"""An HTTP request and its answer reduced to values, so that a channel is tested without a server."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.contract.clock import Millis
from gateway.contract.value import value


@value
class Call:
    """One request as the channel sees it.

    `headers` are found in any case; ask for lower-case names. Of a repeated header or query name one value counts.
    Content-Length is not among them: the body is all there.
    `url` is the public address the party called, query included: some signatures cover it.
    `params` are the placeholders of the route, e.g. `{"token": "qr1..."}`.
    `remote` is the caller's address after trusted proxies.
    """

    method: str
    path: str
    url: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    remote: str
    received_at: Millis
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@value(kw_only=False)
class Reply:
    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An address a channel answers. `path` may hold `{placeholders}`.

    `limit_bytes` caps the body (413 above it). `public` marks addresses anybody may call: the gateway
    limits their rate per caller and answers errors in the channel's own form. `stateless`: nothing is remembered from
    one call to the next, so that under load any of several processes may answer; else one and the same answers them all.
    """

    method: str
    path: str
    limit_bytes: int = 1_000_000
    public: bool = False
    stateless: bool = False
