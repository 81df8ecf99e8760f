"""What old eyes and unsteady fingers need: MIIT 移动互联网应用适老化通用设计规范 (2021-04), measured on the rendered pages."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page

from gateway.intake.acknowledge_page import write_answer_link
from tests.pages.conftest import Open
from tests.pages.customer import SEND, read_receipt, send
from tests.pages.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

TEXT_PX = 18
CONTRAST = 4.5
TARGET_PX, MAIN_TARGET_PX = 44, 60

# Every visible piece of text with its size, its contrast against what is painted behind it, and where it ends.
_MEASURE_TEXTS = """() => {
  const channels = (colour) => {
    const parts = colour.match(/[\\d.]+/g).map(Number);
    return parts.length === 3 ? [...parts, 1] : parts;
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((value, i) => value * a + below[i] * (1 - a));
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    if (!element) return [255, 255, 255];
    return over(channels(getComputedStyle(element).backgroundColor), ground(element.parentElement));
  };
  const found = [];
  const add = (element, words, box) => {
    const style = getComputedStyle(element);
    const below = ground(element);
    const [one, two] = [light(over(channels(style.color), below)), light(below)].sort((a, b) => b - a);
    found.push({ words, px: parseFloat(style.fontSize), contrast: (one + 0.05) / (two + 0.05), left: box.left, right: box.right });
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const words = walker.currentNode.data.trim();
    if (!words || element.closest('script, style, .skip, .trap, option') || !element.checkVisibility()) continue;
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    add(element, words, range.getBoundingClientRect());
  }
  for (const field of document.querySelectorAll('textarea, select, input:not([type=hidden], [type=radio], [type=checkbox], [name=website])'))
    if (field.checkVisibility()) add(field, '#' + field.id, field.getBoundingClientRect());
  return found;
}"""

_MEASURE_TARGETS = """() => {
  const targets = 'a[href], button, summary, textarea, select, input:not([type=hidden], [name=website])';
  const found = [];
  for (const element of document.querySelectorAll(targets)) {
    if (!element.checkVisibility() || element.matches('.skip')) continue;
    const ticked = element.matches('[type=radio], [type=checkbox]');
    const box = (ticked ? element.closest('label') : element).getBoundingClientRect();
    const main = ticked || element.matches('button, .button, textarea, select, input');
    found.push({ name: element.id || element.innerText || element.type, width: box.width, height: box.height, main });
  }
  return found;
}"""

_WIDTHS = "[document.scrollingElement.scrollWidth, document.scrollingElement.clientWidth]"

Show = Callable[..., Awaitable[Page]]
PAGES = ("form", "wrong form", "receipt", "status", "question", "find", "warning", "guestbook", "no code")


@pytest_asyncio.fixture(loop_scope="session")
async def show(site: Site, open_page: Open) -> AsyncIterator[Show]:
    """`show(name, language, **options of the browser profile)`: any page of the house, as a customer comes to it."""

    async def show_one(name: str, language: str = "zh-Hans", **options: Any) -> Page:
        # Still, so that no colour is measured in the middle of a movement.
        profile = {"reduced_motion": "reduce"} | options
        if name == "guestbook":
            return await open_page(f"{site.url}/guestbook?lang={language}", **profile)
        if name == "find":
            return await open_page(f"{site.url}/r?number=1&lang={language}", **profile)
        if name == "no code":
            return await open_page(f"{site.url}/b/nonsense?lang={language}", **profile)
        page = await open_page(f"{site.branch_url}?lang={language}", **profile)
        if name == "form":
            return page
        if name == "wrong form":
            await page.click(SEND)
            await page.wait_for_selector(".problem")
            return page
        await send(page, "我的信用卡被盗刷了八千元，请马上冻结！", phone="13800138000")
        receipt = await read_receipt(page)
        await site.wait_registered(receipt)
        if name == "status":
            await page.click(".actions a.button")
            await page.click("summary")
        elif name == "question":
            await page.goto(f"{site.url}/r/{receipt}?lang={language}")
        elif name == "warning":
            await page.goto(write_answer_link(site.gateway.house, receipt) + f"?lang={language}")
        return page

    yield show_one


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
async def test_all_text_is_large_and_stands_out(name: str, scheme: str, show: Show) -> None:
    page = await show(name, color_scheme=scheme)
    texts = await page.evaluate(_MEASURE_TEXTS)
    assert len(texts) > 5
    assert [each for each in texts if each["px"] < TEXT_PX] == []
    assert [each for each in texts if each["contrast"] < CONTRAST] == []


@pytest.mark.parametrize("name", PAGES)
async def test_everything_to_be_tapped_is_large_enough_for_a_thumb(name: str, show: Show) -> None:
    targets = await (await show(name)).evaluate(_MEASURE_TARGETS)
    assert targets
    small = [each for each in targets if min(each["width"], each["height"]) < TARGET_PX]
    assert small == []
    assert [each for each in targets if each["main"] and each["height"] < MAIN_TARGET_PX] == []


@pytest.mark.parametrize("language", ["zh-Hans", "zh-Hant", "en", "ar"])
@pytest.mark.parametrize("name", PAGES)
async def test_nothing_runs_out_of_a_small_phone_even_with_the_text_at_twice_its_size(
    name: str, language: str, show: Show
) -> None:
    page = await show(name, language, viewport={"width": 320, "height": 568})
    for size in ("100%", "200%"):
        await page.evaluate(
            "size => document.documentElement.style.fontSize = `calc(112.5% * ${parseInt(size) / 100})`", size
        )
        scroll, width = await page.evaluate(_WIDTHS)
        assert scroll <= width, f"scrolls sideways at {size}"
        outside = [each for each in await page.evaluate(_MEASURE_TEXTS) if each["left"] < 0 or each["right"] > width]
        assert outside == [], f"text is cut off at {size}"


@pytest.mark.parametrize("width", [320, 360, 414])
async def test_the_number_stands_on_one_line(width: int, show: Show) -> None:
    page = await show("receipt", viewport={"width": width, "height": 700})
    tops = await page.eval_on_selector_all(".digits span", "all => all.map((one) => one.getBoundingClientRect().top)")
    assert len(tops) == 3
    assert len(set(tops)) == 1


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("width", [320, 360, 1200])
async def test_no_word_of_a_choice_is_cut_in_two(language: str, width: int, show: Show) -> None:
    page = await show("form", language, viewport={"width": width, "height": 700})
    lines = await page.eval_on_selector_all(
        ".kind-name",
        "all => all.map((one) => one.getBoundingClientRect().height / parseFloat(getComputedStyle(one).lineHeight))",
    )
    assert [round(each) for each in lines] == [1, 1, 1, 1]


@pytest.mark.parametrize("name", PAGES)
async def test_every_field_has_a_name_and_the_page_one_heading(name: str, show: Show) -> None:
    page = await show(name)
    assert await page.locator("h1").count() == 1
    nameless = await page.eval_on_selector_all(
        "textarea, select, input:not([type=hidden])",
        "all => all.filter((one) => !one.labels.length).map((one) => one.name)",
    )
    assert nameless == []
    double = await page.evaluate(
        "[...document.querySelectorAll('[id]')].map((one) => one.id).filter((id, i, all) => all.indexOf(id) !== i)"
    )
    assert double == []
