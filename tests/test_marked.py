"""What looks for marked values finds them in every form that bytes give to words."""

import base64
import json
import quopri
from collections.abc import Callable
from urllib.parse import quote

import pytest

from tests.marked import PERSONAL, SECRETS, find_marks

VALUES = SECRETS | PERSONAL


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize(
    "write",
    [
        str.encode,
        lambda value: value.encode("gb18030"),
        lambda value: value.encode("utf-16"),
        lambda value: json.dumps(value).encode(),
        lambda value: quopri.encodestring(value.encode()),
        lambda value: quote(value, safe="").lower().encode(),
        lambda value: value.encode().hex().encode(),
        *(lambda value, n=n: base64.b64encode(b"x" * n + value.encode() + b"y" * 5) for n in range(3)),
        *(lambda value, n=n: base64.urlsafe_b64encode(b"x" * n + value.encode("gb18030")) for n in range(3)),
    ],
)
def test_a_value_is_found_however_it_is_written(name: str, write: Callable[[str], bytes]) -> None:
    assert name in find_marks(VALUES, b"before " + write(VALUES[name]) + b" after")


def test_nothing_is_found_where_nothing_is() -> None:
    assert not find_marks(VALUES, "密码是[已删除:密码]，卡号622588******6868，电话139****8264".encode())
