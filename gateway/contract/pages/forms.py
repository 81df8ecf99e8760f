"""Reading what a browser sends: urlencoded or multipart bytes -> fields and files."""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from urllib.parse import parse_qsl

from multipart import MultipartError, MultipartParser, parse_options_header  # type: ignore[import-untyped]

from gateway.contract.errors import Refused
from gateway.contract.file_name import clean_name
from gateway.contract.file_type import ANY
from gateway.contract.pages.uploads import Upload

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

FIELDS_LIMIT = 40
TEXT_LIMIT_BYTES = 200_000
"""Of one field; the form's own limits are far below and are told kindly."""


@dataclass(frozen=True, slots=True)
class Form:
    """The first value of a repeated field counts. `files` in the order of the page."""

    fields: Mapping[str, str]
    files: tuple[Upload, ...] = ()


def read_form(content_type: str, body: bytes) -> Form:
    """Raises Refused: `type_unknown` (415) or `form_malformed` (400)."""
    media_type, options = parse_options_header(content_type)
    if media_type == FORM:
        return _read_urlencoded(body)
    if media_type == MULTIPART:
        return _read_multipart(body, options.get("boundary", ""))
    raise Refused("type_unknown", "Send a form or JSON.", status=415)


def _read_urlencoded(body: bytes) -> Form:
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=FIELDS_LIMIT, errors="replace")
    except ValueError:
        raise _malformed() from None
    return Form(dict(reversed(pairs)))


def _read_multipart(body: bytes, boundary: str) -> Form:
    if not boundary:
        raise _malformed()
    parser = MultipartParser(
        BytesIO(body),
        boundary,
        content_length=len(body),
        part_limit=FIELDS_LIMIT,
        spool_limit=len(body),  # it is in memory already; nothing goes to disk
        memory_limit=len(body),
    )
    fields: dict[str, str] = {}
    files: list[Upload] = []
    try:
        for part in parser:
            content = part.raw
            if part.filename is None:
                if len(content) > TEXT_LIMIT_BYTES:
                    raise _malformed()
                fields.setdefault(part.name, content.decode("utf-8", "replace"))
            elif content or part.filename:  # a browser sends an empty part for an untouched file field
                files.append(Upload(clean_name(part.filename), part.content_type or ANY, content))
    except MultipartError:
        raise _malformed() from None
    return Form(fields, tuple(files))


def _malformed() -> Refused:
    return Refused("form_malformed", "The form did not arrive whole. Send it again.", status=400)
