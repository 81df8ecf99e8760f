"""One look for all public pages: templates, style and the headers that keep a page to itself."""

import base64
import hashlib
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gateway.contract.call import Call, Reply
from gateway.contract.pages.languages import LANGUAGES, TEXTS
from gateway.contract.ports import House

_here = files(__package__)
_STYLE = _here.joinpath("templates/style.css").read_text("utf-8")
_SCRIPT = _here.joinpath("templates/script.js").read_text("utf-8")


def _hash(source: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode() + "'"


HEADERS = {
    # Names exactly the one style and the one script of these pages: nothing else runs or loads, wherever it came from.
    "Content-Security-Policy": (
        f"default-src 'none'; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}; img-src 'self' data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Links carry secrets: no other site may learn them.
    "Referrer-Policy": "same-origin",
    # On a shared tablet the next person must not page back into somebody's words.
    "Cache-Control": "no-store",
}

_environment = Environment(
    loader=PackageLoader("gateway.contract.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)


def show(
    template: str, call: Call, house: House, language: str, *, status: int = 200, after_s: int = 0, **facts: Any
) -> Reply:
    """Render `templates/<template>` -> Reply. `after_s` becomes Retry-After. `facts` are what the template names."""
    texts = TEXTS[language]
    # Only a page that was fetched may be left for another language: after a POST the typed words would be lost.
    switch = call.method == "GET" and status < 400
    links = [
        (other, TEXTS[other].words["own_name"], "?" + urlencode({**call.query, "lang": other})) for other in LANGUAGES
    ]
    body = _environment.get_template(template).render(
        t=texts.words,
        language=language,
        languages=links if switch else [],
        style=Markup(_STYLE),  # noqa: S704 - our own file
        script=Markup(_SCRIPT),  # noqa: S704 - our own file
        bank=house.bank_name,
        hotline=house.bank_hotline,
        action="?" + urlencode({"lang": language}),
        **facts,
    )
    headers = {**HEADERS, "Content-Language": language, "Vary": "Accept-Language"}
    if after_s:
        headers["Retry-After"] = str(after_s)
    return Reply(status, body.encode(), "text/html; charset=utf-8", headers)
