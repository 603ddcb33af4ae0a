"""What the controller of disputes reads and writes: inputs, shapes, examples, and how a dispute looks."""

import base64
import binascii
from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ledger.ids import show
from payments import dispute_selectors
from payments.api.payment_shapes import MoneyShape, usd
from payments.api.renderings import instant
from payments.models import Dispute, DisputeEvidence
from payments.models.disputes import Response
from payments.models.operations import OutcomeKind
from payments.rules import dispute_reasons
from payments.rules.dispute_reasons import Category, EvidenceKind, Need
from payments.services.disputes import answering_disputes
from payments.services.disputes.answering_disputes import FILE_BYTES_MAX, FILENAME_MAX, MEDIA_TYPES, TEXT_MAX
from payments.states import DISPUTE_STATUSES
from vendors.api.errors import problem_body
from vendors.api.fields import StrictSerializer, TextField, WordField
from vendors.api.idempotency import Reply
from vendors.api.openapi import page_of
from vendors.api.strict_json import StrictJsonParser

ANSWER_REFUSED: Final = "dispute_answer_refused"
ANSWER_ADVICE: Final = "Fetch the dispute; it tells how it stands now, and the evidence is still there."
REFUSED: Final = (OutcomeKind.DECLINED, OutcomeKind.REJECTED)
_BASE64_MAX: Final = 4 * -(-FILE_BYTES_MAX // 3)


class EvidenceParser(StrictJsonParser):
    """Strict JSON that may hold one file in base64."""

    bytes_max = _BASE64_MAX + 64 * 1024


@extend_schema_field({"type": "string", "contentEncoding": "base64", "maxLength": _BASE64_MAX})
class Base64Field(serializers.Field):
    """A file as base64 (RFC 4648, with padding); the value is its bytes."""

    default_error_messages = {
        "form": "must be base64 with padding",
        "empty": "must not be an empty file",
        "size": f"must have at most {FILE_BYTES_MAX} bytes",
    }

    def to_internal_value(self, data: Any) -> bytes:
        if type(data) is not str:
            self.fail("form")
        if len(data) > _BASE64_MAX:
            self.fail("size")
        try:
            content = base64.b64decode(data.encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError):
            self.fail("form")
        if not content:
            self.fail("empty")
        return content

    def to_representation(self, value: bytes) -> str:
        return base64.b64encode(value).decode()


class NewEvidenceInput(StrictSerializer):
    """A piece of evidence: a text, or a file with its name."""

    kind = WordField([kind.value for kind in EvidenceKind])
    text = TextField(TEXT_MAX, required=False)
    filename = TextField(FILENAME_MAX, required=False)
    content = Base64Field(
        required=False, help_text=f"One of {', '.join(MEDIA_TYPES)}, in base64, up to {FILE_BYTES_MAX} bytes."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("text" in attrs) == ("content" in attrs):
            raise serializers.ValidationError({"text": ["give either a text or a file"]})
        if ("content" in attrs) != ("filename" in attrs):
            raise serializers.ValidationError({"filename": ["a file has a name, and a text has none"]})
        return attrs


class AnswerInput(StrictSerializer):
    """Why it is answered so, for your own record."""

    reason = TextField(300, required=False)


class NeedShape(serializers.Serializer):
    """Something that must be shown for the reason, and what would show it."""

    code = serializers.CharField()
    says = serializers.CharField()
    any_of = serializers.ListField(child=serializers.ChoiceField([kind.value for kind in EvidenceKind]))
    is_required = serializers.BooleanField()


class DisputeEvidenceShape(serializers.Serializer):
    """A piece of evidence; its content is not repeated."""

    id = serializers.CharField()
    kind = serializers.ChoiceField([kind.value for kind in EvidenceKind])
    text = serializers.CharField(allow_null=True)
    filename = serializers.CharField(allow_null=True)
    media_type = serializers.CharField(allow_null=True)
    size_bytes = serializers.IntegerField()
    sha256 = serializers.CharField(allow_null=True)
    is_submitted = serializers.BooleanField()
    added_at = serializers.DateTimeField()


class DisputeShareShape(serializers.Serializer):
    """What one vendor bears of it now."""

    transaction_id = serializers.CharField()
    vendor_id = serializers.CharField()
    amount = MoneyShape()
    commission_back = MoneyShape()


class DisputeShape(serializers.Serializer):
    """A dispute."""

    id = serializers.CharField()
    object = serializers.ChoiceField(["dispute"])
    number = serializers.CharField()
    status = serializers.ChoiceField(DISPUTE_STATUSES)
    response = serializers.ChoiceField(Response.values)
    amount = MoneyShape()
    withheld = MoneyShape(help_text="What the provider has taken and not given back.")
    fee = MoneyShape()
    payment_id = serializers.CharField()
    payment_number = serializers.CharField()
    order_id = serializers.CharField()
    customer_id = serializers.CharField()
    scheme = serializers.CharField(allow_null=True)
    reason_code = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    category = serializers.ChoiceField([category.value for category in Category])
    due_at = serializers.DateTimeField(allow_null=True)
    vendor_split = DisputeShareShape(many=True)
    evidence = DisputeEvidenceShape(many=True)
    missing = NeedShape(many=True)
    provider = serializers.CharField()
    provider_reference = serializers.CharField()
    opened_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)


DisputePage = page_of(DisputeShape, "DisputePage")

EVIDENCE_EXAMPLE: Final = {
    "kind": "delivery_proof",
    "filename": "delivery.pdf",
    "content": base64.b64encode(b"%PDF-1.7\n%%EOF\n").decode(),
}

DISPUTE_EXAMPLE: Final[dict[str, Any]] = {
    "id": "dsp_01kagmb7w2q8z5m0c4x1r6t9ha",
    "object": "dispute",
    "number": "DSP-2026-000003",
    "status": "chargeback",
    "response": "none",
    "amount": usd(10_000),
    "withheld": usd(10_000),
    "fee": usd(1_500),
    "payment_id": "pay_01kagm3c8qf3p8w0t5y5r4d2ne",
    "payment_number": "PAY-2026-000123",
    "order_id": "order-1001",
    "customer_id": "carla",
    "scheme": "visa",
    "reason_code": "13.1",
    "reason": "Goods or services not received",
    "category": "product_not_received",
    "due_at": "2026-12-12T10:00:00.000Z",
    "vendor_split": [
        {
            "transaction_id": "ptx_01kagm3c8qf3p8w0t5y5r4d2nf",
            "vendor_id": "vnd_01kagm0xj7f0w9r7s5m3d2k8ha",
            "amount": usd(6_000),
            "commission_back": usd(600),
        }
    ],
    "evidence": [],
    "missing": [
        {
            "code": "handed_over",
            "says": "That the goods or services reached the payer.",
            "any_of": ["delivery_proof", "shipping_documentation", "service_documentation", "access_log"],
            "is_required": True,
        }
    ],
    "provider": "velocitypay",
    "provider_reference": "dp_5d1a",
    "opened_at": "2026-11-21T10:00:00.000Z",
    "closed_at": None,
}


def example(**changes: Any) -> dict[str, Any]:
    """Return the example dispute with some fields changed."""
    return {**DISPUTE_EXAMPLE, **changes}


def dispute(row: Dispute) -> dict[str, Any]:
    """Return a dispute as merchants see it; its payment, shares and evidence are loaded or looked up."""
    return {
        "id": row.public_id,
        "object": "dispute",
        "number": row.number,
        "status": row.state,
        "response": row.response,
        "amount": row.amount.as_json(),
        "withheld": row.withheld.as_json(),
        "fee": row.money(row.fee_minor).as_json(),
        "payment_id": row.payment.public_id,
        "payment_number": row.payment.number,
        "order_id": row.payment.order_ref,
        "customer_id": row.payment.customer_ref,
        "scheme": row.scheme or None,
        "reason_code": row.reason_code or None,
        "reason": dispute_reasons.title(row.scheme, row.reason_code) or None,
        "category": row.category,
        "due_at": instant(row.due_at),
        "vendor_split": [
            {
                "transaction_id": show("ptx", share.transaction_id),
                "vendor_id": show("vnd", share.transaction.vendor_id),
                "amount": share.amount.as_json(),
                "commission_back": row.money(share.commission_back_minor).as_json(),
            }
            for share in dispute_selectors.dispute_shares_of(row)
            if share.amount_minor
        ],
        "evidence": [_evidence(piece) for piece in dispute_selectors.evidence_of(row)],
        "missing": [_need(need) for need in answering_disputes.missing(row)] if row.is_open else [],
        "provider": row.provider,
        "provider_reference": row.provider_reference,
        "opened_at": instant(row.opened_at),
        "closed_at": instant(row.closed_at),
    }


def answered(row: Dispute) -> Reply:
    """Return the answer to an answer: taken, not known yet, or refused by the provider."""
    body = dispute(row)
    operation = row.last_operation
    if operation.outcome in REFUSED:
        problem = problem_body(
            409,
            ANSWER_REFUSED,
            "the provider did not take the answer",
            advice=ANSWER_ADVICE,
            provider_code=operation.outcome_code,
            dispute=body,
        )
        return Reply(problem, 409, is_problem=True)
    return Reply(body, 202 if operation.is_open else 200)


def _evidence(row: DisputeEvidence) -> dict[str, Any]:
    return {
        "id": row.public_id,
        "kind": row.kind,
        "text": row.text or None,
        "filename": row.filename or None,
        "media_type": row.media_type or None,
        "size_bytes": row.size_bytes,
        "sha256": row.sha256 or None,
        "is_submitted": row.is_submitted,
        "added_at": instant(row.added_at),
    }


def _need(need: Need) -> dict[str, Any]:
    return {
        "code": need.code,
        "says": need.says,
        "any_of": [kind.value for kind in need.kinds],
        "is_required": need.is_required,
    }
