"""Envelope in, envelope out, without passwords, PIN, CVV, one-time codes and track data (class C3 of JR/T 0171-2020).

Every way in goes through here: pushes, listeners, polls, imports, and what was fetched or heard later.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.message import Message
from urllib.parse import unquote_to_bytes

from gateway.contract.envelope import Envelope
from gateway.intake.scrub.charset import scrub_charset
from gateway.intake.scrub.form import scrub_form
from gateway.intake.scrub.parts import scrub_body, scrub_part
from gateway.intake.scrub.removal import Removal
from gateway.intake.scrub.words import scrub_words
from gateway.ops import metrics
from gateway.ops.logs import log
from normalizers.secret import make_scan, may_hold_secret

_DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{32,64}(?![0-9a-f])")
_SCAN = make_scan("&#", "base64", '"payload"', "\\u", "%", "\0")
"""Also what may spell such a word."""
_FORM = re.compile(rb"[\w.\-\[\]%+]{1,100}=[^&\r\n]*&")
_CHARSET = re.compile(r"charset=[\"']?([\w.\-]{1,40})", re.IGNORECASE)


class Scrub:
    """`mark`: the store's keyed hash, which makes digests of what was removed useless to those who would guess it, and stays
    the same when the master key is renewed.
    """

    def __init__(self, mark: Callable[[bytes], bytes]) -> None:
        self._hash = mark

    def __call__(self, envelope: Envelope) -> tuple[Envelope, Mapping[str, int]]:
        """The very envelope where nothing was found, and how many of each kind were removed. Never raises.

        The content digest stays that of the bytes as they were sent, so that the same push again is a duplicate.
        """
        if _is_flat(envelope.media_type) and _is_clean(envelope.raw + _list_texts(envelope)):
            return envelope, {}
        removal = Removal()
        try:
            raw = scrub_raw(envelope.raw, envelope.media_type, removal)
        except Exception as bug:  # of a reader of some form: the words are looked through as words
            metrics.bugs.labels("scrub").inc()
            log.error("scrub.failed", channel=envelope.channel, reason=type(bug).__name__)
            raw = scrub_charset(envelope.raw, "", removal.remove)
        source_key = self._scrub_key(envelope.source_key, removal)
        thread = envelope.thread
        if thread is not None:
            thread = replace(thread, key=self._scrub_key(thread.key, removal))
        hints = {name: removal.remove(value) for name, value in envelope.hints.items()}
        if not removal.kinds:
            return envelope, {}
        return (
            replace(
                envelope,
                raw=raw,
                content=envelope.content_digest(),
                # A key made of the content would let the removed digits be tried out.
                source_key=_DIGEST.sub(self._mark, source_key),
                thread=thread,
                hints=hints,
            ),
            Counter(removal.kinds),
        )

    def _scrub_key(self, key: str, removal: Removal) -> str:
        return key if removal.remove(key) == key else f"removed:{self._sign(key)[:32]}"

    def _mark(self, digest: re.Match[str]) -> str:
        return self._sign(digest[0])[: len(digest[0])]

    def _sign(self, text: str) -> str:
        return self._hash(text.encode("utf-8", "surrogatepass")).hex()


def _list_texts(envelope: Envelope) -> bytes:
    """All that is told beside the raw bytes, as lines."""
    thread = envelope.thread.key if envelope.thread else ""
    return "\n".join(("", envelope.source_key, thread, *envelope.hints.values())).encode("utf-8", "surrogatepass")


def _is_flat(media_type: str) -> bool:
    """Words are not inside transfer encodings of parts."""
    return not media_type.lower().startswith(("message/", "multipart/"))


def scrub_raw(raw: bytes, media_type: str, removal: Removal) -> bytes:
    """Twice where a value was found: it may stand alone before the words that give it away."""
    scrubbed = _scrub_once(raw, media_type, removal)
    again = removal.look_again()
    return _scrub_once(scrubbed, media_type, again) if again else scrubbed


def _scrub_once(raw: bytes, media_type: str, removal: Removal) -> bytes:
    kind = media_type.partition(";")[0].strip().lower()
    if kind == "message/rfc822":
        return scrub_part(raw, removal)
    if kind.startswith("multipart/"):
        message = Message()
        message["Content-Type"] = media_type
        return scrub_body(raw, message, removal, default=kind, depth=0)
    if not removal.again and _is_clean(raw):
        return raw
    label = _CHARSET.search(media_type)
    scrub = scrub_form if kind == "application/x-www-form-urlencoded" or _FORM.match(raw) else scrub_words
    return scrub_charset(raw, label[1] if label else "", lambda text: scrub(text, removal))


def _is_clean(raw: bytes) -> bool:
    """Nearly every envelope is, and this is on the way to the 2xx: nothing in it that could be, or spell, a secret's label."""
    if _SCAN.find_matches_as_indexes(raw.lower()):
        if may_hold_secret(raw) or b"&#" in raw or b"base64" in raw or b'"payload"' in raw or b"\0" in raw:
            return False
        if b"\\u" in raw and may_hold_secret(_unescape(raw)):
            return False
        if b"%" in raw:
            told = unquote_to_bytes(raw.replace(b"+", b" "))
            if may_hold_secret(told) or not _is_utf8(told):
                return False
    return _is_utf8(raw)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _unescape(raw: bytes) -> bytes:
    """JSON inside a string of JSON has its backslashes doubled."""
    while b"\\\\" in raw:
        raw = raw.replace(b"\\\\", b"\\")
    return raw.decode("raw_unicode_escape", "replace").encode("utf-8", "surrogatepass")
