"""The books against their own application: every statement it is not meant to run is refused by the grants.

What the triggers refuse even to the owner is in `test_law_as_the_owner.py`, the ORM's ways in
`test_law_past_the_orm.py`; `tests/architecture/test_grants.py` compares all rights with what is declared.
"""

import uuid

import pytest
from django.conf import settings
from django.db import connection

from config import grants
from ledger import balances, clock, journal, partitions
from ledger.chart import Code, account
from ledger.ids import uuid7
from ledger.journal import EntryDraft, credit, debit
from ledger.locks import phase
from ledger.models import Account, Posting
from ledger.money import Money
from tests.kit import books as kit
from tests.kit.attacks import BROKEN_LAW, NOT_ALLOWED, attack, fetch, refused, rewrites, state_of

pytestmark = pytest.mark.django_db
OWNER = settings.DATABASES["owner"]["USER"]
KEPT = sorted(grants.TABLES.keys() - {"ledger_account"})
WRITES = ("UPDATE", "UPDATE of nothing", "DELETE", "DELETE in a query", "TRUNCATE", "ON CONFLICT",
          "MERGE, delete", "MERGE, update")  # fmt: skip


@pytest.fixture
def merchant() -> uuid.UUID:
    """A merchant with a sale in the books: 10.00 to the vendor ada, 0.30 of it a fee."""
    merchant = uuid.uuid4()
    with phase():
        kit.post([sale(merchant, 1000)])
    return merchant


def sale(merchant: uuid.UUID, amount: int) -> EntryDraft:
    network = account(Code.PROVIDER_CLEARING, merchant, "USD", "velocitypay")
    return EntryDraft(
        merchant_id=merchant, kind="capture", source_type="test", source_id=uuid.uuid4(), step="capture",
        occurred_at=clock.now(),
        legs=[
            debit(network, Money(amount, "USD"), "clearing"),
            credit(account(Code.VENDOR_PENDING, merchant, "USD", "ada"), Money(amount, "USD"), "sale"),
        ],
    )  # fmt: skip


@pytest.mark.parametrize("way", WRITES)
@pytest.mark.parametrize("table", KEPT)
def test_what_is_written_once_cannot_be_rewritten(merchant, table, way):
    attack(merchant, NOT_ALLOWED, rewrites(table)[way])


@pytest.mark.parametrize("table", sorted(name for name in KEPT if grants.TABLES[name] == grants.READ_ONLY))
class TestTheBooksAreWrittenByFunctionsAlone:
    def test_by_no_insert(self, merchant, table):
        attack(merchant, NOT_ALLOWED, f"INSERT INTO {table} SELECT * FROM {table}")

    def test_by_no_insert_that_does_nothing_on_conflict(self, merchant, table):
        attack(merchant, NOT_ALLOWED, f"INSERT INTO {table} SELECT * FROM {table} ON CONFLICT DO NOTHING")

    def test_by_no_merge(self, merchant, table):
        attack(
            merchant,
            NOT_ALLOWED,
            f"MERGE INTO {table} t USING (SELECT 1) s ON false WHEN NOT MATCHED THEN INSERT DEFAULT VALUES",
        )

    def test_by_no_copy(self, merchant, table):
        with refused(merchant, NOT_ALLOWED), connection.cursor() as cursor:
            with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                copy.write(b"\n")

    def test_and_are_not_locked(self, merchant, table):
        attack(merchant, NOT_ALLOWED, f"SELECT 1 FROM {table} FOR UPDATE")
        attack(merchant, NOT_ALLOWED, f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")


class TestAccounts:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE ledger_account SET balance = balance - 5 WHERE merchant_id = %(merchant)s",
            "UPDATE ledger_account SET balance = 5 WHERE code = 'vendor_pending'",
            "UPDATE ledger_account SET version = 0 WHERE merchant_id = %(merchant)s",
            "UPDATE ledger_account SET held = 0 WHERE merchant_id = %(merchant)s",
            "UPDATE ledger_account SET rolled_to = '0' WHERE merchant_id = %(merchant)s",
            "UPDATE ledger_account SET balance_max = NULL, balance_min = NULL",
            "UPDATE ledger_account SET is_deferred = true",
            "UPDATE ledger_account SET currency = 'EUR' WHERE merchant_id = %(merchant)s",
            "UPDATE ledger_account SET owner = 'mallory' WHERE merchant_id = %(merchant)s",
            "UPDATE ledger_account SET merchant_id = gen_random_uuid()",
            "UPDATE ledger_account SET closed_at = now(), balance = 0",
            "UPDATE ledger_balance SET currency = 'EUR'",
            "DELETE FROM ledger_account WHERE merchant_id = %(merchant)s",
            "DELETE FROM ledger_balance",
            "TRUNCATE ledger_account CASCADE",
            "MERGE INTO ledger_account t USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE",
            "INSERT INTO ledger_account SELECT * FROM ledger_account ON CONFLICT DO NOTHING",
            "INSERT INTO ledger_account (merchant_id, code, owner, currency, is_deferred, balance) "
            "VALUES (%(merchant)s, 'bank', 'mallory', 'USD', true, 1000000)",
            "INSERT INTO ledger_account (merchant_id, code, owner, currency, is_deferred) "
            "VALUES (%(merchant)s, 'vendor_pending', 'ada', 'USD', false) "
            "ON CONFLICT (merchant_id, code, owner, currency) DO UPDATE SET balance = 0",
        ],
    )
    def test_keep_their_balance_bounds_and_identity(self, merchant, statement):
        attack(merchant, NOT_ALLOWED, statement)

    def test_are_not_overwritten_by_a_copy(self, merchant):
        with refused(merchant, NOT_ALLOWED), connection.cursor() as cursor:
            with cursor.copy("COPY ledger_account (merchant_id, code, owner, currency, balance) FROM STDIN"):
                pass

    def test_are_locked_opened_and_closed_all_the_same(self, merchant):
        ours = Account.objects.filter(merchant_id=merchant, code="vendor_pending")
        assert ours.select_for_update(no_key=True).count() == 1
        assert ours.update(closed_at=clock.now()) == 1
        attack(
            merchant, BROKEN_LAW,
            f"SELECT ledger_post_one('{uuid7()}', %(merchant)s, 'x', 'test', gen_random_uuid(), 'x', now(), "
            f"NULL, '{{1,2}}', array_agg(id ORDER BY id), '{{5,-5}}', '{{x,x}}') "
            "FROM ledger_account WHERE merchant_id = %(merchant)s",
            naming="ledger_account_open",
        )  # fmt: skip


class TestTheOneDoor:
    """`ledger_post_one` and `ledger_post` run with the owner's rights: what comes through them is lawful."""

    @pytest.fixture
    def accounts(self, merchant) -> dict[str, int]:
        return dict(fetch("SELECT code, id FROM ledger_account WHERE merchant_id = %s", merchant))

    def post(self, merchant, accounts, amounts, sqlstate, naming, **changes):
        given = {
            "id": uuid7(), "merchant": merchant, "source": uuid.uuid4(), "reverses": None,
            "lines": list(range(1, len(accounts) + 1)), "accounts": accounts, "amounts": amounts,
            "purposes": ["x"] * len(accounts), **changes,
        }  # fmt: skip
        one = """SELECT ledger_post_one(%(id)s, %(merchant)s, 'x', 'test', %(source)s, 'x', now(),
                     %(reverses)s, %(lines)s::int[], %(accounts)s::bigint[], %(amounts)s::bigint[],
                     %(purposes)s::text[])"""
        # With a second, lawful entry beside it, the call takes the other way through the function for many.
        given |= {
            "entries": [1] * len(accounts) + [2, 2], "other": uuid7(), "other_source": uuid.uuid4(),
            "all_lines": [*given["lines"], 1, 2], "all_purposes": [*given["purposes"], "x", "x"],
            "all_accounts": [*accounts, *self.lawful], "all_amounts": [*amounts, 7, -7],
        }  # fmt: skip
        many = """SELECT ledger_post(ARRAY[%(id)s, %(other)s]::uuid[], ARRAY[%(merchant)s, %(owner)s]::uuid[],
                     '{x,x}', '{test,test}', ARRAY[%(source)s, %(other_source)s]::uuid[], '{x,x}',
                     ARRAY[now(), now()], ARRAY[%(reverses)s, NULL]::uuid[], %(entries)s::int[],
                     %(all_lines)s::int[], %(all_accounts)s::bigint[], %(all_amounts)s::bigint[],
                     %(all_purposes)s::text[])"""
        given["owner"] = self.merchant
        for statement in (one, many):
            with refused(self.merchant, sqlstate, naming), connection.cursor() as cursor:
                cursor.execute(statement, given)

    @pytest.fixture(autouse=True)
    def lawful_pair(self, merchant, accounts):
        self.merchant = merchant
        self.lawful = [accounts["provider_clearing"], accounts["vendor_pending"]]

    @pytest.mark.parametrize("amounts", [[5, -4], [5, 5], [1, -2]])
    def test_takes_nothing_unbalanced(self, merchant, amounts):
        self.post(merchant, sorted(self.lawful), amounts, BROKEN_LAW, "ledger_entry_balances")

    def test_takes_nothing_one_sided(self, merchant, accounts):
        self.post(merchant, self.lawful[:1], [5], BROKEN_LAW, "ledger_entry_balances")

    def test_takes_no_zero(self, merchant):
        self.post(merchant, sorted(self.lawful), [0, 0], BROKEN_LAW, "ledger_posting_not_zero")

    def test_overdraws_no_account(self, merchant, accounts):
        amounts = {accounts["vendor_pending"]: 2000, accounts["provider_clearing"]: -2000}
        pair = sorted(self.lawful)
        self.post(merchant, pair, [amounts[one] for one in pair], BROKEN_LAW, "ledger_account_within_bounds")

    def test_takes_no_account_that_is_not_there(self, merchant):
        self.post(merchant, [*self.lawful[:1], 2**40], [5, -5], BROKEN_LAW, "ledger_account_known")

    def test_takes_no_account_of_another_merchant(self, merchant):
        self.post(uuid.uuid4(), sorted(self.lawful), [5, -5], BROKEN_LAW, "ledger_account_known")

    def test_mixes_no_currencies(self, merchant):
        with phase():
            journal.post([_euros(merchant)])
        ((euros,),) = fetch(
            "SELECT id FROM ledger_account WHERE merchant_id = %s AND currency = 'EUR' AND code = 'bank'",
            merchant,
        )
        pair = sorted([self.lawful[0], euros])
        self.post(merchant, pair, [5, -5], BROKEN_LAW, "ledger_entry_balances")

    def test_adds_nothing_to_an_entry_that_stands(self, merchant):
        ((entry,),) = fetch("SELECT id FROM ledger_entry WHERE merchant_id = %s", merchant)
        with refused(merchant, "23505"):
            self.post_raw(merchant, entry, uuid.uuid4())

    def test_posts_a_fact_once(self, merchant):
        ((source,),) = fetch("SELECT source_id FROM ledger_entry WHERE merchant_id = %s", merchant)
        with refused(merchant, "23505"):
            self.post_raw(merchant, uuid7(), source)

    def post_raw(self, merchant, entry, source):
        with connection.cursor() as cursor:
            cursor.execute(
                """SELECT ledger_post_one(%s, %s, 'x', 'test', %s, 'capture', now(), NULL, '{1,2}',
                                          %s::bigint[], '{-5,5}', '{x,x}')""",
                [entry, merchant, source, sorted(self.lawful)],
            )

    def test_takes_back_nothing_but_the_opposite(self, merchant):
        ((entry,),) = fetch("SELECT id FROM ledger_entry WHERE merchant_id = %s", merchant)
        self.post(
            merchant, sorted(self.lawful), [-5, 5], BROKEN_LAW, "ledger_reversal_is_opposite", reverses=entry
        )


def _euros(merchant: uuid.UUID) -> EntryDraft:
    five = Money(5, "EUR")
    return EntryDraft(
        merchant_id=merchant, kind="funding", source_type="test", source_id=uuid.uuid4(), step="funding",
        occurred_at=clock.now(),
        legs=[
            debit(account(Code.BANK, merchant, "EUR", "main"), five, "funding"),
            credit(account(Code.MERCHANT_BALANCE, merchant, "EUR"), five, "funding"),
        ],
    )  # fmt: skip


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE ledger_posting DISABLE TRIGGER ALL",
        "ALTER TABLE ledger_event DISABLE TRIGGER ledger_event_immutable",
        "ALTER TABLE ledger_posting ADD COLUMN gift bigint",
        "ALTER TABLE ledger_posting DROP CONSTRAINT ledger_posting_not_zero",
        "ALTER TABLE ledger_account DROP CONSTRAINT ledger_account_within_bounds",
        "ALTER TABLE ledger_entry RENAME TO old_entry",
        "ALTER TABLE ledger_entry OWNER TO CURRENT_USER",
        "ALTER TABLE ledger_entry DETACH PARTITION ledger_entry_other",
        "DROP TABLE ledger_posting CASCADE",
        "DROP VIEW ledger_balance",
        "DROP TRIGGER ledger_posting_law ON ledger_posting",
        "DROP TRIGGER ledger_account_identity ON ledger_account",
        "DROP FUNCTION ledger_roll()",
        "DROP FUNCTION ledger_check_postings() CASCADE",
        "ALTER FUNCTION ledger_roll() SECURITY INVOKER",
        "ALTER FUNCTION ledger_roll() SET search_path = pg_temp",
        "CREATE OR REPLACE FUNCTION ledger_roll() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'",
        "CREATE OR REPLACE FUNCTION public.ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql "
        "AS 'BEGIN RETURN NULL; END'",
        "CREATE FUNCTION public.sha256(text) RETURNS bytea LANGUAGE sql AS 'SELECT NULL::bytea'",
        "CREATE TRIGGER skip BEFORE INSERT ON ledger_event "
        "FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change()",
        "CREATE RULE skip AS ON INSERT TO ledger_event DO INSTEAD NOTHING",
        "CREATE POLICY mine ON ledger_entry USING (false)",
        "CREATE INDEX slow ON ledger_posting (purpose)",
        "CREATE TABLE public.ledger_gift (id int)",
        "CREATE TABLE public.child () INHERITS (ledger_account)",
        "CREATE VIEW public.mine AS SELECT 1",
        "CREATE TEMPORARY TABLE ledger_account (id bigint)",
        "CREATE SCHEMA mine",
        "COMMENT ON TABLE ledger_entry IS 'mine'",
        "SELECT ledger_refuse_accounts('{}', '{}', '{}')",
        "SELECT ledger_refuse_reversal(gen_random_uuid(), gen_random_uuid(), '{}', '{}')",
    ],
)
def test_nothing_is_made_altered_or_dropped(merchant, statement):
    attack(merchant, NOT_ALLOWED, statement)


@pytest.mark.parametrize(
    "statement",
    [
        f"SET ROLE {OWNER}",
        "SET ROLE postgres",
        f"SET SESSION AUTHORIZATION {OWNER}",
        "SET session_replication_role = replica",
        "SET LOCAL session_replication_role = replica",
        "SELECT set_config('session_replication_role', 'replica', true)",
        f"GRANT {OWNER} TO CURRENT_USER",
        "ALTER ROLE CURRENT_USER SUPERUSER",
        "CREATE ROLE mallory SUPERUSER",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} GRANT ALL ON TABLES TO CURRENT_USER",
        "COPY ledger_entry TO PROGRAM 'true'",
        "COPY ledger_seal FROM '/etc/hostname'",
        "SELECT pg_read_file('/etc/hostname')",
        "SELECT lo_import('/etc/hostname')",
    ],
)
def test_nobody_else_s_rights_can_be_taken(merchant, statement):
    attack(merchant, NOT_ALLOWED, statement)


def test_granting_itself_more_grants_nothing(merchant):
    before = fetch("SELECT relname, relacl::text FROM pg_class WHERE relname LIKE 'ledger%' ORDER BY 1")
    with connection.cursor() as cursor:
        # PostgreSQL warns and gives nothing: the role holds rights here, but none that it may pass on.
        cursor.execute("GRANT ALL ON ledger_entry, ledger_posting, ledger_account TO CURRENT_USER, PUBLIC")
        cursor.execute("REVOKE ALL ON ledger_entry FROM PUBLIC")
    after = fetch("SELECT relname, relacl::text FROM pg_class WHERE relname LIKE 'ledger%' ORDER BY 1")
    assert before == after
    attack(merchant, NOT_ALLOWED, "DELETE FROM ledger_entry")


class TestMonths:
    """A partition is reached through its parent only."""

    @pytest.fixture(params=["ledger_entry", "ledger_posting", "ledger_fact", "ledger_event"])
    def month(self, request) -> str:
        return f"{request.param}_{clock.now():%Y_%m}"

    def test_cannot_be_written_or_read_directly(self, merchant, month):
        parent = month[:-8]
        for statement in (
            f"SELECT * FROM {month}",
            f"INSERT INTO {month} SELECT * FROM {parent}",
            *rewrites(month).values(),
            f"ALTER TABLE {month} DISABLE TRIGGER ALL",
            f"ALTER TABLE {parent} DETACH PARTITION {month}",
            f"DROP TABLE {month}",
        ):
            attack(merchant, NOT_ALLOWED, statement)

    def test_that_come_later_are_closed_as_well(self, merchant):
        far = partitions.MONTHS_AHEAD + 2
        with connection.cursor() as cursor:
            cursor.execute("SELECT ledger_make_partitions(%s)", [far])
            cursor.execute("SELECT to_char(date_trunc('month', now() AT TIME ZONE 'UTC') + %s * interval "
                           "'1 month', '_YYYY_MM')", [far])  # fmt: skip
            (month,) = cursor.fetchone()
        for table in ("ledger_entry", "ledger_posting", "ledger_fact", "ledger_event"):
            assert fetch("SELECT to_regclass(%s) IS NOT NULL", table + month) == [(True,)]
            attack(merchant, NOT_ALLOWED, f"DELETE FROM {table}{month}")
            attack(merchant, NOT_ALLOWED, f"INSERT INTO {table}{month} SELECT * FROM {table}")


def test_the_session_s_names_do_not_lead_the_functions_astray(merchant):
    """The functions mean our tables, wherever the caller's search path points."""
    before = state_of(merchant)
    with phase(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL search_path = pg_temp, pg_catalog")
        cursor.execute(
            """SELECT public.ledger_post_one(%s, %s, 'x', 'test', gen_random_uuid(), 'x', now(), NULL,
                   '{1,2}',
                   (SELECT array_agg(id ORDER BY id) FROM public.ledger_account WHERE merchant_id = %s),
                   (SELECT array_agg(CASE code WHEN 'vendor_pending' THEN -5 ELSE 5 END ORDER BY id)
                    FROM public.ledger_account WHERE merchant_id = %s), '{x,x}')""",
            [uuid7(), merchant, merchant, merchant],
        )
        cursor.execute("SELECT public.ledger_roll()")
        cursor.execute("SET LOCAL search_path = public")
    assert len(state_of(merchant)) == len(before) + 4  # an entry, two postings, a fact
    assert balances.balance(account(Code.VENDOR_PENDING, merchant, "USD", "ada")) == Money(-1005, "USD")
    assert Posting.objects.filter(merchant_id=merchant).count() == 4
