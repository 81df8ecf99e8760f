"""HTML of a mail -> plain text with its paragraphs, and the quoted history apart. Linear in the size of the input.

A table is written row by row, not drawn: padding the cells of hostile tables makes megabytes out of kilobytes.
"""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from selectolax.lexbor import LexborHTMLParser, LexborNode

_LIMIT_BYTES = 2_000_000
_LIMIT_DEPTH = 1_000
"""Above either the tags are only cut out. Building the tree of deep nesting takes quadratic time."""

_SKIPPED = frozenset({"head", "script", "style", "title", "template", "noscript", "object", "svg", "-comment", "meta", "link"})  # fmt: skip
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "center",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "tr",
        "ul",
    ]
)
_SPACED = frozenset({"p", "blockquote", "ul", "ol", "table", "pre", "h1", "h2", "h3", "h4", "h5", "h6"})
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?:px|pt|em)?\s*(?:;|$)|mso-hide\s*:\s*all", re.IGNORECASE)  # fmt: skip
_QUOTE_CLASSES = frozenset({"gmail_quote", "yahoo_quoted", "moz-cite-prefix", "protonmail_quote", "zmail_extra", "ntes_quote", "foxmail_quote"})  # fmt: skip
_QUOTE_IDS = frozenset({"isreplycontent", "divrplyfwdmsg", "appendonsend", "reply-intro", "mail-editor-reference-message-container", "olk_src_body_section"})  # fmt: skip
_TAIL_IDS = frozenset({"divrplyfwdmsg", "appendonsend"})
"""Outlook's markers: what follows them is quoted too."""

_SPACES = re.compile(r"[ \t\r\n\f\xa0\u200b]+")
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_UNNESTED = frozenset(
    [
        "p",
        "li",
        "td",
        "tr",
        "th",
        "dt",
        "dd",
        "option",
        "br",
        "img",
        "hr",
        "meta",
        "input",
        "link",
        "col",
        "area",
        "base",
        "wbr",
        "tbody",
        "thead",
    ]
)


@dataclass(frozen=True, slots=True)
class Rendered:
    text: str
    quoted: str = ""


class _Move(Enum):
    OPEN = auto()
    CLOSE = auto()
    END_QUOTE = auto()


@dataclass(slots=True)
class _Lines:
    """Text being put together: words are joined by single spaces, blocks by line ends."""

    pieces: list[str] = field(default_factory=list)
    breaks: int = 0
    space: bool = False

    def add(self, text: str) -> None:
        said = _SPACES.sub(" ", text)
        if said in {"", " "}:
            self.space = self.space or bool(said)
            return
        if self.pieces and self.breaks:
            self.pieces.append("\n" * min(self.breaks, 2))
        elif self.pieces and (self.space or said[0] == " "):
            self.pieces.append(" ")
        self.pieces.append(said.strip(" "))
        self.breaks, self.space = 0, said[-1] == " "

    def end_line(self, count: int = 1) -> None:
        self.breaks, self.space = max(self.breaks, count), False

    def join(self) -> str:
        return "".join(self.pieces)


def read_html(markup: str) -> Rendered:
    """Hidden text, scripts and styles are left out; should nothing be left, all text is given rather than none."""
    if len(markup) > _LIMIT_BYTES or _measure_depth(markup) > _LIMIT_DEPTH:
        return Rendered(_cut_tags(markup))
    root = LexborHTMLParser(markup).body
    if root is None:
        return Rendered(_cut_tags(markup))
    rendered = _render(root, is_hidden=_is_hidden)
    if not rendered.text and not rendered.quoted:
        return _render(root, is_hidden=lambda _: False)
    return rendered


def _render(root: LexborNode, *, is_hidden: Callable[[LexborNode], bool]) -> Rendered:
    said, quoted = _Lines(), _Lines()
    lines = said
    # A stack of our own: mails nest deeper than Python recurses.
    waiting: list[tuple[LexborNode, _Move]] = [(root, _Move.OPEN)]
    while waiting:
        node, move = waiting.pop()
        tag = node.tag or ""
        if move is not _Move.OPEN:
            _close(lines, tag)
            lines = said if move is _Move.END_QUOTE else lines
            continue
        if tag == "-text":
            lines.add(node.text_content or "")
            continue
        if tag in _SKIPPED or is_hidden(node):
            continue
        after = _Move.CLOSE
        if lines is said and _opens_quote(node, tag):
            said.end_line()
            quoted.end_line(2)
            lines = quoted
            after = _Move.CLOSE if (node.id or "").lower() in _TAIL_IDS else _Move.END_QUOTE
        _open(lines, node, tag)
        waiting.append((node, after))
        children = []
        child = node.child
        while child is not None:
            children.append((child, _Move.OPEN))
            child = child.next
        waiting.extend(reversed(children))
    return Rendered(said.join(), quoted.join())


def _open(lines: _Lines, node: LexborNode, tag: str) -> None:
    if tag == "br":
        lines.breaks, lines.space = lines.breaks + 1, False
    elif tag in _BLOCKS:
        lines.end_line(2 if tag in _SPACED else 1)
        if tag == "li":
            lines.add("- ")
    elif tag in {"td", "th"}:
        lines.space = True
    elif tag == "img":
        lines.add(node.attributes.get("alt") or "")


def _close(lines: _Lines, tag: str) -> None:
    if tag in _BLOCKS:
        lines.end_line(2 if tag in _SPACED else 1)


def _opens_quote(node: LexborNode, tag: str) -> bool:
    attributes = node.attributes
    if tag == "blockquote" and (attributes.get("type") == "cite" or attributes.get("cite")):
        # Without such a mark it may be an indented paragraph of the writer; the line before it tells (see quoting).
        return True
    classes = (attributes.get("class") or "").lower().split()
    return (attributes.get("id") or "").lower() in _QUOTE_IDS or not _QUOTE_CLASSES.isdisjoint(classes)


def _is_hidden(node: LexborNode) -> bool:
    attributes = node.attributes
    return "hidden" in attributes or _HIDDEN.search(attributes.get("style") or "") is not None


def _measure_depth(markup: str) -> int:
    depth = deepest = 0
    for closing, name in _TAG.findall(markup):
        if name.lower() not in _UNNESTED:
            depth += -1 if closing else 1
            deepest = max(deepest, depth)
    return deepest


def _cut_tags(markup: str) -> str:
    text = re.sub(r"(?is)<(script|style)\b.*?(?:</\1>|\Z)", " ", markup)
    # A tag ends at the next `<` too: else a mail of nothing but opened tags takes quadratic time.
    text = re.sub(r"(?i)<(?:br|/p|/div|/tr|/li|/h[1-6])\b[^<>]*>", "\n", text)
    text = html.unescape(re.sub(r"<[^<>]*>", " ", text))
    return "\n".join(line for line in (_SPACES.sub(" ", line).strip() for line in text.splitlines()) if line)
