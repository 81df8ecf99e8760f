"""A visitor of the bank's site writes into the guestbook."""

import json

import pytest

from gateway.contract.pages.languages import TEXTS
from tests.pages.conftest import Open
from tests.pages.customer import SEND, WORDS, read_receipt, send
from tests.pages.site import BRANCH, Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
@pytest.mark.parametrize("language", ["zh-Hans", "zh-Hant", "en", "ar"])
async def test_a_visitor_writes_in_their_language_and_reads_a_number(
    language: str, script: bool, site: Site, open_page: Open
) -> None:
    page = await open_page(f"{site.url}/guestbook?lang={language}", java_script_enabled=script)
    assert await page.inner_text("h1") == TEXTS[language].say("form", "title_guestbook")
    await send(page)
    assert await page.inner_text("h1") == TEXTS[language].say("receipt", "title")
    trace = await site.wait_registered(await read_receipt(page))
    assert json.loads(trace.versions[0][3])["narrative"] == WORDS


async def test_a_visitor_may_choose_the_branch_it_is_about(site: Site, open_page: Open) -> None:
    page = await open_page(f"{site.url}/guestbook")
    await page.select_option("#branch", BRANCH)
    await send(page)
    trace = await site.wait_registered(await read_receipt(page))
    assert json.loads(trace.versions[0][3])["branch"]["code"] == BRANCH


async def test_a_branch_that_is_not_on_the_list_is_asked_for_again_and_the_words_stay(
    site: Site, open_page: Open
) -> None:
    page = await open_page(f"{site.url}/guestbook")
    await page.evaluate("document.querySelectorAll('#branch option')[1].value = 'elsewhere'")
    await page.select_option("#branch", "elsewhere")
    await send(page)
    assert await page.inner_text("#branch-problem") == TEXTS["zh-Hans"].say("error", "branch_unknown")
    assert await page.input_value("#text") == WORDS


async def test_a_double_tap_is_one_entry(site: Site, open_page: Open) -> None:
    page = await open_page(f"{site.url}/guestbook", java_script_enabled=False)
    before = await site.list_kept()
    await page.fill("#text", WORDS)
    await page.dblclick(SEND)
    await read_receipt(page)
    assert len(await site.list_kept()) == len(before) + 1
