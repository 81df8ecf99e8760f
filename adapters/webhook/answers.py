"""What an HTTP answer means for the duty."""

import json
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

from gateway.contract.errors import AdapterError, AlreadyThere, Misconfigured, Rejected, TryLater

_TICKET_NAMES = ("ticket", "id")
_TICKET_LIMIT = 200
_LONGEST_WAIT_S = 86_400.0

_SETTINGS = {
    401: ("not_authenticated", "The receiver refused our signature; compare the secrets."),
    403: ("forbidden", "The receiver does not let us in; compare the secrets and its allow list."),
    404: ("not_found", "There is nothing at the webhook's URL; correct it."),
    405: ("method_refused", "The receiver takes no POST at this URL; correct it."),
    407: ("proxy_refused", "A proxy on the way wants credentials; call the receiver directly."),
    410: ("gone", "The receiver has closed this webhook; ask for a new URL."),
}
_LATER = {408: True, 425: False, 429: False, 502: True, 503: False, 504: True}
"""Status -> whether the receiver may have taken it after all: a proxy that lost its answer does not know."""


def name_failure(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> AdapterError | None:
    """None for success. Any 3xx counts as wrong settings: a signed body goes to the URL of the settings only."""
    if 200 <= status < 300:
        return None
    if status == 409:
        return AlreadyThere("already_there", "The receiver has it.", ticket=find_ticket(body))
    if status in _SETTINGS:
        return Misconfigured(*_SETTINGS[status])
    if 300 <= status < 400:
        return Misconfigured("redirected", "The receiver answers with a redirect; set the URL it leads to.")
    if status in _LATER or status >= 500 or status < 200:
        after_s = read_retry_after(headers.get("Retry-After", ""), now)
        return TryLater(
            f"status_{status}",
            "The receiver could not take it now.",
            after_s=after_s,
            uncertain=_LATER.get(status, True),
        )
    return Rejected(f"status_{status}", "The receiver refuses this complaint; its log says why.")


def find_ticket(body: bytes) -> str | None:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict):
        return None
    for name in _TICKET_NAMES:
        value = answer.get(name)
        text = str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
        if 0 < len(text) <= _TICKET_LIMIT and text.isprintable():
            return text
    return None


def read_retry_after(value: str, now: datetime) -> float:
    """Seconds or an HTTP date (RFC 9110 10.2.3) -> seconds from now, at most a day; 0 where there is none."""
    value = value.strip()
    if value.isascii() and value.isdigit() and len(value) < 10:
        return min(float(value), _LONGEST_WAIT_S)
    try:
        return min(max((parsedate_to_datetime(value) - now).total_seconds(), 0.0), _LONGEST_WAIT_S)
    except (TypeError, ValueError):
        return 0.0
