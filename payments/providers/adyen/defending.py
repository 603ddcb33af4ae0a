"""Answers to disputes (Disputes API v30): what may be defended is asked first, then documents, then the word.

This API has no keys: what is sent twice is done twice, or refused the second time. Documents answer nothing
by themselves, and there is one of each type, so supplying them again changes nothing. Whether an earlier
answer was taken, Adyen's webhook tells; a dispute that takes no answer any more is no proof of either.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ledger.money import Money
from payments.providers.adyen import mapping
from payments.providers.adyen.documents import NotWritten, composed
from payments.providers.errors import NotDelivered, Unanswered
from payments.providers.outcomes import Approved, NotSent, Outcome, Rejected, Unknown
from payments.providers.requests import AcceptRequest, ChallengeRequest, EvidenceItem
from payments.providers.transport import Reply, Transport

SERVICE: Final = "/ca/services/DisputeService/v30"
GENERIC: Final = "DefenseMaterial"
ALTERNATIVE: Final = "AlternativeRequired"
# Where a kind of evidence belongs when the reason has such a document; all else is general material.
PLACES: Final[Mapping[str, str]] = {
    "receipt": "TIDorInvoice",
    "product_description": "GoodsWereAsDescribed",
    "service_documentation": "GoodsWereAsDescribed",
    "refund_refusal": "GoodsNotReturned",
}

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Defence:
    """A reason by which a dispute can be defended, and our evidence by Adyen's types of documents."""

    reason: str
    documents: Mapping[str, tuple[EvidenceItem, ...]]


class Disputes:
    """Adyen's Disputes API over our transport, for one merchant account."""

    def __init__(self, transport: Transport, ca_url: str, account: str, headers: Mapping[str, str]) -> None:
        self._transport = transport
        self._url = f"{ca_url}{SERVICE}"
        self._account = account
        self._headers = headers

    def defend(self, request: ChallengeRequest) -> Outcome:
        """Answer a dispute with evidence."""
        if not mapping.is_psp_reference(request.dispute):
            return _bad_reference()
        reasons = self._reasons(request)
        if not isinstance(reasons, Mapping):
            return reasons
        defence = chosen(reasons, request.evidence)
        if defence is None:
            wanted = ", ".join(sorted({code for codes in reasons.values() for code in codes}))[:150]
            return Rejected("no_defense_reason", f"The evidence fits no defence; Adyen asks for: {wanted}")
        try:
            documents = [document(code, items) for code, items in defence.documents.items()]
        except NotWritten as error:
            return Rejected(error.code, error.message)
        supplied = self._ask(
            "hand_over", "supplyDefenseDocument", request.dispute, defenseDocuments=documents
        )
        if not isinstance(supplied, Mapping):
            return _not_answered(supplied)
        if not is_taken(supplied):
            return Rejected("documents_refused", why_not(supplied))
        told = self._ask("challenge", "defendDispute", request.dispute, defenseReasonCode=defence.reason)
        return outcome(told, request)

    def accept(self, request: AcceptRequest) -> Outcome:
        """Give in to a dispute."""
        if not mapping.is_psp_reference(request.dispute):
            return _bad_reference()
        told = outcome(self._ask("accept", "acceptDispute", request.dispute), request)
        return _ambiguous(told) if request.is_repeated else told

    def _reasons(self, request: ChallengeRequest) -> "Mapping[str, Mapping[str, str]] | Outcome":
        """How a dispute can be defended now; what goes wrong here answered nothing."""
        told = self._ask("find", "retrieveApplicableDefenseReasons", request.dispute)
        found = reasons(told) if isinstance(told, Mapping) and is_taken(told) else {}
        if found:
            return found
        refused = Rejected("not_defendable", why_not(told)) if isinstance(told, Mapping) else told
        return _ambiguous(refused) if request.is_repeated else _not_answered(refused)

    def _ask(self, operation: str, name: str, dispute: str, **more: object) -> "Body | Outcome":
        body = {"merchantAccountCode": self._account, "disputePspReference": dispute, **more}
        try:
            reply = self._transport.send(
                operation, "POST", f"{self._url}/{name}", body=body, headers=self._headers
            )
        except NotDelivered as error:
            return NotSent(error.reason, error.retry_after_seconds)
        except Unanswered as error:
            return Unknown(error.reason)
        return _read(reply)


def reasons(body: Body) -> dict[str, dict[str, str]]:
    """Return the reasons of an answer, each with its documents' types and how far they are required."""
    found: dict[str, dict[str, str]] = {}
    rows = body.get("defenseReasons")
    for row in rows if isinstance(rows, list) else []:
        types = row.get("defenseDocumentTypes") if isinstance(row, dict) else None
        code = row.get("defenseReasonCode") if isinstance(row, dict) else None
        if isinstance(code, str) and code and isinstance(types, list):
            found[code] = {
                one["defenseDocumentTypeCode"]: str(one.get("requirementLevel"))
                for one in types
                if isinstance(one, dict) and isinstance(one.get("defenseDocumentTypeCode"), str)
            }
    return found


def chosen(reasons: Mapping[str, Mapping[str, str]], evidence: Sequence[EvidenceItem]) -> Defence | None:
    """Return the first reason that has a place for every piece and for which nothing required is missing."""
    for reason, types in reasons.items():
        rest = next((code for code, level in types.items() if level == ALTERNATIVE), GENERIC)
        placed: dict[str, tuple[EvidenceItem, ...]] = {}
        for item in evidence:
            wanted = PLACES.get(item.kind, rest)
            code = wanted if wanted in types else rest
            placed[code] = (*placed.get(code, ()), item)
        required = {code for code, level in types.items() if level in ("Required", ALTERNATIVE)}
        one_of = {code for code, level in types.items() if level == "OneOrMore"}
        is_complete = required <= set(placed) and (not one_of or one_of & set(placed))
        if set(placed) <= set(types) and is_complete:
            return Defence(reason, placed)
    return None


def document(code: str, items: Sequence[EvidenceItem]) -> dict[str, str]:
    """Return one document as Adyen takes it.

    :raises NotWritten: it cannot be made of these pieces.
    """
    media_type, content = composed(items)
    return {
        "defenseDocumentTypeCode": code,
        "contentType": media_type,
        "content": base64.b64encode(content).decode(),
    }


def outcome(told: "Body | Outcome", request: ChallengeRequest | AcceptRequest) -> Outcome:
    """What Adyen's answer to a defence or an acceptance means."""
    if not isinstance(told, Mapping):
        return told
    if not is_taken(told):
        return Rejected("answer_refused", why_not(told))
    # One dispute may be answered in each of its stages: the key makes the reference one of its own.
    reference = f"{request.dispute}:{request.idempotency_key}"[:100]
    return Approved(reference, request.amount, Money.zero(request.amount.currency))


def is_taken(body: Body) -> bool:
    """Say whether Adyen took what it was asked."""
    result = body.get("disputeServiceResult")
    return isinstance(result, dict) and result.get("success") is True


def why_not(body: Body) -> str:
    """Return Adyen's words for not taking it."""
    result = body.get("disputeServiceResult")
    words = result.get("errorMessage") if isinstance(result, dict) else None
    return words[:200] if isinstance(words, str) and words else "Adyen takes no answer to this dispute"


def _read(reply: Reply) -> "Body | Outcome":
    """The body of an answer, or what its status means."""
    body = reply.body or {}
    if reply.status in mapping.SUCCESSES:
        result = body.get("disputeServiceResult")
        is_readable = isinstance(result, dict) and isinstance(result.get("success"), bool)
        return body if is_readable else Unknown("bad_body")
    return mapping.refusal(reply.status, body, reply.retry_after_seconds)


def _ambiguous(told: Outcome) -> Outcome:
    """What a refusal means when an answer may have been given before: it may be over by that one."""
    return Unknown(f"takes_no_answer:{told.code}"[:100]) if isinstance(told, Rejected) else told


def _not_answered(told: Outcome) -> Outcome:
    """What became of a request before the answer itself: nothing was answered by it."""
    return NotSent(told.reason) if isinstance(told, Unknown) else told


def _bad_reference() -> Rejected:
    return Rejected("bad_reference", "The dispute's reference is not one of Adyen's")
