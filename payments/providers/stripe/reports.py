"""What Stripe paid out, and for what: a payout's balance transactions as a report. Pure and total.

Each movement of our balance there is a line. A capture is found by the units that its intent keeps under our
key, a refund by the key in its metadata, a movement of a dispute by its own id. What is none of these stands
under its own id as money taken or given back, which no operation of ours explains: a person must look.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from ledger.errors import Invalid
from ledger.money import Money
from payments.providers.errors import Unanswered
from payments.providers.notices import ProviderReport, ReportLine
from payments.providers.requests import capture_key, returned_key
from payments.providers.stripe.amounts import from_stripe

EXPAND: Final = ["data.source.payment_intent"]
PAGE: Final = 50  # with their expanded sources, a hundred may be more than an answer's largest size
PAGES_MAX: Final = 10_000
CHARGES: Final = ("charge", "payment")
REFUNDS: Final = ("refund", "payment_refund")
RETURNED: Final = "refund_failure"
UNPAID: Final = "payment_failure_refund"  # a debit that was counted while it was processing, and failed
PAID: Final = "payout"  # the payout's own movement, the sum of all others

Body = Mapping[str, Any]


def captured_in_parts(rows: Sequence[Body]) -> list[str]:
    """The charges among these movements' sources of which several captures were made.

    All their movements are needed to say which of them is which capture.
    """
    found = {str(_source(row).get("id")) for row in rows if len(_captures(row)) > 1}
    return sorted(found)


def report(payout: Body, rows: Sequence[Body], charges: Mapping[str, Sequence[Body]]) -> ProviderReport:
    """Put a payout and its movements together; `charges` are all movements of those captured in parts.

    :raises Unanswered: not shaped like one, or the lines do not sum to what was paid.
    """
    try:
        currency = str(payout["currency"]).upper()
        net = _signed(payout["amount"], currency)
        day = datetime.fromtimestamp(int(payout["arrival_date"]), UTC).date()
        lines = [_line(row, charges) for row in _standing(rows) if row["type"] != PAID]
        made = ProviderReport.of(str(payout["id"]), day, lines, net.currency)
    except (KeyError, TypeError, ValueError, OverflowError, OSError, Invalid) as error:
        raise Unanswered("bad_body") from error
    if made.net != net:
        raise Unanswered("report_does_not_add_up")
    return made


def _standing(rows: Sequence[Body]) -> list[Body]:
    """Leave out the debits that were counted and failed within the payout: they moved nothing."""
    failed = {str(_source(row).get("id")): row["amount"] for row in rows if row["type"] == UNPAID}
    gone = {
        name
        for row in rows
        if row["type"] in CHARGES and (name := str(_source(row).get("id"))) in failed
        and row["amount"] + failed[name] == 0 and not row["fee"]
    }  # fmt: skip
    moves = (*CHARGES, UNPAID)
    return [row for row in rows if row["type"] not in moves or str(_source(row).get("id")) not in gone]


def _line(row: Body, charges: Mapping[str, Sequence[Body]]) -> ReportLine:
    source = _source(row)
    intent = source.get("payment_intent")
    authorization = str(intent.get("id", "")) if isinstance(intent, dict) else str(intent or "")
    amount = _signed(row["amount"], row["currency"])
    fee = _signed(row["fee"], row["currency"])
    reference = str(source.get("id") or row["id"])
    if row["type"] in CHARGES and amount.minor >= 0:
        return ReportLine("capture", _capture_key(row, charges), reference, amount, fee, authorization)
    if row["type"] in REFUNDS and amount.minor <= 0:
        key = str(_metadata(source).get("operation") or reference)
        return ReportLine("refund", key, reference, -amount, fee, authorization)
    if row["type"] == RETURNED and amount.is_positive:
        key = returned_key(str(_metadata(source).get("operation") or reference))
        return ReportLine("refund_returned", key, str(row["id"]), amount, fee, authorization)
    kind = "reinstatement" if amount.is_positive else "withdrawal"
    return ReportLine(kind, str(row["id"]), str(row["id"]), abs(amount), fee, authorization)


def _capture_key(row: Body, charges: Mapping[str, Sequence[Body]]) -> str:
    """Our key of the capture that a movement is; the movement's own id when none of ours fits."""
    captures = _captures(row)
    if len(captures) <= 1:
        return next(iter(captures), str(row["id"]))
    # Equal captures differ in nothing but their order: our keys sort by time, as the movements do.
    alike = sorted(key for key, units in captures.items() if units == str(row["amount"]))
    movements = [
        one
        for one in reversed(charges[str(_source(row)["id"])])  # Stripe lists the newest first
        if one["amount"] == row["amount"]
    ]
    place = next((n for n, one in enumerate(movements) if one["id"] == row["id"]), len(alike))
    return alike[place] if place < len(alike) else str(row["id"])


def _captures(row: Body) -> dict[str, str]:
    """Our keys of the captures of a movement's charge, with their units; of none when it is no charge."""
    intent = _source(row).get("payment_intent")
    if row.get("type") not in CHARGES or not isinstance(intent, dict):
        return {}
    metadata = _metadata(intent)
    if intent.get("capture_method") != "manual" and metadata.get("operation"):
        return {capture_key(str(metadata["operation"])): str(row.get("amount"))}
    return {name: str(units) for name, units in metadata.items() if name.startswith("op_")}


def _signed(units: Any, currency: Any) -> Money:
    """An amount of Stripe's, of either sign, as ours.

    :raises ValueError: it is none.
    """
    amount = from_stripe(abs(units), currency)
    if amount is None or type(units) is not int:
        raise ValueError("no amount")
    return amount if units >= 0 else -amount


def _source(row: Body) -> Body:
    source = row.get("source")
    return source if isinstance(source, dict) else {"id": source}


def _metadata(body: Body) -> Body:
    metadata = body.get("metadata")
    return metadata if isinstance(metadata, dict) else {}
