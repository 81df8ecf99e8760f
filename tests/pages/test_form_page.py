"""A customer at the counter scans the code and writes."""

import asyncio
import hashlib
import json
from io import BytesIO

import pytest
from PIL import Image

from config.settings import AttachmentSettings
from gateway.contract.pages.form_page import tell_limits
from gateway.contract.pages.languages import TEXTS
from tests.pages.conftest import Open
from tests.pages.customer import SEND, WORDS, read_receipt, send
from tests.pages.site import BRANCH, Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

DIRECTIONS = {"zh-Hans": "ltr", "zh-Hant": "ltr", "en": "ltr", "ar": "rtl"}


@pytest.mark.parametrize("language", DIRECTIONS)
async def test_a_customer_writes_in_their_language_and_reads_a_number(
    language: str, site: Site, open_page: Open
) -> None:
    page = await open_page(f"{site.branch_url}?lang={language}")
    root = page.locator("html")
    assert await root.get_attribute("lang") == language
    assert await page.evaluate("getComputedStyle(document.body).direction") == DIRECTIONS[language]
    await send(page, phone="13800138000", name="陈小姐")
    assert await page.inner_text("h1") == TEXTS[language].say("receipt", "title")
    trace = await site.wait_registered(await read_receipt(page))
    complaint = json.loads(trace.versions[0][3])
    assert complaint["narrative"] == WORDS
    assert complaint["complainant"]["phones"] == ["13800138000"]
    assert complaint["branch"]["code"] == BRANCH


@pytest.mark.parametrize(
    ("locale", "language"), [("zh-TW", "zh-Hant"), ("en-US", "en"), ("ar-EG", "ar"), ("fr-FR", "zh-Hans")]
)
async def test_the_page_greets_in_the_language_of_the_phone(
    locale: str, language: str, site: Site, open_page: Open
) -> None:
    page = await open_page(site.branch_url, locale=locale)
    assert await page.locator("html").get_attribute("lang") == language


async def test_another_language_is_one_tap_away_and_is_what_the_answer_comes_in(site: Site, open_page: Open) -> None:
    page = await open_page(site.branch_url)
    await page.click("text=English")
    await send(page)
    trace = await site.wait_registered(await read_receipt(page))
    assert await page.inner_text("h1") == "We have received it"
    assert json.loads(trace.versions[0][3])["language"] == "en"


async def test_the_page_works_without_javascript(site: Site, open_page: Open) -> None:
    page = await open_page(site.branch_url, java_script_enabled=False)
    await page.check("#kind-praise")
    await send(page, "三号窗口的小李很耐心。")
    trace = await site.wait_registered(await read_receipt(page))
    assert json.loads(trace.versions[0][3])["kind"] == "praise"


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
async def test_a_double_tap_is_one_complaint(script: bool, site: Site, open_page: Open) -> None:
    page = await open_page(site.branch_url, java_script_enabled=script)
    before = await site.list_kept()
    await page.fill("#text", WORDS)
    await page.dblclick(SEND)
    receipt = await read_receipt(page)
    trace = await site.wait_registered(receipt)
    assert len(trace.envelopes) == 1
    assert len(await site.list_kept()) == len(before) + 1


async def test_the_same_form_sent_from_two_taps_that_both_arrive_has_one_number(site: Site, open_page: Open) -> None:
    page = await open_page(site.branch_url)
    form = {"seal": await page.input_value("[name=seal]"), "kind": "complaint", "text": WORDS}
    answers = await asyncio.gather(*(page.request.post(site.branch_url, form=form) for _ in range(2)))
    numbers = {(await answer.text()).partition('class="digits"')[2].partition("</p>")[0] for answer in answers}
    assert [answer.status for answer in answers] == [200, 200]
    assert len(numbers) == 1


async def test_a_form_sent_again_with_other_words_joins_the_first_number(site: Site, open_page: Open) -> None:
    page = await open_page(site.branch_url)
    form = {"seal": await page.input_value("[name=seal]"), "kind": "complaint", "text": WORDS}
    await page.request.post(site.branch_url, form=form)
    again = await page.request.post(site.branch_url, form=form | {"text": "我还想说一句：大堂也没有人。"})
    assert TEXTS["zh-Hans"].say("receipt", "added_title") in await again.text()


async def test_a_picture_arrives_whole_with_the_words(site: Site, open_page: Open) -> None:
    picture = BytesIO()
    Image.effect_noise((400, 300), 80).save(picture, "PNG")
    page = await open_page(site.branch_url)
    await page.set_input_files("#files", {"name": "回单.png", "mimeType": "image/png", "buffer": picture.getvalue()})
    await send(page)
    trace = await site.wait_registered(await read_receipt(page))
    (attachment,) = json.loads(trace.versions[0][3])["attachments"]
    assert attachment["name"] == "回单.png"
    assert attachment["media_type"] == "image/png"
    assert attachment["sha256"] == hashlib.sha256(picture.getvalue()).hexdigest()


async def test_the_whole_form_can_be_filled_in_and_sent_from_the_keyboard(site: Site, open_page: Open) -> None:
    page = await open_page(site.branch_url)

    async def go_to(target: str) -> None:
        for _ in range(30):
            await page.keyboard.press("Tab")
            if await page.evaluate("document.activeElement.id || document.activeElement.type") == target:
                return
        raise AssertionError(f"Tab never comes to {target}")

    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    await go_to("kind-complaint")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await go_to("text")
    await page.keyboard.type("希望增加一个叫号机。")
    await go_to("phone")
    await page.keyboard.type("13800138000")
    await go_to("reply")
    await page.keyboard.press("Space")
    await go_to("submit")
    await page.keyboard.press("Enter")
    trace = await site.wait_registered(await read_receipt(page))
    complaint = json.loads(trace.versions[0][3])
    assert complaint["kind"] == "suggestion"
    assert complaint["narrative"] == "希望增加一个叫号机。"
    assert complaint["request"] == "希望联系本人"


@pytest.mark.parametrize("language", DIRECTIONS)
async def test_a_wrong_field_says_what_to_do_and_every_typed_word_stays(
    language: str, site: Site, open_page: Open
) -> None:
    page = await open_page(f"{site.branch_url}?lang={language}")
    before = await site.list_kept()
    await page.check("#kind-inquiry")
    await page.fill("#name", "陈小姐")
    await page.check("#reply")
    await send(page, phone="138")
    say = TEXTS[language].say("error", "phone_odd")
    await page.wait_for_selector("[role=alert]:focus")
    assert say in await page.inner_text("[role=alert]")
    assert await page.input_value("#text") == WORDS
    assert await page.input_value("#phone") == "138"
    assert await page.input_value("#name") == "陈小姐"
    assert await page.is_checked("#reply")
    assert await page.is_checked("#kind-inquiry")
    field = page.locator("#phone")
    assert await field.get_attribute("aria-invalid") == "true"
    described = (await field.get_attribute("aria-describedby") or "").split()
    assert say in [(await page.inner_text(f"#{name}")).strip() for name in described]
    await page.click("[role=alert] a")
    assert await page.evaluate("document.activeElement.id") == "phone"
    assert await site.list_kept() == before
    await send(page, phone="13800138000")
    await read_receipt(page)


async def test_an_empty_form_asks_for_one_sentence(site: Site, open_page: Open) -> None:
    page = await open_page(site.branch_url)
    await page.click(SEND)
    assert await page.inner_text("#text-problem") == TEXTS["zh-Hans"].say("error", "text_missing")


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ([("x.zip", b"PK\x03\x04" + bytes(100))], "files_type"),
        ([(f"{n}.txt", "回单".encode()) for n in range(7)], "files_many"),
        ([("large.png", b"\x89PNG\r\n\x1a\n" + bytes(10_000_001))], "files_large"),
    ],
    ids=["of a type we do not take", "too many", "too large"],
)
async def test_files_that_cannot_be_taken_are_named_and_the_words_stay(
    files: list[tuple[str, bytes]], error: str, site: Site, open_page: Open
) -> None:
    page = await open_page(site.branch_url)
    await page.set_input_files(
        "#files",
        [{"name": name, "mimeType": "application/octet-stream", "buffer": content} for name, content in files],
    )
    await send(page)
    assert await page.inner_text("#files-problem") == TEXTS["zh-Hans"].say(
        "error", error, **tell_limits(AttachmentSettings())
    )
    assert TEXTS["zh-Hans"].say("error", "files_again") in await page.inner_text("form")
    assert await page.input_value("#text") == WORDS
    await page.click(SEND)
    await read_receipt(page)


@pytest.mark.parametrize(
    "spoil",
    [lambda url: url[:-4] + "AAAA", lambda url: url.rpartition("/")[0] + "/nonsense", lambda url: url + ".x"],
    ids=["forged", "no code", "too long"],
)
async def test_a_code_that_does_not_work_leads_to_words_and_the_hotline(
    spoil: object, site: Site, open_page: Open
) -> None:
    assert callable(spoil)
    page = await open_page(spoil(site.branch_url))
    assert await page.inner_text("h1") == TEXTS["zh-Hans"].say("wrong", "title_code")
    assert await page.get_attribute(".actions a", "href") == "tel:95561"


async def test_the_hotline_can_be_called_from_the_page_with_one_tap(site: Site, open_page: Open) -> None:
    page = await open_page(site.branch_url)
    assert await page.get_attribute(".urgent a", "href") == "tel:95561"
