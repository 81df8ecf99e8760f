"""Who sent it, as far as our own mail server checked (RFC 8601). A failed check lowers trust, it never drops a mail."""

import re
from collections.abc import Iterable

from adapters.email.address import read_domain
from adapters.email.headers import Fields
from adapters.email.keys import find_sender_address
from gateway.contract.complaint import Authenticity

_COMMENT = re.compile(r"\([^()]*\)")
_RESULT = re.compile(r"^\s*(dmarc|dkim|spf)\s*=\s*([a-z]+)", re.IGNORECASE)
_DOMAIN = re.compile(r"\b(?:header\.(?:d|i|from)|smtp\.mailfrom)\s*=\s*\"?(?:[^\s;\"]*@)?([^\s;@\"]+)", re.IGNORECASE)

UNKNOWN = Authenticity(verified=False, method="none")


def read_authenticity(fields: Fields, authserv_id: str) -> Authenticity:
    """Only headers of our own server count, and of each method the topmost result: what stands below may be forged.

    `dmarc=pass` is enough; `dkim` and `spf` count when they passed for the domain the sender shows.
    """
    results = _read_results(fields.all("authentication-results"), authserv_id.lower()) if authserv_id else {}
    domain = read_domain(find_sender_address(fields))
    for method in ("dmarc", "dkim", "spf"):
        passed = [result for result in results.get(method, ()) if result[0] == "pass"]
        if domain and any(_aligns(found, domain) for _, found in passed):
            return Authenticity(verified="fail" not in _statuses(results, "dmarc"), method=method)
    for method in ("dmarc", "dkim", "spf"):
        if "fail" in _statuses(results, method):
            return Authenticity(verified=False, method=method, detail="The mail server's check of the sender failed.")
    return UNKNOWN


def _read_results(headers: Iterable[str], authserv_id: str) -> dict[str, list[tuple[str, str]]]:
    results: dict[str, list[tuple[str, str]]] = {}
    for header in headers:
        name, _, rest = _COMMENT.sub(" ", header).partition(";")
        if (name.split() or [""])[0].lower() != authserv_id:
            continue
        here: dict[str, list[tuple[str, str]]] = {}
        for clause in rest.split(";"):
            found = _RESULT.match(clause)
            if found:
                domain = _DOMAIN.search(clause)
                here.setdefault(found.group(1).lower(), []).append(
                    (found.group(2).lower(), domain.group(1).lower() if domain else "")
                )
        for method, given in here.items():
            results.setdefault(method, given)
    return results


def _statuses(results: dict[str, list[tuple[str, str]]], method: str) -> set[str]:
    return {status for status, _ in results.get(method, ())}


def _aligns(found: str, domain: str) -> bool:
    """The same domain, or one above or below the other (relaxed alignment without a public suffix list)."""
    return found == domain or (found.count(".") >= 1 and domain.endswith(f".{found}")) or found.endswith(f".{domain}")
