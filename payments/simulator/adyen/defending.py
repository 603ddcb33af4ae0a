"""The merchant's answers to disputes: the Disputes API. It keeps no keys; each is carried out anew.

Answers are given once: what is not open any more is refused in the body, with status 200. Documents with
`winning_evidence` in them win.
"""

import base64
import binascii

from payments.simulator.adyen import disputes
from payments.simulator.adyen.desk import Desk, Done
from payments.simulator.adyen.errors import AdyenRefused
from payments.simulator.objects import Body, Record

OPEN = ("Undefended", "Unresponded")
MEDIA_TYPES = {
    "application/pdf": b"%PDF-", "image/jpeg": b"\xff\xd8\xff", "image/jpg": b"\xff\xd8\xff",
    "image/tiff": b"II*\x00",
}  # fmt: skip
GENERAL = {"SupplyDefenseMaterial": {"TIDorInvoice": "Optional", "DefenseMaterial": "Required"}}
OF_GOODS = {"GoodsWereAsDescribed": {"GoodsWereAsDescribed": "Required", "TIDorInvoice": "Required"}}


def reasons(desk: Desk, body: Body) -> Done:
    """POST retrieveApplicableDefenseReasons."""
    dispute = _dispute(desk, body)
    if dispute is None or dispute.private["status"] not in OPEN:
        return _refused("Dispute not found." if dispute is None else _no_longer(dispute))
    given = dispute.private["documents"]
    shown = [
        {
            "defenseReasonCode": code,
            "satisfied": all(name in given for name, level in types.items() if level == "Required"),
            "defenseDocumentTypes": [
                {"defenseDocumentTypeCode": name, "requirementLevel": level, "available": name in given}
                for name, level in types.items()
            ],
        }
        for code, types in _reasons_of(dispute).items()
    ]
    return Done(200, {"defenseReasons": shown, **_result()})


def supply(desk: Desk, body: Body) -> Done:
    """POST supplyDefenseDocument: one document of each type, the last one given."""
    dispute = _dispute(desk, body)
    if dispute is None or dispute.private["status"] not in OPEN:
        return _refused("Unknown dispute" if dispute is None else _no_longer(dispute))
    documents = body.get("defenseDocuments")
    types = {name for codes in _reasons_of(dispute).values() for name in codes}
    for one in documents if isinstance(documents, list) else [{}]:
        code, media_type = one.get("defenseDocumentTypeCode"), one.get("contentType")
        if code not in types or media_type not in MEDIA_TYPES:
            return _refused("Unknown document type or format")
        try:
            content = base64.b64decode(str(one.get("content", "")), validate=True)
        except binascii.Error:
            content = b""
        if not content.startswith(MEDIA_TYPES[media_type]):
            return _refused("The document cannot be read")
        dispute.private["documents"][code] = {
            "size": len(content), "convinces": disputes.WINNING.encode() in content,
            "supplied": dispute.private["documents"].get(code, {}).get("supplied", 0) + 1,
        }  # fmt: skip
    desk.save(dispute)
    return Done(200, _result())


def defend(desk: Desk, body: Body) -> Done:
    """POST defendDispute."""
    dispute = _dispute(desk, body)
    if dispute is None or dispute.private["status"] not in OPEN:
        return _refused("Dispute not found." if dispute is None else _no_longer(dispute))
    types = _reasons_of(dispute).get(str(body.get("defenseReasonCode")))
    given = dispute.private["documents"]
    if types is None or any(level == "Required" and name not in given for name, level in types.items()):
        return _refused("The defense documents of this reason are not complete")
    if desk.plan.result == "decline":
        return _refused("The defense is not accepted")
    payment, is_inquiry = desk.get("payment", dispute.parent), disputes.is_inquiry(dispute)
    disputes.move(desk, payment, dispute, "INFORMATION_SUPPLIED")
    if not is_inquiry:
        disputes.move(desk, payment, dispute, "CHARGEBACK_REVERSED")
        dispute.due_at = desk.now + desk.rules.pending_seconds
        desk.save(dispute)
    return Done(200, _result())


def accept(desk: Desk, body: Body) -> Done:
    """POST acceptDispute."""
    dispute = _dispute(desk, body)
    if dispute is None or dispute.private["status"] not in OPEN:
        return _refused("Dispute not found." if dispute is None else _no_longer(dispute))
    if desk.plan.result == "decline":
        return _refused("The dispute cannot be accepted")
    payment = desk.get("payment", dispute.parent)
    disputes.move(desk, payment, dispute, "DISPUTE_DEFENSE_PERIOD_ENDED", status="Accepted")
    return Done(200, _result())


def _dispute(desk: Desk, body: Body) -> Record | None:
    """The dispute of a request.

    :raises AdyenRefused: it is about another merchant account.
    """
    if body.get("merchantAccountCode") != desk.rules.account:
        raise AdyenRefused(403, "901", "Invalid Merchant Account", kind="security")
    return desk.find("dispute", str(body.get("disputePspReference", "")))


def _reasons_of(dispute: Record) -> dict[str, dict[str, str]]:
    return {**(OF_GOODS if dispute.private["reason"].startswith("13.") else {}), **GENERAL}


def _no_longer(dispute: Record) -> str:
    return f"The dispute is {dispute.private['status']} and cannot be answered"


def _result() -> Body:
    return {"disputeServiceResult": {"success": True}}


def _refused(words: str) -> Done:
    return Done(200, {"disputeServiceResult": {"success": False, "errorMessage": words}})
