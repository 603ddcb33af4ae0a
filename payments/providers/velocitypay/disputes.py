"""VelocityPay's disputes: pure, total, and as MAPPING.md says. A word that is not listed is not guessed."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ledger.errors import Invalid
from ledger.money import Money
from payments.providers.notices import (
    DisputeMovement,
    DisputeNotice,
    DisputeStage,
    DisputeStanding,
    MovementKind,
)
from payments.providers.requests import ChallengeRequest, EvidenceItem

SCHEMES: Final = {"visa": "visa", "mastercard": "mastercard", "amex": "amex", "discover": "discover"}
STANDINGS: Final = {
    "needs_response": DisputeStanding.OPEN,
    "under_review": DisputeStanding.OPEN,
    "won": DisputeStanding.WON,
    "lost": DisputeStanding.LOST,
    "accepted": DisputeStanding.ACCEPTED,
    "closed": DisputeStanding.CLOSED,
}


def is_about_one(event: Mapping[str, object]) -> bool:
    """Say whether a callback is about a dispute."""
    data = event.get("data")
    return isinstance(data, Mapping) and "dispute" in data


def notice(event: Mapping[str, Any]) -> DisputeNotice | None:
    """Read a verified callback about a dispute; None when it is not shaped like one."""
    try:
        told = event["data"]["dispute"]
        currency = str(told["currency"])
        return DisputeNotice(
            event_id=str(event["id"]),
            type=str(event["type"]),
            dispute=str(told["id"]),
            authorization=str(told["authorization"]),
            version=_whole(told["version"]),
            stage=DisputeStage(told["stage"]),
            standing=STANDINGS[told["status"]],
            amount=Money(_whole(told["amount"]), currency),
            movements=tuple(_movement(one, currency) for one in told["movements"]),
            opened_at=_instant(told["opened"]),
            scheme=SCHEMES.get(told["network"], ""),
            reason_code=str(told["reason_code"])[:32],
            due_at=None if told["due"] is None else _instant(told["due"]),
        )
    except (KeyError, TypeError, ValueError, Invalid):
        return None


def challenge_body(request: ChallengeRequest) -> dict[str, object]:
    """The JSON of POST /v1/disputes/{id}/challenge."""
    return {"reference": request.reference, "evidence": [_evidence(item) for item in request.evidence]}


def _evidence(item: EvidenceItem) -> dict[str, str]:
    if not item.content:
        return {"kind": item.kind, "text": item.text}
    content = base64.b64encode(item.content).decode()
    return {"kind": item.kind, "filename": item.filename, "media_type": item.media_type, "content": content}


def _movement(row: Mapping[str, Any], currency: str) -> DisputeMovement:
    return DisputeMovement(
        reference=str(row["id"]),
        kind=MovementKind(row["kind"]),
        amount=Money(_whole(row["amount"]), currency),
        fee=Money(_whole(row["fee"]), currency),
    )


def _whole(value: object) -> int:
    if type(value) is not int:
        raise ValueError("not a whole number")
    return value


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
