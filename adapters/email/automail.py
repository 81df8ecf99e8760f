"""Mail written by machines: which of it is no complaint, and which must not be answered (RFC 3834, and what mail
providers do instead of it). A complaint taken for a machine's would be lost, so only clear marks dismiss; a doubt
only silences the acknowledgement.
"""

import re
from dataclasses import dataclass

from adapters.email.headers import Fields, decode_field, read_parameters, read_senders

_REPORTS = {
    "delivery-status": "bounce",
    "disposition-notification": "read_receipt",
    "feedback-report": "abuse_report",
}
_AUTO_REPLY_SUBJECT = re.compile(
    r"^\W*(?:(?:外出|休假|度假|假期)?(?:时的|的)?自动(?:回复|答复|应答)|自動(?:回覆|回復|答覆|応答)|automatic reply|auto(?:matic)?[ -]?(?:reply|response)|"
    r"autoreply|out of (?:the )?office|vacation reply|automatische antwort|abwesenheitsnotiz|réponse automatique|respuesta automática|"
    r"risposta automatica|автоответ|رد تلقائي)\s*(?:[:：\]】)）]|$)",
    re.IGNORECASE,
)
_BOUNCE_SUBJECT = re.compile(
    r"^\W*(?:系统退信|退信(?:通知|提醒)?|邮件(?:投递|发送)失败(?:通知)?|郵件(?:投遞|傳送)失敗|undeliver(?:ed|able)(?: mail| message)?|"
    r"(?:mail|message) (?:delivery|system) (?:failed|failure|error)|mail delivery (?:failed|failure|subsystem)|delivery (?:status notification|failure|report|failed|has failed)|"
    r"returned mail|failure notice|non[- ]?deliver(?:y|able)|mail could not be delivered|could not send message|nondeliverable mail|"
    r"message could not be delivered|unzustellbar|warning: message|mail system error|dsn:|rejected:|error sending)",
    re.IGNORECASE,
)
_MAILER = re.compile(r"^(?:mailer[-_.]?daemon|mail[-_.]?daemon|maildelivery|mail-delivery|postmaster)$", re.IGNORECASE)
_NO_REPLY = re.compile(r"^(?:no|do[-_.]?not)[-_.]?reply|^bounces?\b", re.IGNORECASE)
_READ_SUBJECT = re.compile(r"^\W*(?:已读|已閱讀|已阅读)\s*[:：]")


@dataclass(frozen=True, slots=True)
class Origin:
    """`code`: why it is no complaint, or ''. `quiet`: it must not be answered."""

    code: str = ""
    quiet: bool = False


def find_origin(
    fields: Fields, *, null_sender: bool = False, own_lists: tuple[str, ...] = (), recipients: tuple[str, ...] = ()
) -> Origin:
    code = _find_code(fields, null_sender=null_sender, own_lists=own_lists, recipients=recipients)
    return Origin(code, quiet=bool(code) or null_sender or _must_not_answer(fields))


def _find_code(fields: Fields, *, null_sender: bool, own_lists: tuple[str, ...], recipients: tuple[str, ...]) -> str:
    media_type = fields.get("content-type").partition(";")[0].strip().lower()
    if media_type == "multipart/report":
        report = read_parameters(fields.get("content-type")).get("report-type", "").lower()
        return _REPORTS.get(report, "bounce")
    subject = decode_field(fields.get("subject"))
    if _is_bounce(fields, subject, null_sender=null_sender):
        return "bounce"
    if _AUTO_REPLY_SUBJECT.search(subject) or _says_auto_replied(fields):
        return "auto_reply"
    if _READ_SUBJECT.search(subject) and not fields.get("content-type").lower().startswith("multipart/mixed"):
        return "read_receipt"
    if _is_mailing_list(fields) and not _is_own_list(fields, own_lists, recipients):
        return "mailing_list"
    return ""


def _is_bounce(fields: Fields, subject: str, *, null_sender: bool) -> bool:
    if fields.has("x-failed-recipients"):
        return True
    mailer = any(_MAILER.match(local) for local in _read_locals(fields))
    returns_nowhere = null_sender or _has_null_return_path(fields)
    return (mailer and (returns_nowhere or bool(_BOUNCE_SUBJECT.search(subject)) or _names_daemon(fields))) or (
        returns_nowhere and bool(_BOUNCE_SUBJECT.search(subject))
    )


def _names_daemon(fields: Fields) -> bool:
    return any("daemon" in local.lower() for local in _read_locals(fields))


def _read_locals(fields: Fields) -> list[str]:
    senders = read_senders(fields.get("from"))
    return [
        sender.address.rpartition("@")[0] or sender.name.split("@")[0].split(" ")[0].strip("<>\"'")
        for sender in senders
    ]


def _has_null_return_path(fields: Fields) -> bool:
    return any(value in {"<>", "< >"} for value in fields.all("return-path"))


def _says_auto_replied(fields: Fields) -> bool:
    said = fields.get("auto-submitted").partition(";")[0].strip().lower()
    precedence = fields.get("precedence").lower()
    return said == "auto-replied" or precedence == "auto_reply" or fields.has("x-autoreply", "x-autorespond")


def _is_mailing_list(fields: Fields) -> bool:
    bulk = fields.get("precedence").lower() in {"bulk", "junk", "list"}
    marks = sum((fields.has("list-id"), fields.has("list-unsubscribe"), fields.has("feedback-id"), bulk))
    return marks >= 2


def _is_own_list(fields: Fields, own_lists: tuple[str, ...], recipients: tuple[str, ...]) -> bool:
    """A complaints mailbox is often a distribution list of the bank, which marks every customer's mail as list mail."""
    name = fields.get("list-id").rpartition("<")[2].rstrip("> ").lower()
    post = fields.get("list-post").lower()
    return (bool(name) and name in own_lists) or any(f"mailto:{recipient}" in post for recipient in recipients)


def _must_not_answer(fields: Fields) -> bool:
    suppressed = re.split(r"[\s,;]+", fields.get("x-auto-response-suppress").lower())
    return (
        _has_null_return_path(fields)
        or fields.get("auto-submitted").partition(";")[0].strip().lower() not in {"", "no"}
        or not {"dr", "autoreply", "all"}.isdisjoint(suppressed)
        or fields.get("precedence").lower() in {"bulk", "junk", "list", "auto_reply"}
        or fields.has("list-id", "list-unsubscribe", "feedback-id", "x-autogenerated", "x-loop")
        or any(_NO_REPLY.match(local) or _MAILER.match(local) for local in _read_locals(fields))
    )
