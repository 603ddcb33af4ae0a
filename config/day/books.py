"""What our own books say about a run: figures per currency and per vendor, read and never written.

All figures are whole minor units and depend on the run alone, not on when it ran or how often it was killed.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, QuerySet, Sum

from config.day.scenario import Seen
from ledger import balances, ids
from ledger.chart import Code
from payments import states
from payments.models import Payment, PaymentTransaction, ProviderOperation
from payments.models.operations import Kind, OutcomeKind
from settlements.models import Payout
from settlements.states import PayoutState

DECLINED_STATES: Final = (states.FAILED, states.REJECTED)
PAID_OUT_STATES: Final = (PayoutState.PAID, PayoutState.RECONCILED)
OWED_TO_VENDORS: Final = (Code.VENDOR_PENDING, Code.VENDOR_AVAILABLE, Code.VENDOR_RECEIVABLE)


@dataclass(slots=True)
class Figures:
    """One line of the day book, in minor units of its currency; `pending` is what vendors are still owed."""

    orders: int = 0
    gross: int = 0
    declined_orders: int = 0
    declined: int = 0
    in_review_orders: int = 0
    in_review: int = 0
    refunded: int = 0
    provider_fees: int = 0
    commission: int = 0
    paid_out: int = 0
    pending: int = 0

    def as_json(self) -> dict[str, int]:
        """Return the figures by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Books:
    """The figures of a run: by currency, and by vendor (external id) and currency."""

    currencies: dict[str, Figures]
    vendors: dict[str, dict[str, Figures]]

    def as_json(self) -> dict[str, object]:
        """Return the comparable part of the day book."""
        return {
            "currencies": {code: found.as_json() for code, found in sorted(self.currencies.items())},
            "vendors": {
                vendor: {code: found.as_json() for code, found in sorted(lines.items())}
                for vendor, lines in sorted(self.vendors.items())
            },
        }


@contextmanager
def reading() -> Iterator[None]:
    """Read one state of the database and be unable to write."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SET LOCAL statement_timeout = 0")
        yield


def payments_of(merchant_id: UUID, run: str) -> "QuerySet[Payment]":
    """Return the payments that a run made."""
    return Payment.objects.filter(merchant_id=merchant_id, metadata__run=run)


def read_books(merchant_id: UUID, run: str, seen: Seen) -> Books:
    """Read the figures of a run."""
    external = {ids.parse("vnd", public): name for name, public in seen.vendors.items()}
    currencies: dict[str, Figures] = defaultdict(Figures)
    vendors: dict[str, dict[str, Figures]] = defaultdict(lambda: defaultdict(Figures))
    payments = payments_of(merchant_id, run)
    _add_payments(currencies, payments)
    shares = PaymentTransaction.objects.filter(payment__in=payments)
    _add_shares(vendors, currencies, shares, external)
    fees = ProviderOperation.objects.filter(
        payment__in=payments, kind=Kind.CAPTURE, outcome=OutcomeKind.APPROVED
    )
    for currency, fee in fees.values_list("currency").annotate(Sum("fee_minor")):
        currencies[currency].provider_fees = fee
    for vendor_id, currency, amount in _paid_out(seen.settlements):
        vendors[external[vendor_id]][currency].paid_out += amount
        currencies[currency].paid_out += amount
    concerned = {(name, code) for name, lines in vendors.items() for code in lines}
    for vendor_id, currency, owed in _owed(merchant_id):
        name = external.get(vendor_id, "")
        if (name, currency) in concerned:
            vendors[name][currency].pending += owed
            currencies[currency].pending += owed
    return Books(dict(currencies), {name: dict(lines) for name, lines in vendors.items()})


def _add_payments(currencies: dict[str, Figures], payments: "QuerySet[Payment]") -> None:
    rows = payments.values_list("currency", "state").annotate(
        Count("id"), Sum("amount_minor"), Sum("captured_minor"), Sum("refunded_minor")
    )
    for currency, state, count, amount, captured, refunded in rows.order_by("currency", "state"):
        _count(currencies[currency], state, count, amount, captured, refunded)


def _add_shares(
    vendors: dict[str, dict[str, Figures]],
    currencies: dict[str, Figures],
    shares: "QuerySet[PaymentTransaction]",
    external: dict[UUID, str],
) -> None:
    rows = (
        shares.values_list("vendor_id", "payment__currency", "payment__state")
        .annotate(
            Count("id"),
            Sum("amount_minor"),
            Sum("captured_minor"),
            Sum("refunded_minor"),
            Sum("commission_captured_minor"),
            Sum("commission_refunded_minor"),
        )
        .order_by("vendor_id", "payment__currency", "payment__state")
    )
    for vendor_id, currency, state, count, amount, captured, refunded, taken, given_back in rows:
        line = vendors[external[vendor_id]][currency]
        _count(line, state, count, amount, captured, refunded)
        line.commission += taken - given_back
        currencies[currency].commission += taken - given_back


def _count(line: Figures, state: str, count: int, amount: int, captured: int, refunded: int) -> None:
    line.orders += count
    line.gross += captured
    line.refunded += refunded
    if state in DECLINED_STATES:
        line.declined_orders += count
        line.declined += amount
    elif state == states.UNDER_REVIEW:
        line.in_review_orders += count
        line.in_review += amount


def _paid_out(settlements: Iterable[str]) -> Iterable[tuple[UUID, str, int]]:
    batches = [ids.parse("set", public) for public in settlements]
    rows: Iterable[tuple[UUID, str, int]] = (
        Payout.objects.filter(batch_id__in=batches, state__in=PAID_OUT_STATES)
        .values_list("batch__vendor_id", "currency")
        .annotate(Sum("amount_minor"))
        .order_by("batch__vendor_id", "currency")
    )
    return rows


def _owed(merchant_id: UUID) -> Iterator[tuple[UUID, str, int]]:
    """Yield what each vendor is owed and not yet paid, per account; what a vendor owes us is negative."""
    for code in OWED_TO_VENDORS:
        for found in balances.balances(merchant_id, code=code):
            yield UUID(found.ref.owner), found.ref.currency, -found.balance.minor
