"""The sandbox's PayPal page as a payer sees it: who pays is chosen, and each button leads back."""

from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page

from payments.providers.outcomes import Approved, Declined, RequiresAction
from tests.browser.test_three_d_secure import look
from tests.kit.network import Network
from tests.kit.tills import PayPalDesk, Till

SHOP = "https://shop.example/back?order=7"


@pytest.fixture
def till(network: Network) -> Till:
    return Till(PayPalDesk(network))


@pytest.fixture
def opened(till: Till, page: Page) -> Page:
    """PayPal's page; the shop behind it answers with a word."""
    page.route("https://shop.example/**", lambda route: route.fulfill(body="<p>back in the shop</p>"))
    action = till.authorize(return_url=SHOP, capture=True)
    assert isinstance(action, RequiresAction)
    page.goto(action.redirect_url)
    return page


def test_a_yes_pays_and_leads_back(till, opened):
    assert opened.title() == "Pay with PayPal - sandbox wallet"
    assert "19.99 USD" in opened.inner_text("dl")
    assert till.reference in opened.inner_text("dl")
    look(opened, "paypal")
    opened.get_by_role("button", name="Agree and pay").click()
    opened.wait_for_url("https://shop.example/**")
    told = parse_qs(urlsplit(opened.url).query)
    assert (told["order"], bool(told["PayerID"])) == (["7"], True)
    assert isinstance(till.find(), Approved)


def test_the_chosen_buyer_decides(till, opened):
    url = opened.url
    opened.get_by_label("Test buyer").select_option("declined")
    opened.get_by_role("button", name="Agree and pay").click()
    opened.wait_for_url("https://shop.example/**")
    assert isinstance(till.find(), Declined)
    opened.goto(url)
    assert "already decided" in opened.inner_text("h1")
    assert opened.get_by_role("button").count() == 0
    look(opened, "paypal-decided")


def test_a_no_leads_back_without_a_payer(till, opened):
    opened.get_by_role("button", name="Cancel and return").click()
    opened.wait_for_url("https://shop.example/**")
    assert "PayerID" not in opened.url
    assert isinstance(till.find(), RequiresAction)


def test_the_keyboard_reaches_everything_in_order(opened):
    seen = []
    for _ in range(3):
        opened.keyboard.press("Tab")
        seen.append(opened.evaluate("document.activeElement.name + '=' + document.activeElement.value"))
    assert seen == ["buyer=ada", "action=approve", "action=cancel"]
