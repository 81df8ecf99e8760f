"""What the customer writes now, apart from the history under it (QQ, 163, Foxmail, Outlook, Gmail, Apple; zh and en,
and the attributions of other common languages).

When in doubt the words stay with the customer: text taken for history is kept but not judged.
"""

import re
from dataclasses import dataclass

_SEPARATOR = re.compile(
    r"^[>\s*]*[-_=—─]{2,}[\s*]*(?:原始邮件|原始郵件|原邮件|回复的原邮件|回复邮件信息|original message|original mail|"
    r"reply message|original appointment|ursprüngliche nachricht|message d'origine|mensaje original|messaggio originale|"
    r"mensagem original|исходное сообщение|الرسالة الأصلية)[\s*]*[-_=—─]{2,}[\s*]*$",
    re.IGNORECASE,
)
_FORWARDED = re.compile(
    r"^[\s*]*(?:[-_=—─]{2,}[\s*]*(?:转发的?邮件(?:信息)?|轉寄郵件|轉發的?郵件|forwarded (?:message|mail|by .{1,80}))[\s*]*[-_=—─]{2,}|"
    r"begin forwarded message\s*:|(?:以下|下面)是被?转发的邮件\s*[:：])[\s*]*$",
    re.IGNORECASE,
)
_FIELD = re.compile(
    r"^[>\s*|]*(from|sent|date|to|cc|subject|reply-to|发件人|发送时间|发送日期|日期|收件人|抄送|主题|时间|寄件者|寄件人|寄件日期|收件者|主旨|副本|"
    r"von|gesendet|datum|an|betreff|de|envoyé|date|à|objet|enviado|fecha|para|asunto|da|inviato|data|a|oggetto|risposta|assunto|"
    r"от|отправлено|дата|кому|тема|van|verzonden|aan|onderwerp|من|تاريخ|إلى|الموضوع)[\s*]*[:：]",
    re.IGNORECASE,
)
_FIRST_FIELDS = frozenset({"from", "发件人", "寄件者", "寄件人", "von", "de", "da", "от", "van", "من"})
_WROTE = re.compile(
    r"(?:wrote|写道|寫道|writes|schrieb(?: .{1,160})?(?=[:：])|escribió|a écrit|ha scritto|escreveu|skrev|schreef(?: .{1,160})?(?=[:：])|napisał\(?a?\)?|kirjoitti|"
    r"пишет|пише|написав|написал\(?а?\)?|كتب|作成|さんは書きました|のメール)\s*[:：]?\s*$",
    re.IGNORECASE,
)
_ATTRIBUTION_START = re.compile(
    r"^[>\s]*(?:on\b|at\b|in a message|在|于|於|am\b|le\b|el\b|il\b|em\b|den\b|op\b|w dniu|dnia|\d{1,4}[-./年]|[^\s@]+@|.*<[^\s>]+@|.*于\s*\d{4}|.*\bvia\b|\D{0,20},? ?\d{1,2}\.? \w+\.? \d{4})",
    re.IGNORECASE,
)
_DATED_SENDER = re.compile(r"^\d{1,4}[-./年]\d{1,2}[-./月]\d{1,4}.{0,160}<\s*[^\s>]+@[^\s>]+>\s*[:：]\s*$")
_CERTAIN = re.compile(r"@|\d{1,2}[:：]\d{2}")
_RULE = re.compile(r"^[\s*]*[_\-—─=]{5,}\s*$")
_LONE_ADDRESS = re.compile(r"^\s*[^\s@]+@[^\s@]+\.[^\s@]+\s*$")
_DEVICE = re.compile(
    r"^\s*(?:sent (?:from|via|using) (?:my |mail |outlook|yahoo|gmail|proton|a |the |windows)|sent from \S+$|get outlook for |"
    r"发自我的|发自(?:网易|QQ|新浪|华为|小米|iphone|ipad)|发送自|来自我的|从我的.{1,20}发送|從我的.{1,20}傳送|傳送自|从 ?(?:windows|outlook).{0,20}发送|"
    r"获取(?:适用于)?.{0,12}outlook|von meinem .{1,40}gesendet|envoyé de mon|enviado desde mi|inviato da)",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(r"^(?:--|—|––|__)\s*$")
_NUMBER = re.compile(r"\d(?:[ \-()]{0,2}\d){6,}")
_ATTRIBUTION_LINES = 4
_SIGNATURE_LINES = 12


@dataclass(frozen=True, slots=True)
class Split:
    text: str
    quoted: str = ""


def split_reply(text: str) -> Split:
    """If nothing would be left, all of it is the customer's: a forwarded complaint is a complaint."""
    lines = text.split("\n")
    own: list[str] = []
    quoted: list[str] = []
    at = 0
    while at < len(lines):
        if _FORWARDED.match(lines[at]):
            own += lines[at:]
            break
        size = _measure_attribution(lines, at)
        if size:
            rest = at + size
            if not _goes_on_quoted(lines, rest):
                quoted += lines[at:]
                break
            quoted += lines[at:rest]
            at = rest
        elif _opens_history(lines, at):
            above = len(own)
            while above and (
                _RULE.match(own[above - 1]) or _LONE_ADDRESS.match(own[above - 1]) or not own[above - 1].strip()
            ):
                above -= 1
            quoted += own[above:] + lines[at:]
            del own[above:]
            break
        elif lines[at].startswith(">"):
            quoted.append(lines[at])
            at += 1
        else:
            own.append(lines[at])
            at += 1
    own, cut = _cut_signature(own)
    said = "\n".join(own).strip()
    if not said:
        return Split(text.strip())
    return Split(said, "\n".join(quoted + cut).strip())


def _measure_attribution(lines: list[str], at: int) -> int:
    """`On ... wrote:`, which mail clients break over several lines -> how many lines, or 0."""
    first = lines[at].strip()
    if not first or len(first) > 400 or not _ATTRIBUTION_START.match(first):
        return 0
    joined = ""
    for count in range(1, min(_ATTRIBUTION_LINES, len(lines) - at) + 1):
        line = lines[at + count - 1].strip()
        if not line.strip(" >"):
            return 0
        joined = f"{joined} {line}".strip()
        if _DATED_SENDER.match(joined):
            return count
        if _WROTE.search(joined):
            # "On 5 March the branch wrote:" may be the customer's own sentence, and all after it his own words.
            certain = _CERTAIN.search(joined) or (re.search(r"\d", joined) and _goes_on_quoted(lines, at + count))
            return count if certain else 0
    return 0


def _goes_on_quoted(lines: list[str], at: int) -> bool:
    return next((line for line in lines[at:] if line.strip()), "").lstrip().startswith(">")


def _opens_history(lines: list[str], at: int) -> bool:
    if _SEPARATOR.match(lines[at]):
        return True
    found = _FIELD.match(lines[at])
    if not found or found.group(1).lower() not in _FIRST_FIELDS:
        return False
    names = {found.group(1).lower()}
    for line in lines[at + 1 : at + 9]:
        other = _FIELD.match(line)
        if other:
            names.add(other.group(1).lower())
    return len(names) >= 3


def _cut_signature(lines: list[str]) -> tuple[list[str], list[str]]:
    """Footers of devices go. A signature goes unless it holds a number: that is how the customer can be reached."""
    for at, line in enumerate(lines):
        if _SIGNATURE.match(line) and any(said.strip() for said in lines[:at]):
            tail = lines[at:]
            if len(tail) <= _SIGNATURE_LINES and not _NUMBER.search("\n".join(tail)):
                return _cut_device(lines[:at], tail)
    return _cut_device(lines, [])


def _cut_device(lines: list[str], cut: list[str]) -> tuple[list[str], list[str]]:
    own = [line for line in lines if not _DEVICE.match(line) or len(line) > 80]
    return own, [line for line in lines if _DEVICE.match(line) and len(line) <= 80] + cut
