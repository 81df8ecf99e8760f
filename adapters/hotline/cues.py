"""WebVTT and SubRip. Tolerant: a missing header, hours left out, `<v Name>` or `客户:` for the voice.

webvtt-py does not unescape `&amp;` and refuses files that are not UTF-8, and both happen; hence a reader of our own.
"""

import html
import re
from typing import Any

from adapters.hotline.format import Context, Format, require_words
from adapters.hotline.speakers import Utterance, assign_speakers
from adapters.hotline.text import split_label
from adapters.hotline.values import clean
from gateway.contract.draft import Draft

_STAMP = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMING = re.compile(rf"^{_STAMP}[ \t]+-->[ \t]+{_STAMP}", re.MULTILINE)
# Bounded: an unclosed tag must not be sought to the end of the file again and again.
_VOICE = re.compile(r"<v(?:\.[^ \t<>]{0,80})?[ \t]+([^<>]{1,80})>")
_TAG = re.compile(r"</?[a-z0-9][^<>]{0,200}>", re.IGNORECASE)


def _is_cues(value: Any) -> bool:
    return isinstance(value, str) and _TIMING.search(value) is not None


def _read(value: Any, context: Context) -> Draft:  # noqa: ARG001 - the shape of `Format.read`
    text = value.replace("\r\n", "\n").replace("\r", "\n") if isinstance(value, str) else ""
    timings = list(_TIMING.finditer(text))
    said: list[Utterance] = []
    for timing, following in zip(timings, [*timings[1:], None], strict=True):
        block = text[timing.end() : following.start() if following else len(text)]
        # The rest of the timing line are settings; a blank line ends the cue (what follows is the next cue's name).
        payload = block.partition("\n")[2].partition("\n\n")[0]
        said.append(_read_cue(payload, _to_ms(timing.groups()[:4]), _to_ms(timing.groups()[4:])))
    return require_words(Draft(turns=assign_speakers([each for each in said if each.text])))


def _read_cue(payload: str, begin: int, end: int) -> Utterance:
    voice = found[1].strip() if (found := _VOICE.search(payload)) else ""
    words = clean(html.unescape(_TAG.sub("", payload)))
    if not voice and (labelled := split_label(words)):
        voice, words = labelled
    return Utterance(html.unescape(voice), words, begin, end)


def _to_ms(parts: tuple[str | None, ...]) -> int:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(fraction.ljust(3, "0"))


FORMAT = Format(name="cues", matches=_is_cues, read=_read)
