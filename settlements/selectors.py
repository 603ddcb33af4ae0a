"""The read queries of this app; each takes the merchant whose rows it may show."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum

from ledger import balances
from ledger.chart import Code
from ledger.ids import moment
from ledger.models import Account, JournalEntry
from ledger.money import Money
from payments.models import ProviderOperation
from payments.models.operations import Kind, OutcomeKind
from settlements.calculation import Reckoning, reckon
from settlements.models import (
    BankStatement,
    Break,
    FundedOperation,
    Payout,
    SettlementBatch,
    StatementLine,
)
from settlements.models.batches import SettlementNotFound
from settlements.posting_rules import SETTLED
from settlements.states import BatchState, BreakState, PayoutState, StatementState

FUNDING_KINDS: Final = (
    Kind.CAPTURE.value, Kind.REFUND.value, Kind.WITHDRAWAL.value, Kind.REINSTATEMENT.value,
    Kind.REFUND_RETURNED.value, Kind.RETURN_FEE.value, Kind.DEPOSIT.value,
)  # fmt: skip
EVER: Final = UUID(int=0)
_CLOCKS_DIFFER: Final = timedelta(days=1)
_MILLISECONDS_AT: Final = 80

# The postings of a pending account that are in no batch. The money that a batch itself moved is no item.
UNBATCHED: Final = f"""
    FROM ledger_posting p
    WHERE p.account_id = %(account)s AND p.entry_id >= %(since)s AND p.recorded_at >= %(since_at)s
      AND p.purpose <> '{SETTLED}'
      AND NOT EXISTS (SELECT 1 FROM settlements_batchline l WHERE l.entry_id = p.entry_id AND l.line = p.line)
"""  # noqa: S608 - a constant of ours


@dataclass(frozen=True, slots=True)
class Unbatched:
    """What is not yet in a batch: purpose -> (sum as the ledger signs it, number of postings)."""

    account_id: int | None
    since: UUID
    sums: dict[str, tuple[int, int]]

    @property
    def total(self) -> int:
        """The sum from the vendor's side, in minor units."""
        return -sum(minor for minor, _ in self.sums.values())


def unbatched(merchant_id: UUID, vendor_id: UUID, currency: str, since: UUID) -> Unbatched:
    """Sum what is pending for a vendor and in no batch, looking at entries from `since` on."""
    account = Account.objects.filter(
        merchant_id=merchant_id, code=Code.VENDOR_PENDING.value, owner=str(vendor_id), currency=currency
    ).first()
    if account is None:
        return Unbatched(None, since, {})
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT p.purpose, sum(p.amount)::bigint, count(*) {UNBATCHED} GROUP BY 1",
            unbatched_of(account.pk, since),
        )
        return Unbatched(account.pk, since, {row[0]: (row[1], row[2]) for row in cursor.fetchall()})


def unbatched_of(account_id: int | None, since: UUID) -> dict[str, Any]:
    """Return the parameters of UNBATCHED: the id leaves out older months, the moment older rows."""
    return {"account": account_id, "since": since, "since_at": moment(since)}


def latest(batches: "QuerySet[SettlementBatch]") -> SettlementBatch | None:
    """Return the batch that was reckoned last."""
    return batches.order_by("-occurred_at", "-business_date", "-sequence").first()


def swept_until(batch: SettlementBatch) -> UUID:
    """Return the entry id below which everything of the vendor is surely in a batch.

    Entry ids begin with the clock of whoever made them; a day is allowed for clocks that differ and for
    transactions that were under way. Wrong clocks only cost time: the sum is checked.
    """
    last = latest(
        SettlementBatch.objects.filter(
            merchant_id=batch.merchant_id, vendor_id=batch.vendor_id, currency=batch.currency
        ).exclude(state=BatchState.CARRIED)
    )
    entry = last and JournalEntry.objects.filter(source_type="settlement", source_id=last.pk).first()
    if entry is None:
        return EVER
    milliseconds = (entry.pk.int >> _MILLISECONDS_AT) - int(_CLOCKS_DIFFER.total_seconds() * 1000)
    return UUID(int=max(0, milliseconds) << _MILLISECONDS_AT)


@dataclass(frozen=True, slots=True)
class VendorInfo:
    """Where a vendor's money of one currency is; amounts from the vendor's side."""

    currency: str
    open: Reckoning
    available: Money
    in_transit: Money
    paid: Money
    receivable: Money
    last: SettlementBatch | None


def vendor_info(merchant_id: UUID, vendor_id: UUID) -> list[VendorInfo]:
    """Return a vendor's figures in every currency that it has had, by currency; four queries in all."""
    items = _unbatched_by_currency(merchant_id, vendor_id)
    held = {
        (row.ref.code, row.balance.currency): row.balance.minor
        for row in balances.balances(merchant_id, owner=str(vendor_id))
    }
    payouts = Payout.objects.filter(merchant_id=merchant_id, batch__vendor_id=vendor_id)
    sent = {
        (row["currency"], row["is_seen"]): row["total"]
        for row in payouts.exclude(state=PayoutState.FAILED)
        .values("currency", is_seen=Q(state=PayoutState.RECONCILED))
        .annotate(total=Sum("amount_minor"))
    }
    batches = SettlementBatch.objects.filter(merchant_id=merchant_id, vendor_id=vendor_id)
    last = {
        row.currency: row
        for row in batches.order_by("currency", "-occurred_at", "-business_date", "-sequence").distinct(
            "currency"
        )
    }
    found = []
    for currency in sorted({currency for _, currency in held} | last.keys()):
        owed = Money(held.get((Code.VENDOR_RECEIVABLE, currency), 0), currency)
        found.append(
            VendorInfo(
                currency=currency,
                open=reckon(items.get(currency, {}), owed=owed),
                available=Money(-held.get((Code.VENDOR_AVAILABLE, currency), 0), currency),
                in_transit=Money(sent.get((currency, False), 0), currency),
                paid=Money(sent.get((currency, True), 0), currency),
                receivable=owed,
                last=last.get(currency),
            )
        )
    return found


def _unbatched_by_currency(merchant_id: UUID, vendor_id: UUID) -> dict[str, dict[str, tuple[int, int]]]:
    found: dict[str, dict[str, tuple[int, int]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT a.currency, p.purpose, sum(p.amount)::bigint, count(*)
               FROM ledger_account a JOIN ledger_posting p ON p.account_id = a.id
               WHERE a.merchant_id = %s AND a.code = 'vendor_pending' AND a.owner = %s AND p.purpose <> %s
                 AND NOT EXISTS (SELECT 1 FROM settlements_batchline l
                                 WHERE l.entry_id = p.entry_id AND l.line = p.line)
               GROUP BY 1, 2""",
            [merchant_id, str(vendor_id), SETTLED],
        )
        for currency, purpose, total, count in cursor.fetchall():
            found.setdefault(currency, {})[purpose] = (total, count)
    return found


@dataclass(frozen=True, slots=True)
class DayFigures:
    """A business day in one currency: of one vendor, or (`vendor_id` None) of the merchant with all vendors.

    Over time and for each vendor: gross - refunds - commission - paid_out = pending - receivable. Refunds are
    all that went back to payers: by refunds, and by disputes less what came back of them.
    `pending` and `receivable` are what is owed now; the others are what the day moved. Fees are the
    merchant's only.
    """

    currency: str
    vendor_id: UUID | None
    gross: Money
    refunds: Money
    commission: Money
    fees: Money
    paid_out: Money
    pending: Money
    receivable: Money


_OWNED: Final = ("vendor_pending", "vendor_available", "vendor_receivable")
_DAY_SQL: Final = """
    WITH moved AS (
        SELECT a.code, a.owner, a.currency, p.purpose, sum(p.amount)::bigint AS amount
        FROM ledger_entry e
        JOIN ledger_posting p ON p.entry_id = e.id JOIN ledger_account a ON a.id = p.account_id
        WHERE e.merchant_id = %(merchant)s AND e.occurred_at >= %(begin)s AND e.occurred_at < %(end)s
        GROUP BY 1, 2, 3, 4
    ), figure AS (
        SELECT currency, CASE WHEN code LIKE 'vendor%%' THEN owner ELSE '' END AS owner,
               CASE WHEN purpose = 'sale' THEN -amount ELSE 0 END AS gross,
               CASE WHEN purpose = 'refund' AND code <> 'provider_clearing' OR purpose = 'dispute'
                    THEN amount ELSE 0 END AS refunds,
               CASE WHEN purpose IN ('commission', 'commission_back') AND code = 'vendor_pending'
                    THEN amount ELSE 0 END AS commission,
               CASE WHEN code = 'provider_fees' THEN amount ELSE 0 END AS fees,
               CASE WHEN purpose = 'payout' AND code = 'vendor_available' THEN amount ELSE 0 END AS paid_out,
               0 AS pending, 0 AS receivable
        FROM moved
        UNION ALL
        SELECT currency, owner, 0, 0, 0, 0, 0,
               CASE WHEN code <> 'vendor_receivable' THEN -balance ELSE 0 END,
               CASE WHEN code = 'vendor_receivable' THEN balance ELSE 0 END
        FROM ledger_balance WHERE merchant_id = %(merchant)s AND code = ANY (%(owned)s)
    )
    SELECT currency, owner, sum(gross)::bigint, sum(refunds)::bigint, sum(commission)::bigint,
           sum(fees)::bigint, sum(paid_out)::bigint, sum(pending)::bigint, sum(receivable)::bigint
    FROM figure GROUP BY GROUPING SETS ((currency, owner), (currency)) ORDER BY currency, owner NULLS FIRST
"""


def day_figures(merchant_id: UUID, business_date: date) -> list[DayFigures]:
    """Return the figures of a day (UTC): per currency the whole, then each vendor; one query."""
    begin = datetime.combine(business_date, time(), tzinfo=UTC)
    with connection.cursor() as cursor:
        cursor.execute(
            _DAY_SQL,
            {
                "merchant": merchant_id,
                "begin": begin,
                "end": begin + timedelta(days=1),
                "owned": list(_OWNED),
            },
        )
        rows = cursor.fetchall()
    return [
        DayFigures(row[0], UUID(row[1]) if row[1] else None, *(Money(minor, row[0]) for minor in row[2:]))
        for row in rows
        if row[1] != ""  # what is not a vendor's is in the whole only
    ]


def settlement(merchant_id: UUID, batch_id: UUID) -> SettlementBatch:
    """Return a merchant's batch with its vendor and payouts.

    :raises SettlementNotFound: there is none.
    """
    found = settlements(merchant_id).filter(pk=batch_id).first()
    if found is None:
        raise SettlementNotFound("the merchant has no such settlement")
    return found


def settlements(merchant_id: UUID) -> "QuerySet[SettlementBatch]":
    """Return a merchant's batches with their vendor and payouts, unordered."""
    return (
        SettlementBatch.objects.filter(merchant_id=merchant_id)
        .select_related("vendor")
        .prefetch_related("payouts")
    )


def due_for_payment(merchant_id: UUID) -> "QuerySet[SettlementBatch]":
    """Return the batches that wait for a payout, unordered."""
    return settlements(merchant_id).filter(state=BatchState.CLOSED)


@dataclass(frozen=True, slots=True, order=True)
class DueVendor:
    """A vendor with something pending in a currency."""

    merchant_id: UUID
    vendor_id: UUID
    currency: str


def vendors_to_settle(merchant_id: UUID | None = None) -> list[DueVendor]:
    """Return whose pending account is not empty, of one merchant or (for the nightly run) of all."""
    accounts = Account.objects.filter(code=Code.VENDOR_PENDING.value).exclude(balance=0)
    if merchant_id is not None:
        accounts = accounts.filter(merchant_id=merchant_id)
    rows = accounts.order_by("id").values_list("merchant_id", "owner", "currency")
    return [DueVendor(merchant, UUID(owner), currency) for merchant, owner, currency in rows]


def batches_to_pay(merchant_id: UUID | None = None) -> list[tuple[UUID, UUID]]:
    """Return (merchant, batch) of what waits for a payout to an active vendor, the oldest first."""
    waiting = SettlementBatch.objects.filter(state=BatchState.CLOSED, vendor__state="active")
    if merchant_id is not None:
        waiting = waiting.filter(merchant_id=merchant_id)
    return list(waiting.order_by("occurred_at", "pk").values_list("merchant_id", "pk"))


def merchants_with_money() -> list[UUID]:
    """Return the merchants whose provider or payouts owe or move money, so that a bank line may come."""
    codes = [Code.PROVIDER_CLEARING.value, Code.PAYOUT_IN_TRANSIT.value]
    return list(
        Account.objects.filter(code__in=codes)
        .order_by("merchant_id")
        .values_list("merchant_id", flat=True)
        .distinct()
    )


def statements(merchant_id: UUID) -> "QuerySet[BankStatement]":
    """Return a merchant's bank statements, unordered."""
    return BankStatement.objects.filter(merchant_id=merchant_id)


def accounts_of_others(merchant_id: UUID, accounts: Collection[str]) -> set[str]:
    """Return those of the bank accounts that belong to another merchant: whose first statement was theirs."""
    rows = BankStatement.objects.filter(account__in=accounts).order_by("account", "pk").distinct("account")
    return {
        account for account, holder in rows.values_list("account", "merchant_id") if holder != merchant_id
    }


def breaks(merchant_id: UUID) -> "QuerySet[Break]":
    """Return a merchant's breaks with what they are about, unordered."""
    return Break.objects.filter(merchant_id=merchant_id).select_related("statement", "line", "payout")


def open_breaks(merchant_id: UUID) -> "QuerySet[Break]":
    """Return the breaks that still wait for an explanation, unordered."""
    return breaks(merchant_id).filter(state=BreakState.OPEN)


def unmatched_lines(merchant_id: UUID, account: str, currency: str) -> "QuerySet[StatementLine]":
    """Return the lines of accepted statements of a bank account that nothing explains yet, oldest first."""
    return (
        StatementLine.objects.filter(
            merchant_id=merchant_id,
            statement__account=account,
            statement__currency=currency,
            statement__state=StatementState.ACCEPTED,
            match__isnull=True,
        )
        .select_related("statement")
        .order_by("pk")
    )


def payouts_by_reference(merchant_id: UUID, payout_ids: Iterable[UUID]) -> dict[UUID, Payout]:
    """Return those payouts of a merchant, by id."""
    return Payout.objects.filter(merchant_id=merchant_id).in_bulk(list(payout_ids))


def payouts_to_see(merchant_id: UUID, currency: str, until: date) -> "QuerySet[Payout]":
    """Return the payouts paid up to a day that no statement has shown yet, unordered."""
    return Payout.objects.filter(
        merchant_id=merchant_id, currency=currency, state=PayoutState.PAID, paid_at__date__lte=until
    )


def last_statement(merchant_id: UUID, account: str, currency: str) -> BankStatement | None:
    """Return the last accepted statement of a bank account, by the bank's own order."""
    accepted = statements(merchant_id).filter(
        account=account, currency=currency, state=StatementState.ACCEPTED
    )
    return accepted.order_by("-closed_on", "-sequence", "-pk").first()


def neighbours(statement: BankStatement) -> tuple[BankStatement | None, BankStatement | None]:
    """Return the accepted statements just before and just after one, by the bank's own order."""
    rows = list(
        statements(statement.merchant_id)
        .filter(account=statement.account, currency=statement.currency, state=StatementState.ACCEPTED)
        .order_by("closed_on", "sequence", "pk")
        .only("pk", "opening_minor", "closing_minor", "currency", "merchant_id", "account", "reference")
    )
    at = next(index for index, row in enumerate(rows) if row.pk == statement.pk)
    return (rows[at - 1] if at else None), (rows[at + 1] if at + 1 < len(rows) else None)


def operations_by_key(merchant_id: UUID, keys: Iterable[str]) -> dict[str, ProviderOperation]:
    """Return a merchant's captures and refunds by their idempotency key, in one query."""
    found = ProviderOperation.objects.filter(
        merchant_id=merchant_id, idempotency_key__in=list(keys), kind__in=FUNDING_KINDS
    )
    return {operation.idempotency_key: operation for operation in found}


def operations_not_funded(merchant_id: UUID, currency: str, until: date) -> "QuerySet[ProviderOperation]":
    """Return captures and refunds that succeeded up to a day and are in no confirmed report, unordered."""
    funded = FundedOperation.objects.filter(operation=OuterRef("pk"))
    return ProviderOperation.objects.filter(
        ~Exists(funded),
        merchant_id=merchant_id,
        currency=currency,
        kind__in=FUNDING_KINDS,
        outcome=OutcomeKind.APPROVED,
        concluded_at__date__lte=until,
    )
