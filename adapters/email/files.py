"""Files of mail -> raw mails: one mail (.eml, a file of a Maildir) or a mailbox of many (mbox)."""

import re
from collections.abc import Iterator
from typing import BinaryIO

FORMATS = ("eml", "mbox", "maildir")

# RFC 4155: `From address asctime`. A sentence that begins with From has no clock time and no header line after it.
_SEPARATOR = re.compile(rb"From .*\d{1,2}:\d{2}.*")
_HEADER_LINE = re.compile(rb"[!-9;-~]+[ \t]*:")
_ESCAPED = re.compile(rb">+From ")


def split_mails(source: BinaryIO, format_name: str | None) -> Iterator[bytes]:
    """Streams the mails of a file in order. A file that begins with `From ` is a mailbox unless the format says else."""
    first = source.readline()
    if format_name in {"eml", "maildir"} or (format_name is None and not first.startswith(b"From ")):
        raw = first + source.read()
        if raw:
            yield raw
        return
    yield from _split_mailbox(first, source)


def _split_mailbox(first: bytes, source: BinaryIO) -> Iterator[bytes]:
    lines: list[bytes] = []
    blank_before = True
    line = first
    while line:
        following = source.readline()
        if blank_before and _SEPARATOR.match(line) and (_HEADER_LINE.match(following) or not lines):
            if lines:
                yield _join(lines)
            lines = []
        else:
            lines.append(line[1:] if _ESCAPED.match(line) else line)
        blank_before = not line.strip(b"\r\n")
        line = following
    if lines:
        yield _join(lines)


def _join(lines: list[bytes]) -> bytes:
    # The blank line before the next separator belongs to the mailbox, not to the mail.
    if len(lines) > 1 and not lines[-1].strip(b"\r\n"):
        lines.pop()
    return b"".join(lines)
