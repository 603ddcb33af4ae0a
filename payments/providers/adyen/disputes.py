"""Disputes in Adyen's words: its webhooks read as notices, its Disputes API's answers; pure and total.

Adyen tells a dispute step by step, and the house wants it whole: what a step implies is told with it (a
reversal implies the chargeback before it), each movement under a reference of its own, so that any order of
webhooks books the same money once. All of a dispute's webhooks carry its reference as `pspReference`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ledger.money import Money
from payments.providers.adyen import mapping
from payments.providers.adyen.amounts import from_adyen
from payments.providers.notices import (
    DisputeMovement,
    DisputeNotice,
    DisputeStage,
    DisputeStanding,
    MovementKind,
)

_W, _R = MovementKind.WITHDRAWAL, MovementKind.REINSTATEMENT
_FIRST: Final = ("chargeback", _W)
_BACK: Final = ("chargeback_reversed", _R)
_AGAIN: Final = ("second_chargeback", _W)


@dataclass(frozen=True, slots=True)
class Step:
    """What an event says: stage, standing, the movements until then, its place among those of one second."""

    stage: DisputeStage
    standing: DisputeStanding
    movements: tuple[tuple[str, MovementKind], ...] = ()
    rank: int = 0


_CHARGEBACK, _OPEN = DisputeStage.CHARGEBACK, DisputeStanding.OPEN
STEPS: Final = {
    "REQUEST_FOR_INFORMATION": Step(DisputeStage.INQUIRY, _OPEN),
    "NOTIFICATION_OF_CHARGEBACK": Step(_CHARGEBACK, _OPEN, rank=1),
    "CHARGEBACK": Step(_CHARGEBACK, _OPEN, (_FIRST,), 2),
    "INFORMATION_SUPPLIED": Step(_CHARGEBACK, _OPEN, rank=3),
    "CHARGEBACK_REVERSED": Step(_CHARGEBACK, _OPEN, (_FIRST, _BACK), 4),
    "ISSUER_RESPONSE_TIMEFRAME_EXPIRED": Step(_CHARGEBACK, DisputeStanding.WON, (_FIRST, _BACK), 5),
    "DISPUTE_DEFENSE_PERIOD_ENDED": Step(_CHARGEBACK, DisputeStanding.LOST, (_FIRST,), 5),
    "PREARBITRATION_OPEN": Step(DisputeStage.PRE_ARBITRATION, _OPEN, rank=6),
    "PREARBITRATION_WON": Step(DisputeStage.PRE_ARBITRATION, DisputeStanding.WON, rank=7),
    "PREARBITRATION_ISSUER_WITHDRAWN": Step(DisputeStage.PRE_ARBITRATION, DisputeStanding.WON, rank=7),
    "PREARBITRATION_LOST": Step(DisputeStage.PRE_ARBITRATION, DisputeStanding.LOST, rank=7),
    "SECOND_CHARGEBACK": Step(_CHARGEBACK, DisputeStanding.LOST, (_FIRST, _BACK, _AGAIN), 8),
}
SCHEMES: Final = {"visa": "visa", "mc": "mastercard", "amex": "amex", "discover": "discover"}
FINAL_WIN: Final = "Won"
GIVEN_IN: Final = "Accepted"
INQUIRY: Final = frozenset({"Unresponded", "Responded"})
"""How a request for information stands; a chargeback never stands so."""


def is_about_one(item: Mapping[str, Any]) -> bool:
    """Say whether an item is about a dispute."""
    return item.get("eventCode") in STEPS


def notice(item: Mapping[str, Any], event_id: str) -> DisputeNotice | None:
    """Read a verified item about a dispute; None when it is not shaped like one."""
    step = STEPS[item["eventCode"]]
    dispute, payment = item.get("pspReference", ""), item.get("originalReference", "")
    amount, happened = from_adyen(item.get("amount")), instant(item.get("eventDate"))
    readable = mapping.is_psp_reference(dispute) and mapping.is_psp_reference(payment)
    if amount is None or happened is None or not readable or str(item["success"]).lower() != "true":
        return None
    more = item.get("additionalData")
    data: Mapping[str, Any] = more if isinstance(more, dict) else {}
    reason_code = _text(data, "chargebackReasonCode").strip()
    standing = _standing(step, item["eventCode"], data)
    return DisputeNotice(
        event_id=event_id,
        type=item["eventCode"],
        dispute=dispute,
        authorization=payment,
        version=int(happened.timestamp()) * 1000 + step.rank,
        stage=DisputeStage.INQUIRY if _text(data, "disputeStatus") in INQUIRY else step.stage,
        standing=standing,
        amount=amount,
        movements=tuple(_movement(dispute, name, kind, amount) for name, kind in step.movements),
        opened_at=happened,
        scheme=SCHEMES.get(_text(data, "chargebackSchemeCode") or str(item.get("paymentMethod")), ""),
        reason_code=reason_code[:32],
        category="" if reason_code else "general",
        due_at=instant(data.get("defensePeriodEndsAt")),
        taken=_taken(item["eventCode"], standing),
    )


def _standing(step: Step, code: str, data: Mapping[str, Any]) -> DisputeStanding:
    """A reversal is the end only where Adyen says so; else the issuer may still come back."""
    if code == "DISPUTE_DEFENSE_PERIOD_ENDED" and _text(data, "disputeStatus") == GIVEN_IN:
        return DisputeStanding.ACCEPTED
    if code == "CHARGEBACK_REVERSED" and _text(data, "disputeStatus") == FINAL_WIN:
        return DisputeStanding.WON
    return step.standing


def _taken(code: str, standing: DisputeStanding) -> str:
    """The kind of an answer that was given, by an event that says so."""
    if standing is DisputeStanding.ACCEPTED:
        return "accept"
    return "challenge" if code == "INFORMATION_SUPPLIED" else ""


def _movement(dispute: str, name: str, kind: MovementKind, amount: Money) -> DisputeMovement:
    """A movement of the whole amount; its fee is told by the settlement report alone."""
    return DisputeMovement(f"{dispute}:{name}", kind, amount, Money.zero(amount.currency))


def instant(text: object) -> datetime | None:
    """An ISO 8601 instant with its offset; None for anything else."""
    if not isinstance(text, str) or len(text) > 40:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    return value[:500] if isinstance(value, str) else ""
