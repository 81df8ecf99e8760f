"""Who may push: a key in a header, or a signature over the body. Every comparison takes constant time."""

import hmac

from adapters.hotline.settings import ChannelSettings
from gateway.contract.call import Call
from gateway.contract.complaint import Authenticity
from gateway.contract.errors import Refused

WINDOW_S = 300
"""How far the time in a signature may be from ours: long enough for clocks, too short to replay."""

_BY_KEY = Authenticity(verified=True, method="key")
_BY_SIGNATURE = Authenticity(verified=True, method="hmac")


class Access:
    def __init__(self, settings: ChannelSettings) -> None:
        self._keys = tuple(key.get_secret_value().encode() for key in settings.keys)
        self._secrets = tuple(secret.get_secret_value().encode() for secret in settings.signing_secrets)

    def check(self, call: Call) -> Authenticity:
        """Raises Refused: 401 without any proof, 403 with a wrong one."""
        headers = call.headers
        signature = headers.get("x-huiyin-signature")
        if signature is not None:
            self._check_signature(signature, call)
            return _BY_SIGNATURE
        key = headers.get("x-huiyin-key") or _find_bearer(headers.get("authorization", ""))
        if not key:
            raise Refused(
                "key_missing", "Send the key in X-Huiyin-Key, or a signature in X-Huiyin-Signature.", status=401
            )
        # aiohttp hands undecodable header bytes on as surrogates.
        given = key.encode("utf-8", "surrogateescape")
        right = False
        for known in self._keys:
            right |= hmac.compare_digest(given, known)
        if not right:
            raise Refused(
                "key_wrong", "The key is not one of this channel's; ask the bank for the current one.", status=403
            )
        return _BY_KEY

    def _check_signature(self, header: str, call: Call) -> None:
        parts = [part.strip().partition("=") for part in header.split(",")]
        moment = next((value for name, _, value in parts if name == "t"), "")
        if not (moment.isascii() and moment.isdigit() and len(moment) <= 12):
            raise Refused("signature_malformed", "X-Huiyin-Signature reads t=<unix seconds>,v1=<hex>.", status=403)
        if abs(call.received_at // 1000 - int(moment)) > WINDOW_S:
            raise Refused(
                "signature_expired", "The signature's time is over 5 minutes from ours; check the clock.", status=403
            )
        message = moment.encode() + b"." + call.body
        given = [value.lower().encode("utf-8", "surrogateescape") for name, _, value in parts if name == "v1"]
        right = False
        for secret in self._secrets:
            expected = hmac.digest(secret, message, "sha256").hex().encode()
            for value in given:
                right |= hmac.compare_digest(value, expected)
        if not right:
            raise Refused(
                "signature_wrong", "The signature does not fit the body; sign t, a dot and the raw body.", status=403
            )


def _find_bearer(header: str) -> str:
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
