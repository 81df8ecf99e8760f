from pathlib import Path

import pytest

from gateway.contract.ports import House
from tests.contract.house import ManualClock, make_house


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def house(tmp_path: Path, clock: ManualClock) -> House:
    return make_house(tmp_path, clock)
