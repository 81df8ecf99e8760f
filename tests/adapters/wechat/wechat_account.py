"""An account opened with the simulator's settings, and the gateway's word for what it kept."""

from dataclasses import dataclass
from pathlib import Path

from adapters.wechat import simulator
from adapters.wechat.channel import WeChatChannel, open_channel
from adapters.wechat.settings import ChannelSettings
from gateway.contract.clock import Millis
from gateway.contract.envelope import Accepted
from gateway.contract.ports import House
from gateway.contract.receipt import Receipt

RECEIPT = Receipt("471108154242")


@dataclass(frozen=True)
class StillClock:
    at: int = simulator.RECEIVED_AT

    def now_ms(self) -> Millis:
        return Millis(self.at)


def open_with(**changes: object) -> WeChatChannel:
    settings = ChannelSettings.model_validate({**simulator.SETTINGS, **changes})
    house = House(
        clock=StillClock(),
        public_url="https://gateway.example",
        data_dir=Path(),
        bank_name="示例银行",
        bank_hotline="95561",
        timezone="Asia/Shanghai",
        branches={},
        derive=lambda purpose: purpose.encode().ljust(32)[:32],
    )
    return open_channel("gzh", settings, house)


def accepted(**changes: object) -> list[Accepted]:
    values: dict[str, object] = {"envelope_id": "e1", "receipt": RECEIPT, **changes}
    return [Accepted(**values)]  # type: ignore[arg-type]
