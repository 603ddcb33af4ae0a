"""Stripe's payouts as reports: which movement is which operation of ours, and what is not believed."""

from datetime import date
from typing import Any

import pytest

from ledger.money import Money
from payments.providers.errors import Unanswered
from payments.providers.stripe import reports

PAYOUT = {"id": "po_1", "currency": "usd", "amount": 0, "arrival_date": 1_793_923_200}


def movement(
    kind: str, amount: int, source: dict[str, Any], *, fee: int = 0, number: int = 1
) -> dict[str, Any]:
    return {
        "id": f"txn_{number}",
        "type": kind,
        "amount": amount,
        "fee": fee,
        "currency": "usd",
        "source": source,
    }


def charge(metadata: dict[str, str], *, capture_method: str = "manual") -> dict[str, Any]:
    intent = {"id": "pi_1", "metadata": metadata, "capture_method": capture_method}
    return {"id": "ch_1", "object": "charge", "payment_intent": intent}


def report_of(*rows: dict[str, Any], **charges: Any) -> Any:
    net = sum(row["amount"] - row["fee"] for row in rows)
    paid = movement("payout", -net, {"id": "po_1"}, number=99)
    return reports.report({**PAYOUT, "amount": net}, [*rows, paid], charges)


class TestALine:
    def test_of_a_capture_has_the_key_that_the_intent_keeps(self):
        made = report_of(movement("charge", 700, charge({"op_a": "700", "operation": "op_0"}), fee=50))
        (line,) = made.lines
        assert (line.kind, line.idempotency_key, line.authorization) == ("capture", "op_a", "pi_1")
        assert (line.amount, line.fee, made.net) == (Money(700, "USD"), Money(50, "USD"), Money(650, "USD"))
        assert made.business_date == date(2026, 11, 6)

    def test_of_a_sale_has_the_key_of_its_capture(self):
        source = charge({"operation": "op_0"}, capture_method="automatic")
        (line,) = report_of(movement("charge", 700, source)).lines
        assert line.idempotency_key == "op_0:capture"

    def test_of_equal_captures_goes_by_their_order_over_all_payouts(self):
        source = charge({"op_b": "300", "op_a": "300", "op_c": "100"})
        first, second, third = (
            movement("charge", amount, source, number=n) for n, amount in ((1, 300), (2, 100), (3, 300))
        )
        assert reports.captured_in_parts([third]) == ["ch_1"]
        newest_first = [third, second, first]
        made = report_of(third, second, ch_1=newest_first)
        assert [line.idempotency_key for line in made.lines] == ["op_b", "op_c"]
        (line,) = report_of(first, ch_1=newest_first).lines
        assert line.idempotency_key == "op_a"

    def test_of_a_refund_has_our_key_or_its_own(self):
        ours = {"id": "re_1", "payment_intent": {"id": "pi_1"}, "metadata": {"operation": "op_r"}}
        theirs = {"id": "re_2", "payment_intent": "pi_2", "metadata": {}}
        made = report_of(movement("refund", -100, ours), movement("payment_refund", -200, theirs, number=2))
        assert [(line.kind, line.idempotency_key, line.authorization) for line in made.lines] == [
            ("refund", "op_r", "pi_1"), ("refund", "re_2", "pi_2"),
        ]  # fmt: skip
        assert made.refunded == Money(300, "USD")

    def test_of_a_refund_that_came_back_has_its_key_with_a_word(self):
        ours = {"id": "re_1", "payment_intent": {"id": "pi_1"}, "metadata": {"operation": "op_r"}}
        made = report_of(movement("refund", -100, ours), movement("refund_failure", 100, ours, number=2))
        assert [(line.kind, line.idempotency_key) for line in made.lines] == [
            ("refund", "op_r"), ("refund_returned", "op_r:returned"),
        ]  # fmt: skip
        assert made.refunded == Money(0, "USD")

    def test_of_a_dispute_has_its_movements_own_id(self):
        source = {"id": "dp_1", "payment_intent": "pi_1"}
        taken = movement("adjustment", -900, source, fee=1500)
        back = movement("adjustment", 900, source, fee=-1500, number=2)
        made = report_of(taken, back)
        assert [(line.kind, line.idempotency_key, line.fee.minor) for line in made.lines] == [
            ("withdrawal", "txn_1", 1500), ("reinstatement", "txn_2", -1500),
        ]  # fmt: skip
        assert made.disputed == Money(0, "USD")

    @pytest.mark.parametrize(("amount", "kind"), [(-40, "withdrawal"), (40, "reinstatement")])
    def test_of_what_we_never_heard_of_stands_under_its_own_id(self, amount, kind):
        (line,) = report_of(movement("stripe_fee", amount, {"id": None})).lines
        assert (line.kind, line.idempotency_key) == (kind, "txn_1")

    def test_of_a_strangers_charge_stands_under_its_own_id(self):
        (line,) = report_of(movement("charge", 40, charge({}))).lines
        assert (line.kind, line.idempotency_key) == ("capture", "txn_1")


class TestWhatIsNotBelieved:
    def test_is_a_payout_that_its_movements_do_not_sum_to(self):
        rows = [movement("charge", 700, charge({"op_a": "700"}))]
        with pytest.raises(Unanswered, match="report_does_not_add_up"):
            reports.report({**PAYOUT, "amount": 699}, rows, {})

    @pytest.mark.parametrize(
        "broken",
        [{"amount": "700"}, {"amount": True}, {"currency": "xyz"}, {"fee": None}, {"currency": None}],
    )
    def test_is_a_movement_of_another_shape(self, broken):
        row = movement("charge", 700, charge({"op_a": "700"})) | broken
        with pytest.raises(Unanswered, match="bad_body"):
            reports.report({**PAYOUT, "amount": 700}, [row], {})

    @pytest.mark.parametrize(
        "broken", [{"amount": None}, {"arrival_date": "soon"}, {"arrival_date": 1 << 60}]
    )
    def test_is_a_payout_of_another_shape(self, broken):
        with pytest.raises(Unanswered, match="bad_body"):
            reports.report(PAYOUT | broken, [], {})


class TestADebitThatCameBack:
    def test_within_the_payout_moved_nothing(self):
        source = {
            "id": "py_1",
            "payment_intent": {"id": "pi_1", "metadata": {}, "capture_method": "automatic"},
        }
        counted, back = movement("payment", 900, source), movement("payment_failure_refund", -900, source)
        made = report_of(counted, back, movement("refund", -100, {"id": "re_1"}, number=2))
        assert [(line.kind, line.amount.minor) for line in made.lines] == [("refund", 100)]

    def test_of_an_earlier_payout_is_money_taken_back(self):
        source = {"id": "py_1", "payment_intent": "pi_1"}
        made = report_of(movement("payment_failure_refund", -900, source))
        assert [(line.kind, line.amount.minor) for line in made.lines] == [("withdrawal", 900)]
