"""The call-centre software's side: a call as it would push it."""

import hashlib
import hmac
import json

from gateway.contract.call import Call
from gateway.contract.clock import Millis

CURRENT = "hotline-current-key-0001"
PREVIOUS = "hotline-previous-key-0001"
SETTINGS: dict[str, object] = {"keys": [CURRENT, PREVIOUS], "signing_secrets": [CURRENT, PREVIOUS]}
_SECRETS = {"right": CURRENT, "rotated": PREVIOUS, "wrong": "hotline-another-key-0001"}


def push(
    *,
    text: str,
    key: str,
    secret: str = "right",  # noqa: S107 - names which secret, is none
    instance: str = "hotline",
    received_at: int = 1_767_232_800_000,
    signed: bool = False,
) -> Call:
    """`signed`: proves itself by X-Huiyin-Signature instead of X-Huiyin-Key."""
    body = json.dumps(
        {
            "call_id": key,
            "start": "2026-01-01T10:00:00+08:00",
            "caller": "13800000000",
            "callee": "95561",
            "turns": [
                {"role": "agent", "text": "您好，请问有什么可以帮您？", "begin_ms": 0, "end_ms": 2000},
                {"role": "customer", "text": text, "begin_ms": 2500, "end_ms": 9000},
            ],
        },
        ensure_ascii=False,
    ).encode()
    headers = {"content-type": "application/json", "idempotency-key": key}
    if secret != "missing":  # noqa: S105 - names which secret, is none
        headers |= sign(body, _SECRETS[secret], received_at) if signed else {"x-huiyin-key": _SECRETS[secret]}
    path = f"/intake/{instance}"
    return Call(
        method="POST", path=path, url=f"https://huiyin.bank.example{path}", query={}, headers=headers, body=body,
        remote="192.0.2.10", received_at=Millis(received_at),
    )  # fmt: skip


def sign(body: bytes, secret: str, received_at: int) -> dict[str, str]:
    moment = str(received_at // 1000)
    digest = hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"x-huiyin-signature": f"t={moment},v1={digest}"}
