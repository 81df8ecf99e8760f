"""The link by which a customer follows a complaint: whoever holds it may look, without a login and for ever."""

from gateway.contract import signing
from gateway.contract.ports import House
from gateway.contract.receipt import Receipt

PURPOSE = "receipt-link"


def make_link_secret(key: bytes, receipt: Receipt) -> str:
    """`key` is `house.derive(PURPOSE)`. Twelve characters, 72 bits."""
    return signing.sign(key, receipt.encode(), size=9)


def check_link_secret(keys: tuple[bytes, ...], receipt: str, secret: str) -> bool:
    """`keys` is `house.derive_all(PURPOSE)`."""
    return signing.verify(keys, receipt.encode(), secret, size=9)


def write_status_link(house: House, receipt: Receipt) -> str:
    """Absolute address of the status page that opens without any question."""
    return f"{house.public_url}/r/{receipt}?s={make_link_secret(house.derive(PURPOSE), receipt)}"
