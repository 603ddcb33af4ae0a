"""Controller: audit records. A merchant reads who did what to his objects; reading is an act of its own.

A period bounds every list, so that only its months are read. What staff decided inside the house about risk
is not told, nor from where staff work.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils.dateparse import parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.serializers import ErrorDetail

from ledger import audit, clock, ids
from ledger.errors import NotFound
from ledger.locks import phase
from ledger.models import AuditRecord
from vendors.api.base import MerchantViewSet
from vendors.api.openapi import PAGE_PARAMETERS, Answer, documented, page_example, page_of, path_id
from vendors.api.paging import check_parameters

TAG: Final = "books"
DAYS_DEFAULT: Final = 30
DAYS_MAX: Final = 366
OUTCOMES: Final = ("done", "refused", "failed")
# A query parameter and the column that it names, whole.
COLUMNS: Final = {
    "object": "object_id", "action": "action", "actor": "actor_id", "request": "request_id",
    "outcome": "outcome",
}  # fmt: skip
SHOWN: Final = {
    "id": "aud_01kagm3c8qf3p8w0t5y5r4d2ne",
    "object": "audit_record",
    "action": "api_key.revoked",
    "outcome": "done",
    "actor": {"kind": "staff", "id": None, "role": "admin"},
    "object_type": "vendors.apikey",
    "object_id": "key_01kagm3c8qf3p8w0t5y5r4d2ne",
    "reason": "left on a laptop",
    "before": {"revoked_at": None},
    "after": {"revoked_at": "2026-11-21T10:00:00+00:00"},
    "request_id": "req_01kagm3c8qf3p8w0t5y5r4d2ne",
    "ip": None,
    "user_agent": None,
    "created_at": "2026-11-21T10:00:00.000000Z",
}
ID: Final = path_id("id", AuditRecord.PREFIX, "The record")


class AuditRecordNotFound(NotFound):
    """The merchant has no such audit record."""

    code = "audit_record_not_found"


class AuditActor(serializers.Serializer):
    """Who did it; of staff, the kind and the role alone."""

    kind = serializers.ChoiceField(["api_key", "staff", "operator", "system", "provider"])
    id = serializers.CharField(allow_null=True)
    role = serializers.CharField()


class AuditRecordOut(serializers.Serializer):
    """One act on an object of the merchant; `before` and `after` are masked."""

    id = serializers.CharField()
    object = serializers.ChoiceField(["audit_record"])
    action = serializers.CharField()
    outcome = serializers.ChoiceField(OUTCOMES)
    actor = AuditActor()
    object_type = serializers.CharField()
    object_id = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)
    before = serializers.DictField()
    after = serializers.DictField()
    request_id = serializers.CharField(allow_blank=True)
    ip = serializers.IPAddressField(allow_null=True)
    user_agent = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


AuditRecordPage = page_of(AuditRecordOut, "AuditRecordPage")


def _parameter(name: str, text: str, form: Any = OpenApiTypes.STR) -> OpenApiParameter:
    return OpenApiParameter(name, form, OpenApiParameter.QUERY, description=text)


class AuditRecordViewSet(MerchantViewSet):
    """The audit log, as far as it is the merchant's."""

    scopes = {"list": "books:read", "retrieve": "books:read"}

    @documented(
        operation_id="audit_records_list",
        tag=TAG,
        summary="List audit records, newest first",
        description=(
            f"Who did what to the merchant's objects. Without `from` the last {DAYS_DEFAULT} days; a period "
            f"is at most {DAYS_MAX} days. The look itself is recorded as `audit.read`."
        ),
        answers={200: Answer(AuditRecordPage, page_example(SHOWN), "One page.")},
        parameters=[
            *PAGE_PARAMETERS,
            _parameter("from", "From this instant on (RFC 3339).", OpenApiTypes.DATETIME),
            _parameter("to", "Before this instant (RFC 3339).", OpenApiTypes.DATETIME),
            _parameter("object", "The id of what was acted upon."),
            _parameter("action", "The act, for example `api_key.revoked`."),
            _parameter("actor", "The id of the API key that acted."),
            _parameter("request", "The request's id."),
            _parameter("outcome", "How it ended.", {"type": "string", "enum": [*OUTCOMES]}),
        ],
    )
    def list(self, request: Request) -> HttpResponse:
        check_parameters(request, "limit", "starting_after", "from", "to", *COLUMNS)
        found = self._own().filter(**_period(request))
        for name, column in COLUMNS.items():
            if name in request.query_params:
                found = found.filter(**{column: _text(request, name)})
        answer = self.page(found, prefix=AuditRecord.PREFIX, render=shown, filters=("from", "to", *COLUMNS))
        self._note("list", request.query_params.dict())
        return answer

    @documented(
        operation_id="audit_records_retrieve",
        tag=TAG,
        summary="Get an audit record",
        description="A record of another merchant is not found. The look itself is recorded as `audit.read`.",
        answers={200: Answer(AuditRecordOut, SHOWN, "The record.")},
        errors=[AuditRecordNotFound],
        parameters=[ID],
    )
    def retrieve(self, request: Request, id: str) -> HttpResponse:
        try:
            row = self._own().filter(pk=ids.parse(AuditRecord.PREFIX, id)).first()
        except NotFound:
            row = None
        if row is None:
            raise AuditRecordNotFound("the merchant has no such audit record", param="id")
        self._note("record", {"id": id})
        return self.reply(shown(row))

    def _own(self) -> QuerySet[AuditRecord]:
        return AuditRecord.objects.filter(merchant_id=self.merchant.pk).exclude(
            object_type__startswith="fraud."
        )

    def _note(self, what: str, sought: dict[str, Any]) -> None:
        with phase():
            audit.note_reading(
                actor=self.actor, what=what, sought=sought, at=clock.now(), merchant_id=self.merchant.pk
            )


def shown(row: AuditRecord) -> dict[str, Any]:
    """Return an audit record as the API shows it."""
    is_own = row.actor_kind == "api_key"
    return {
        "id": row.public_id,
        "object": "audit_record",
        "action": row.action,
        "outcome": row.outcome,
        "actor": {"kind": row.actor_kind, "id": row.actor_id if is_own else None, "role": row.role},
        "object_type": row.object_type,
        "object_id": row.object_id,
        "reason": row.reason,
        "before": row.before,
        "after": row.after,
        "request_id": row.request_id,
        "ip": row.ip if is_own else None,
        "user_agent": row.user_agent if is_own else None,
        "created_at": row.at,
    }


def _period(request: Request) -> dict[str, datetime]:
    ends = _instant(request, "to") or clock.now() + timedelta(days=1)
    begins = _instant(request, "from") or ends - timedelta(days=DAYS_DEFAULT + 1)
    if not timedelta() < ends - begins <= timedelta(days=DAYS_MAX + 1):
        raise _bad("from", f"the period must be at least a moment and at most {DAYS_MAX} days")
    return {"at__gte": begins, "at__lt": ends}


def _instant(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or not 2000 <= found.year <= 2200:
        raise _bad(name, "must be an instant with its offset, for example 2026-11-01T00:00:00Z")
    return found


def _text(request: Request, name: str) -> str:
    text: str = request.query_params[name]
    if not 0 < len(text) <= 80 or not text.isprintable() or (name == "outcome" and text not in OUTCOMES):
        raise _bad(name, "must be one of the words that records hold")
    return text


def _bad(name: str, detail: str) -> ValidationError:
    return ValidationError({name: [ErrorDetail(detail, code="invalid_parameter")]})
