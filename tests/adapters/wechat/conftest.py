import pytest
from wechat_account import open_with

from adapters.wechat.channel import WeChatChannel


@pytest.fixture
def channel() -> WeChatChannel:
    return open_with()
