"""A customer's phone at the counter, for tests and `huiyin simulate`."""

import json
from typing import Any

from adapters.branch_qr.tokens import make_token
from gateway.contract.call import Call
from gateway.contract.clock import Millis

SETTINGS: dict[str, object] = {"keys": {"1": "test-key-branch-qr", "2": "test-key-branch-qr-2"}}
"""Version 2 signs; codes printed with version 1 still hang on the counters."""

_KEYS = {1: b"test-key-branch-qr", 2: b"test-key-branch-qr-2"}
_BRANCH, _COUNTER = "BR-350100-0007", "counter-03"


def push(
    *,
    text: str,
    key: str,
    secret: str = "right",  # noqa: S107 - names a case, holds no secret
    instance: str = "branch_qr",
    received_at: int = 1_767_232_800_000,
) -> Call:
    """The JSON form of the page. The secret is the signature in the address. One address serves all instances."""
    del instance
    right = make_token(_KEYS, _BRANCH, _COUNTER)
    token = {
        "right": right,
        "rotated": make_token(_KEYS, _BRANCH, _COUNTER, version=1),
        "wrong": make_token({2: b"somebody else's key"}, _BRANCH, _COUNTER),
        "missing": right.rpartition(".")[0],
    }[secret]
    body: dict[str, Any] = {
        "t": token,
        "kind": "complaint",
        "text": text,
        "phone": "13800000000",
        "website": "",
        "ts": received_at // 1000 - 60,
        "idem": key,
    }
    return Call(
        method="POST",
        path=f"/b/{token}",
        url=f"https://gw.bank.example/b/{token}",
        query={},
        headers={"content-type": "application/json"},
        body=json.dumps(body, ensure_ascii=False).encode(),
        remote="192.0.2.10",
        received_at=Millis(received_at),
        params={"token": token},
    )
