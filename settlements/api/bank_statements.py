"""Controller (ours): bank statements. Take them in, fetch them from the bank, see what does not agree."""

import re
from typing import Any, Final

from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from ledger import clock
from payments.providers.errors import ProviderRefused, ProviderUnavailable
from settlements import selectors
from settlements.api import renderings
from settlements.api.settlement_shapes import AmountShape, eur
from settlements.bankfiles.types import StatementUnreadable
from settlements.models import BankStatement, Break
from settlements.models.reconciliation import BreakReason
from settlements.services import importing
from settlements.states import BreakState, StatementState
from vendors.api.base import MerchantViewSet
from vendors.api.fields import DayField, StrictSerializer
from vendors.api.openapi import PAGE_PARAMETERS, Answer, Body, documented, page_example, page_of

TAG: Final = "bank statements"
CONTENT_MAX: Final = 250_000
# The text is Unicode by now, whatever encoding the file's own declaration names.
_DECLARATION: Final = re.compile(r"\A\s*<\?xml[^>]*\?>")


class ImportStatement(StrictSerializer):
    """A bank's file."""

    content = serializers.CharField(
        max_length=CONTENT_MAX, trim_whitespace=False, help_text="A camt.053 document, as text."
    )


class FetchStatements(StrictSerializer):
    """A day of the bank."""

    date = DayField()


class BankStatementShape(serializers.Serializer):
    """A statement of one account; `held` when its figures do not come out."""

    id = serializers.CharField()
    object = serializers.ChoiceField(["bank_statement"])
    status = serializers.ChoiceField(StatementState.values)
    account = serializers.CharField()
    currency = serializers.CharField()
    reference = serializers.CharField()
    closed_on = serializers.DateField(allow_null=True)
    opening = AmountShape(allow_null=True)
    closing = AmountShape(allow_null=True)
    lines = serializers.IntegerField()
    problem = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class ImportedStatementShape(BankStatementShape):
    """A statement of an import."""

    is_new = serializers.BooleanField()


class ImportShape(serializers.Serializer):
    """What an import did; the same file again has no new lines."""

    object = serializers.ChoiceField(["bank_statement_import"])
    statements = ImportedStatementShape(many=True)
    new_lines = serializers.IntegerField()
    matched = serializers.IntegerField()
    breaks_opened = serializers.IntegerField()
    breaks_resolved = serializers.IntegerField()


class BreakShape(serializers.Serializer):
    """Two records that should agree and do not."""

    id = serializers.CharField()
    object = serializers.ChoiceField(["break"])
    status = serializers.ChoiceField(BreakState.values)
    reason = serializers.ChoiceField(BreakReason.values)
    amount = AmountShape()
    bank_statement_id = serializers.CharField(allow_null=True)
    line = serializers.IntegerField(allow_null=True)
    payout_id = serializers.CharField(allow_null=True)
    detail = serializers.DictField()
    resolution = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    resolved_at = serializers.DateTimeField(allow_null=True)


StatementPage = page_of(BankStatementShape, "BankStatementPage")
BreakPage = page_of(BreakShape, "BreakPage")
STATEMENT_EXAMPLE: Final[dict[str, Any]] = {
    "id": "bst_01kagm6m2q9x4h3c7t8d5v0w1r",
    "object": "bank_statement",
    "status": "accepted",
    "account": "DE02120300000000202051",
    "currency": "EUR",
    "reference": "st_eur_20261121_1",
    "closed_on": "2026-11-21",
    "opening": eur(0),
    "closing": eur(16_100),
    "lines": 2,
    "problem": None,
    "created_at": "2026-11-21T23:30:00.000Z",
}
IMPORT_EXAMPLE: Final = {
    "object": "bank_statement_import",
    "statements": [{**STATEMENT_EXAMPLE, "is_new": True}],
    "new_lines": 2,
    "matched": 2,
    "breaks_opened": 0,
    "breaks_resolved": 0,
}
BREAK_EXAMPLE: Final = {
    "id": "brk_01kagm7p5n6y8j2e4a9s3k0d7f",
    "object": "break",
    "status": "open",
    "reason": "amount_differs",
    "amount": eur(-80_999),
    "bank_statement_id": STATEMENT_EXAMPLE["id"],
    "line": 2,
    "payout_id": "po_01kagm5d0zkd3v6v1e7f5w8m2q",
    "detail": {"expected": -81_000, "payout_state": "paid"},
    "resolution": None,
    "created_at": "2026-11-21T23:30:00.100Z",
    "resolved_at": None,
}
CONTENT_EXAMPLE: Final = {
    "content": '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>…'
    "</BkToCstmrStmt></Document>"
}
IMPORTED: Final = {201: Answer(ImportShape, IMPORT_EXAMPLE, "Imported and reconciled.")}


class BankStatementViewSet(MerchantViewSet):
    """Statements of the accounts that the merchant's money goes through."""

    scopes = {
        "create": "settlements:write",
        "fetch": "settlements:write",
        "list": "settlements:read",
        "breaks": "settlements:read",
    }

    @documented(
        operation_id="bank_statements_create",
        tag=TAG,
        summary="Import a bank statement",
        description="Reads a camt.053 file, stores each line once and explains it: a payout by its "
        "EndToEndId, a provider's funding by its report, item by item. What is not explained is a break; "
        "nothing is booked for it. A statement whose figures do not come out is held.",
        body=Body(ImportStatement, CONTENT_EXAMPLE),
        answers=IMPORTED,
        errors=(StatementUnreadable,),
        key="required",
    )
    def create(self, request: Request) -> HttpResponse:
        """Import a file."""
        content = _DECLARATION.sub("", self.read(ImportStatement)["content"])
        imported = importing.import_content(
            merchant_id=self.merchant.pk,
            content=content.encode(),
            actor=self.actor,
            at=clock.now(),
            answer=self.answer(renderings.imported, 201),
        )
        return self.finish(imported)

    @documented(
        operation_id="bank_statements_fetch",
        tag=TAG,
        summary="Fetch a day's statements from the bank",
        description="Asks the bank for the statements of a day and imports them. Safe to repeat.",
        body=Body(FetchStatements, {"date": "2026-11-21"}),
        answers=IMPORTED,
        errors=(StatementUnreadable, ProviderUnavailable, ProviderRefused),
        key="required",
    )
    def fetch(self, request: Request) -> HttpResponse:
        """Fetch a day."""
        imported = importing.fetch_day(
            merchant_id=self.merchant.pk,
            day=self.read(FetchStatements)["date"],
            actor=self.actor,
            at=clock.now(),
            answer=self.answer(renderings.imported, 201),
        )
        return self.finish(imported)

    @documented(
        operation_id="bank_statements_list",
        tag=TAG,
        summary="List bank statements",
        description="All statements taken in, newest first.",
        parameters=[*PAGE_PARAMETERS],
        answers={200: Answer(StatementPage, page_example(STATEMENT_EXAMPLE), "One page.")},
    )
    def list(self, request: Request) -> HttpResponse:
        """List statements."""
        rows = selectors.statements(self.merchant.pk)
        return self.page(rows, prefix=BankStatement.PREFIX, render=renderings.bank_statement)

    @documented(
        operation_id="bank_statements_breaks",
        tag=TAG,
        summary="List what does not agree",
        description="Breaks between bank, provider and books, newest first; also those that were resolved.",
        parameters=[*PAGE_PARAMETERS],
        answers={200: Answer(BreakPage, page_example(BREAK_EXAMPLE), "One page.")},
    )
    def breaks(self, request: Request) -> HttpResponse:
        """List breaks."""
        rows = selectors.breaks(self.merchant.pk)
        return self.page(rows, prefix=Break.PREFIX, render=renderings.difference)
