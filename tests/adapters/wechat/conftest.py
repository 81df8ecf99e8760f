import pytest
from wechat_account import open_with

from adapters.wechat.channel import WeChatChannel
from tests.store.conftest import bench, store

__all__ = ["bench", "store"]


@pytest.fixture
def channel() -> WeChatChannel:
    return open_with()
