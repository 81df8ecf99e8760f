"""A bank for adapters under test: three branches, a clock that moves by hand, keys from a fixed master key."""

from pathlib import Path

from config.branches import BranchEntry
from gateway.contract.clock import Millis
from gateway.contract.ports import House
from gateway.contract.signing import derive_key

START = Millis(1_767_232_800_000)
"""2026-01-01 10:00 in Shanghai."""

BRANCHES = {
    each.code: each
    for each in (
        BranchEntry("F0591001", "福州五一支行", "福建", ("五一支行",)),
        BranchEntry("BR-350100-0007", "福州湖东支行", "福建"),
        BranchEntry("SH-021-0003", "上海陆家嘴支行", "上海", ("陆家嘴支行",)),
    )
}


class ManualClock:
    def __init__(self, now: int = START) -> None:
        self.now = now

    def now_ms(self) -> Millis:
        return Millis(self.now)

    def advance(self, ms: int) -> None:
        self.now += ms


def make_house(data_dir: Path, clock: ManualClock | None = None) -> House:
    return House(
        clock=clock or ManualClock(),
        public_url="https://huiyin.bank.example",
        data_dir=data_dir,
        bank_name="示例银行",
        bank_hotline="95561",
        timezone="Asia/Shanghai",
        branches=BRANCHES,
        derive_each=lambda purpose: {1: derive_key(b"a fixed master key for the tests", purpose)},
    )
