"""Messages at a fixed rate, whether or not the ones before were answered: what an account's customers do."""

import asyncio
import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from adapters.wechat.simulation.account import Account
from adapters.wechat.simulation.pushes import UNAVAILABLE, Pushed, Pusher, pause_until

KINDS = ("text", "image", "voice", "location", "event")
_FIRST_ID = 23_456_789_000_000_000
_WORDS = (
    "我要投诉，信用卡年费扣了两次，打电话一直没人接。",
    "柜台排队一个多小时，叫号机坏了也没人管。",
    "贷款提前还款被收违约金，签合同的时候没有说。",
    "手机银行转账失败，钱扣了对方没收到，请尽快处理。",
)
_JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(20_000)
_AMR = b"#!AMR\n" + bytes(5_000)


@dataclass(slots=True)
class Report:
    """`seconds`: how long each answered try took. `words` maps a message's number to what its sender read."""

    wanted: int = 0
    answered: int = 0
    unanswered: int = 0
    broken: int = 0
    silent: int = 0
    tries: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    late: int = 0
    words: dict[int, str] = field(default_factory=dict)

    def add(self, number: int, pushed: Pushed) -> None:
        self.tries[pushed.tries] += 1
        if not pushed.answered:
            self.unanswered += 1
            return
        self.answered += 1
        self.seconds.append(pushed.seconds[-1])
        self.words[number] = pushed.words
        self.broken += pushed.words == UNAVAILABLE
        self.silent += not pushed.words

    @property
    def retried(self) -> int:
        return sum(count for tries, count in self.tries.items() if tries > 1)

    def find_percentile(self, part: float) -> float:
        """Seconds; NaN where nothing was answered."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, math.ceil(part * len(ordered)) - 1)] if ordered else math.nan

    def tell(self) -> list[str]:
        p50, p99, p999 = (1000 * self.find_percentile(part) for part in (0.5, 0.99, 0.999))
        tries = ", ".join(f"{count} x {number}" for number, count in sorted(self.tries.items()))
        lines = [
            f"pushed {self.wanted}: answered {self.answered}, without words {self.silent}, not to be read {self.broken}",
            f"sent again {self.retried}, given up {self.unanswered} (tries: {tries})",
            f"reply p50 {p50:.1f} ms, p99 {p99:.1f} ms, p99.9 {p999:.1f} ms",
        ]
        if self.late:
            lines.append(f"the simulator itself was late {self.late} times; the figures are too good then")
        return lines


async def push_at_rate(
    pusher: Pusher, account: Account, *, rate: float, seconds: float, kinds: Sequence[str] = ("text",), people: int = 0
) -> Report:
    """`rate` in messages a second. `people`: how many customers there are; 0: each message is somebody else's."""
    report = Report(wanted=max(1, round(rate * seconds)))
    luck = random.Random(95561)  # noqa: S311  the same load every time
    loop = asyncio.get_running_loop()
    began = loop.time()
    base = account.now_ms()

    async def push(number: int, kind: str) -> None:
        person = number % people if people else number
        openid = f"o{base:013d}-{person:08d}"
        report.add(number, await pusher.push(_make(account, openid, number, kind, luck)))

    async with asyncio.TaskGroup() as group:
        for number in range(report.wanted):
            moment = began + number / rate
            await pause_until(moment)
            report.late += loop.time() - moment > 0.25
            group.create_task(push(number, kinds[number % len(kinds)]))
    return report


def _make(account: Account, openid: str, number: int, kind: str, luck: random.Random) -> dict[str, str | int]:
    now_ms = account.now_ms()
    outer: dict[str, str | int] = {
        "ToUserName": account.original_id,
        "FromUserName": openid,
        "CreateTime": now_ms // 1000,
    }
    account.note_words(openid)
    if kind == "event":
        return {**outer, "MsgType": "event", "Event": "VIEW", "EventKey": f"https://bank.example/{number}"}
    outer["MsgId"] = str(_FIRST_ID + now_ms % 10**9 * 1000 + number)
    match kind:
        case "image":
            media_id = account.upload(_JPEG + number.to_bytes(8, "big"), "image/jpeg")
            return {**outer, "MsgType": "image", "MediaId": media_id, "PicUrl": "http://mmbiz.qpic.cn/0"}
        case "voice":
            media_id = account.upload(_AMR + number.to_bytes(8, "big"), "audio/amr")
            return {**outer, "MsgType": "voice", "MediaId": media_id, "Format": "amr"}
        case "location":
            return {
                **outer,
                "MsgType": "location",
                "Location_X": "26.07",
                "Location_Y": "119.30",
                "Scale": "16",
                "Label": "福州市五一北路",
            }
    return {**outer, "MsgType": "text", "Content": luck.choice(_WORDS)}
