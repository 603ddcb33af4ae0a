"""Every route of the table: another merchant's object answers exactly as one that is not there.

Nothing is listed by hand but what stands for each placeholder, so a new route is in the matrix or fails it.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from django.http import HttpResponse

from config import api
from ledger import clock
from ledger.actors import SYSTEM
from ledger.ids import uuid7
from ledger.models import Event, FxConversion
from ledger.money import Money
from ledger.transfers.kinds import TransferType
from payments.models import Payment, PaymentMethod, Refund
from payments.rules.share_division import Line
from payments.services.methods import adding_methods
from payments.services.methods.adding_methods import NewMethod, ProvidersOwn
from payments.services.refunds import requesting_refunds
from payments.services.refunds.requesting_refunds import RefundWish
from payments.vault.instruments import Shown
from tests.factories import disputes
from tests.factories import payments as rows
from tests.factories import vendors as factory
from tests.kit import fx, sagas
from tests.kit.api_client import MerchantClient
from tests.kit.wallets import Purses
from tests.kit.worlds import settle_constraints, standing_rows
from vendors.api.base import MerchantViewSet
from vendors.models import Merchant

pytestmark = pytest.mark.django_db

NOWHERE: Final = "01kagm3c8qf3p8w0t5y5r4d2ne"
OURS: Final = re.compile(
    r"^(disputes|marketplace-payments|payments|payment-methods|payment-webhooks|refunds|vendors|explain|accounts"
    r"|transfers|holds|fx)/"
)
BODIES: Final[dict[str, Any]] = {
    "payments/core/{id}/fail": {"reason": "r"},
    "payments/core/{id}/increase": {"amount": 1},
    "payments/{id}/complete": {"gateway_reference": "auth_1"},
    "payments/{id}/fail": {"reason": "r"},
    "refunds/{id}/fail": {"reason": "r"},
    "refunds/{id}/ask-again": {"reason": "r"},
    "disputes/{id}/evidence": {"kind": "explanation", "text": "t"},
    "payment-methods/{id}/verification-status": {"status": "failed", "reason": "r"},
    "accounts/{id}/close": {"reason": "r"},
    "accounts/{id}/reopen": {"reason": "r"},
}
ROUTES: Final = [
    pytest.param(route, method, id=f"{method} {route.path}")
    for route in api.ROUTES
    for method in route.actions
    if OURS.match(route.path) and "{" in route.path
]


class Southwind:
    """Another merchant, with one object of each kind."""

    def __init__(self) -> None:
        self.merchant = factory.create_merchant("Southwind")
        self.vendor = factory.create_vendor(self.merchant, "Sven")
        self.payment = rows.captured_payment(
            self.merchant, shares=((self.vendor, 6_000, 600),), order_ref="order-s", customer_ref="sara"
        )
        self.share = self.payment.share_rows[0]
        self.refund = self._refund(self.payment)
        self.webhook = rows.webhook_about(self.payment)
        self.dispute = disputes.follow(disputes.notice(self.payment, stage="inquiry"))
        self.conversion = self._conversion()
        self.saga = sagas.begun(self.merchant, "vpt_none", [(self.vendor, Line(weight=1))])
        self.method = self._method()
        self._keep_books()

    def names(self, route: api.Route) -> dict[str, tuple[str, str]]:
        """Return what stands for each placeholder: Southwind's, and one that is nowhere."""
        own = {
            "payment-methods/": self.method, "refunds/": self.refund, "vendors/": self.vendor,
            "payments/core/": self.payment, "marketplace-payments/": self.saga,
            "payment-webhooks/": self.webhook, "disputes/": self.dispute,
            "accounts/": self.account, "transfers/": self.transfer, "holds/": self.hold,
            "fx/quotes": self.conversion.quote, "fx/conversions": self.conversion,
        }  # fmt: skip
        subject = next((row for start, row in own.items() if route.path.startswith(start)), self.share)
        return {
            "id": _pair(subject),
            "payment_id": _pair(self.payment),
            "vendor_id": _pair(self.vendor),
            "payment_number": (self.payment.number, "PAY-2026-999998"),
            "refund_number": (self.refund.number, "REF-2026-999998"),
            "transaction_id": (self.payment.provider_reference, "auth_nowhere"),
            "order_id": ("order-s", "order-nowhere"),
            "customer_id": ("sara", "nobody"),
            "method_type": ("sepa", "card"),
            "status": _statuses(route),
        }

    def _keep_books(self) -> None:
        purses = Purses(self.merchant.pk)
        self.account, self.other = purses.wallet("sara", 1_000), purses.wallet("sven")
        self.transfer = purses.move(self.account, self.other, 10, TransferType.PAYMENT)
        self.hold = purses.hold(self.account, self.other, 10)

    def _method(self) -> PaymentMethod:
        wanted = NewMethod(
            "sara", "sepa", held=ProvidersOwn("velocitypay", "vpt_of_sara", Shown(last4="3000"))
        )
        return adding_methods.add(
            merchant_id=self.merchant.pk, method_id=uuid7(), wanted=wanted, actor=SYSTEM, at=clock.now()
        )

    def _refund(self, payment: Payment) -> Refund:
        wish = RefundWish(refund_id=uuid7(), payment_id=payment.pk, amount_minor=100)
        return requesting_refunds.request(
            merchant_id=self.merchant.pk, wish=wish, actor=SYSTEM, at=clock.now()
        )

    def _conversion(self) -> FxConversion:
        at = fx.some_instant()
        fx.two_sources(at)
        fx.fund(self.merchant.pk, Money(1_000, "USD"))
        return fx.convert(fx.quote(self.merchant.pk, Money(1_000, "USD"), "EUR", at), at)


@pytest.fixture(scope="module")
def southwind(django_db_setup: None, django_db_blocker: Any) -> Iterator[Southwind]:
    """One for all tests: each shows that it has changed nothing of it."""
    with standing_rows(django_db_blocker):
        southwind = Southwind()
        settle_constraints()
        yield southwind


class TestTenancy:
    @pytest.mark.parametrize(("route", "method"), ROUTES)
    def test_a_foreign_object_is_like_none(
        self, merchant_client: MerchantClient, southwind: Southwind, route: api.Route, method: str
    ) -> None:
        places = re.findall(r"\{(\w+)\}", route.path)
        names = southwind.names(route)
        before = _written(southwind)
        foreign, nowhere = (
            _ask(merchant_client, method, route, {place: names[place][which] for place in places})
            for which in (0, 1)
        )
        assert foreign.status_code == nowhere.status_code
        assert foreign.status_code in (200, 404), foreign.content
        assert _without_request_id(foreign) == _without_request_id(nowhere)
        if foreign.status_code == 200:
            assert foreign.json()["data"] == []
        assert _written(southwind) == before

    @pytest.mark.parametrize(
        ("path", "key"),
        [
            ("payments/core/", "vendor"), ("marketplace-payments/", "vendor"), ("payments/", "payment"),
            ("payments/", "vendor"),
            ("refunds/", "payment"), ("refunds/", "share"),
            ("transfers/", "account"), ("transfers/", "transfer"), ("holds/", "account"),
        ],
    )  # fmt: skip
    def test_a_foreign_object_in_a_body_is_like_none(
        self,
        merchant_client: MerchantClient,
        northwind: Merchant,
        southwind: Southwind,
        path: str,
        key: str,
    ) -> None:
        own = rows.captured_payment(northwind) if path == "refunds/" else rows.create_payment(northwind)
        before = _written(southwind)
        answers = [
            merchant_client.post(f"/api/v1/{path}", _body(path, key, named, own))
            for named in _pair(getattr(southwind, key))
        ]
        assert answers[0].status_code == answers[1].status_code
        assert answers[0].status_code in (404, 422), answers[0].content
        assert _without_request_id(answers[0]) == _without_request_id(answers[1])
        assert _written(southwind) == before

    def test_every_route_derives_from_the_front_desk(self) -> None:
        assert all(issubclass(route.view, MerchantViewSet) for route in api.ROUTES)

    def test_every_action_has_a_scope(self) -> None:
        lacking = [
            f"{method} {route.path}"
            for route in api.ROUTES
            for method, action in route.actions.items()
            if action not in route.view.scopes
        ]
        assert not lacking


def _ask(client: MerchantClient, method: str, route: api.Route, names: dict[str, str]) -> HttpResponse:
    path = api.PREFIX + route.path.format(**names)
    if method == "get":
        return client.get(path)
    return client.send(method.upper(), path, BODIES.get(route.path, {}))


def _statuses(route: api.Route) -> tuple[str, str]:
    if route.path.startswith("disputes/"):
        return "inquiry", "won"
    return "captured" if "core" in route.path else "approved", "failed"


def _pair(row: Any) -> tuple[str, str]:
    return row.public_id, f"{row.PREFIX}_{NOWHERE}"


def _body(path: str, key: str, named: str, own: Payment) -> dict[str, Any]:
    if path in ("transfers/", "holds/"):
        return _moving(path, key, named)
    if path == "marketplace-payments/":
        return {
            "amount": {"amount": 10, "currency": "USD"},
            "order_id": "o",
            "customer_id": "c",
            "payment_method": {"type": "card", "token": "t"},
            "sellers": [{"vendor_id": named, "weight": 1}],
        }
    if path == "refunds/":
        if key == "payment":
            return {"payment_id": named}
        return {"payment_id": own.public_id, "vendor_split": [{"transaction_id": named, "amount": 1}]}
    if path == "payments/":
        payment = named if key == "payment" else own.public_id
        return {
            "payment_id": payment,
            "vendor_id": named if key == "vendor" else f"vnd_{NOWHERE}",
            "amount": 1,
        }
    return {
        "amount": {"amount": 10, "currency": "USD"},
        "order_id": "o",
        "customer_id": "c",
        "payment_method": {"type": "card", "token": "t"},
        "vendor_split": [{"vendor_id": named, "amount": 1}],
    }


def _moving(path: str, key: str, named: str) -> dict[str, Any]:
    end = named if key == "account" else f"acc_{NOWHERE}"
    return {
        "type": "refund" if key == "transfer" else "payment",
        "from_account" if path == "transfers/" else "account": end,
        "to_account": f"acc_{NOWHERE[:-1]}f",
        "amount": {"amount": 1, "currency": "USD"},
        **({"refunds": named} if key == "transfer" else {}),
    }


def _without_request_id(response: HttpResponse) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    body.pop("request_id", None)
    return body


def _written(southwind: Southwind) -> tuple[Any, ...]:
    rows_now = [
        tuple(type(row).objects.filter(pk=row.pk).values_list())
        for row in (
            southwind.payment,
            southwind.share,
            southwind.refund,
            southwind.dispute,
            southwind.webhook,
            southwind.vendor,
            southwind.method,
            southwind.account,
            southwind.transfer,
            southwind.hold,
            southwind.conversion,
            southwind.saga,
            southwind.conversion.quote,
        )
    ]
    return (*rows_now, Event.objects.filter(merchant_id=southwind.merchant.pk).count())
