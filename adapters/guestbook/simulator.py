"""A branch tablet or the bank's own site, for tests and `huiyin simulate`."""

import json
from urllib.parse import quote

from gateway.contract.call import Call
from gateway.contract.clock import Millis

SETTINGS: dict[str, object] = {"keys": ["guestbook-key-current", "guestbook-key-previous"]}

_KEYS = {"right": "guestbook-key-current", "rotated": "guestbook-key-previous", "wrong": "guestbook-key-of-nobody"}


def push(
    *,
    text: str,
    key: str,
    secret: str = "right",  # noqa: S107 - names a case, holds no secret
    instance: str = "guestbook",
    received_at: int = 1_767_232_800_000,
) -> Call:
    """One JSON entry. `secret="missing"` sends no key at all."""
    path = f"/intake/{instance}"
    headers = {"content-type": "application/json"}
    if secret in _KEYS:
        headers["x-huiyin-key"] = _KEYS[secret]
    body = {"id": key, "kind": "complaint", "text": text, "name": "陈小姐", "phone": "13800000000"}
    return Call(
        method="POST",
        path=path,
        url="https://gw.bank.example" + quote(path),
        query={},
        headers=headers,
        body=json.dumps(body, ensure_ascii=False).encode(),
        remote="192.0.2.20",
        received_at=Millis(received_at),
    )
