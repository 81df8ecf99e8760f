"""An account opened with the simulator's settings, and the gateway's word for what it kept."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from adapters.wechat import simulator
from adapters.wechat.channel import WeChatChannel, open_channel
from adapters.wechat.settings import ChannelSettings
from gateway.contract.clock import Millis
from gateway.contract.envelope import Accepted
from gateway.contract.ports import House
from gateway.contract.receipt import make_receipt

RECEIPT = make_receipt(47_110_815_424)


@dataclass(frozen=True)
class StillClock:
    at: int = simulator.RECEIVED_AT

    def now_ms(self) -> Millis:
        return Millis(self.at)


def open_with(*, house: Mapping[str, Any] | None = None, **changes: object) -> WeChatChannel:
    """`changes` of the simulator's settings; `house`: of the bank."""
    settings = ChannelSettings.model_validate({**simulator.SETTINGS, **changes})
    bank = House(
        clock=StillClock(),
        public_url="https://gateway.example",
        data_dir=Path(),
        bank_name="示例银行",
        bank_hotline="95561",
        timezone="Asia/Shanghai",
        branches={},
        derive_each=lambda purpose: {1: purpose.encode().ljust(32)[:32]},
    )
    return open_channel("gzh", settings, replace(bank, **house or {}))


def accepted(**changes: object) -> list[Accepted]:
    values: dict[str, object] = {"envelope_id": "e1", "receipt": RECEIPT, **changes}
    return [Accepted(**values)]  # type: ignore[arg-type]
