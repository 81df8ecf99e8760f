"""What a customer's browser sends, as values."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from gateway.contract.call import Call
from gateway.contract.clock import Millis
from tests.contract.house import START

BOUNDARY = "xBOUNDARYx"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"


def make_call(
    path: str,
    *,
    form: Mapping[str, str] | None = None,
    body: bytes = b"",
    content_type: str = "",
    headers: Mapping[str, str] | None = None,
    at: int = START,
) -> Call:
    """GET, or POST where there is something to send; `form` goes as a browser sends it without files."""
    if form is not None:
        body, content_type = urlencode(form).encode(), "application/x-www-form-urlencoded"
    return Call(
        method="POST" if body or content_type else "GET",
        path=path,
        url=f"https://huiyin.bank.example{path}",
        query={},
        headers={**({"content-type": content_type} if content_type else {}), **(headers or {})},
        body=body,
        remote="192.0.2.1",
        received_at=Millis(at),
        params={"token": path.removeprefix("/b/")} if path.startswith("/b/") else {},
    )


def write_multipart(
    fields: Mapping[str, str], files: Sequence[tuple[str, bytes]] = (), boundary: str = BOUNDARY
) -> bytes:
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="'
    parts = [f'{head}{name}"\r\n\r\n{value}\r\n'.encode() for name, value in fields.items()]
    # A browser names a type of its own for each file; nobody believes it.
    parts += [
        f'{head}files"; filename="{name}"\r\nContent-Type: image/png\r\n\r\n'.encode() + content + b"\r\n"
        for name, content in files
    ]
    return b"".join(parts) + f"--{boundary}--\r\n".encode()
