"""Whoever calls too often is told so in words, and what they wrote stays."""

from pathlib import Path

import pytest

from gateway.contract.pages.languages import TEXTS
from tests.pages.conftest import Open
from tests.pages.customer import WORDS, read_receipt, send
from tests.pages.site import open_site

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("path", ["branch", "guestbook"])
async def test_a_customer_over_the_limit_keeps_their_words_and_is_asked_to_wait(
    path: str, tmp_path: Path, open_page: Open
) -> None:
    async with open_site(tmp_path, public_per_minute=2) as site:
        address = site.branch_url if path == "branch" else f"{site.url}/guestbook"
        page = await open_page(address)
        await send(page)
        await read_receipt(page)
        answer = await page.request.post(address, form={"text": WORDS, "kind": "complaint"})
        assert answer.status == 429
        assert int(answer.headers["retry-after"]) > 0
        text = await answer.text()
        assert TEXTS["zh-Hans"].say("error", "too_many") in text
        assert WORDS in text
