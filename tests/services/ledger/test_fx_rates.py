"""The house rate: which sources are asked, which are believed, when there is none."""

import logging
import zipfile
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.conf import settings as django_settings
from django.db import DatabaseError, connection, transaction

from ledger import shelf
from ledger.actors import Actor
from ledger.errors import DomainError
from ledger.fx import ecb, intake, periods, rates, sources, spreads, table
from ledger.fx.intake import NewRate, RatesRefused
from ledger.fx.rates import RateUnavailable
from ledger.fx.sources import Said, Silence
from ledger.ids import uuid7
from ledger.models import AuditRecord, ExchangeRate, FxTableRate
from ledger.models.fx_rates import FxKind, FxSource
from tests.kit import fx

pytestmark = pytest.mark.django_db
ECB, FEED, TABLE = FxSource.ECB, FxSource.FEED, FxSource.TABLE
FINANCE = Actor("staff", "5", "fiona")


@pytest.fixture
def at():
    return fx.some_instant()


def names(found) -> list[str]:
    return [one.source.value for one in found]


class TestMedian:
    def test_is_of_all_three_sources(self, at):
        fx.say(ECB, at, USD="1.10")
        fx.say(FEED, at, USD="1.12")
        fx.set_table("EUR", "USD", "1.11", at)
        found = rates.reckon("EUR", "USD", at)
        assert (found.rate, names(found.used), found.left_out) == (
            Decimal("1.11"),
            ["ecb", "feed", "table"],
            (),
        )

    def test_of_two_is_the_mean_and_the_other_way_round_it_is_the_inverse(self, at):
        fx.say(ECB, at, USD="1.10")
        fx.say(FEED, at, base="USD", EUR="0.9")  # 1.111111 the other way round
        there, back = rates.reckon("EUR", "USD", at), rates.reckon("USD", "EUR", at)
        assert there.rate == Decimal("1.105555555556")
        assert back.rate == Decimal("0.904522613065")

    def test_crosses_through_a_source_s_own_base(self, at):
        fx.say(ECB, at, USD="1.10", JPY="165")
        fx.say(FEED, at, base="USD", EUR="0.91", JPY="151")
        found = rates.reckon("USD", "JPY", at)
        assert found.rate == Decimal("150.5")
        assert [one.way for one in found.used] == ["EUR/USD, EUR/JPY", "USD/JPY"]

    def test_leaves_an_outlier_out_and_tells_of_it(self, at, caplog):
        fx.say(ECB, at, USD="1.10")
        fx.say(FEED, at, USD="11.0")
        fx.set_table("EUR", "USD", "1.12", at)
        with caplog.at_level(logging.WARNING):
            found = rates.reckon("EUR", "USD", at)
        assert (found.rate, names(found.used)) == (Decimal("1.11"), ["ecb", "table"])
        told = found.as_json()["left_out"][0]
        assert (told["source"], told["reason"], told["rate"]) == ("feed", "outlier", "11")
        assert "a source of rates is left out" in caplog.text

    def test_is_none_when_two_contradict_each_other(self, at):
        fx.say(ECB, at, USD="1.10")
        fx.say(FEED, at, USD="1.20")
        with pytest.raises(RateUnavailable, match="too far off") as refused:
            rates.reckon("EUR", "USD", at)
        assert refused.value.retryable

    def test_is_none_with_one_source_alone(self, at):
        fx.say(ECB, at, USD="1.10")
        with pytest.raises(RateUnavailable, match="1 of 2 sources"):
            rates.reckon("EUR", "USD", at)

    @pytest.mark.parametrize(
        ("sell", "buy"), [("EUR", "EUR"), ("EUR", "XXX"), ("eur", "USD"), ("BTC", "USD")]
    )
    def test_is_of_two_currencies(self, at, sell, buy):
        with pytest.raises(DomainError):
            rates.reckon(sell, buy, at)


class TestStaleness:
    @pytest.mark.parametrize(
        ("source", "age", "is_fresh"),
        [
            (FEED, timedelta(seconds=299), True),
            (FEED, timedelta(seconds=300), False),
        ],
    )
    def test_is_by_the_source_s_own_time(self, at, source, age, is_fresh):
        fx.say(source, at - age, USD="1.10")
        found = next(
            one for one in sources.ask(fx.arithmetic.pair_of("EUR", "USD"), at) if one.source is source
        )
        assert isinstance(found, Said) is is_fresh
        if not is_fresh:
            assert (found.reason, found.as_of) == ("stale", at - age)

    def test_a_stale_source_is_not_asked_and_the_refusal_says_so(self, at):
        fx.say(ECB, at - timedelta(days=7), USD="1.10")  # TARGET is open on two of any six days
        fx.say(FEED, at, USD="1.10")
        with pytest.raises(RateUnavailable, match="European Central Bank: stale since"):
            rates.reckon("EUR", "USD", at)

    @pytest.mark.parametrize(
        ("spoken", "stale"),
        [
            ("2201-03-03", "2201-03-05"),  # Tuesday to Thursday
            ("2201-03-05", "2201-03-09"),  # a weekend: Thursday to Monday
            ("2201-03-06", "2201-03-10"),  # Friday to Tuesday
            ("2202-04-08", "2202-04-14"),  # Easter 2202: Thursday to Wednesday, four closed days
            ("2203-12-23", "2203-12-28"),  # Christmas 2203: Friday, closed until Tuesday
            ("2204-12-31", "2205-01-03"),  # New Year: Monday to Thursday
            ("2206-04-30", "2206-05-05"),  # 1 May: Wednesday to Monday
        ],
    )
    def test_of_the_central_bank_counts_the_days_on_which_it_speaks(self, spoken, stale):
        said, end = (ecb._published(date.fromisoformat(day)) for day in (spoken, stale))
        fx.say(ECB, said, USD="1.10")
        pair = fx.arithmetic.pair_of("EUR", "USD")
        assert sources.ask(pair, end - timedelta(seconds=1))[0].fresh_until == end
        assert sources.ask(pair, end)[0] == Silence(ECB, "stale", said)

    def test_a_missing_pair_is_not_a_stale_source(self, at):
        fx.say(ECB, at, USD="1.10")
        found = sources.ask(fx.arithmetic.pair_of("EUR", "GBP"), at)
        assert found[0] == Silence(ECB, "missing")

    def test_a_rate_of_later_is_not_known_before(self, at):
        fx.two_sources(at)
        with pytest.raises(RateUnavailable):
            rates.reckon("EUR", "USD", at - timedelta(hours=2))


class TestMany:
    def test_are_read_in_as_many_queries_as_one_also_when_a_source_is_silent(
        self, at, django_assert_num_queries
    ):
        fx.say(ECB, at - timedelta(days=7), USD="1.10")
        fx.say(FEED, at, USD="1.10", GBP="0.84", CHF="0.95", SEK="11")
        fx.set_table("EUR", "USD", "1.10", at)
        with django_assert_num_queries(4):  # the three sources, and when the silent one spoke last
            board = rates.board("EUR", at)
        assert [one.buy for one in board] == ["CHF", "GBP", "SEK", "USD"]
        assert {one.left_out[0].reason for one in board} == {"stale"}
        with django_assert_num_queries(4):
            found = rates.of_pairs([("EUR", "USD"), ("USD", "EUR"), ("EUR", "SEK")], at)
        assert [getattr(one, "rate", None) for one in found] == [
            Decimal("1.1"), Decimal("0.909090909091"), None,
        ]  # fmt: skip


class TestCache:
    def test_remembers_for_a_minute_and_no_longer(self, at):
        fx.two_sources(at, USD="1.10")
        assert rates.shown("EUR", "USD", at).rate == Decimal("1.1")
        fx.say(FEED, at, USD="1.12")
        assert rates.shown("EUR", "USD", at + timedelta(seconds=59)).rate == Decimal("1.1")
        assert rates.shown("EUR", "USD", at + timedelta(seconds=60)).rate == Decimal("1.11")

    def test_forgets_when_a_source_that_made_it_becomes_stale(self, at):
        fx.say(ECB, at, USD="1.10")
        fx.say(FEED, at - timedelta(seconds=290), USD="1.10")
        rates.shown("EUR", "USD", at)
        with pytest.raises(RateUnavailable):
            rates.shown("EUR", "USD", at + timedelta(seconds=10))

    def test_forgets_when_finance_changes_the_table(self, at, django_capture_on_commit_callbacks):
        fx.two_sources(at, USD="1.10")
        rates.shown("EUR", "USD", at)
        with django_capture_on_commit_callbacks(execute=True):
            fx.set_table("EUR", "USD", "1.12", at)
        assert rates.shown("EUR", "USD", at).used[-1].source is TABLE

    def test_is_shared_by_all_processes_and_asks_no_database(self, at, django_assert_num_queries):
        fx.two_sources(at, USD="1.10", GBP="0.84")
        reckoned = rates.shown("USD", "GBP", at)
        with django_assert_num_queries(0):
            assert rates.shown("USD", "GBP", at + timedelta(seconds=1)) == reckoned
        assert reckoned.left_out  # what is silent is remembered as well

    def test_of_another_database_is_not_ours(self, at, monkeypatch):
        fx.two_sources(at, USD="1.10")
        rates.shown("EUR", "USD", at)
        assert found("EUR/USD") is not None
        monkeypatch.setitem(connection.settings_dict, "NAME", "another")
        assert found("EUR/USD") is None

    def test_that_somebody_else_wrote_is_not_believed(self, at, caplog):
        fx.two_sources(at, USD="1.10")
        rates.shown("EUR", "USD", at)
        generation = rates.memory.shelf.generation(rates.EVERYBODY)
        key = rates.memory.shelf._thing(rates.EVERYBODY, generation, "EUR/USD")
        other = rates.memory.shelf._thing(rates.EVERYBODY, generation, "EUR/JPY")
        client = shelf._memory(django_settings.REDIS_URL).client
        client.set(key, client.get(key).replace(b'"rate": "1.1', b'"rate": "9.1'), keepttl=True)
        rates.memory.forget_near()
        assert rates.shown("EUR", "USD", at).rate == Decimal("1.1")
        assert "not ours" in caplog.text
        client.rename(key, other)  # a rate of another pair is none of this one either
        assert found("EUR/JPY") is None

    def test_reckons_anew_while_valkey_is_away(self, at, settings):
        fx.two_sources(at, USD="1.10")
        settings.REDIS_URL = "redis://127.0.0.1:9/0"
        assert [rates.shown("EUR", "USD", at).rate for _ in range(2)] == [Decimal("1.1")] * 2
        rates.forget()

    def test_reckoned_before_a_change_of_finance_is_not_found_after_it(self, at):
        fx.two_sources(at, USD="1.10")
        slow = rates.memory.shelf.generation(rates.EVERYBODY)
        late = rates.reckon("EUR", "USD", at)
        rates.forget()
        rates.memory.shelf.put(rates.EVERYBODY, slow, "EUR/USD", rates._packed(late))
        assert found("EUR/USD") is None


def found(name):
    """What lies on the shelf now, for all processes."""
    generation = rates.memory.shelf.generation(rates.EVERYBODY)
    return rates.memory.shelf.find(rates.EVERYBODY, generation, name)


class TestIntake:
    def test_writes_what_is_said_once(self, at):
        said = [NewRate("EUR", "USD", Decimal("1.1"), at)]
        assert [intake.keep(FEED, said, at), intake.keep(FEED, said, at)] == [1, 0]

    @pytest.mark.parametrize(
        "wrong",
        [
            lambda at: NewRate("EUR", "USD", Decimal("1.1"), at + timedelta(seconds=61)),
            lambda at: NewRate("EUR", "EUR", Decimal(1), at),
            lambda at: NewRate("EUR", "JPY", Decimal(0), at),
        ],
    )
    def test_refuses_a_batch_of_which_one_rate_cannot_be(self, at, wrong):
        with pytest.raises(RatesRefused):
            intake.keep(FEED, [NewRate("EUR", "GBP", Decimal("0.8"), at), wrong(at)], at)
        assert not ExchangeRate.objects.filter(as_of=at).exists()

    @pytest.mark.parametrize("attack", ["UPDATE ledger_fx_rate SET rate = 2", "DELETE FROM ledger_fx_rate"])
    def test_what_was_said_stays(self, at, attack):
        fx.say(FEED, at, USD="1.10")
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(attack)


class TestCentralBank:
    def test_days_are_imported_once_and_count_from_their_publication(self, settings):
        spoken = sources.last_spoken(ECB, ecb._published(date(2026, 10, 30)))
        ecb.import_new(ecb._published(date(2026, 10, 30)), since=date(2026, 10, 28))
        assert ecb.import_new(ecb._published(date(2026, 10, 30)), since=date(2026, 10, 28)) == 0
        friday = ecb._published(date(2026, 10, 30))
        assert spoken is None or spoken <= friday
        known = {
            (one.base, one.quote): one for one in sources.fresh(ECB, friday + timedelta(hours=1), ["USD"])
        }
        assert known["EUR", "USD"].rate == Decimal("1.1172")
        known = {
            (one.base, one.quote): one for one in sources.fresh(ECB, friday - timedelta(hours=1), ["JPY"])
        }
        assert known["EUR", "JPY"].as_of.date() == date(2026, 10, 29)

    @pytest.mark.parametrize("content", [b"", b"no zip", b"Date,EUR\n"])
    def test_another_file_is_refused(self, tmp_path, settings, content, at):
        file = tmp_path / "rates.zip"
        if content.startswith(b"Date"):
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr("rates.csv", content)
        else:
            file.write_bytes(content)
        settings.FX_ECB_FILE = file
        with pytest.raises(ecb.EcbFileUnreadable):
            ecb.import_new(at)

    @pytest.mark.parametrize("line", ["2026-13-01,1.1", "2026-01-02", "2026-01-02,-1", "x,1"])
    def test_a_day_that_cannot_be_read_is_refused(self, tmp_path, line):
        file = tmp_path / "rates.zip"
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("rates.csv", f"Date,USD,\n{line}\n")
        with pytest.raises(ecb.EcbFileUnreadable):
            list(ecb.read(file))


class TestTable:
    def test_a_rate_ends_the_one_before_it_and_is_audited(self, at):
        fx.set_table("EUR", "USD", "1.10", at)
        later = at + timedelta(hours=1)
        table.set_rate(
            base="EUR",
            quote="USD",
            rate=Decimal("1.2"),
            valid_from=later,
            reason="news",
            actor=FINANCE,
            at=at,
        )
        first, second = FxTableRate.objects.filter(valid_from__gte=at, valid_from__lte=later).order_by(
            "valid_from"
        )
        assert (first.valid_to, second.valid_to, second.set_by) == (later, None, "fiona")
        assert [one.rate for when in (at, later) for one in sources.fresh(TABLE, when, ["USD"])] == [
            Decimal("1.1"), Decimal("1.2"),
        ]  # fmt: skip
        assert AuditRecord.objects.get(object_id=str(second.pk)).reason == "news"

    def test_an_ended_rate_says_nothing_any_more(self, at):
        fx.set_table("EUR", "USD", "1.10", at)
        row = FxTableRate.objects.get(valid_from=at)
        table.end_rate(rate_id=row.pk, reason="wrong", actor=FINANCE, at=at + timedelta(hours=1))
        assert sources.fresh(TABLE, at + timedelta(hours=1), ["USD"]) == []
        with pytest.raises(periods.AlreadyEnded):
            table.end_rate(rate_id=row.pk, reason="again", actor=FINANCE, at=at + timedelta(hours=2))

    @pytest.mark.parametrize(
        "change",
        [{"base": "USD"}, {"quote": "XXX"}, {"rate": Decimal(0)}, {"rate": Decimal(-1)},
         {"rate": Decimal("1E-13")}, {"before": True}, {"backwards": True}],
    )  # fmt: skip
    def test_refuses_what_cannot_be(self, at, change):
        values = {"base": "EUR", "quote": "USD", "rate": Decimal("1.1"), "valid_from": at, **change}
        if values.pop("before", False):
            values["valid_from"] = at - timedelta(seconds=1)
        if values.pop("backwards", False):
            values["valid_to"] = at
        with pytest.raises(DomainError):
            table.set_rate(**values, reason="x", actor=FINANCE, at=at)


class TestSpread:
    def test_a_merchant_s_own_goes_before_everybody_s_and_the_default_last(self, at):
        ours, other = uuid7(), uuid7()
        kind = FxKind.PAYOUT
        assert spreads.of(kind, ours, at).id is None
        general = spreads.set_spread(kind=kind, bps=80, valid_from=at, reason="x", actor=FINANCE, at=at)
        own = spreads.set_spread(
            kind=kind, bps=30, valid_from=at, reason="large", actor=FINANCE, at=at, merchant_id=ours
        )
        assert (spreads.of(kind, ours, at).bps, spreads.of(kind, other, at).bps) == (30, 80)
        assert spreads.of(FxKind.PAYMENT, ours, at).id not in (own.pk, general.pk)
        spreads.end_spread(spread_id=own.pk, reason="over", actor=FINANCE, at=at + timedelta(days=1))
        assert spreads.of(kind, ours, at + timedelta(days=1)).bps == 80

    @pytest.mark.parametrize(("bps", "hours"), [(-1, 0), (2_001, 0), (10, -1)])
    def test_refuses_what_cannot_be(self, at, bps, hours):
        with pytest.raises(spreads.BadSpread):
            spreads.set_spread(
                kind=FxKind.OTHER,
                bps=bps,
                valid_from=at + timedelta(hours=hours),
                reason="x",
                actor=FINANCE,
                at=at,
            )
