"""The API document against itself: requests made from it, in process, never meet a server error.

Schemathesis makes bodies, parameters and headers that fit the document and such that do not. Every answer
must be one that the document names, of its shape. The short run is part of the fast suite; the long one, of
20,000 requests in all, is marked slow: there every second request names objects that the merchant has.
"""

from itertools import count
from typing import Any

import pytest
import schemathesis
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from config.wsgi import application
from ledger import clock
from ledger.actors import SYSTEM
from ledger.ids import uuid7
from ledger.money import Money
from ledger.transfers.kinds import TransferType
from payments.models import Payment, PaymentTransaction
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
from tests.kit.network import Network
from tests.kit.wallets import Purses
from vendors.models import Merchant

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SHORT = 4
CASES = 20_000  # of the long run, over all operations
AT_ONCE = 50  # of the long run, per seed
PATHS = r"^/api/v1/"


# The document is made when the tests are collected: one test for each operation of it.
schema = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True))
schema.app = application
OPERATIONS = [
    pytest.param(found.ok(), id=found.ok().label)
    for found in schema.include(path_regex=PATHS).get_all_operations()
]


@pytest.fixture
def authorization(northwind: Merchant, network: Network) -> str:
    """A key with every scope of a merchant who has one captured payment."""
    fx.two_sources(clock.now())
    fx.fund(northwind.pk, Money(1_000_000, "USD"))
    rows.captured_payment(northwind, shares=((factory.create_vendor(northwind, "Ada"), 6_000, 600),))
    return f"Bearer {factory.create_api_key(northwind)[1]}"


@pytest.fixture
def known(northwind: Merchant, authorization: str) -> dict[str, str]:
    """What stands for the placeholders of paths: the merchant's own objects, by the beginning of the path."""
    payment = Payment.objects.get(merchant=northwind)
    share = PaymentTransaction.objects.get(payment=payment)
    vendor = share.vendor
    saga = sagas.begun(northwind, "vpt_none", [(vendor, Line(weight=1))])
    dispute = disputes.follow(disputes.notice(payment, stage="inquiry"))
    purses = Purses(northwind.pk)
    wallet, other = purses.wallet("carla", 1_000), purses.wallet("ada")
    held = ProvidersOwn("velocitypay", "vpt_of_carla", Shown(last4="3000"))
    method = adding_methods.add(
        merchant_id=northwind.pk, method_id=uuid7(), wanted=NewMethod("carla", "sepa", held=held),
        actor=SYSTEM, at=clock.now(),
    )  # fmt: skip
    refund = requesting_refunds.request(
        merchant_id=northwind.pk, wish=RefundWish(refund_id=uuid7(), payment_id=payment.pk, amount_minor=100),
        actor=SYSTEM, at=clock.now(),
    )  # fmt: skip
    own = {
        "payments/core/": payment, "payments/": share, "marketplace-payments/": saga, "disputes/": dispute,
        "accounts/": wallet, "payment-methods/": method, "refunds/": refund, "vendors/": vendor,
        "transfers/": purses.move(wallet, other, 10, TransferType.PAYMENT),
        "holds/": purses.hold(wallet, other, 10), "payment-webhooks/": rows.webhook_about(payment),
        "explain/": payment, "payment_id": payment, "vendor_id": vendor,
    }  # fmt: skip
    return {
        **{name: row.public_id for name, row in own.items()},
        "payment_number": payment.number,
        "refund_number": refund.number,
        "transaction_id": payment.provider_reference,
        "order_id": payment.order_ref,
        "customer_id": payment.customer_ref,
    }


SETTINGS = settings(
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def fuzz(operation: Any, authorization: str, examples: int) -> None:
    """Send requests that fit the document, then such that do not; each answer must be a documented one."""
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

        @settings(SETTINGS, max_examples=examples, derandomize=True)
        @given(case=operation.as_strategy(generation_mode=mode))
        def run(case: Any) -> None:
            case.call_and_validate(headers={"Authorization": authorization}, checks=CHECKS)

        run()


def fuzz_at_length(operation: Any, authorization: str, known: dict[str, str], cases: int) -> int:
    """Send at least so many requests, half of them about objects that are there; return how many."""
    sent = 0

    def send(case: Any) -> None:
        nonlocal sent
        sent += 1
        if sent % 2:
            own = {name: known_as(operation.path, name, known) for name in case.path_parameters or {}}
            case.path_parameters = {**(case.path_parameters or {}), **{k: v for k, v in own.items() if v}}
        case.call_and_validate(headers={"Authorization": authorization}, checks=CHECKS)

    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    for number in count():
        if sent >= cases:
            return sent
        strategy = operation.as_strategy(generation_mode=modes[number % 2])
        seed(number)(settings(SETTINGS, max_examples=AT_ONCE)(given(case=strategy)(send)))()
    return sent


def known_as(path: str, name: str, known: dict[str, str]) -> str:
    """Return what stands for a placeholder of a path: an object that the merchant has, or nothing."""
    if name != "id":
        return known.get(name, "")
    return next((known[start] for start in known if path.startswith(f"/api/v1/{start}")), "")


@pytest.mark.django_db(transaction=True)
class TestDocumentedRequests:
    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_some_meet_no_server_error(self, operation: Any, authorization: str) -> None:
        fuzz(operation, authorization, SHORT)

    @pytest.mark.slow
    @pytest.mark.timeout(1200)
    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_many_meet_no_server_error(
        self, operation: Any, authorization: str, known: dict[str, str], record_property: Any
    ) -> None:
        quota = -(-CASES // len(OPERATIONS))
        sent = fuzz_at_length(operation, authorization, known, quota)
        record_property("cases", sent)
        assert sent >= quota
