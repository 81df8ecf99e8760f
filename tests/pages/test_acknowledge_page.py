"""A duty officer opens the link in a warning."""

import pytest

from gateway.contract.pages.languages import TEXTS
from gateway.contract.receipt import Receipt, make_receipt
from gateway.intake.acknowledge_page import write_answer_link
from gateway.states import DutyState
from gateway.store.rows import DutyFacts, Target
from tests.pages.conftest import Open
from tests.pages.customer import SEND, read_receipt, send
from tests.pages.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

SAY = TEXTS["zh-Hans"].words["acknowledge"]
URGENT = "我的信用卡刚才被盗刷了八千元，不是我本人操作，请马上冻结！"


async def warn(site: Site, open_page: Open) -> tuple[Receipt, str]:
    """-> (receipt, the link in the warning) of a complaint that somebody must take at once."""
    page = await open_page(site.branch_url)
    await send(page, URGENT)
    receipt = await read_receipt(page)
    await site.wait_registered(receipt)
    assert (await find_warning(site, receipt)).state is DutyState.WAITING
    return receipt, write_answer_link(site.gateway.house, receipt)


async def find_warning(site: Site, receipt: Receipt) -> DutyFacts:
    (warning,) = [duty for duty in (await site.find(receipt)).duties if duty.target is Target.NOTICE]
    return warning


async def test_opening_the_link_shows_why_and_changes_nothing(site: Site, open_page: Open) -> None:
    receipt, link = await warn(site, open_page)
    page = await open_page(link)
    for _ in range(3):
        await page.reload()
    await page.request.head(link)
    assert await page.inner_text("h1") == SAY["title"]
    assert "盗刷" in await page.inner_text("main q >> nth=0")
    assert SAY["critical"] in await page.inner_text(".facts")
    assert "福州五一支行" in await page.inner_text(".facts")
    warning = await find_warning(site, receipt)
    assert warning.state is DutyState.WAITING
    assert not [row for row in (await site.find(receipt)).history if row.event == "duty.dismissed"]


async def test_pressing_the_button_takes_it_over_and_ends_the_calling(site: Site, open_page: Open) -> None:
    receipt, link = await warn(site, open_page)
    page = await open_page(link)
    await page.click(SEND)
    await page.wait_for_selector(".notice.good")
    assert SAY["taken"] in await page.inner_text(".notice.good")
    warning = await find_warning(site, receipt)
    assert warning.state is DutyState.DISMISSED
    assert warning.code == "acknowledged"


async def test_the_second_officer_reads_that_somebody_has_taken_it(site: Site, open_page: Open) -> None:
    _, link = await warn(site, open_page)
    first, second = await open_page(link), await open_page(link)
    for page in (first, second):
        await page.click(SEND)
        await page.wait_for_selector(".notice.good")
    assert SAY["taken"] in await first.inner_text(".notice.good")
    assert SAY["answered"] in await second.inner_text(".notice.good")
    late = await open_page(link)
    assert await late.locator(SEND).count() == 0
    assert await late.inner_text("h1") == SAY["title_taken"]


async def test_the_page_says_when_it_came_in_by_the_clock_of_the_bank(site: Site, open_page: Open) -> None:
    receipt, link = await warn(site, open_page)
    page = await open_page(link, timezone_id="Asia/Shanghai")
    received = (await site.find(receipt)).envelopes[0].received_at
    local = await page.evaluate("ms => new Date(ms).toLocaleString('sv').slice(0, 16)", received)
    assert local in await page.inner_text(".facts")


async def test_a_link_that_is_not_ours_shows_and_changes_nothing(site: Site, open_page: Open) -> None:
    receipt, link = await warn(site, open_page)
    for broken in (link[:-4] + "AAAA", f"{site.url}/a/{receipt}", f"{site.url}/a/nonsense"):
        page = await open_page(broken)
        assert await page.inner_text("h1") == SAY["title_broken"]
        assert "盗刷" not in await page.content()
        assert (await page.request.post(broken)).status == 403
    assert (await find_warning(site, receipt)).state is DutyState.WAITING


async def test_the_link_of_one_warning_does_not_answer_another(site: Site, open_page: Open) -> None:
    first, link = await warn(site, open_page)
    second, _ = await warn(site, open_page)
    page = await open_page("about:blank")
    assert (await page.request.post(link.replace(first, second))).status == 403
    assert (await find_warning(site, second)).state is DutyState.WAITING


async def test_a_signed_link_to_a_number_that_is_nowhere_is_told_so(site: Site, open_page: Open) -> None:
    page = await open_page(write_answer_link(site.gateway.house, make_receipt(47_110_815_424)))
    assert await page.inner_text("h1") == SAY["title_broken"]
