"""Bytes of a mail -> text, whatever the label says.

Chinese mail is mislabelled as a rule: gb2312 stands for gb18030, a body may be UTF-8 under a GB label and GB under
any label or none. GB strict decoding proves nothing (it takes nearly all Big5), UTF-8 strict decoding does once a
character has three bytes: 930 common hanzi are two bytes of valid UTF-8 in GB, surnames among them.
"""

import codecs
import re
from encodings.aliases import aliases

import charset_normalizer

_GB = frozenset({"gb2312", "gbk", "gb18030"})
_BIG5 = frozenset({"big5", "big5hkscs", "cp950"})
_ESCAPED = frozenset({"utf_7", "hz"})
_LATIN = frozenset({"ascii", "iso8859_1", "cp1252", "iso8859_15", "latin_1"})
_SYNONYMS = {
    "gb2312": "gb18030", "gbk": "gb18030", "big5": "big5hkscs", "cp950": "big5hkscs",
    "x_gbk": "gb18030", "gb_2312_80": "gb18030", "gb_18030": "gb18030", "gb18030_2000": "gb18030", "x_gb": "gb18030",
    "hz_gb_2312": "hz", "euc_gb2312": "gb18030", "x_euc_cn": "gb18030", "iso8859_8_i": "iso8859_8", "iso8859_8_e": "iso8859_8",
    "ks_c_5601_1987": "cp949", "ksc5601": "cp949", "x_sjis": "shift_jis", "unicode_1_1_utf_7": "utf_7", "utf8mb4": "utf_8",
}  # fmt: skip
# Only these: the registry also holds codecs that compress, escape or take quadratic time.
_CODECS = frozenset(aliases.values()) - {"rot_13", "mbcs"}
_CODECS = frozenset(name for name in _CODECS if not name.endswith("_codec"))

_BOMS = ((codecs.BOM_UTF8, "utf_8_sig"), (codecs.BOM_UTF16_LE, "utf_16"), (codecs.BOM_UTF16_BE, "utf_16"))
_HIGH = bytes(range(0x80, 0x100))
_GUESSABLE_BYTES = 12
_GUESS_SAMPLE_BYTES = 20_000
_MANY_SHORT = 6
_ACCENTED = re.compile(rb"[A-Za-z][\xc3-\xc5][\x80-\xbf](?![\x80-\xff])")
_COMMON_GB = re.compile(rb"[\xa1-\xa3\xb0-\xd7][\xa1-\xfe]")
_GB_PAIR = re.compile(rb"[\x81-\xfe][\x40-\x7e\x80-\xfe]")

_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
_LINE_END = re.compile("\r\n|[\r\u2028\u2029\x85]")


def find_codec(label: str) -> str:
    """A charset name as mails spell it -> the Python codec that reads it, or '' if there is none."""
    name = re.sub(r"[^a-z0-9]+", "_", label.strip().strip("\"'").lower()).strip("_")
    name = re.sub(r"^(?:cs|x_)?(?:iso_?)8859_", "iso8859_", name)
    if name in _SYNONYMS:
        return _SYNONYMS[name]
    name = aliases.get(name, name)
    return _SYNONYMS.get(name, name) if name in _CODECS else ""


def decode_bytes(data: bytes, label: str = "", *, sibling: str = "") -> tuple[str, str]:
    """-> the text and the codec that gave it. Never raises; what no codec reads becomes U+FFFD.

    `sibling` is the codec of a longer text of the same mail: it decides for bytes too few to tell.
    """
    for mark, codec in _BOMS:
        if data.startswith(mark):
            return data.decode(codec, "replace"), codec
    codec = find_codec(label)
    if codec in _ESCAPED or codec.startswith(("iso2022", "utf_16", "utf_32")):
        text = _try(data, codec)
        if text is not None:
            return text, codec
        codec = ""
    high = len(data) - len(data.translate(None, _HIGH))
    if not high:
        return data.decode("ascii"), codec or "ascii"
    unicode = _read_utf8(data, codec)
    if unicode is not None:
        return unicode, "utf_8"
    codec = _choose(data, high, "" if codec == "utf_8" else codec, sibling)
    text = _try(data, codec)
    return (data.decode(codec, "replace") if text is None else text), codec


def clean_text(text: str) -> str:
    """Line ends become LF; NUL, control and direction-override characters go; half a character becomes U+FFFD."""
    text = _UNWANTED.sub("", _LINE_END.sub("\n", text))
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def clean_line(text: str) -> str:
    """As `clean_text`, in one line with single spaces: for subjects, names and file names."""
    return " ".join(clean_text(text).split())


def _read_utf8(data: bytes, codec: str) -> str | None:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return _mend_utf8(data) if codec in {"utf_8", ""} and error.start < len(data) else None
    if codec in {"utf_8", "ascii"}:
        return text
    if max(text) > "\u07ff":
        return text
    # Two-byte characters only: Greek to Arabic, or GB that happens to be valid. Many in a row do not happen.
    if sum(1 for character in text if character > "\x7f") >= _MANY_SHORT:
        return text
    accented = _ACCENTED.findall(data)
    return text if not codec and 2 * len(accented) == len(data) - len(data.translate(None, _HIGH)) else None


def _mend_utf8(data: bytes) -> str | None:
    """UTF-8 with a damaged place (a cut, a stray byte) is still UTF-8; GB read so would be damaged all over."""
    text = data.decode("utf-8", "replace")
    sound = sum(1 for character in text if character > "\u07ff" and character != "\ufffd")
    return text if sound > 4 * text.count("\ufffd") else None


def _choose(data: bytes, high: int, codec: str, sibling: str) -> str:
    doubtful = not codec or codec == "ascii" or _try(data, codec) is None
    if codec in _LATIN:
        # Western text is mostly ASCII; long runs of high bytes under its label are something else.
        doubtful = doubtful or (high >= _GUESSABLE_BYTES and high >= 0.4 * len(data))
    elif codec == "gb18030":
        doubtful = doubtful or (high >= _GUESSABLE_BYTES and not _reads_like_gb(data))
    elif codec == "big5hkscs":
        doubtful = doubtful or high >= _GUESSABLE_BYTES
    if not doubtful:
        return codec
    guess = _guess(data) if high >= _GUESSABLE_BYTES else ""
    if guess:
        return guess
    if codec and codec != "ascii" and _try(data, codec) is not None:
        return codec
    return sibling if sibling not in {"", "ascii"} and _try(data, sibling) is not None else codec or "gb18030"


def _reads_like_gb(data: bytes) -> bool:
    """Four fifths of the characters are punctuation or of the 3,755 most common hanzi."""
    pairs = _GB_PAIR.findall(data)
    common = sum(1 for pair in pairs if _COMMON_GB.fullmatch(pair))
    return common >= 0.8 * len(pairs)


def _guess(data: bytes) -> str:
    best = charset_normalizer.from_bytes(
        data[:_GUESS_SAMPLE_BYTES], cp_isolation=["gb18030", "big5hkscs", "utf_8"], preemptive_behaviour=False
    ).best()
    return best.encoding if best else ""


def _try(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except (UnicodeError, LookupError, ValueError):
        return None
