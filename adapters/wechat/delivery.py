"""What WeChat says later about template messages it had taken (the event TEMPLATESENDJOBFINISH)."""

from adapters._tencent.messages import Message
from gateway.contract.ports import News

_CODES = {"failed:userblock": "wechat_blocked_by_customer", "failed:systemfailed": "wechat_system_failed"}


def make_reference(appid: str, message_id: object) -> str:
    """The sent id of a template message: WeChat numbers them per account."""
    return f"wechat:{appid}:{message_id}"


def read_news(message: Message, appid: str) -> News | None:
    """None for what is no such event. A status that is not known counts as not delivered: better told twice than never."""
    if not message.is_event or message.event != "TEMPLATESENDJOBFINISH":
        return None
    number = message.fields.get("MsgID", "").strip()
    if not (number.isascii() and number.isdigit()):
        return None
    status = "".join(message.fields.get("Status", "").lower().split())
    if status == "success":
        return News(reference=make_reference(appid, number), delivered=True)
    return News(
        reference=make_reference(appid, number), delivered=False, code=_CODES.get(status, "wechat_not_delivered")
    )
