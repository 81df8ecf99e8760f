"""All the ways an adapter may fail. Anything else is a bug: logged with traceback, retried to a ceiling, parked.

An adapter never retries, sleeps or swallows: it says which of these happened, and the stage decides.
`code` is stable and lower_snake; `detail` says in plain words what to do next and never holds personal data.
"""

from collections.abc import Mapping


class AdapterError(Exception):
    """Base of the named failures. `str(error)` is safe to log and to show."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail

    def __reduce__(self) -> tuple[object, ...]:
        # Registration may run in another process; keyword-only fields must survive the trip.
        return _rebuild, (type(self), self.code, self.detail, dict(vars(self)))


def _rebuild(kind: type[AdapterError], code: str, detail: str, state: Mapping[str, object]) -> AdapterError:
    error = kind.__new__(kind)
    Exception.__init__(error, f"{code}: {detail}" if detail else code)
    vars(error).update(state)
    return error


class Refused(AdapterError):
    """At the door: not authentic, malformed, too large. Nothing was stored.

    `status` is the HTTP status to answer: 400 malformed, 401/403 not authentic, 409 same key other body,
    413 too large, 415 wrong type, 422 understood but invalid (`fields`: path -> what is wrong), 429 too many.
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        status: int = 400,
        fields: Mapping[str, str] | None = None,
        after_s: int = 0,
    ) -> None:
        super().__init__(code, detail)
        self.status = status
        self.fields = dict(fields or {})
        self.after_s = after_s


class Ignored(AdapterError):
    """Read and understood, and it is no complaint (a follow event, an out-of-office reply). Kept, dismissed by rule."""


class Unreadable(AdapterError):
    """Kept, but no draft can be read out of it. Set aside for a person; the same bytes would fail again."""


class TryLater(AdapterError):
    """The other side did not take it now. `after_s`: what it asked for. `uncertain`: it may have taken it after all
    (time-out, lost connection, 5xx), so the next attempt looks up our number before creating again.
    """

    def __init__(self, code: str, detail: str = "", *, after_s: float = 0, uncertain: bool = False) -> None:
        super().__init__(code, detail)
        self.after_s = after_s
        self.uncertain = uncertain


class Rejected(AdapterError):
    """The other side refused this very input and would again. Parked for a person."""


class Misconfigured(AdapterError):
    """Our side is set up wrongly (key refused, unknown host, missing project). Retried slowly, and alarmed: the same
    input would pass once the settings are right.
    """


class AlreadyThere(AdapterError):
    """The other side has it under our key: counts as done. `ticket` is its number."""

    def __init__(self, code: str, detail: str = "", *, ticket: str | None = None) -> None:
        super().__init__(code, detail)
        self.ticket = ticket
