"""NACHA files: read back they are what was written, a library of others reads the same, and lies are seen."""

import achkit
import pytest
from hypothesis import given, settings

from ledger.money import Money
from payments.providers.bank_files import Account, Direction, WordKind
from payments.providers.errors import Unanswered
from payments.providers.rails import nacha, nacha_reader
from payments.simulator.rails import reading
from tests.unit.payments.rails.files import ORIGINATOR, ach_entries, ach_file

CARLA = Account("Carla Jung", "000123456789", "021000021")
RETURN_FILE = "\n".join(
    [
        f"1011234567890 1100000002603032359A094101{'EVERYCENT':23}{'SANDBOX BANK':23}{'':8}",
        f"5200{'EVERYCENT':16}{'':20}1234567890WEBRETURN    260303260303   1110000000000001",
        "626021000021000123456789     0000010000110000000000001CARLA JUNG              1021000020000007",
        f"799R01110000000000001{'':6}02100002{'':44}021000020000007",
        f"820000000200021000020000000100000000000000001234567890{'':25}110000000000001",
        f"9000001000001000000020002100002000000010000000000000000{'':39}",
        *["9" * 94] * 4,
    ]
)


def named(entry: nacha_reader.ReadEntry) -> str:
    """What stands in the addenda of type 05."""
    return "".join(line[3:83] for line in entry.addenda if line[1:3] == "05").strip()


@given(ach_entries())
@settings(max_examples=60, deadline=None)
def test_a_written_file_reads_back_to_the_same_entries_and_totals(entries):
    for direction in Direction:
        file = ach_file(entries, direction)
        content = nacha.write(file, ORIGINATOR)
        lines = content.decode("ascii").splitlines()
        assert len(lines) % nacha.BLOCK == 0
        assert {len(line) for line in lines} == {nacha.RECORD}
        read = {named(row): row for row in nacha_reader.entries(content)}
        assert read.keys() == {row.end_to_end for row in file.entries}
        for row in file.entries:
            same = read[row.end_to_end]
            assert (same.direction, same.amount, same.trace) == (direction, row.amount, row.trace)
            assert same.routing == row.account.routing
        by_the_bank = {one.end_to_end: one for one in reading.read("ach", content)}
        assert {one.account for one in by_the_bank.values()} == {row.account.number for row in file.entries}
        assert sum(one.amount for one in by_the_bank.values()) == file.total.minor


@given(ach_entries())
@settings(max_examples=25, deadline=None)
def test_a_library_of_others_finds_nothing_wrong_and_the_same_sums(entries):
    for direction in Direction:
        file = ach_file(entries, direction)
        text = nacha.write(file, ORIGINATOR).decode()
        verdict = achkit.validate(text)
        assert verdict["ok"], verdict["errors"]
        theirs = achkit.parse(text)
        amounts = sorted(entry["amount_cents"] for batch in theirs["batches"] for entry in batch["entries"])
        assert amounts == sorted(row.amount.minor for row in file.entries)


def test_kinds_of_entries_go_in_batches_of_their_own():
    company = Account("Bruno GmbH", "987654321", "021000021", is_company=True)
    file = ach_file([(100, CARLA), (200, company)])
    headers = [line for line in nacha.write(file, ORIGINATOR).decode().splitlines() if line[0] == "5"]
    assert [line[50:53] for line in headers] == ["CCD", "WEB"]
    assert {line[69:75] for line in headers} == {"260303"}
    refunds = nacha.write(ach_file([(100, CARLA)], Direction.CREDIT), ORIGINATOR).decode().splitlines()
    assert [(line[1:4], line[50:53]) for line in refunds if line[0] == "5"] == [("220", "PPD")]


@pytest.mark.parametrize(
    "account",
    [
        Account("Carla", "123456789012345678", "021000021"),
        Account("Carla", "12-34", "021000021"),
        Account("Carla", "1234", "02100002"),
    ],
)
def test_what_does_not_fit_is_refused(account):
    with pytest.raises(ValueError, match="number"):
        nacha.write(ach_file([(100, account)]), ORIGINATOR)


def test_no_number_shows_in_a_repr():
    assert "000123456789" not in repr(ach_file([(100, CARLA)]))


def test_a_return_says_which_entry_and_why():
    [word] = nacha_reader.words(RETURN_FILE.encode())
    assert (word.kind, word.code, word.trace) == (WordKind.RETURNED, "R01", "110000000000001")
    assert (word.reference, word.amount) == ("021000020000007", Money(10_000, "USD"))
    assert "000123456789" not in repr(word)


def test_a_correction_is_no_return():
    [word] = nacha_reader.words(RETURN_FILE.replace("799R01", "798C01").encode())
    assert (word.kind, word.code, word.amount) == (WordKind.CHANGED, "C01", None)


@pytest.mark.parametrize(
    ("what", "instead"),
    [
        ("0000010000110", "0000010001110"),  # another amount than the controls sum
        ("799R01", "79R01"),  # a record of 93 characters
        ("90000010000010", "90000020000010"),  # more batches than there are
        ("626021", "X26021"),
        ("\n9000001", "\n8000001"),
        ("CARLA", "CÄRLA"),
    ],
)
def test_a_file_that_is_not_whole_is_not_read(what, instead):
    assert what in RETURN_FILE
    with pytest.raises(Unanswered):
        nacha_reader.words(RETURN_FILE.replace(what, instead, 1).encode())
