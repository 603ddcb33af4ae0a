"""The bank's own entries against our operations, as the proof of a day compares them: both ways, by cent."""

from datetime import timedelta

import pytest

from config.day import proof
from config.day.networks import FileDesk
from ledger import clock
from payments.models import Payment, ProviderOperation
from tests.kit.network import API_KEY
from tests.kit.rails import RailsBank
from tests.services.payments.cast import cancelled

pytestmark = pytest.mark.django_db
RAILS = ("ach", "sepa")
SHORT_OF_FUNDS = {"ach": "R01", "sepa": "AM04"}
UNAUTHORISED = {"ach": "R10", "sepa": "MD06"}
CLOSED = {"ach": "R02", "sepa": "AC04"}


@pytest.fixture
def differences(northwind, rails: RailsBank):
    """What differs between a rail's desk and a merchant's operations there."""

    def found(rail: str) -> list[tuple[str, str]]:
        desk = FileDesk(rail, f"{rails.network.url}/rails", API_KEY, connections=1)
        theirs = {row["idempotency_key"]: row for row in desk.truth(100)}
        desk.close()
        rows = ProviderOperation.objects.filter(merchant=northwind, provider=rail)
        ours = {row.idempotency_key: row for row in rows.exclude(proof.NEVER_IN_A_FILE)}
        assert theirs
        return list(proof._compare(theirs, ours))

    return found


@pytest.mark.parametrize("rail", RAILS)
def test_settled_returned_taken_back_and_given_back(rail, northwind, ada, rails, differences):
    whole = rails.pay(rails.method(northwind, rail), 10_000, [(ada, 8_000)])
    parts = rails.pay(rails.method(northwind, rail), 5_000, capture_method="manual")
    rails.capture(parts, 2_000)
    rails.pay(rails.method(northwind, rail, SHORT_OF_FUNDS[rail]), 700)
    rails.pay(rails.method(northwind, rail, UNAUTHORISED[rail]), 900)
    cancelled(rails.pay(rails.method(northwind, rail), 300, capture_method="manual"))
    rails.hand_over()
    assert differences(rail) == []  # waiting there and here
    rails.day(rail)
    assert differences(rail) == []
    rails.refund(whole, 4_000)
    rails.day(rail, 2)
    assert differences(rail) == []
    [credit] = [entry for entry in rails.entries() if entry["direction"] == "credit"]
    body = {"end_to_end": credit["end_to_end"], "code": CLOSED[rail]}
    rails.network.client.post("/rails/sim/returns", json=body).raise_for_status()
    rails.day(rail, 3)
    assert Payment.objects.get(pk=whole.pk).refunded_minor == 0
    assert differences(rail) == []


def test_what_the_bank_has_and_we_do_not_is_told(northwind, rails, differences):
    rails.pay(rails.method(northwind, "sepa"), 1_000)
    rails.day("sepa")
    ProviderOperation.objects.filter(merchant=northwind, kind="capture").update(amount_minor=999)
    [(key, words)] = differences("sepa")
    assert key.endswith(":capture")
    assert "(1000, 'EUR', 0) there and (999, 'EUR', 0) here" in words


@pytest.mark.parametrize("rail", RAILS)
def test_a_bank_day_may_come_early(rail, northwind, rails):
    """The sandbox's operator lets it come; until then closing a day leaves alone what is not due."""
    payment = rails.pay(rails.method(northwind, rail), 1_000)
    rails.hand_over()
    today = clock.now().date()
    rails.close(today)
    rails.hear()
    assert Payment.objects.get(pk=payment.pk).state == "created"
    body = {"date": str(rails.due(rail))}
    rails.network.client.post("/rails/sim/calendar", json=body).raise_for_status()
    rails.close(today)
    rails.hear()
    assert Payment.objects.get(pk=payment.pk).state == "captured"
    later = rails.network.client.post("/rails/sim/calendar", json={"date": str(timedelta(days=1))})
    assert later.status_code == 422
