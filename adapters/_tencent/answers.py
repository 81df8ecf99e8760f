"""What an `errcode` means for us. Errors come as JSON with HTTP status 200.

Source of the meanings: the 全局返回码 page of developers.weixin.qq.com and WxJava's WxMpErrorMsgEnum (Apache-2.0). Only the
number is told: `errmsg` repeats openids, addresses and parts of the token.
"""

from datetime import UTC, datetime, timedelta, timezone

from gateway.contract.errors import AdapterError, Misconfigured, Rejected, TryLater

TOKEN_REFUSED = frozenset({40001, 40014, 42001})
"""The token is wrong or over: worth one refresh and one more try."""

_QUOTA = frozenset({45009, 45028})
_SOON = {-1: 0.0, 45011: 60.0, 50002: 300.0}
"""Busy; calls per minute used up; interface limited for a while."""
_SETTINGS = {
    40013: ("bad_appid", "The AppID is not one; compare `appid` with the console."),
    40125: ("bad_secret", "The AppSecret is wrong; compare `secret` with the console."),
    40243: ("secret_frozen", "The AppSecret is frozen; unfreeze it in the console."),
    40164: ("address_not_listed", "This machine's address is not on the IP list (IP 白名单) of the console."),
    60020: ("address_not_listed", "This machine's address is not among the trusted ones (企业可信 IP) of the console."),
    89503: ("address_not_listed", "An administrator must confirm this machine's address in the console."),
    41004: ("bad_secret", "No AppSecret was sent; set `secret`."),
    48001: ("not_authorized", "The account has no right to this interface; see 接口权限 in the console."),
    48004: ("interface_closed", "The interface of the account is closed; the console says why."),
    40037: ("bad_template", "There is no such template at the account; compare `template_id`."),
    47003: ("template_mismatch", "The fields do not fit the template; compare `template_fields` with it."),
}
_NEVER = {
    40003: ("bad_openid", "The openid is none of this account's."),
    40007: ("media_gone", "There is no such media: they are thrown away after three days."),
    43004: ("not_following", "The customer does not follow the account any more."),
    43101: ("not_subscribed", "The customer has not subscribed to this kind of message."),
    45015: ("window_closed", "The customer wrote last more than 48 hours ago."),
    45047: ("window_used", "The account has sent as many messages as it may since the customer wrote last."),
    95001: ("window_used", "The account has sent as many messages as it may since the customer wrote last."),
    48002: ("refused_by_customer", "The customer takes no messages of the account."),
}
_LONGEST_QUOTA_PAUSE_S = 3600.0
_CHINA = timezone(timedelta(hours=8))


def read_code(answer: object) -> int:
    """0 for success. Raises ValueError for what is no answer of this interface."""
    if not isinstance(answer, dict):
        raise ValueError("not an object")  # noqa: TRY004  the text is bad, not our types
    code = answer.get("errcode", 0)
    if isinstance(code, str) and code.lstrip("-").isdigit():
        code = int(code)
    if not isinstance(code, int):
        raise ValueError("errcode is no number")  # noqa: TRY004
    return code


def name_failure(code: int, party: str, now_ms: int) -> AdapterError:
    """For any code but 0. `party` begins the error's code. A code in no table is refused: the same call would fail again."""
    if code in _QUOTA:
        return TryLater(f"{party}_quota", "The interface's quota of today is used up.", after_s=_until_next_day(now_ms))
    if code in _SOON:
        return TryLater(f"{party}_busy", f"The server answered {code}.", after_s=_SOON[code])
    if code in TOKEN_REFUSED:
        return TryLater(f"{party}_token_refused", "The server refused our token, fresh as it is.")
    if code in _SETTINGS:
        name, detail = _SETTINGS[code]
        return Misconfigured(f"{party}_{name}", detail)
    if code in _NEVER:
        name, detail = _NEVER[code]
        return Rejected(f"{party}_{name}", detail)
    return Rejected(f"{party}_errcode", f"The server answered {code}; its list of 全局返回码 says what that is.")


def _until_next_day(now_ms: int) -> float:
    """Quotas begin anew at midnight in China; asked at least hourly, as one can be raised by hand (清零)."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(_CHINA)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return min((midnight - now).total_seconds() + 1, _LONGEST_QUOTA_PAUSE_S)
