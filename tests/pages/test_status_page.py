"""A customer follows what became of their words."""

import asyncio
import json
import re

import pytest

from gateway.contract.pages.languages import TEXTS
from gateway.contract.receipt import Receipt, make_receipt
from gateway.intake.status_page import WRONG_TRIES_PER_HOUR
from tests.pages.conftest import Open
from tests.pages.customer import SEND, read_receipt, send
from tests.pages.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

SAY = TEXTS["zh-Hans"].words["status"]
NOBODY = make_receipt(47_110_815_424)


async def write_one(site: Site, open_page: Open, phone: str = "13800138000") -> tuple[Receipt, str]:
    """-> (receipt, the link on the receipt page)."""
    page = await open_page(site.branch_url)
    await send(page, phone=phone)
    receipt = await read_receipt(page)
    link = await page.get_attribute(".actions a.button", "href")
    assert link
    await site.wait_registered(receipt)
    return receipt, link


async def test_the_link_on_the_receipt_shows_how_far_it_is_without_any_question(site: Site, open_page: Open) -> None:
    receipt, link = await write_one(site, open_page)
    page = await open_page(link)
    assert receipt in re.sub(r"\s", "", await page.inner_text("main"))
    reached = await page.locator(".timeline .done h2").all_inner_texts()
    assert [each.split("\n")[0].strip() for each in reached] == [SAY["received"], SAY["registered"], SAY["forwarded"]]
    assert await page.locator(".timeline .waiting").count() == 1
    assert "138****8000" in await page.inner_text(".facts")
    assert "13800138000" not in await page.content()


@pytest.mark.parametrize("digits", ["8000", "８０００", "٨٠٠٠", " 8000 ", "13800138000"])
async def test_the_number_and_the_last_four_digits_of_the_phone_open_the_page(
    digits: str, site: Site, open_page: Open
) -> None:
    receipt, _ = await write_one(site, open_page)
    page = await open_page(f"{site.url}/r/{receipt}")
    await page.evaluate("document.getElementById('digits').removeAttribute('maxlength')")
    await page.fill("#digits", digits)
    await page.click(SEND)
    assert await page.inner_text("h1") == SAY["title"]
    assert await page.locator(".timeline").count() == 1


async def test_a_number_on_paper_is_enough_to_begin_with(site: Site, open_page: Open) -> None:
    receipt, _ = await write_one(site, open_page)
    page = await open_page(site.branch_url)
    await page.click(".earlier a")
    await page.fill("#number", f"{receipt[:4]} {receipt[4:8]}-{receipt[8:]}")
    await page.click(SEND)
    await page.fill("#digits", "8000")
    await page.click(SEND)
    assert await page.locator(".timeline .done").count() == 3


async def test_a_mistyped_number_is_told_before_anything_is_looked_up(site: Site, open_page: Open) -> None:
    mistyped = NOBODY[:-1] + str((int(NOBODY[-1]) + 1) % 10)
    page = await open_page(f"{site.url}/r?lang=ar")
    await page.fill("#number", mistyped)
    await page.click(SEND)
    assert TEXTS["ar"].say("status", "find_wrong") in await page.inner_text("[role=alert]")
    assert await page.input_value("#number") == mistyped


@pytest.mark.parametrize("written", ["{} {} {}", "{}-{}-{}"])
async def test_the_number_may_be_typed_into_the_address_in_groups(written: str, site: Site, open_page: Open) -> None:
    receipt, _ = await write_one(site, open_page)
    page = await open_page(f"{site.url}/r/{written.format(receipt[:4], receipt[4:8], receipt[8:])}")
    await page.fill("#digits", "8000")
    await page.click(SEND)
    assert await page.locator(".timeline").count() == 1


async def test_a_wrong_guess_and_a_number_that_does_not_exist_get_the_same_answer(site: Site, open_page: Open) -> None:
    real, _ = await write_one(site, open_page)
    page = await open_page("about:blank")
    answers = []
    for receipt in (real, NOBODY):
        answer = await page.request.post(f"{site.url}/r/{receipt}", form={"do": "look", "digits": "0000"})
        text = (await answer.text()).replace(f"{receipt[:4]} {receipt[4:8]} {receipt[8:]}", "NUMBER")
        answers.append((answer.status, text, answer.headers.get("retry-after")))
    assert answers[0] == answers[1]
    assert answers[0][0] == 403
    assert SAY["verify_wrong"] in answers[0][1]


async def test_wrong_guesses_close_the_question_for_a_while_but_never_the_link(site: Site, open_page: Open) -> None:
    receipt, link = await write_one(site, open_page)
    page = await open_page("about:blank")

    async def guess(digits: str) -> int:
        return (await page.request.post(f"{site.url}/r/{receipt}", form={"do": "look", "digits": digits})).status

    # All at once, as a program would: not one more than allowed may be looked up.
    statuses = await asyncio.gather(*(guess(f"{number:04}") for number in range(20)))
    assert statuses.count(403) == WRONG_TRIES_PER_HOUR
    assert statuses.count(429) == 20 - WRONG_TRIES_PER_HOUR
    assert await guess("8000") == 429
    await page.goto(f"{site.url}/r/{receipt}")
    await page.fill("#digits", "8000")
    await page.click(SEND)
    assert SAY["verify_stop"] in await page.inner_text("[role=alert]")
    await page.goto(link)
    assert await page.inner_text("h1") == SAY["title"]


async def test_somebody_who_knows_the_digits_may_look_as_often_as_they_like(site: Site, open_page: Open) -> None:
    receipt, _ = await write_one(site, open_page)
    page = await open_page("about:blank")
    for _ in range(WRONG_TRIES_PER_HOUR * 2):
        answer = await page.request.post(f"{site.url}/r/{receipt}", form={"do": "look", "digits": "8000"})
        assert answer.status == 200


async def test_a_number_without_a_phone_opens_with_no_digits_at_all(site: Site, open_page: Open) -> None:
    receipt, _ = await write_one(site, open_page, phone="")
    page = await open_page("about:blank")
    for digits in ("", "0000"):
        answer = await page.request.post(f"{site.url}/r/{receipt}", form={"do": "look", "digits": digits})
        assert answer.status == 403


@pytest.mark.parametrize("change", [lambda link: link[:-3] + "AAA", lambda link: link.partition("?")[0]])
async def test_a_link_that_is_not_whole_asks_for_the_digits_and_shows_nothing(
    change: object, site: Site, open_page: Open
) -> None:
    assert callable(change)
    _, link = await write_one(site, open_page)
    page = await open_page(change(link.partition("&")[0]))
    assert await page.inner_text("h1") == SAY["verify_title"]
    assert await page.locator(".timeline").count() == 0


async def test_the_secret_of_one_number_does_not_open_another(site: Site, open_page: Open) -> None:
    first, link = await write_one(site, open_page)
    second, _ = await write_one(site, open_page)
    page = await open_page(link.replace(first, second))
    assert await page.locator(".timeline").count() == 0


async def test_what_a_customer_adds_joins_the_same_number_and_appears(site: Site, open_page: Open) -> None:
    receipt, link = await write_one(site, open_page)
    page = await open_page(link)
    await page.fill("#text", "补充：当时是下午三点。")
    await page.dblclick(f"section {SEND}")
    await page.wait_for_selector(".notice.good")
    assert SAY["added"] in await page.inner_text(".notice.good")
    assert SAY["supplemented"] in await page.inner_text(".timeline")
    trace = await site.wait_registered(receipt, version=2)
    assert len(trace.envelopes) == 2
    assert "下午三点" in json.loads(trace.versions[-1][3])["narrative"]


async def test_an_empty_addition_is_asked_for_again(site: Site, open_page: Open) -> None:
    receipt, link = await write_one(site, open_page)
    page = await open_page(link)
    await page.click(f"section {SEND}")
    assert await page.inner_text("#text-problem") == TEXTS["zh-Hans"].say("error", "text_missing")
    assert await page.get_attribute("#text", "aria-describedby") == "text-problem"
    assert len((await site.find(receipt)).envelopes) == 1


async def test_a_customer_withdraws_and_the_bank_is_told(site: Site, open_page: Open) -> None:
    receipt, link = await write_one(site, open_page)
    page = await open_page(link)
    await page.click("summary")
    await page.click(f"details {SEND}")
    await page.wait_for_selector(".notice.good")
    assert SAY["withdrawn"] in await page.inner_text(".timeline")
    assert await page.locator("form").count() == 0
    trace = await site.wait_registered(receipt, version=2)
    assert SAY["withdraw_words"] in json.loads(trace.versions[-1][3])["narrative"]


async def test_reading_the_page_never_withdraws_anything(site: Site, open_page: Open) -> None:
    receipt, link = await write_one(site, open_page)
    await open_page(f"{link}&do=withdraw")
    assert len((await site.find(receipt)).envelopes) == 1


async def test_praise_has_no_date_by_which_it_must_be_answered(site: Site, open_page: Open) -> None:
    for kind, shown in (("complaint", True), ("praise", False)):
        page = await open_page(site.branch_url)
        await page.check(f"#kind-{kind}")
        await send(page)
        await site.wait_registered(await read_receipt(page))
        await page.click(".actions a.button")
        assert (SAY["deadline"] in await page.inner_text(".facts")) == shown


async def test_loading_the_receipt_page_again_shows_the_same_number(site: Site, open_page: Open) -> None:
    page = await open_page(site.branch_url)
    await send(page)
    receipt = await read_receipt(page)
    await page.reload()
    assert await read_receipt(page) == receipt
