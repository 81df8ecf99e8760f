"""What a customer does on the pages, and what they read there."""

from playwright.async_api import Page

from gateway.contract.receipt import Receipt, parse_receipt

WORDS = "昨天在柜台取钱，等了两个小时没有人理我。"
SEND = "button[type=submit]"


async def send(page: Page, text: str = WORDS, **fields: str) -> None:
    """Fills in the form and presses the button. `fields` by the name they have on the page."""
    await page.fill("#text", text)
    for name, value in fields.items():
        await page.fill(f"#{name}", value)
    await page.click(SEND)


async def read_receipt(page: Page) -> Receipt:
    """The number on the page, as somebody would copy it down."""
    receipt = parse_receipt(await page.inner_text(".digits"))
    assert receipt, "the page shows no valid number"
    return receipt
