"""Debian's Chromium for tests of pages. Where there is none they say loudly that they did not run.

While a browser is open its event loop counts as running, and Django refuses the database: tests of pages look
at what they need by HTTP.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
ABSENT = f"BROWSER TESTS DID NOT RUN: there is no {CHROMIUM} (Debian: apt install chromium)"
SIZES = {"desk": (1280, 800), "phone": (390, 844)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the tests of a module."""
    if not CHROMIUM.exists():
        warnings.warn(ABSENT, stacklevel=1)
        pytest.skip(ABSENT)
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of the browser, with cookies of its own."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


def resize(page: Page, size: str) -> None:
    """Make the window as large as a desk's screen, or as a phone's."""
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})


def is_too_wide(page: Page) -> bool:
    """Say whether the page must be scrolled sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))
