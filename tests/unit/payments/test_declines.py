"""The decline taxonomy: complete, and careful with the person at the till."""

import pytest

from payments.providers.declines import DECLINES, RetryLater, RetryNow, decline


class TestTaxonomy:
    def test_is_a_table_of_distinct_codes(self):
        assert len(DECLINES) == 37
        assert all(code == row.code for code, row in DECLINES.items())

    @pytest.mark.parametrize(
        "code",
        ["lost_card", "stolen_card", "pickup_card", "restricted_card", "stop_payment", "recurring_cancelled"],
    )
    def test_never_retries_what_the_networks_forbid(self, code):
        row = decline(code)
        assert row.is_hard
        assert row.retry_later is RetryLater.NEVER
        assert row.retry_now is RetryNow.NO

    @pytest.mark.parametrize(
        ("code", "now", "later"),
        [
            ("insufficient_funds", RetryNow.NO, RetryLater.PAY_DAY),
            ("issuer_unavailable", RetryNow.ANY, RetryLater.AFTER_HOUR),
            ("do_not_honor", RetryNow.OTHER, RetryLater.FEW),
            ("expired_card", RetryNow.NO, RetryLater.AFTER_UPDATE),
            ("timeout_unknown", RetryNow.NO, RetryLater.NO),
        ],
    )
    def test_has_two_axes(self, code, now, later):
        assert (decline(code).retry_now, decline(code).retry_later) == (now, later)
        assert not decline(code).is_hard

    def test_never_says_fraud_lost_or_stolen_to_the_payer(self):
        for row in DECLINES.values():
            assert row.advice
            assert not {"fraud", "lost", "stolen", "risk"} & set(row.advice.lower().replace(".", "").split())
