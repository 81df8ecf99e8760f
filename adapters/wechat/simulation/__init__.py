"""WeChat's servers on this machine: they push, wait five seconds, push again; and they answer the account's API calls.

`async with open_wechat(Account(...)) as wechat` is all a test needs; `huiyin simulate wechat` and the load test use the
same parts against a running gateway.
"""

from adapters.wechat.simulation.account import Account, Person
from adapters.wechat.simulation.pushes import Pushed, Pusher
from adapters.wechat.simulation.server import WeChat, open_wechat

__all__ = ["Account", "Person", "Pushed", "Pusher", "WeChat", "open_wechat"]
