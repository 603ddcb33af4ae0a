"""The card schemes' limits of retries as data: what binds, until when, and what is only advice."""

from datetime import UTC, datetime, timedelta

import pytest

from payments.providers.adyen import declines as adyen
from payments.providers.declines import DECLINES, RetryLater
from payments.providers.paypal import declines as paypal
from payments.providers.rails import returns
from payments.providers.stripe import declines as stripe
from payments.providers.velocitypay.mapping import DECLINE_CODES
from payments.rules.retry_limits import ADVICE, CATEGORY_ONE, FREE, earliest, limit, sensible_from

AT = datetime(2026, 1, 15, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def declined(count: int, apart: timedelta) -> list[datetime]:
    """So many declines, the last one now."""
    return [AT - number * apart for number in range(count)]


class TestLimits:
    @pytest.mark.parametrize("code", sorted(CATEGORY_ONE))
    def test_category_one_is_never_tried_again(self, code):
        assert limit("visa", code, "", [AT], AT).is_never

    def test_category_one_holds_what_the_taxonomy_says_never_of(self):
        never = {code for code, row in DECLINES.items() if row.retry_later is RetryLater.NEVER}
        assert never < CATEGORY_ONE

    @pytest.mark.parametrize(
        ("brand", "count", "apart", "free_at"),
        [
            ("visa", 14, DAY, None),
            ("visa", 15, DAY, AT - 14 * DAY + 30 * DAY),
            ("visa", 15, 3 * DAY, None),
            ("mastercard", 9, HOUR, None),
            ("mastercard", 10, HOUR, AT - 9 * HOUR + DAY),
            ("mastercard", 34, 20 * HOUR, None),
            ("mastercard", 35, 20 * HOUR, AT - 34 * 20 * HOUR + 30 * DAY),
            ("amex", 15, DAY, AT - 14 * DAY + 30 * DAY),
        ],
    )
    def test_windows(self, brand, count, apart, free_at):
        found = limit(brand, "do_not_honor", "", declined(count, apart), AT)
        assert (found.earliest, found.is_never) == (free_at, False)

    def test_when_the_date_has_come_one_try_is_free(self):
        tries = declined(15, DAY)
        free_at = limit("visa", "do_not_honor", "", tries, AT).earliest
        assert sum(one > free_at - 30 * DAY for one in tries) == 14

    @pytest.mark.parametrize(
        ("code", "days"), [("25", 1), ("26", 2), ("27", 4), ("28", 6), ("29", 8), ("30", 10)]
    )
    def test_advice_names_its_days(self, code, days):
        assert limit("mastercard", "insufficient_funds", code, [AT], AT).earliest == AT + days * DAY

    @pytest.mark.parametrize("code", ["03", "21", "40", "41", "99"])
    def test_advice_forbids(self, code):
        assert limit("mastercard", "do_not_honor", code, [AT], AT).is_never

    def test_the_later_of_two_limits_holds(self):
        found = limit("mastercard", "do_not_honor", "24", declined(10, HOUR), AT)
        assert found.earliest == AT + 15 * HOUR

    def test_what_is_not_known_binds_nobody(self):
        assert limit("", "do_not_honor", "77", [AT], AT) == FREE


class TestAdvice:
    @pytest.mark.parametrize(
        ("code", "when"),
        [
            ("issuer_unavailable", AT + HOUR),
            ("limit_exceeded", AT + DAY),
            ("do_not_honor", AT + 3 * DAY),
            ("insufficient_funds", datetime(2026, 2, 1, 12, tzinfo=UTC)),
            ("stolen_card", None),
            ("expired_card", None),
            ("authentication_required", None),
            ("no such code", None),
        ],
    )
    def test_says_when_another_try_makes_sense(self, code, when):
        assert sensible_from(code, AT) == when

    def test_pay_days_are_the_first_and_the_fifteenth(self):
        found = [
            sensible_from("insufficient_funds", datetime(2026, 2, day, tzinfo=UTC)) for day in (1, 14, 28)
        ]
        assert [(one.month, one.day) for one in found] == [(2, 15), (2, 15), (3, 1)]

    def test_is_never_before_the_limit(self):
        bound = limit("mastercard", "issuer_unavailable", "26", [AT], AT)
        assert earliest("issuer_unavailable", bound, AT) == AT + 2 * DAY
        assert earliest("do_not_honor", limit("visa", "do_not_honor", "03", [AT], AT), AT) is None


class TestMappings:
    @pytest.mark.parametrize(
        "codes",
        [
            DECLINE_CODES.values(),
            stripe.CODES.values(),
            paypal.ISSUES.values(),
            [code for _, code in adyen.REASONS.values()],
            adyen.MODIFICATIONS.values(),
            [code for code, _ in returns.ACH.values()],
            [code for code, _ in returns.SEPA.values()],
        ],
        ids=["velocitypay", "stripe", "paypal", "adyen", "adyen modifications", "ach", "sepa"],
    )
    def test_name_canonical_codes_only(self, codes):
        assert set(codes) <= set(DECLINES)

    def test_the_advice_codes_are_those_of_the_reference(self):
        assert set(ADVICE) == {
            "01", "02", "03", "04", "21", "22", "24", "25", "26", "27", "28", "29", "30", "40", "41", "99",
        }  # fmt: skip
