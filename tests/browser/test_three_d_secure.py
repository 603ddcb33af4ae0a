"""The sandbox's 3-D Secure page as a payer sees it: each button leads back to the shop, and decides."""

import os
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page

from payments.providers.outcomes import Approved, Declined, RequiresAction
from tests.kit.browser import SIZES, is_too_wide, resize
from tests.kit.network import Network
from tests.kit.tills import StripeDesk, Till

SHOP = "https://shop.example/back?order=7"


@pytest.fixture
def till(network: Network) -> Till:
    return Till(StripeDesk(network))


@pytest.fixture
def challenged(till: Till, page: Page) -> Page:
    """The page that opens when the payer's bank asks; the shop behind it answers with a word."""
    page.route("https://shop.example/**", lambda route: route.fulfill(body="<p>back in the shop</p>"))
    action = till.authorize(scenario="authenticationRequired", return_url=SHOP)
    assert isinstance(action, RequiresAction)
    page.goto(action.redirect_url)
    return page


def look(page: Page, name: str) -> None:
    """The page fits a desk and a phone; with SCREENSHOTS=folder it is kept as people see it."""
    for size in SIZES:
        resize(page, size)
        assert not is_too_wide(page)
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=f"{folder}/{name}-{size}.png", full_page=True)


@pytest.mark.parametrize(
    ("button", "status", "outcome"),
    [
        ("Confirm the payment", "succeeded", Approved),
        ("Fail the check", "failed", Declined),
        ("Let it time out", "failed", Declined),
    ],
)
def test_each_button_decides_and_leads_back(till, challenged, button, status, outcome):
    assert challenged.title() == "Confirm this payment - sandbox 3-D Secure"
    assert "19.99 USD" in challenged.inner_text("dl")
    assert "Visa ending in 3184" in challenged.inner_text("dl")
    assert till.reference in challenged.inner_text("dl")
    look(challenged, "3ds")
    challenged.get_by_role("button", name=button).click()
    challenged.wait_for_url("https://shop.example/**")
    told = parse_qs(urlsplit(challenged.url).query)
    assert (told["order"], told["redirect_status"]) == (["7"], [status])
    found = till.find()
    assert isinstance(found, outcome)
    if isinstance(found, Declined):
        assert found.code == "authentication_failed"


def test_a_page_that_is_decided_offers_no_button(till, challenged):
    url = challenged.url
    challenged.get_by_role("button", name="Confirm the payment").click()
    challenged.wait_for_url("https://shop.example/**")
    challenged.goto(url)
    assert "already decided" in challenged.inner_text("h1")
    assert challenged.get_by_role("button").count() == 0
    look(challenged, "3ds-decided")


def test_the_keyboard_reaches_the_buttons_in_order(challenged):
    seen = []
    for _ in range(3):
        challenged.keyboard.press("Tab")
        seen.append(challenged.evaluate("document.activeElement.value"))
    assert seen == ["success", "fail", "timeout"]
