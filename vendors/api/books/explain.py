"""Explain any figure: what it is made of and what caused it, to its ends outside the house."""

import re
from typing import Any, Final

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request

from ledger.explain import archived, shown, walking
from ledger.explain.registry import Scope
from ledger.explain.walking import NotExplained
from vendors.api.base import MerchantViewSet
from vendors.api.books.shapes import MoneyOut
from vendors.api.openapi import Answer, documented, path_text
from vendors.api.paging import check_parameters

TAG: Final = "books"
DEPTH_MAX: Final = 50
NODES_MAX: Final = 500
_DEPTH: Final = re.compile(r"[0-9]{1,2}", re.ASCII)


class PartShape(serializers.Serializer):
    """One part of a figure; `id` can be explained in turn."""

    name = serializers.CharField()
    amount = MoneyOut()
    id = serializers.CharField(allow_null=True)
    is_followed = serializers.BooleanField(help_text="False: shown here, explained by this node.")


class CauseShape(serializers.Serializer):
    """One cause: an id that can be explained in turn, or something outside the platform."""

    name = serializers.CharField()
    text = serializers.CharField()
    id = serializers.CharField(allow_null=True)
    is_outside = serializers.BooleanField()


class EvidenceShape(serializers.Serializer):
    """What proves it: a request, a reference, a hash."""

    name = serializers.CharField()
    text = serializers.CharField()


class SealShape(serializers.Serializer):
    """The seal of a journal entry, event or audit record."""

    status = serializers.ChoiceField(["sealed", "waiting", "broken"])
    block = serializers.IntegerField(allow_null=True)
    is_anchored = serializers.BooleanField(help_text="The block's hash is kept outside the database too.")


class ReasonShape(serializers.Serializer):
    """Why an object explains nothing."""

    id = serializers.CharField()
    reason = serializers.CharField()


class BeyondShape(serializers.Serializer):
    """Ids that lie beyond the limits; ask for them one by one."""

    count = serializers.IntegerField()
    ids = serializers.ListField(child=serializers.CharField(), help_text="At most 100 of them.")


class NodeShape(serializers.Serializer):
    """A figure or a fact, its parts and its causes. Its footing is its amount less its parts: zero."""

    id = serializers.CharField()
    kind = serializers.CharField()
    title = serializers.CharField()
    at = serializers.DateTimeField(allow_null=True)
    amounts = MoneyOut(many=True)
    footing = MoneyOut(many=True)
    is_explained = serializers.BooleanField()
    unexplained = MoneyOut(many=True)
    reasons = serializers.ListField(child=serializers.CharField())
    seal = SealShape(allow_null=True)
    parts = PartShape(many=True)
    causes = CauseShape(many=True)
    evidence = EvidenceShape(many=True)


class ExplanationShape(serializers.Serializer):
    """What was asked for, and every node that was followed from it, nearest first."""

    object = serializers.ChoiceField(["explanation"])
    id = serializers.CharField()
    is_explained = serializers.BooleanField(help_text="Nothing that was followed is unexplained.")
    is_complete = serializers.BooleanField(help_text="Everything was followed to its end.")
    footing = MoneyOut(many=True)
    unexplained = MoneyOut(many=True)
    reasons = ReasonShape(many=True)
    not_followed = BeyondShape()
    nodes = NodeShape(many=True)


_FEE: Final = "op_01kagm3c8qf3p8w0t5y5r4d2ne.fee"
_OPERATION: Final = "op_01kagm3c8qf3p8w0t5y5r4d2ne"
_TOLD: Final = {"name": "told with the answer to", "text": "", "id": _OPERATION, "is_outside": False}
EXAMPLE: Final[dict[str, Any]] = {
    "object": "explanation",
    "id": _FEE,
    "is_explained": True,
    "is_complete": False,
    "footing": [{"amount": 0, "currency": "EUR"}],
    "unexplained": [{"amount": 0, "currency": "EUR"}],
    "reasons": [],
    "not_followed": {"count": 1, "ids": [_OPERATION]},
    "nodes": [
        {
            "id": _FEE,
            "kind": "provider's fee",
            "title": "kept by velocitypay of the capture 1",
            "at": "2026-11-20T09:30:00Z",
            "amounts": [{"amount": 329, "currency": "EUR"}],
            "footing": [{"amount": 0, "currency": "EUR"}],
            "is_explained": True,
            "unexplained": [{"amount": 0, "currency": "EUR"}],
            "reasons": [],
            "seal": None,
            "parts": [],
            "causes": [_TOLD],
            "evidence": [],
        }
    ],
}


class ExplainViewSet(MerchantViewSet):
    """The calling merchant's figures, explained."""

    scopes = {"retrieve": "books:read"}

    @documented(
        operation_id="explain",
        tag=TAG,
        summary="Explain any figure",
        description="Leads a payout, fee, balance, report cell, bank line or any other object back to the "
        "postings, the event, and the request, provider's answer or statement line that caused it. A figure "
        "is the sum of its parts: its footing is zero. What nothing explains is counted in `unexplained` "
        f"with its reason. Follows at most {NODES_MAX} objects; what lies beyond has an id of its own to ask "
        "for. Ids: those of all objects of the API, `acc_…` (an account), `bal_…@2026-03-02T18:00:00Z` (its "
        "balance then), `car_…@2019-04` (what an archived month carried forward), `jnl_….2` (a posting), "
        "`bln_12` (a bank line), `op_….fee` (a fee), `cell_…`.",
        parameters=[
            path_text("id", "What to explain: any id that the API or another explanation shows."),
            OpenApiParameter(
                "depth",
                {"type": "integer", "minimum": 0, "maximum": DEPTH_MAX, "default": DEPTH_MAX},
                OpenApiParameter.QUERY,
                description="How many steps to follow.",
            ),
        ],
        answers={200: Answer(ExplanationShape, EXAMPLE, "The explanation.")},
        errors=[NotExplained],
    )
    def retrieve(self, request: Request, id: str) -> HttpResponse:
        """Explain one id."""
        check_parameters(request, "depth")
        scope = Scope(self.merchant.pk, archived.ROWS_MAX)
        story = walking.explain(id, scope=scope, depth=_depth(request), nodes_max=NODES_MAX)
        return self.reply(shown.as_json(story))


def _depth(request: Request) -> int:
    text = request.query_params.get("depth", str(DEPTH_MAX))
    if not _DEPTH.fullmatch(text) or int(text) > DEPTH_MAX:
        detail = ErrorDetail(f"must be a whole number from 0 to {DEPTH_MAX}", code="invalid")
        raise ValidationError({"depth": [detail]})
    return int(text)
