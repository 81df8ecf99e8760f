"""What the pages never do with somebody's words."""

import pytest

from gateway.intake.acknowledge_page import write_answer_link
from tests.pages.conftest import Open
from tests.pages.customer import read_receipt, send
from tests.pages.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVIL = "</textarea><script>window.hit = 1</script><img src=x onerror='window.hit = 1'> ]]> {{ 7 * 7 }} \" onfocus=hit"


async def test_typed_markup_is_shown_as_the_text_it_is(site: Site, open_page: Open) -> None:
    page = await open_page(site.branch_url)
    await send(page, EVIL, name='"><script>window.hit = 1</script>', phone="1")
    assert await page.input_value("#text") == EVIL
    assert await page.input_value("#name") == '"><script>window.hit = 1</script>'
    assert await page.evaluate("window.hit") is None
    assert await page.locator("main img").count() == 0
    await page.fill("#phone", "")
    await page.click("button[type=submit]")
    trace = await site.wait_registered(await read_receipt(page))
    kept = await site.gateway.store.find_envelope(trace.envelopes[0].id)
    assert kept is not None
    assert EVIL.encode() in kept.envelope.raw


async def test_words_quoted_to_the_duty_officer_are_text_as_well(site: Site, open_page: Open) -> None:
    page = await open_page(site.branch_url)
    await send(page, "我的信用卡被盗刷了<script>window.hit=1</script><b>八千元</b>，不是我本人操作！")
    receipt = await read_receipt(page)
    await site.wait_registered(receipt)
    await page.goto(write_answer_link(site.gateway.house, receipt))
    assert await page.locator("main q").count() > 0
    assert await page.locator("main script, main b").count() == 0
    assert await page.evaluate("window.hit") is None


async def test_a_script_that_got_into_the_page_does_not_run(site: Site, open_page: Open) -> None:
    page = await open_page(site.branch_url)
    broken = await page.evaluate(
        """async () => {
          const broken = [];
          document.addEventListener("securitypolicyviolation", (event) => broken.push(event.effectiveDirective));
          const add = (name, facts) => document.body.append(Object.assign(document.createElement(name), facts));
          add("script", { textContent: "window.hit = 1" });
          add("script", { src: "https://elsewhere.example/x.js" });
          add("img", { src: "https://elsewhere.example/x.png" });
          add("iframe", { src: "https://elsewhere.example/" });
          const box = document.createElement("p");
          box.innerHTML = '<button id="trap" onclick="window.hit = 1">x</button>';
          document.body.append(box);
          document.getElementById("trap").click();
          await fetch("https://elsewhere.example/").catch(() => 0);
          await new Promise((resolve) => setTimeout(resolve, 200));
          return broken;
        }"""
    )
    assert await page.evaluate("window.hit") is None
    assert {"script-src-elem", "script-src-attr", "img-src", "frame-src", "connect-src"} <= set(broken)


async def test_no_page_asks_anything_of_another_house(site: Site, open_page: Open) -> None:
    page = await open_page("about:blank")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(site.branch_url)
    await send(page, phone="13800138000")
    receipt = await read_receipt(page)
    await site.wait_registered(receipt)
    await page.click(".actions a.button")
    for path in ("/guestbook", f"/r/{receipt}", "/b/nonsense"):
        await page.goto(site.url + path)
    assert len(asked) >= 6
    assert [url for url in asked if not url.startswith((site.url, "data:"))] == []


async def test_going_back_after_sending_shows_none_of_the_words(site: Site, open_page: Open) -> None:
    page = await open_page(site.branch_url)
    await send(page, phone="13800138000", name="陈小姐")
    await read_receipt(page)
    await page.go_back()
    await page.wait_for_selector("#text")
    assert [await page.input_value(f"#{name}") for name in ("text", "phone", "name")] == ["", "", ""]


async def test_no_page_may_be_kept_framed_or_told_to_others(site: Site, open_page: Open) -> None:
    page = await open_page(site.branch_url)
    await send(page)
    receipt = await read_receipt(page)
    await site.wait_registered(receipt)
    addresses = [
        site.branch_url,
        f"{site.url}/guestbook",
        f"{site.url}/r/{receipt}",
        write_answer_link(site.gateway.house, receipt),
        f"{site.url}/b/nonsense",
    ]
    for address in addresses:
        headers = (await page.request.get(address)).headers
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert "set-cookie" not in headers


async def test_what_fills_the_hidden_field_is_marked_and_kept(site: Site, open_page: Open) -> None:
    page = await open_page(site.branch_url)
    await page.evaluate("document.querySelector('[name=website]').value = 'http://spam.example'")
    assert not await page.locator("[name=website]").is_visible() or await page.evaluate(
        "document.querySelector('[name=website]').getBoundingClientRect().right < 0"
    )
    await send(page)
    trace = await site.wait_registered(await read_receipt(page))
    kept = await site.gateway.store.find_envelope(trace.envelopes[0].id)
    assert kept is not None
    assert kept.envelope.hints["quarantine"] == "honeypot"
