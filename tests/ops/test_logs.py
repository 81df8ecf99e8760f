"""Log lines say what failed and where, never what was in it."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from gateway.ops.logs import set_up_logs

WORDS = "电话13971938264，密码Qz7kd92Xw"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers, root.level
    stream = io.StringIO()
    set_up_logs(stream)
    yield stream
    root.handlers, root.level = before, level
    structlog.reset_defaults()


def test_a_failure_is_told_by_kind_and_place_and_its_own_words_are_left_out(stream: io.StringIO) -> None:
    try:
        try:
            int(WORDS)
        except ValueError as error:
            error.add_note(WORDS)
            raise KeyError(WORDS) from error
    except KeyError:
        structlog.get_logger().exception("thing.failed", channel="95561")
    line = json.loads(stream.getvalue())
    assert WORDS not in json.dumps(line, ensure_ascii=False)
    assert [failure["exc_type"] for failure in line["exception"]] == ["KeyError", "ValueError"]
    assert line["exception"][0]["frames"][-1]["filename"].endswith("test_logs.py")


def test_a_library_is_named_and_not_quoted(stream: io.StringIO) -> None:
    logging.getLogger("some.library").warning("cannot read %s", WORDS)
    assert "Qz7kd92Xw" not in stream.getvalue()
    assert json.loads(stream.getvalue())["logger"] == "some.library"
