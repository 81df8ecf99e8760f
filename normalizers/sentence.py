"""What a text is about in one line, and what the customer wants."""

import re

_TITLE_LENGTH = 40
_REQUEST_LENGTH = 200
_SENTENCE = re.compile(r"[^。！？!?；;\n]{1,2000}[。！？!?；;]{0,3}")
_GREETING = re.compile(
    r"\s*(?:(?:尊敬的|敬爱的|致|贵行|親愛的|敬启者|敬啟者|你好|您好|大家好|喂|嗯|啊|哦|dear|hi|hello|good (?:morning|afternoon|evening)|to whom it may concern)[^。！？!?\n]{0,24}|.{0,20}[:：])[。！？!?；;\s]*$",
    re.IGNORECASE,
)
_WANTS = re.compile(
    r"(?=[诉要请恳希盼麻必我给iIpPwWأنا])(?:诉求|要求|请求|恳请|恳求|希望|盼望|请(?:贵行|你们|尽快|立即|马上|帮|给|将|把|退|还|处理|核实|解决|查|回复|速)|麻烦(?:你们|帮|把|给|尽快)|"
    r"必须(?:给|退|赔|道歉)|(?:我|我们)(?:想|要|需要)(?:你们|贵行)?(?:退|赔|解决|处理|道歉|投诉|查|补|说法|答复|解释)|给(?:我)?(?:个|一个)(?:说法|答复|交代|解释)|"
    r"\bi (?:want|would like|demand|request|need|expect)\b|\bplease (?!be |note|find|see)|\bi am (?:requesting|asking)|\bwe (?:want|demand|request)|"
    r"أطلب|أرجو|نطلب|اريد|أريد)",
    re.IGNORECASE,
)
_LABELLED = re.compile(r"(?:诉求|投诉请求|我的要求|要求)(?:如下|是|为)?\s{0,2}[:：]\s{0,3}(?P<wish>[^\n]{2,400})")
_DROPPED = re.compile(r"^[\s,，。、:：;；\-—·]+")


def make_title(given: str, text: str) -> str:
    """The given title, or the first sentence that is no greeting; one line, at most 40 characters."""
    line = " ".join(given.split())
    if not line:
        found = (match[0] for match in _SENTENCE.finditer(text[:2000]))
        sentences = [sentence for sentence in (" ".join(part.split()) for part in found) if sentence]
        said = (sentence for sentence in sentences if len(sentence) >= 4 and not _GREETING.match(sentence))
        line = next(said, sentences[0] if sentences else "")
    line = _DROPPED.sub("", line)
    return line if len(line) <= _TITLE_LENGTH else line[: _TITLE_LENGTH - 1].rstrip() + "…"


def find_request(text: str, original: str) -> str:
    """The sentences that say what is wanted, up to two. `text` as `normalizers.text.plain` gives it."""
    labelled = _LABELLED.search(text)
    if labelled:
        return original[labelled.start("wish") : labelled.end("wish")].strip()[:_REQUEST_LENGTH]
    wishes: list[str] = []
    end = 0
    for match in _WANTS.finditer(text):
        if match.start() < end:
            continue
        start = max([text.rfind(mark, 0, match.start()) for mark in "。！？!?；;\n"]) + 1
        sentence = _SENTENCE.match(text, start)
        if sentence is None or sentence.end() <= match.start():
            continue
        end = sentence.end()
        wishes.append(" ".join(original[start:end].split()))
        if len(wishes) == 2:
            break
    return " ".join(wishes)[:_REQUEST_LENGTH]
