"""One Chromium and one gateway for all pages; every test has a browser profile of its own."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.pages.site import Site, open_site

PHONE = {"width": 360, "height": 740}
"""A cheap Android phone."""
CHROMIUM_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

Open = Callable[..., Awaitable[Page]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with open_site(Path(tmp_path_factory.mktemp("bank"))) as one:
        yield one


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    program = shutil.which("chromium")
    assert program, "These tests look at the pages in Chromium, and there is none: run `bash .ci/install-browser.sh`."
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(CHROMIUM_FLAGS))
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(chromium: Browser) -> AsyncIterator[Open]:
    """`open_page(url, **options of the browser profile)`: a phone with no language of its own but Chinese."""
    contexts: list[BrowserContext] = []

    async def open_one(url: str, **options: Any) -> Page:
        context = await chromium.new_context(**({"viewport": PHONE, "locale": "zh-CN"} | options))
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = await context.new_page()
        await page.goto(url)
        return page

    yield open_one
    for context in contexts:
        await context.close()
