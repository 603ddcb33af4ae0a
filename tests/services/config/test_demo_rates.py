"""The demo has rates although the central bank's file is old: finance's table repeats its last day, once."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from config.management.commands.seed_demo import set_rates
from ledger.fx import sources
from ledger.models.fx_rates import FxSource

pytestmark = pytest.mark.django_db


def test_the_table_says_what_the_bank_said_last():
    at = datetime(2026, 11, 2, 12, tzinfo=UTC)
    assert not sources.fresh(FxSource.TABLE, at)
    assert [set_rates(at), set_rates(at)] == [29, 0]
    known = {one.quote: one.rate for one in sources.fresh(FxSource.TABLE, at)}
    assert known["USD"] == Decimal("1.1172")
