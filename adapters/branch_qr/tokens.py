"""The signed address on a poster: which branch and counter, and proof that the bank printed it.

`qr1.<b64url {"b": branch, "k": counter, "v": key version}>.<b64url HMAC-SHA256(key, "qr1." + payload), 16 bytes>`
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from adapters.branch_qr.settings import ChannelSettings
from gateway.contract import signing
from gateway.contract.errors import Refused
from gateway.contract.ports import House

PREFIX = "qr1"
LENGTH_LIMIT = 512


@dataclass(frozen=True, slots=True)
class Place:
    """Where a code hangs."""

    branch: str
    counter: str
    version: int


def find_keys(settings: ChannelSettings, house: House) -> Mapping[int, bytes]:
    if settings.keys:
        return {version: secret.get_secret_value().encode() for version, secret in settings.keys.items()}
    return house.derive_each("branch_qr/code")


def make_token(keys: Mapping[int, bytes], branch: str, counter: str = "", version: int | None = None) -> str:
    """Signed with the newest key unless `version` says otherwise."""
    version = version or max(keys)
    payload = signing.encode(json.dumps({"b": branch, "k": counter, "v": version}, separators=(",", ":")).encode())
    return f"{PREFIX}.{payload}.{signing.sign(keys[version], f'{PREFIX}.{payload}'.encode())}"


def read_token(keys: Mapping[int, bytes], token: str) -> Place:
    """Raises Refused: `code_unknown` (404) for what is no code, `code_forged` (403) for one we did not sign."""
    prefix, _, rest = token.partition(".")
    payload, _, signature = rest.partition(".")
    if prefix != PREFIX or not payload or len(token) > LENGTH_LIMIT:
        raise Refused("code_unknown", "This is not a branch code. Scan it again or call the hotline.", status=404)
    # Who signed is found by trying the few keys, so that nothing unsigned is ever parsed.
    message = f"{PREFIX}.{payload}".encode()
    signer = [version for version, key in keys.items() if signing.verify((key,), message, signature)]
    if not signer:
        raise Refused("code_forged", "This code was not made by the bank. Call the hotline.", status=403)
    fields = json.loads(signing.decode(payload))
    return Place(str(fields["b"]), str(fields.get("k", "")), signer[0])
