"""Several payers fund one sandbox bank: a line each, once, also when the process dies between two files."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from payments.simulator.bank import Bank
from payments.simulator.payers import Settlement
from payments.simulator.storage import Storage

DAY, NEXT_DAY = "2026-11-20", "2026-11-21"


class Purse:
    """A face with a file of its own, which settles what was put in; `dies` after its own commit."""

    def __init__(self, folder: Path, name: str) -> None:
        schema = "CREATE TABLE IF NOT EXISTS due (seq INTEGER PRIMARY KEY, amount INTEGER, settled TEXT);"
        self.payer_name = name
        self.storage = Storage(folder, f"{name}.sqlite3", schema, ("due",))
        self.dies = False

    def put(self, amount: int) -> None:
        with self.storage.writing() as connection:
            connection.execute("INSERT INTO due (amount) VALUES (?)", (amount,))

    def unsettled(self) -> Sequence[str]:
        with self.storage.reading() as connection:
            return ["USD"] if connection.execute("SELECT 1 FROM due WHERE settled IS NULL").fetchone() else []

    def settle(self, currency: str, day: str, statement_id: str) -> Settlement | None:
        assert (currency, day in (DAY, NEXT_DAY)) == ("USD", True)
        with self.storage.writing() as connection:
            if self._sum(connection, "settled = ?", statement_id) is None:
                connection.execute("UPDATE due SET settled = ? WHERE settled IS NULL", (statement_id,))
            net = self._sum(connection, "settled = ?", statement_id)
            if not net:
                connection.execute("UPDATE due SET settled = NULL WHERE settled = ?", (statement_id,))
        if self.dies:
            raise SystemExit("killed between the two files")
        return (
            Settlement(f"{self.payer_name}_{statement_id}", net, f"FROM {self.payer_name}") if net else None
        )

    @staticmethod
    def _sum(connection, where: str, value: str) -> int | None:
        return connection.execute(f"SELECT sum(amount) FROM due WHERE {where}", (value,)).fetchone()[0]


@pytest.fixture
def purses(tmp_path: Path) -> list[Purse]:
    return [Purse(tmp_path, "first"), Purse(tmp_path, "second")]


def bank_of(folder: Path, purses: list[Purse]) -> Bank:
    return Bank(Storage(folder), purses)


def balance(bank: Bank) -> int:
    (account,) = bank.accounts()
    return int(str(account["balance"]))


class TestClosingADay:
    def test_shows_a_line_per_payer(self, tmp_path, purses):
        bank = bank_of(tmp_path, purses)
        purses[0].put(700)
        purses[1].put(-200)
        (made,) = bank.close_day(DAY)
        assert (made["lines"], made["closing"]) == (2, 500)
        xml = bank.statement_xml(str(made["id"]))
        for purse in purses:
            assert f"FROM {purse.payer_name}" in xml
            assert f"<Nm>{purse.payer_name}</Nm>" in xml

    def test_shows_no_line_of_a_payer_with_nothing_or_a_net_of_zero(self, tmp_path, purses):
        bank = bank_of(tmp_path, purses)
        purses[0].put(700)
        purses[1].put(100)
        purses[1].put(-100)
        (made,) = bank.close_day(DAY)
        assert (made["lines"], made["closing"]) == (1, 700)
        assert bank.close_day(DAY) == []
        purses[1].put(30)
        (made,) = bank.close_day(DAY)
        assert (made["sequence"], made["lines"], made["closing"]) == (2, 1, 730)

    def test_makes_no_account_where_nothing_is_paid(self, tmp_path, purses):
        bank = bank_of(tmp_path, purses)
        purses[1].put(100)
        purses[1].put(-100)
        assert (bank.close_day(DAY), bank.accounts()) == ([], [])


class TestAProcessThatDiesBetweenTwoFiles:
    def test_finishes_the_same_statement_with_the_same_lines(self, tmp_path, purses):
        purses[0].put(700)
        purses[1].put(300)
        purses[1].dies = True
        with pytest.raises(SystemExit):
            bank_of(tmp_path, purses).close_day(DAY)
        reborn = [Purse(tmp_path, "first"), Purse(tmp_path, "second")]
        bank = bank_of(tmp_path, reborn)
        assert (bank.accounts(), bank.statements(None)) == ([], [])
        reborn[0].put(50)  # after the crash: it is not of the statement that was begun
        begun, new = bank.close_day(NEXT_DAY)
        assert (begun["date"], begun["lines"], begun["closing"]) == (DAY, 2, 1_000)
        assert (new["date"], new["sequence"], new["opening"], new["closing"]) == (NEXT_DAY, 2, 1_000, 1_050)
        assert bank.close_day(NEXT_DAY) == []
        assert balance(bank) == 1_050

    def test_may_die_at_every_try(self, tmp_path, purses):
        purses[0].put(700)
        purses[0].dies = True
        bank = bank_of(tmp_path, purses)
        for day in (DAY, DAY, NEXT_DAY):
            with pytest.raises(SystemExit):
                bank.close_day(day)
        purses[0].dies = False
        (made,) = bank.close_day(NEXT_DAY)
        assert (made["date"], made["closing"], balance(bank)) == (DAY, 700, 700)
