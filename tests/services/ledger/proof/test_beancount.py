"""The books as beancount text: `bean-check`, a third party's program, agrees to the cent and no further."""

import re
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from ledger import clock, ids, journal, locks
from ledger.models import JournalEntry
from ledger.proof import beancount
from tests.kit import books as kit
from tests.kit import seals

pytestmark = pytest.mark.django_db
BEAN_CHECK = Path(sys.executable).with_name("bean-check")


def bean_check(path: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [BEAN_CHECK, "--no-cache", path], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def day():
    """The books of a merchant's two days, in currencies of two, no and three decimals."""
    merchant = uuid.uuid4()
    now = clock.now()
    before = now - timedelta(days=40)
    amounts = [(1999, "USD"), (5000, "JPY"), (12_345, "KWD"), (100_000_000_001, "EUR")]
    with locks.phase():
        early = kit.post(
            [seals.sale(merchant, minor, currency, occurred_at=before) for minor, currency in amounts]
        )
        kit.post([seals.sale(merchant, 3 * minor, currency, occurred_at=now) for minor, currency in amounts])
        kit.post([journal.reversal(JournalEntry.objects.get(pk=early[0]), step="reversal:1", at=now)])
    return merchant


def days_of(merchant, moment):
    """The days of a merchant's entries: midnight may have come since."""
    rows = JournalEntry.objects.filter(merchant_id=merchant)
    return [clock.business_date(at) for at in rows.values_list(moment, flat=True)]


@pytest.fixture
def text(day, tmp_path):
    path = tmp_path / "books.beancount"
    call_command("export_beancount", path, merchant=ids.show("mer", day), each="day", verbosity=0)
    return path


def test_bean_check_agrees(text):
    ended = bean_check(text)
    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")
    written = text.read_text()
    assert written.count(' * "') == 9
    assert len(re.findall(r"^\d{4}-\d\d-\d\d open ", written, re.MULTILINE)) == 12
    assert len(re.findall(r" balance .* ~ 0 (?:USD|JPY|KWD|EUR)$", written, re.MULTILINE)) == 12 * 41
    assert " 12.345 KWD" in written
    assert " 5000 JPY" in written
    assert " 1000000000.01 EUR" in written


def test_the_carried_forward_and_the_recorded_time_agree_too(day, tmp_path):
    today = max(days_of(day, "occurred_at")).isoformat()
    path = tmp_path / "today.beancount"
    call_command(
        "export_beancount", path, "--from", today, "--to", today, merchant=ids.show("mer", day), verbosity=0
    )
    assert "carried forward" in path.read_text()
    assert bean_check(path).stderr == ""
    written = beancount.export(path, beancount.Extract(merchant=day, moment=beancount.Moment.RECORDED))
    recorded = days_of(day, "recorded_at")
    assert (written.entries, written.first, written.last) == (9, min(recorded), max(recorded))
    assert bean_check(path).returncode == 0


def test_one_changed_digit_is_found(text):
    written = text.read_text()
    lines = re.findall(r"^  \S+ -?[\d.]+ \w{3}$", written, re.MULTILINE)
    assert len(lines) > 20
    for line in lines[:3]:
        last = re.search(r"(\d) \w{3}$", line)
        assert last is not None
        forged = line[: last.start()] + str((int(last[1]) + 1) % 10) + line[last.end(1) :]
        text.write_text(written.replace(line, forged, 1))
        ended = bean_check(text)
        assert ended.returncode != 0, line
        assert "does not balance" in ended.stdout + ended.stderr


def test_one_cent_moved_in_both_legs_of_an_entry_is_found_by_the_balances(text):
    written = text.read_text()
    forged = re.sub(r"(ProviderClearing:\S+) 19\.99 USD", r"\1 20.00 USD", written, count=1)
    forged = re.sub(r"(Commission:\S+) -1\.99 USD", r"\1 -2.00 USD", forged, count=1)
    text.write_text(forged)
    ended = bean_check(text)
    assert ended.returncode != 0
    said = ended.stdout + ended.stderr
    assert "Balance failed" in said
    assert "(0.01 too" in said


def test_a_balance_that_the_account_keeps_wrongly_is_found(day, text, tmp_path, monkeypatch):
    """The asserted balances are the accounts' own, not sums of what was written above them."""
    wrong = beancount._BALANCES.replace("(b.balance - ", "(b.balance + 1 - ")
    monkeypatch.setattr(beancount, "_BALANCES", wrong)
    path = tmp_path / "wrong.beancount"
    beancount.export(path, beancount.Extract(merchant=day))
    assert "Balance failed" in bean_check(path).stderr


def test_names_and_texts_are_fit_for_beancount(day, text):
    written = text.read_text()
    assert 'owner: "ada \\"&\\" co"' in written
    assert re.search(r"^\S+ open Liabilities:VendorAvailable:\d+-ada-co USD$", written, re.MULTILINE)


def test_books_without_entries_are_named(tmp_path):
    with pytest.raises(CommandError, match="no entries"):
        call_command("export_beancount", tmp_path / "x", merchant=ids.show("mer", uuid.uuid4()))


def test_periods_end_with_months_or_days():
    extract = beancount.Extract(period=beancount.Period.MONTH)
    begin, end = datetime(2026, 1, 30, tzinfo=UTC).date(), datetime(2026, 3, 2, tzinfo=UTC).date()
    ends = [high.isoformat() for _, high in beancount._periods(extract, begin, end)]
    assert ends == ["2026-02-01", "2026-03-01", "2026-03-02"]
