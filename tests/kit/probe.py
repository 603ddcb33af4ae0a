"""A small controller that shows how the front desk behaves, and a URLconf that mounts it.

Its effect is a vendor whose id is the request's effect id, so that effects can be counted.
"""

import threading
from collections.abc import Callable
from typing import Any, ClassVar

from django.http import HttpResponse
from django.urls import path, re_path
from rest_framework.request import Request

from ledger import clock
from ledger.errors import Conflict, Unavailable
from ledger.ids import uuid7
from ledger.locks import phase
from tests.factories.vendors import DESTINATION
from vendors import selectors
from vendors.api.base import MerchantViewSet
from vendors.api.errors import problem_body, unknown_route
from vendors.api.fields import (
    AmountField,
    DayField,
    FlagField,
    IbanField,
    MetadataField,
    MoneyField,
    PublicIdField,
    StrictSerializer,
    TextField,
)
from vendors.api.idempotency import ACCEPTED, Reply
from vendors.models import Vendor
from vendors.services import onboarding
from vendors.services.onboarding import NewVendor


class ProbeRefusal(Conflict):
    """A definite refusal."""

    code = "probe_refused"
    advice = "Do something else."


class ProbeBusy(Conflict):
    """A refusal that passes."""

    code = "probe_busy"
    retryable = True


class ProbeAway(Unavailable):
    """Something that we need is away."""

    code = "probe_away"


class ProbeIn(StrictSerializer):
    """One field of each kind."""

    name = TextField(40, required=False, default="Ada")
    note = TextField(400, required=False, allow_blank=True)
    amount = AmountField(required=False)
    total = MoneyField(required=False)
    vendor_id = PublicIdField("vnd", required=False)
    is_final = FlagField(required=False)
    day = DayField(required=False)
    iban = IbanField(required=False)
    metadata = MetadataField(required=False)
    outcome = TextField(20, required=False, default="made")


class ProbeViewSet(MerchantViewSet):
    """Does one thing, and fails in every way on demand."""

    scopes = {
        "create": "vendors:write",
        "change": "vendors:write",
        "list": "vendors:read",
        "show": "vendors:read",
    }
    idempotency = {"change": ACCEPTED}

    runs: ClassVar[int] = 0
    between: ClassVar[Callable[[], None] | None] = None
    _count = threading.Lock()

    def create(self, request: Request) -> HttpResponse:
        values = self.read(ProbeIn)
        answer = self.answer(lambda vendor: self._shown(vendor, values), 201)
        with self._count:
            type(self).runs += 1
        match values["outcome"]:
            case "refused":
                raise ProbeRefusal("the probe says no")
            case "busy":
                raise ProbeBusy("the probe says later")
            case "away":
                raise ProbeAway("the probe's friend is away", retry_after_seconds=7)
            case "broken":
                raise RuntimeError("the probe is broken")
            case "forgetful":
                return self.reply({"forgot": True})
            case "half":
                return self.finish(self._in_two_phases(values, answer))
        return self.finish(self._make(values, answer))

    def change(self, request: Request, id: str) -> HttpResponse:
        return self.create(request)

    def list(self, request: Request) -> HttpResponse:
        return self.page(
            selectors.vendors(self.merchant.pk), prefix="vnd", render=lambda vendor: {"id": vendor.public_id}
        )

    def show(self, request: Request, id: str) -> HttpResponse:
        return self.reply({"id": id})

    def unlisted(self, request: Request) -> HttpResponse:
        return self.reply({})

    def _in_two_phases(self, values: dict[str, Any], answer: Any) -> Vendor:
        vendor = self._make(values, lambda _: answer.reached("vendor_made"))
        if type(self).between is not None:
            type(self).between()
        with phase():
            answer(vendor)
        return vendor

    def _make(self, values: dict[str, Any], answer: Any) -> Vendor:
        new = NewVendor(f"probe-{uuid7().hex}", values["name"], "probe", DESTINATION)
        return onboarding.create_vendor(
            merchant_id=self.merchant.pk,
            new=new,
            vendor_id=self.effect_id,
            actor=self.actor,
            at=clock.now(),
            answer=answer,
        )

    def _shown(self, vendor: Vendor, values: dict[str, Any]) -> dict[str, Any] | Reply:
        body = {"id": vendor.public_id, "name": vendor.name, "at": clock.now()}
        if values["outcome"] == "declined":
            problem = problem_body(402, "probe_declined", "the probe was declined", vendor=body)
            return Reply(problem, 402, is_problem=True)
        return body


urlpatterns = [
    path("api/v1/probes/", ProbeViewSet.as_view({"get": "list", "post": "create"})),
    path("api/v1/probes", ProbeViewSet.as_view({"get": "list", "post": "create"})),
    path("api/v1/probes/unlisted", ProbeViewSet.as_view({"get": "unlisted"})),
    path("api/v1/probes/<str:id>", ProbeViewSet.as_view({"get": "show", "put": "change"})),
    re_path(r"^api/(?P<path>.*)$", unknown_route),
]
