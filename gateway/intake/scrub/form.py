"""`a=1&b=2` as it came: only the values that hold a secret are written anew."""

from urllib.parse import quote_plus, unquote_plus

from gateway.intake.scrub.removal import Removal
from gateway.intake.scrub.words import scrub_words


def scrub_form(text: str, removal: Removal) -> str:
    return "&".join([_scrub_pair(pair, removal) for pair in text.split("&")])


def _scrub_pair(pair: str, removal: Removal) -> str:
    name, equals, value = pair.partition("=")
    if not equals:
        return removal.remove(pair)
    # Some senders write the words as they are.
    spelled = "%" in value or ("+" in value and value.isascii())
    told = unquote_plus(value, errors="surrogateescape") if spelled else value
    scrubbed = removal.remove_named(name, told)
    if scrubbed is None:
        scrubbed = scrub_words(told, removal)
    if scrubbed == told:
        return pair
    return f"{name}={quote_plus(scrubbed, errors='surrogateescape') if spelled else scrubbed}"
