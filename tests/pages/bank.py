"""A small bank with two branches, and what its customers' browsers send."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

from config.branches import BranchEntry
from gateway.contract.call import Call
from gateway.contract.clock import Millis
from gateway.contract.ports import House

NOW = Millis(1_767_232_800_000)
"""2026-01-01 10:00 in Shanghai."""
BRANCH = BranchEntry("BR-350100-0007", "福州五一支行", "福建", ("五一支行",))


class StillClock:
    def __init__(self) -> None:
        self.at = NOW

    def now_ms(self) -> Millis:
        return self.at


def open_bank(clock: StillClock | None = None, public_url: str = "https://gw.bank.example") -> House:
    return House(
        clock=clock or StillClock(),
        public_url=public_url,
        data_dir=Path("unused"),
        bank_name="示例银行",
        bank_hotline="95561",
        timezone="Asia/Shanghai",
        branches={BRANCH.code: BRANCH, "BR-350100-0008": BranchEntry("BR-350100-0008", "福州鼓楼支行")},
        derive=lambda purpose: hashlib.sha256(purpose.encode()).digest(),
    )


def make_call(
    path: str,
    *,
    method: str = "GET",
    form: Mapping[str, str] | None = None,
    body: bytes = b"",
    content_type: str = "",
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    at: int = NOW,
) -> Call:
    """With `form` a POST as a browser sends it."""
    if form is not None:
        method, body, content_type = "POST", urlencode(form).encode(), "application/x-www-form-urlencoded"
    return Call(
        method=method,
        path=path,
        url=f"https://gw.bank.example{path}",
        query=query or {},
        headers={**({"content-type": content_type} if content_type else {}), **(headers or {})},
        body=body,
        remote="192.0.2.1",
        received_at=Millis(at),
        params=params or {},
    )


def write_multipart(fields: Mapping[str, str], files: list[tuple[str, bytes]], boundary: str = "xBOUNDARYx") -> bytes:
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in fields.items()
    ]
    for name, content in files:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\nContent-Type: x/y\r\n\r\n'
        parts.append(head.encode() + content + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode()
