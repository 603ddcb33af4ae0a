"""The example in `ledger/README.md` is what `manage.py explain` prints of such a payout, but for ids."""

import re
from pathlib import Path

import pytest
from django.core.management import call_command

from tests.kit.shop import CORE, good, split

pytestmark = pytest.mark.django_db
README = Path(__file__).parents[2] / "ledger" / "README.md"
BEGINS = "manage.py explain po_…\n"


def alike(text: str) -> str:
    """Return a text without what is new each time: ids, hashes, references, dates."""
    text = re.sub(r"\b([a-z]{2,4})_[0-9a-z]{24,26}\b", r"\1_…", text)
    text = re.sub(r"\b[0-9a-f]{12}…", "…", text)
    text = re.sub(r"\b20\d\d-\d\d-\d\d(T[\d:.+]+)?", "2026-03-02", text)
    return re.sub(r"\b([A-Z]{3})-20\d\d-", r"\1-2026-", text)


def test_the_example_is_what_is_printed(merchant_client, shop, ada, capsys):
    order = shop.body(amount=10_000, currency="EUR", vendor_split=split((ada, 10_000)))
    made = good(merchant_client.post(CORE, order, X_Request_Id="checkout-create"), 201)
    for step in ("authorize", "capture"):
        good(merchant_client.put(f"{CORE}{made['id']}/{step}", X_Request_Id=f"checkout-{step}"), 200)
    asked = {"vendor_id": ada.public_id, "currency": "EUR"}
    batch = good(merchant_client.post("/api/v1/settlements/", asked, X_Request_Id="nightly-settle"), 201)
    paid = f"/api/v1/settlements/{batch['id']}/process"
    payout = good(merchant_client.post(paid, X_Request_Id="nightly-pay"), 200)["payout"]
    call_command("explain", payout["id"])
    printed = "\n".join(line.rstrip() for line in alike(capsys.readouterr().out).splitlines())
    _, _, rest = README.read_text().partition(BEGINS)
    assert rest.partition("```")[0].rstrip() == printed.rstrip(), printed
