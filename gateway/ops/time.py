"""The machine's own clock."""

import time

from gateway.contract.clock import Millis


class SystemClock:
    def now_ms(self) -> Millis:
        return Millis(time.time_ns() // 1_000_000)
