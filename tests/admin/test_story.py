"""The story of a payment: screening, events with their postings, calls, callbacks, in the order of time."""

from django.urls import reverse

from fraud.services.screening import screen
from ledger.admin.formats import block, money_text, text_block
from ledger.ids import parse, show
from ledger.models import JournalEntry
from payments.models import Payment
from tests.factories.fraud import screening_request
from tests.kit.shop import CORE, good


def page(root, payment) -> str:
    return root.get(reverse("admin:payments_payment_change", args=[payment.pk])).content.decode()


def test_tells_the_money_with_both_sides_and_names(root, payment):
    told = page(root, payment)
    assert "100.00 USD" in told
    assert "Owed to us by a provider: velocitypay" in told
    assert "Owed to a vendor, not yet payable: Ada" in told
    assert "96.80 USD" in told  # what the provider owes: 100 less its fee
    assert "3.20 USD" in told


def test_tells_calls_and_events_in_the_order_of_time(root, payment):
    story = page(root, payment).partition("The whole story")[2]
    marks = ["Created", "Authorize: 100.00 USD asked of velocitypay", "Capture 1: 100.00 USD asked"]
    assert [mark in story for mark in marks] == [True, True, True]
    assert story.index("Created") < story.rindex("Captured")


def test_tells_a_sale_in_one_call_from_its_creation_on(root, shop):
    sold = good(shop.client.post(CORE, shop.body(capture_method="automatic", confirm=True)), 201)
    story = page(root, Payment.objects.get(pk=parse("pay", sold["id"]))).partition("The whole story")[2]
    marks = ["Created", "Authorize: 100.00 USD asked", "Authorize: Approved", "Capture 1: 100.00 USD asked",
             "Capture 1: Approved", "Captured"]  # fmt: skip
    places = [story.index(f">{mark}") for mark in marks]
    assert places == sorted(places)


def test_tells_how_it_was_screened(root, northwind, payment):
    screen(screening_request(northwind.id, payment_ref=show("pay", payment.pk), minor=1_000_001))
    told = page(root, payment)
    assert "Score 450 of 1000, MEDIUM" in told
    assert "Review opened" in told


def test_hides_the_provider_s_token(root, payment):
    assert "vpt_test" not in page(root, payment)


def test_escapes_what_others_wrote(root, northwind):
    from tests.factories.payments import create_payment

    sly = create_payment(northwind, customer_ref="<script>alert(1)</script>", description="<b>bold</b>")
    told = page(root, sly)
    assert "<script>alert(1)" not in told
    assert "&lt;script&gt;alert(1)" in told


def test_the_books_name_their_owners(root, payment):
    entry = JournalEntry.objects.get(source_id=payment.pk)
    shown = root.get(reverse("admin:ledger_journalentry_change", args=[entry.pk])).content.decode()
    assert "Ada" in shown
    assert "Sum of debits less credits: 0.00 USD." in shown
    listed = root.get(reverse("admin:ledger_account_changelist")).content.decode()
    assert "Bruno" in listed
    assert "27.00 USD" in listed  # 30 less the commission of 3


def test_the_invariant_board_and_the_trial_balance_open(root, payment):
    board = root.get(reverse("admin:invariants")).content.decode()
    assert "Every journal entry balances in each currency." in board
    balance = root.get(reverse("admin:trial_balance")).content.decode()
    assert "USD: debits and credits agree." in balance


class TestFormats:
    def test_money_has_the_currency_s_own_decimals(self):
        shown = [money_text(1_234_500, currency) for currency in ("USD", "JPY", "KWD", "IQD", "CLF")]
        assert shown == ["12,345.00 USD", "1,234,500 JPY", "1,234.500 KWD", "1,234.500 IQD", "123.4500 CLF"]
        assert money_text(-5, "EUR") == "-0.05 EUR"

    def test_json_is_masked_at_any_depth(self):
        shown = block({"destination": [{"iban": "DE89370400440532013000", "holder": "Ada"}]})
        assert "DE89" not in shown
        assert "Ada" in shown

    def test_a_body_that_is_no_json_is_shown_as_text(self):
        assert "&lt;html&gt;" in text_block("<html>")
        assert "4242" not in text_block('{"number": "4242"}')
