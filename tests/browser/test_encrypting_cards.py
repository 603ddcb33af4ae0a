"""The snippet of docs/encrypting-cards.md in a real browser: what it encrypts, the vault opens."""

import re
from pathlib import Path

import pytest

from payments.models import PaymentMethod
from tests.api.test_payment_methods import METHODS
from tests.kit import cards
from tests.kit.api_client import MerchantClient
from tests.kit.network import Network
from tests.kit.shared import ROOT
from tests.kit.shop import good
from vendors.models import Merchant

CHROMIUM = Path("/usr/bin/chromium")
SHOP = "https://shop.example/"  # WebCrypto is there for https alone; nothing is fetched from it

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


def snippet() -> str:
    text = (ROOT / "docs/encrypting-cards.md").read_text(encoding="utf-8")
    found = re.search(r"```js\n(.*?)```", text, re.DOTALL)
    assert found
    return found[1]


def encrypted_in_a_browser(details: dict[str, object], key: dict[str, object], merchant_id: str) -> str:
    if not CHROMIUM.exists():
        pytest.skip("CHROMIUM IS NOT HERE: the snippet of docs/encrypting-cards.md WAS NOT TRIED")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page()
        page.route("**/*", lambda route: route.fulfill(body="<title>shop</title>", content_type="text/html"))
        page.goto(SHOP)
        page.add_script_tag(content=snippet())
        made: str = page.evaluate(
            "([details, key, merchant]) => encryptForEverycent(details, key, merchant)",
            [details, key, merchant_id],
        )
        browser.close()
    return made


def test_a_card_typed_in_a_browser_is_added(
    merchant_client: MerchantClient, northwind: Merchant, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed, key = cards.card(), cards.published()
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # playwright runs a loop of its own in this thread
    text = encrypted_in_a_browser(typed, key, northwind.public_id)
    assert typed["number"] not in text
    body = {"customer_id": "carla", "type": "card", "encrypted": text, "verify": True}
    made = good(merchant_client.post(METHODS, body), 201)
    assert (made["status"], made["last4"]) == ("verified", typed["number"][-4:])
    assert PaymentMethod.objects.get(merchant=northwind).holder == typed["holder"]
