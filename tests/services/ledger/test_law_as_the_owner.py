"""The books against the owner of their own tables: what the triggers and constraints refuse, whoever asks.

The grants hide these laws from the application, so they are attacked here past the grants. The owner could
drop the triggers themselves; that such tampering is found is the seals' part (`proof/`).
"""

import uuid

import pytest
from django.db import connection, transaction

from config import grants
from ledger import clock
from ledger.ids import uuid7
from ledger.locks import phase
from tests.kit import books as kit
from tests.kit.attacks import BROKEN_LAW, NOT_ALLOWED, RESTRICTED, attack, fetch, refused, rewrites, state_of
from tests.kit.owner import OWNERS
from tests.services.ledger.test_law_as_the_application import WRITES, sale

pytestmark = pytest.mark.django_db(databases=OWNERS)
GUARDED = sorted(
    {name for name, rights in grants.TABLES.items() if rights == grants.APPEND_ONLY}
    | {"ledger_entry", "ledger_posting", "ledger_fact"}
)
ENTRY = (
    "INSERT INTO ledger_entry "
    "(id, merchant_id, kind, source_type, source_id, step, occurred_at, content_hash) "
    "VALUES ('{entry}', %(merchant)s, 'x', 'x', gen_random_uuid(), 'x', now(), '');"
)
LEGS = (
    "INSERT INTO ledger_posting (entry_id, line, merchant_id, account_id, currency, amount, purpose) "
    "SELECT '{entry}', {line}, {whose}, {account}, {currency}, {amount}, 'x' FROM ledger_posting "
    "WHERE merchant_id = %(merchant)s"
)
FITTING = {
    "line": "line", "whose": "merchant_id", "account": "account_id", "currency": "currency",
    "amount": "amount",
}  # fmt: skip


@pytest.fixture
def merchant(as_owner) -> uuid.UUID:
    merchant = uuid.uuid4()
    with phase():
        kit.post([sale(merchant, 1000)])
    return merchant


def slip_in(merchant: uuid.UUID, naming: str, *, with_entry: bool = True, **changes: str) -> None:
    """Insert a copy of the merchant's postings, with changes, under a new entry or none."""
    entry = str(uuid7())
    statement = LEGS.format(entry=entry, **FITTING | changes)
    if with_entry:
        statement = ENTRY.replace("{entry}", entry) + statement
    attack(merchant, BROKEN_LAW, statement, naming)


@pytest.mark.parametrize("way", WRITES)
@pytest.mark.parametrize("table", GUARDED)
def test_what_is_written_once_cannot_be_rewritten(merchant, table, way):
    attack(merchant, RESTRICTED, rewrites(table)[way])


class TestPostings:
    def test_must_balance(self, merchant):
        slip_in(merchant, "ledger_entry_balances", amount="abs(amount)")

    def test_must_balance_in_each_currency(self, merchant):
        slip_in(merchant, "ledger_entry_balances", amount="amount + line")

    def test_move_something(self, merchant):
        slip_in(merchant, "ledger_posting_not_zero", amount="0")

    def test_have_an_entry(self, merchant):
        slip_in(merchant, "ledger_posting_entry_is_new", with_entry=False)

    def test_are_of_their_account_s_currency(self, merchant):
        slip_in(merchant, "ledger_posting_account_fits", currency="'EUR'")

    def test_are_of_their_account_s_merchant(self, merchant):
        slip_in(merchant, "ledger_posting_account_fits", whose="gen_random_uuid()")

    def test_are_of_an_account_that_is_there(self, merchant):
        slip_in(merchant, "ledger_posting_account_fits", account="account_id + 2^40::bigint")

    def test_of_two_merchants_share_no_entry(self, merchant):
        """Each fits its own account and both sum to zero: the entry is one merchant's all the same."""
        other, entry = uuid.uuid4(), str(uuid7())
        with phase():
            kit.post([sale(other, 1000)])
        pair = (
            "INSERT INTO ledger_posting "
            "(entry_id, line, merchant_id, account_id, currency, amount, purpose) "
            f"SELECT '{entry}', row_number() OVER (), merchant_id, account_id, currency, "
            "CASE WHEN merchant_id = %(merchant)s THEN 5 ELSE -5 END, 'x' FROM ledger_posting "
            f"WHERE merchant_id IN (%(merchant)s, '{other}') AND line = 1"
        )
        attack(merchant, BROKEN_LAW, ENTRY.replace("{entry}", entry) + pair, "ledger_entry_balances")

    def test_must_balance_when_they_are_copied_in(self, merchant):
        ((entry, account),) = fetch(
            "SELECT entry_id, account_id FROM ledger_posting WHERE merchant_id = %s AND line = 1", merchant
        )
        with refused(merchant, BROKEN_LAW, "ledger_entry_balances"), connection.cursor() as cursor:
            with cursor.copy(
                "COPY ledger_posting "
                "(entry_id, line, merchant_id, account_id, currency, amount, purpose) FROM STDIN"
            ) as copy:
                copy.write_row((entry, 9, merchant, account, "USD", 5, "x"))

    def test_must_balance_in_a_partition_named_directly(self, merchant):
        month = f"ledger_posting_{clock.now():%Y_%m}"
        statement = LEGS.format(entry=uuid7(), **FITTING | {"amount": "abs(amount)"})
        attack(
            merchant,
            BROKEN_LAW,
            statement.replace("INTO ledger_posting", f"INTO {month}"),
            "ledger_entry_balances",
        )


@pytest.mark.parametrize("table", ["ledger_entry", "ledger_posting", "ledger_fact", "ledger_event"])
def test_a_partition_refuses_change_as_its_parent_does(merchant, table):
    for statement in rewrites(f"{table}_{clock.now():%Y_%m}").values():
        attack(merchant, RESTRICTED, statement)


class TestAccounts:
    @pytest.mark.parametrize(
        "change",
        ["currency = 'EUR'", "owner = 'mallory'", "code = 'bank'", "merchant_id = gen_random_uuid()",
         "is_deferred = NOT is_deferred", "id = id + 1000000000"],
    )  # fmt: skip
    def test_keep_their_identity(self, merchant, change):
        attack(merchant, RESTRICTED, f"UPDATE ledger_account SET {change} WHERE merchant_id = %(merchant)s")

    def test_are_not_deleted(self, merchant):
        attack(merchant, RESTRICTED, "DELETE FROM ledger_account WHERE merchant_id = %(merchant)s")
        attack(merchant, RESTRICTED, "TRUNCATE ledger_account CASCADE")

    @pytest.mark.parametrize("change", ["balance = 1", "balance = -5, held = 6", "held = 1001", "held = -1"])
    def test_keep_their_bounds(self, merchant, change):
        attack(
            merchant, BROKEN_LAW,
            f"UPDATE ledger_account SET {change} "
            "WHERE merchant_id = %(merchant)s AND code = 'vendor_pending'",
        )  # fmt: skip

    def test_are_one_for_each_purpose(self, merchant):
        attack(
            merchant, "23505",
            "INSERT INTO ledger_account (merchant_id, code, owner, currency, is_deferred) "
            "SELECT merchant_id, code, owner, currency, is_deferred FROM ledger_account "
            "WHERE merchant_id = %(merchant)s",
            "ledger_account_one_per_purpose",
        )  # fmt: skip


def test_a_fact_posts_once_whoever_posts_it(merchant):
    attack(
        merchant,
        "23505",
        "INSERT INTO ledger_fact SELECT source_id, source_type, step, merchant_id, gen_random_uuid() "
        "FROM ledger_fact WHERE merchant_id = %(merchant)s",
    )


@pytest.mark.parametrize(
    "statement",
    ["SET session_replication_role = replica", "SET ROLE postgres", "ALTER ROLE CURRENT_USER SUPERUSER",
     "ALTER TABLE payments_refund DISABLE TRIGGER ALL"],
)  # fmt: skip
def test_the_owner_is_no_superuser(merchant, statement):
    attack(merchant, NOT_ALLOWED, statement)


def test_temporary_tables_do_not_pass_for_ours(merchant):
    """A table of the session's own is found before ours by the session, and not by the functions."""
    accounts = fetch(
        "SELECT array_agg(id ORDER BY id), array_agg(CASE code WHEN 'vendor_pending' THEN -5 ELSE 5 END "
        "ORDER BY id) FROM ledger_account WHERE merchant_id = %s",
        merchant,
    )[0]
    before = state_of(merchant)
    with connection.cursor() as cursor:
        for table in ("ledger_account", "ledger_entry", "ledger_posting", "ledger_fact", "ledger_state_edge"):
            cursor.execute(
                f"CREATE TEMPORARY TABLE {table} (LIKE public.{table} INCLUDING ALL) ON COMMIT DROP"
            )
        cursor.execute(
            "SELECT ledger_post_one(%s, %s, 'x', 'test', gen_random_uuid(), 'x', now(), NULL, '{1,2}', "
            "%s, %s, '{x,x}')",
            [uuid7(), merchant, *accounts],
        )
        assert not fetch("SELECT 1 FROM ledger_posting")  # the session's
        # An edge of the session's own table is none of ours: the guard still refuses.
        cursor.execute("INSERT INTO ledger_state_edge VALUES ('vendor', '', 'blessed')")
    with refused(merchant, BROKEN_LAW, "ledger_state_edge"), connection.cursor() as cursor:
        cursor.execute("UPDATE vendors_vendor SET state = 'blessed'")
        cursor.execute("INSERT INTO vendors_vendor (state) VALUES ('blessed')")
    assert len(state_of(merchant)) == len(before) + 4  # an entry, two postings, a fact


@pytest.mark.django_db(transaction=True, databases=OWNERS)
def test_nothing_joins_an_entry_that_is_committed(as_owner):
    merchant = uuid.uuid4()
    with phase():
        kit.post([sale(merchant, 1000)])
    assert not transaction.get_connection().in_atomic_block
    ((entry,),) = fetch("SELECT id FROM ledger_entry WHERE merchant_id = %s", merchant)
    attack(
        merchant,
        BROKEN_LAW,
        LEGS.format(entry=entry, **FITTING | {"line": "line + 10"}),
        "ledger_posting_entry_is_new",
    )
