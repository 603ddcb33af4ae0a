"""A till: speaks to the VelocityPay sandbox through its adapter, without payments or database."""

import uuid

from ledger.money import Money
from payments.providers import registry
from payments.providers.outcomes import Approved, Outcome
from payments.providers.requests import (
    AuthorizeRequest,
    CaptureRequest,
    RefundRequest,
    TransferRequest,
    VoidRequest,
)
from payments.providers.velocitypay.client import VelocityPay
from payments.simulator import scenarios
from tests.kit.network import Network

PRICE = Money(1999, "USD")


class Till:
    """A merchant's till: builds requests with fresh keys and one reference for a whole payment."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.provider: VelocityPay = registry.provider()
        self.reference = f"pay_{uuid.uuid4().hex[:20]}"
        self.key = ""

    def authorize(self, scenario: str = "visa", amount: Money = PRICE, key: str = "") -> Outcome:
        token = self.network.card(scenario)["token"]
        return self.provider.authorize(AuthorizeRequest(self._key(key), amount, self.reference, token))

    def capture(self, authorization: str, amount: Money = PRICE, key: str = "") -> Outcome:
        return self.provider.capture(CaptureRequest(self._key(key), amount, self.reference, authorization))

    def void(self, authorization: str, key: str = "") -> Outcome:
        return self.provider.void(VoidRequest(self._key(key), PRICE, self.reference, authorization))

    def refund(self, authorization: str, amount: Money = PRICE, key: str = "") -> Outcome:
        return self.provider.refund(RefundRequest(self._key(key), amount, self.reference, authorization))

    def transfer(self, scenario: str = "bank_ok", amount: Money = PRICE, key: str = "") -> Outcome:
        destination = {"holder": "Ada", "iban": scenarios.BY_NAME[scenario].number}
        return self.provider.transfer(TransferRequest(self._key(key), amount, self.reference, destination))

    def authorized(self, scenario: str = "visa", amount: Money = PRICE) -> str:
        outcome = self.authorize(scenario, amount)
        assert isinstance(outcome, Approved)
        return outcome.reference

    def captured(self, scenario: str = "visa", amount: Money = PRICE) -> str:
        authorization = self.authorized(scenario, amount)
        assert isinstance(self.capture(authorization, amount), Approved)
        return authorization

    def find(self, amount: Money = PRICE) -> object:
        return self.provider.find(self.key, amount)

    def effects(self) -> list[dict[str, object]]:
        return self.network.truth(idempotency_key=self.key)

    def _key(self, key: str) -> str:
        self.key = key or f"op_{uuid.uuid4()}"
        return self.key
