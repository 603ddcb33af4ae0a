"""What PayPal transferred to the bank, and for what: the movements of its balance since the transfer before.

PayPal reports movements by time (transaction search), not by transfer, so a report is what moved in the
transfer's currency between the transfer before it and itself; it is believed only when that sums to what was
transferred. Money of disputes bears no name there: each movement is found in its case by kind, amount and
order. What is none of ours stands under its own id, which no operation explains: a person must look. Pure and
total.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from ledger.money import Money
from payments.providers.errors import ProviderRefused, Unanswered
from payments.providers.notices import DisputeMovement, MovementKind, ProviderReport, ReportLine
from payments.providers.paypal import disputes, mapping, orders
from payments.providers.paypal.amounts import signed
from payments.providers.paypal.orders import REFUND_MARK, Body
from payments.providers.requests import capture_key, returned_key

PATH: Final = "/v1/reporting/transactions"
RANGE: Final = timedelta(days=31)
PAGE: Final = 500
PAGES_MAX: Final = 2_000
LOOKED_BACK: Final = 6  # ranges in which a transfer is looked for
TRANSFERS: Final = ("T0400", "T0401", "T0403")  # to the bank: general, automatic, by hand
REFUND: Final = ("T1107",)
RETURNED: Final = "T1100"  # a reversal that PayPal has no code of its own for: of a refund, when it names one
DISPUTED: Final = frozenset({"T0106", "T0114", "T1106", "T1201", "T1202"})  # fees, chargebacks, reversals
FEES: Final = frozenset({"T0106", "T0114"})
KEY: Final = "op_"


@dataclass(frozen=True, slots=True)
class Moved:
    """One movement of our balance at PayPal; `fee` is what it kept of it."""

    id: str
    code: str
    at: datetime
    amount: Money
    fee: Money
    about: str
    invoice_id: str
    custom_id: str


def rows(body: Body) -> list[Moved]:
    """The movements of a page of the transaction search; what did not succeed moved nothing.

    :raises Unanswered: not shaped like one.
    """
    details = body.get("transaction_details")
    if not isinstance(details, list):
        raise Unanswered("bad_body")
    made = [_moved(orders.mapping(row, "transaction_info")) for row in details if isinstance(row, dict)]
    found = [one for one in made if one is not None]
    if len(made) != len(details) or len(found) != len(made):
        raise Unanswered("bad_body")
    return found


def pages(body: Body) -> int:
    """How many pages a search has."""
    told = body.get("total_pages")
    return told if type(told) is int and 0 <= told <= PAGES_MAX else 1


def query(since: datetime, until: datetime, page: int = 1, **more: str) -> dict[str, str]:
    """The parameters of a search."""
    found = {"start_date": _text(since), "end_date": _text(until), "fields": "transaction_info"}
    return found | {"page_size": str(PAGE), "page": str(page), **more}


def is_transfer(moved: Moved) -> bool:
    """Say whether a movement is a transfer to our bank."""
    return moved.code in TRANSFERS and moved.amount.minor < 0


def between(moved: Iterable[Moved], before: Moved | None, transfer: Moved) -> list[Moved]:
    """What moved in a transfer's currency after the transfer before it."""
    same = [one for one in moved if one.amount.currency == transfer.amount.currency and not is_transfer(one)]
    return [one for one in same if (before is None or one.at > before.at) and one.at <= transfer.at]


def disputed(moved: Iterable[Moved]) -> list[str]:
    """The captures of whose disputes money moved."""
    return sorted({one.about for one in moved if one.code in DISPUTED and one.about})


def report(
    transfer: Moved, moved: Sequence[Moved], cases: Mapping[str, Sequence[Body]], before: Moved | None
) -> ProviderReport:
    """Put a transfer and its movements together; `cases` are the disputes of each capture.

    :raises Unanswered: the movements do not sum to the transfer.
    """
    names = _names(moved, cases, before, transfer)
    lines = _merged(_line(one, names) for one in moved)
    made = ProviderReport.of(transfer.id, transfer.at.date(), lines, transfer.amount.currency)
    if made.net != -transfer.amount:
        raise Unanswered("report_does_not_add_up")
    return made


def readable(status: int, body: Body | None) -> Body:
    """The body of a successful read.

    :raises ProviderRefused: PayPal says no. :raises Unanswered: anything else.
    """
    if status == 200 and body is not None:
        return body
    told = mapping.problem(body)
    if status in mapping.REJECTED_STATUSES and told.code:
        raise ProviderRefused(told.words, provider_code=told.code)
    raise Unanswered(f"http_{status}")


def _moved(info: Body) -> Moved | None:
    amount, at = (
        signed(info.get("transaction_amount")),
        disputes.instant(info.get("transaction_initiation_date")),
    )
    reference = orders.text(info, "transaction_id")
    if amount is None or at is None or not orders.is_reference(reference):
        return None
    fee = signed(info["fee_amount"]) if "fee_amount" in info else Money.zero(amount.currency)
    if fee is None or fee.currency != amount.currency:
        return None
    return Moved(
        reference, orders.text(info, "transaction_event_code"), at, amount, -fee,
        orders.text(info, "paypal_reference_id"), orders.text(info, "invoice_id"),
        orders.text(info, "custom_field"),
    )  # fmt: skip


def _line(moved: Moved, names: Mapping[str, DisputeMovement]) -> ReportLine:
    amount = moved.amount
    if moved.id in names:
        named = names[moved.id]
        return ReportLine(
            named.kind.value, named.reference, named.reference, named.amount, named.fee, moved.about
        )
    if moved.code in REFUND and amount.minor <= 0:
        key = _refund_key(moved) or moved.id
        return ReportLine("refund", key, moved.id, -amount, moved.fee, moved.about)
    if moved.code == RETURNED and amount.is_positive and (key := _refund_key(moved) or moved.about):
        return ReportLine("refund_returned", returned_key(key), moved.id, amount, moved.fee)
    if moved.code.startswith("T00") and amount.minor >= 0:
        return ReportLine("capture", _capture_key(moved), moved.id, amount, moved.fee, moved.about)
    kind = MovementKind.REINSTATEMENT if amount.is_positive else MovementKind.WITHDRAWAL
    return ReportLine(kind.value, moved.id, moved.id, abs(amount), moved.fee, moved.about)


def _capture_key(moved: Moved) -> str:
    """Our key of a capture: its own, or that of the sale that made it; its id when it is none of ours."""
    if moved.invoice_id.startswith(KEY):
        return moved.invoice_id
    return capture_key(moved.custom_id) if moved.custom_id.startswith(KEY) else moved.id


def _refund_key(moved: Moved) -> str:
    """Our key of a refund, or of what came back of one; empty when it is none of ours."""
    is_ours = moved.custom_id.startswith(f"{REFUND_MARK}{KEY}")
    return moved.custom_id.removeprefix(REFUND_MARK).partition(".")[0] if is_ours else ""


def _merged(lines: Iterable[ReportLine]) -> list[ReportLine]:
    """The lines, the parts of one refund together."""
    made: dict[tuple[str, str], ReportLine] = {}
    for number, line in enumerate(lines):
        name = ("refund", line.idempotency_key) if line.kind == "refund" else (line.kind, str(number))
        first = made.get(name)
        made[name] = line if first is None else _both(first, line)
    return list(made.values())


def _both(first: ReportLine, other: ReportLine) -> ReportLine:
    return replace(first, amount=first.amount + other.amount, fee=first.fee + other.fee)


def _names(
    moved: Sequence[Moved], cases: Mapping[str, Sequence[Body]], before: Moved | None, transfer: Moved
) -> dict[str, DisputeMovement]:
    """Which movement of which case each movement of our balance is, by its id."""
    waiting: dict[tuple[str, str, bool, int], list[DisputeMovement]] = defaultdict(list)
    for capture, bodies in cases.items():
        for body in bodies:
            for at, one in disputes.moved(body) or ():
                if (before is None or at > before.at) and at <= transfer.at:
                    waiting[capture, *_kind(one)].append(one)
    found = {}
    for row in moved:
        is_fee = row.code in FEES
        direction = "withdrawal" if row.amount.minor <= 0 else "reinstatement"
        queue = waiting.get((row.about, direction, is_fee, abs(row.amount.minor)), [])
        if row.code in DISPUTED and queue:
            found[row.id] = queue.pop(0)
    return found


def _kind(movement: DisputeMovement) -> tuple[str, bool, int]:
    is_fee = movement.amount.is_zero
    return movement.kind.value, is_fee, abs((movement.fee if is_fee else movement.amount).minor)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
