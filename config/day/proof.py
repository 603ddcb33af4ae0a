"""The proof: the books, the bank and the network are held against each other, both ways and by amount.

Reads only. Each check is one line of the report; a check that fails says what differs.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import Q

from config.day import every_cent
from config.day.books import PAID_OUT_STATES, Books, payments_of, reading
from config.day.networks import RAILS, Networks
from config.day.plan import RunPlan
from config.day.scenario import Seen
from config.day.shapes import Kind as OrderKind
from ledger import balances, clock, ids, invariants
from ledger.models import Job, OutboxMessage
from ledger.proof import verifying
from payments import states
from payments.models import ProviderOperation
from payments.models.operations import Kind, OutcomeKind
from settlements.models import BankStatement, Break, Payout, StatementLine
from settlements.states import BreakState, StatementState
from vendors.models import IdempotencyKey

Truth = dict[str, dict[str, dict[str, Any]]]
"""What the networks know: the provider's name to our key to its operation."""

SHOWN_MAX: Final = 10
NETWORK_PAGE: Final = 1000
DEBTS_REST_SECONDS: Final = 60.0
PAUSE_SECONDS: Final = 0.5
TAKEN: Final = frozenset({"authorized", "succeeded", "paid"})
REFUSED: Final = frozenset({"declined", "failed"})
WITHOUT_AMOUNT: Final = frozenset({"void"})
# What a bank rail is never told: that the payer permits a debit, and that he does not any more.
NEVER_IN_A_FILE: Final = Q(kind=Kind.VOID) | Q(kind=Kind.AUTHORIZE, request__capture=False)
# How an order of each kind may end; what is not named ends captured.
PAID: Final = frozenset({states.CAPTURED, states.COMPLETED})
ENDS: Final[dict[OrderKind, frozenset[str]]] = {
    OrderKind.DECLINED: frozenset({states.FAILED}),
    OrderKind.CARD_TESTER: frozenset({states.FAILED, states.REJECTED}),
    OrderKind.ACH_RETURNED: frozenset({states.FAILED}),
    OrderKind.SEPA_RETURNED: frozenset({states.FAILED}),
    OrderKind.OVER_LIMIT: frozenset({states.UNDER_REVIEW, states.REJECTED}),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the proof: what was looked at, how much of it, and what differs."""

    sentence: str
    looked_at: str
    differences: Sequence[str]

    @property
    def holds(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    def lines(self) -> Iterator[str]:
        """Yield the line and, below it, what differs."""
        yield f"  {'ok  ' if self.holds else 'FAIL'}  {self.sentence} ({self.looked_at})"
        for difference in self.differences[:SHOWN_MAX]:
            yield f"          {difference}"
        if len(self.differences) > SHOWN_MAX:
            yield f"          and {len(self.differences) - SHOWN_MAX} more"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the proof looks at."""

    plan: RunPlan
    merchant_id: UUID
    seen: Seen
    books: Books
    bank: list[dict[str, Any]]


def wait_for_debts() -> None:
    """Wait while the house pays what it owes: open operations, requests, messages, due jobs.

    Ends when nothing is owed, or when for a minute it did not become less: the proof then says what is left.
    """
    least, deadline = None, time.monotonic() + DEBTS_REST_SECONDS
    while owed := sum(debt() for _, debt in DEBTS):
        if least is None or owed < least:
            least, deadline = owed, time.monotonic() + DEBTS_REST_SECONDS
        if time.monotonic() > deadline:
            return
        time.sleep(PAUSE_SECONDS)


def prove(plan: RunPlan, merchant_id: UUID, seen: Seen, books: Books, networks: Networks) -> list[Line]:
    """Run every check and return its lines."""
    truth = _truth_of(networks)
    evidence = Evidence(plan, merchant_id, seen, books, networks.bank.bank_accounts())
    with reading():
        lines = [check(evidence) for check in RUN_CHECKS] + _house(truth)
    return [*lines, _seals_hold()]


def audit(networks: Networks) -> list[Line]:
    """Run the checks that hold for the whole house, whatever was done with it."""
    truth = _truth_of(networks)
    with reading():
        lines = _house(truth)
    return [*lines, _seals_hold()]


def _house(truth: Truth) -> list[Line]:
    asked = ProviderOperation.objects.order_by("provider").values_list("provider", flat=True).distinct()
    agree = [
        _network_agrees(provider, truth.get(provider, {})) for provider in sorted(truth.keys() | set(asked))
    ]
    return [_trial_balance(), *agree, _no_double_effect(truth), _nothing_open(), _invariants_hold()]


def _truth_of(networks: Networks) -> Truth:
    """Return every operation that the networks know, by provider and our key."""
    return {
        provider: {row["idempotency_key"]: row for row in face.truth(NETWORK_PAGE)}
        for provider, face in networks.faces.items()
    }


# --- the checks -------------------------------------------------------------------------------------------
def _customers_served(evidence: Evidence) -> Line:
    found: dict[str, list[Any]] = {}
    rows = payments_of(evidence.merchant_id, evidence.plan.name).values_list(
        "order_ref", "id", "state", "amount_minor", "captured_minor", "refunded_minor", "currency"
    )
    for ref, *facts in rows:
        found.setdefault(ref, []).append(facts)
    differences = list(evidence.seen.complaints)
    orders = 0
    for order in evidence.plan.orders():
        orders += 1
        paid = found.pop(order.ref, [])
        if len(paid) != 1:
            differences.append(f"order {order.ref} has {len(paid)} payments")
            continue
        payment_id, state, amount, captured, refunded, currency = paid[0]
        wanted = order.amount_minor if state in PAID else 0
        back = _refund_of(order) if order.refund and state in PAID else 0
        if ids.show("pay", payment_id) != evidence.seen.payments.get(order.ref):
            differences.append(f"order {order.ref}: the merchant was told of another payment")
        if state not in ENDS.get(order.kind, PAID):
            differences.append(f"order {order.ref} ({order.kind}) ended {state}")
        if (amount, currency, captured, refunded) != (order.amount_minor, order.currency, wanted, back):
            differences.append(
                f"order {order.ref}: {order.amount_minor} {order.currency} ordered, {wanted} to be taken and"
                f" {back} to be given back; the books say {amount} {currency}, {captured} and {refunded}"
            )
    differences += [f"payments of order {ref}, which nobody placed" for ref in found]
    return Line(
        "every order has one payment of its amount, ended as it should",
        f"{orders} orders",
        tuple(differences),
    )


def _refund_of(order: Any) -> int:
    return sum(amount for _, amount in order.refund.shares) or order.amount_minor


def _trial_balance() -> Line:
    sums = balances.trial_balance()
    off = tuple(f"{code} is off by {minor} minor units" for code, minor in sums.items() if minor)
    return Line("trial balance is zero in every currency", " ".join(sums), off)


def _books_add_up(evidence: Evidence) -> Line:
    differences = []
    for currency, line in evidence.books.currencies.items():
        vendors = [found[currency] for found in evidence.books.vendors.values() if currency in found]
        for name in ("gross", "refunded", "commission", "paid_out", "pending"):
            total = sum(getattr(vendor, name) for vendor in vendors)
            if total != getattr(line, name):
                differences.append(f"{name} {currency}: {getattr(line, name)}, over the vendors {total}")
    looked_at = f"{len(evidence.books.vendors)} vendors"
    return Line(
        "what vendors sold, gave back and were paid adds up to the totals", looked_at, tuple(differences)
    )


def _payouts_are_bank_lines(evidence: Evidence) -> Line:
    payouts = {
        payout.public_id: (payout.amount_minor, payout.currency)
        for payout in Payout.objects.filter(merchant_id=evidence.merchant_id, state__in=PAID_OUT_STATES)
    }
    lines = StatementLine.objects.filter(
        merchant_id=evidence.merchant_id, amount_minor__lt=0, statement__state=StatementState.ACCEPTED
    ).values_list("end_to_end_id", "amount_minor", "currency")
    booked = Counter((reference, -amount, currency) for reference, amount, currency in lines)
    differences = []
    for reference, (amount, currency) in payouts.items():
        times = booked.pop((reference, amount, currency), 0)
        if times != 1:
            differences.append(f"payout {reference} of {amount} {currency} is on {times} bank lines")
    differences += [
        f"bank line {reference or '(no reference)'} of {amount} {currency} is no payout of ours"
        for reference, amount, currency in booked
    ]
    return Line(
        "every payout is one bank line, every debit one payout", f"{len(payouts)} payouts", tuple(differences)
    )


def _network_agrees(provider: str, theirs: dict[str, dict[str, Any]]) -> Line:
    asked = ProviderOperation.objects.filter(provider=provider).exclude(outcome=OutcomeKind.REJECTED)
    if provider in RAILS:
        asked = asked.exclude(NEVER_IN_A_FILE)
    ours = {row.idempotency_key: row for row in asked.iterator(chunk_size=2000)}
    differences = [f"{key}: {text}" for key, text in _compare(theirs, ours)]
    looked_at = f"{len(theirs)} operations there, {len(ours)} here"
    return Line(f"{provider}'s truth is ours, by amount, currency and fee", looked_at, differences)


def _compare(
    theirs: dict[str, dict[str, Any]], ours: dict[str, ProviderOperation]
) -> Iterator[tuple[str, str]]:
    for key, there in theirs.items():
        here = ours.get(key)
        if here is None:
            yield (
                key,
                f"the network has a {there['kind']} of {there['amount']} {there['currency']}, we have none",
            )
            continue
        is_taken = there["status"] in TAKEN
        if is_taken != here.has_succeeded or (there["status"] in REFUSED and here.has_succeeded):
            yield key, f"{there['kind']} is {there['status']} there and {here.outcome or 'open'} here"
        theirs_is = (there["amount"], there["currency"], there["fee"] if is_taken else 0)
        ours_is = (here.amount_minor, here.currency, here.fee_minor)
        if there["kind"] not in WITHOUT_AMOUNT and theirs_is != ours_is:
            yield key, f"{there['kind']}: amount, currency and fee are {theirs_is} there and {ours_is} here"
    for key, here in ours.items():
        if here.has_succeeded and key not in theirs:
            yield key, f"we have a {here.kind} of {here.amount_minor} {here.currency}, the network has none"


def _no_double_effect(truth: Truth) -> Line:
    """A payment that failed over must not have been authorized at two providers either."""
    taken = Counter(
        (row["kind"], row["reference"])
        for theirs in truth.values()
        for row in theirs.values()
        if row["kind"] in ("authorize", "transfer") and row["status"] in TAKEN
    )
    twice = [f"{kind} of {reference} was made {n} times" for (kind, reference), n in taken.items() if n > 1]
    return Line("nothing happened twice for one key", f"{len(taken)} effects", tuple(twice))


def _nothing_open() -> Line:
    differences = tuple(f"{count} {name}" for name, debt in DEBTS if (count := debt()))
    return Line("nothing is unknown, open or undelivered", f"{len(DEBTS)} queues", differences)


def _bank_agrees(evidence: Evidence) -> Line:
    last: dict[str, BankStatement] = {}
    accepted = BankStatement.objects.filter(merchant_id=evidence.merchant_id, state=StatementState.ACCEPTED)
    for statement in accepted.order_by("closed_on", "sequence"):
        last[statement.currency] = statement
    differences = []
    ledger = _bank_balances(evidence.merchant_id)
    real = {row["currency"]: row["balance"] for row in evidence.bank}
    for currency in sorted(last.keys() | ledger.keys() | real.keys()):
        closing = last[currency].closing_minor if currency in last else 0
        if not closing == ledger.get(currency, 0) == real.get(currency, 0):
            differences.append(
                f"{currency}: the books say {ledger.get(currency, 0)}, the last statement {closing},"
                f" the bank {real.get(currency, 0)}"
            )
    held = BankStatement.objects.filter(merchant_id=evidence.merchant_id, state=StatementState.HELD)
    differences += [f"statement {row} is held: {row.problem}" for row in held]
    return Line(
        "our bank balance is the statement's closing balance", " ".join(sorted(last)), tuple(differences)
    )


def _bank_balances(merchant_id: UUID) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in balances.balances(merchant_id, code=balances.Code.BANK):
        found[row.ref.currency] = found.get(row.ref.currency, 0) + row.balance.minor
    return found


def _went_elsewhere(evidence: Evidence) -> Line:
    """Look at payments of which more than one provider was asked."""
    rows = ProviderOperation.objects.filter(
        payment__in=payments_of(evidence.merchant_id, evidence.plan.name), kind=Kind.AUTHORIZE
    )
    tries: dict[UUID, list[ProviderOperation]] = {}
    for row in rows.select_related("payment").order_by("created_at", "id"):
        tries.setdefault(row.subject_id, []).append(row)
    moved = [found for found in tries.values() if len(found) > 1]
    differences = []
    for found in moved:
        payment = found[0].payment
        taken = [row.provider for row in found if row.has_succeeded]
        if payment is None or (taken and taken != [payment.provider]):
            differences.append(f"payment {found[0].subject_id} was authorized at {taken}")
    looked_at = f"{len(moved)} payments, {sum(len(found) - 1 for found in moved)} tries that took nothing"
    return Line(
        "a payment that went to another provider was authorized at that one only", looked_at, differences
    )


def _no_breaks(evidence: Evidence) -> Line:
    rows = Break.objects.filter(merchant_id=evidence.merchant_id, state=BreakState.OPEN)
    differences = tuple(f"{row.public_id}: {row.get_reason_display()} {row.detail}" for row in rows)
    return Line(
        "no break is open",
        f"{Break.objects.filter(merchant_id=evidence.merchant_id).count()} ever",
        differences,
    )


def _every_cent_explained(evidence: Evidence) -> Line:
    looked_at, differences = every_cent.explained(evidence.merchant_id)
    return Line("every payout, bank line and balance is explained to the outside", looked_at, differences)


def _invariants_hold() -> Line:
    results = invariants.check_all()
    broken = tuple(
        f"{result.invariant.number} {result.invariant.sentence} {violation}"
        for result in results
        for violation in result.violations
    )
    return Line("every invariant holds", f"{len(results)} checked", broken)


def _seals_hold() -> Line:
    """Look outside the one state that the rest sees: the sealer goes on meanwhile."""
    verdict = verifying.verify()
    rows = f"{verdict.entries} entries, {verdict.events} events and {verdict.audits} audit records"
    looked_at = f"{verdict.blocks} blocks over {rows}"
    return Line("every seal is unbroken", looked_at, (verdict.fault,) if verdict.fault else ())


RUN_CHECKS: Final[tuple[Callable[[Evidence], Line], ...]] = (
    _customers_served,
    _went_elsewhere,
    _books_add_up,
    _payouts_are_bank_lines,
    _bank_agrees,
    _no_breaks,
    _every_cent_explained,
)


# --- what the house may still owe ---------------------------------------------------------------------------
def _unanswered_requests() -> int:
    """Count those that the house can drive on by itself (I-10): the rest is left to its senders.

    A card that a customer stores is encrypted anew each time, so who lost his answer asks under another key.
    """
    owed = IdempotencyKey.objects.filter(finished_at=None, locked_by__isnull=False)
    return owed.filter(request_body__isnull=False).count()


def _due_jobs() -> int:
    return Job.objects.filter(finished_at=None, run_at__lte=clock.now()).count()


DEBTS: Final[tuple[tuple[str, Callable[[], int]], ...]] = (
    ("provider operations are open", lambda: ProviderOperation.objects.filter(concluded_at=None).count()),
    ("requests with a key have no answer", _unanswered_requests),
    ("messages are not delivered", lambda: OutboxMessage.objects.filter(sent_at=None).count()),
    ("due jobs are not done", _due_jobs),
)


def report(lines: Iterable[Line], facts: Iterable[str]) -> list[str]:
    """Return the proof as text: the checks, then the facts about time and speed."""
    return [
        "Proof",
        *(text for line in lines for text in line.lines()),
        *(f"        {fact}" for fact in facts),
    ]
