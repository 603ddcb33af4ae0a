"""One till for every provider: the same requests with fresh keys, over real HTTP, and the operator's hand.

A provider joins the tests that are the same for all (`test_provider_matrix.py`) by a `Desk`: how its tokens
are had, how its sandbox is scripted, and how often an operation had its effect there.
"""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

import httpx

from ledger.money import Money
from payments.providers import registry
from payments.providers.adyen import mapping
from payments.providers.base import Provider
from payments.providers.notices import DisputeNotice, ProviderNotice
from payments.providers.outcomes import (
    Approved,
    Found,
    Mismatch,
    NotFound,
    Outcome,
    Pending,
    RequiresAction,
)
from payments.providers.requests import (
    AcceptRequest,
    AuthorizeRequest,
    CaptureRequest,
    ChallengeRequest,
    EvidenceItem,
    RefundRequest,
    Sought,
    VoidRequest,
)
from tests.kit import disputes
from tests.kit.adyen import AdyenSandbox
from tests.kit.network import Network
from tests.kit.paypal import PayPalSandbox
from tests.kit.stripe import StripeSandbox

PRICE = Money(1999, "USD")
ANSWERS = ("challenge", "accept")
EVIDENCE = (EvidenceItem("explanation", "He signed for it."),)


class Desk(Protocol):
    """A provider's sandbox in the tests' hand."""

    name: str
    decline: str
    disputed: str

    def token(self, scenario: str = "visa") -> str:
        """A token of a test card; that of `disputed` may be disputed once it is captured."""

    def script(self, *faults: str, **match: str) -> int:
        """Let the matching requests meet these faults, in turn."""

    def fires(self) -> Callable[[str], int]:
        """A counter of how often a fault has fired from now on."""

    def pay(self, page: str) -> None:
        """What a payer does on the page to which the provider sends him."""

    def effects(self, kind: str, key: str, authorization: str) -> int:
        """How often an operation was carried out there."""

    def dispute(self, authorization: str) -> str:
        """The provider's name of a dispute of a captured payment; the card brings it, or it is opened."""

    def answers(self, kind: str, key: str, dispute: str) -> int:
        """How often a dispute was answered so."""


class VelocityPayDesk:
    """VelocityPay's face."""

    name = "velocitypay"
    decline = "do_not_honor"
    disputed = "visa"

    def __init__(self, network: Network) -> None:
        self._network = network

    def token(self, scenario: str = "visa") -> str:
        return str(self._network.card(scenario)["token"])

    def script(self, *faults: str, **match: str) -> int:
        return self._network.script(*faults, **match)

    def fires(self) -> Callable[[str], int]:
        before = self._network.faults()
        return lambda name: self._network.faults().get(name, 0) - before.get(name, 0)

    def pay(self, page: str) -> None:
        self._network.act(page)

    def effects(self, kind: str, key: str, authorization: str) -> int:
        return len(self._network.truth(idempotency_key=key))

    def dispute(self, authorization: str) -> str:
        return str(disputes.opened(self._network, authorization)["id"])

    def answers(self, kind: str, key: str, dispute: str) -> int:
        return len(self._network.truth(idempotency_key=key))


class StripeDesk:
    """Stripe's face."""

    name = "stripe"
    decline = "generic_decline"
    disputed = "createDispute"

    def __init__(self, network: Network) -> None:
        self.sandbox = StripeSandbox(network)

    def token(self, scenario: str = "visa") -> str:
        return f"pm_card_{scenario}"

    def script(self, *faults: str, **match: str) -> int:
        return self.sandbox.script(*faults, **match)

    def fires(self) -> Callable[[str], int]:
        return self.sandbox.fires()

    def pay(self, page: str) -> None:
        httpx.post(page, data={"result": "success"}, trust_env=False, verify=False)

    def effects(self, kind: str, key: str, authorization: str) -> int:
        if kind in ("authorize", "refund"):
            return len(self.sandbox.truth_of(key))
        intent = self.sandbox.client.get(f"/v1/payment_intents/{authorization}").raise_for_status().json()
        return int(intent["status"] == "canceled" if kind == "void" else key in intent["metadata"])

    def dispute(self, authorization: str) -> str:
        (made,) = self.sandbox.truth("dispute", payment_intent=authorization)
        return str(made["id"])

    def answers(self, kind: str, key: str, dispute: str) -> int:
        (made,) = self.sandbox.truth("dispute", id=dispute)
        count = made["evidence_details"]["submission_count"]
        return int(count if kind == "challenge" else made["status"] == "lost" and not count)


class PayPalDesk:
    """PayPal's face: its payer acts on a page before anything is reserved."""

    name = "paypal"
    decline = "TRANSACTION_REFUSED"
    disputed = "visa"

    def __init__(self, network: Network) -> None:
        self.sandbox = PayPalSandbox(network)

    def token(self, scenario: str = "visa") -> str:
        return "paypal"

    def script(self, *faults: str, **match: str) -> int:
        return self.sandbox.script(*faults, **match)

    def fires(self) -> Callable[[str], int]:
        return self.sandbox.fires()

    def pay(self, page: str) -> None:
        assert self.sandbox.approve(page).status_code in (200, 303)

    def effects(self, kind: str, key: str, authorization: str) -> int:
        if kind == "authorize":
            made = self.sandbox.truth(key=key)
            is_decided = made and made[0]["status"] in ("APPROVED", "COMPLETED")
            return len(_parts(made[0])) if is_decided else len(made)
        (order,) = self.sandbox.truth(key=authorization)
        if kind == "void":
            return sum(one["status"] == "VOIDED" for one in _parts(order, "authorizations"))
        names = ("invoice_id", "captures") if kind == "capture" else ("custom_id", "refunds")
        return sum(one[names[0]].endswith(key) for one in _parts(order, names[1]))

    def dispute(self, authorization: str) -> str:
        (order,) = self.sandbox.truth(key=authorization)
        (capture,) = _parts(order, "captures")
        return str(self.sandbox.dispute(capture["id"])["dispute_id"])

    def answers(self, kind: str, key: str, dispute: str) -> int:
        (made,) = self.sandbox.truth("dispute", dispute)
        if kind == "challenge":
            return json.dumps(made).count(key)
        return int(made.get("dispute_outcome", {}).get("outcome_code") == "ACCEPTED")


def _parts(order: dict[str, Any], *kinds: str) -> list[dict[str, Any]]:
    payments = order["purchase_units"][0].get("payments", {})
    return [row for kind in kinds or ("authorizations", "captures") for row in payments.get(kind, [])]


class AdyenDesk:
    """Adyen's face. Nothing is found by key there: what became of an operation is what its webhooks tell."""

    name = "adyen"
    decline = "2"
    disputed = "visa"

    def __init__(self, network: Network) -> None:
        self.sandbox = AdyenSandbox(network)

    def token(self, scenario: str = "visa") -> str:
        return self.sandbox.token(scenario)

    def script(self, *faults: str, **match: str) -> int:
        return self.sandbox.script(*faults, **match)

    def fires(self) -> Callable[[str], int]:
        return self.sandbox.fires()

    def effects(self, kind: str, key: str, authorization: str) -> int:
        return len(self._made(kind, key))

    def pay(self, page: str) -> None:
        assert httpx.post(page, data={"result": "success"}, trust_env=False, verify=False).status_code == 303

    def dispute(self, authorization: str) -> str:
        return str(self.sandbox.dispute(payment=authorization)["pspReference"])

    def answers(self, kind: str, key: str, dispute: str) -> int:
        return sum(notice.taken == kind for notice in self._dispute_notices(dispute))

    def answered(self, kind: str, dispute: str, amount: Money) -> Found:
        """What the webhooks of a dispute say of our answer, read as the house reads them."""
        if not self.answers(kind, "", dispute):
            return NotFound()
        return Approved(dispute, amount, Money.zero(amount.currency))

    def _dispute_notices(self, dispute: str) -> list[DisputeNotice]:
        found = []
        for webhook in self.sandbox.webhooks(dispute):
            raw = json.dumps(webhook).encode()
            notice = registry.provider(self.name).notice({}, raw, datetime.now(UTC))
            assert isinstance(notice, DisputeNotice)
            found.append(notice)
        return found

    def _made(self, kind: str, key: str) -> list[dict[str, Any]]:
        """What stands under our reference of an operation; an authorization may have been a sale."""
        kinds = ("authorize", "sale") if kind == "authorize" else (kind,)
        return [row for one in kinds for row in self.sandbox.truth_of(mapping.reference_of(one, key))]

    def told(self, kind: str, key: str) -> Found:
        """The last word of the webhooks about an operation, read as the house reads them."""
        found: Found = NotFound()
        for row in self._made(kind, key):
            for webhook in self.sandbox.webhooks(row["id"]):
                raw = json.dumps(webhook).encode()
                notice = registry.provider(self.name).notice({}, raw, datetime.now(UTC))
                assert isinstance(notice, ProviderNotice)
                assert notice.idempotency_key == key
                found = notice.outcome
        return found


class Till:
    """A merchant's till at one provider: one reference for a whole payment, the last key kept."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.reference = f"pay_{uuid.uuid4().hex[:20]}"
        self.key = ""
        self.kind = ""
        self.authorization = ""
        self.dispute = ""
        self.known: dict[str, str] = {}

    @property
    def provider(self) -> Provider:
        return registry.provider(self.desk.name)

    def authorize(
        self, amount: Money = PRICE, *, scenario: str = "visa", key: str = "", **more: Any
    ) -> Outcome:
        token = self.desk.token(scenario)
        request = AuthorizeRequest(self._key("authorize", key), amount, self.reference, token, **more)
        outcome = self.provider.authorize(request)
        if isinstance(outcome, RequiresAction | Pending):
            self.known[self.key] = outcome.reference
        return outcome

    def capture(self, amount: Money = PRICE, *, key: str = "", is_last: bool = True) -> Outcome:
        key = self._key("capture", key)
        return self.provider.capture(CaptureRequest(key, amount, self.reference, self.authorization, is_last))

    def void(self, *, key: str = "") -> Outcome:
        return self.provider.void(
            VoidRequest(self._key("void", key), PRICE, self.reference, self.authorization)
        )

    def refund(self, amount: Money = PRICE, *, key: str = "") -> Outcome:
        key = self._key("refund", key)
        return self.provider.refund(RefundRequest(key, amount, self.reference, self.authorization))

    def challenge(self, *, key: str = "") -> Outcome:
        is_repeated, key = bool(key), self._key("challenge", key)
        request = ChallengeRequest(key, PRICE, self.reference, self.dispute, EVIDENCE, is_repeated)
        return self.provider.challenge(request)

    def accept(self, *, key: str = "") -> Outcome:
        is_repeated, key = bool(key), self._key("accept", key)
        return self.provider.accept_dispute(
            AcceptRequest(key, PRICE, self.reference, self.dispute, is_repeated)
        )

    def find(self, amount: Money = PRICE) -> Found:
        if isinstance(self.desk, AdyenDesk):
            if self.kind in ANSWERS:
                return self.desk.answered(self.kind, self.dispute, amount)
            return against(self.desk.told(self.kind, self.key), amount, self.kind)
        now = datetime.now(UTC)
        authorization = "" if self.kind == "authorize" else self.authorization
        authorization = self.dispute if self.kind in ANSWERS else authorization
        known = self.known.get(self.key, "")
        sought = Sought(self.kind, self.reference, authorization, now, now, known)
        return self.provider.find(self.key, amount, sought)

    def effects(self) -> int:
        if self.kind in ANSWERS:
            return self.desk.answers(self.kind, self.key, self.dispute)
        return self.desk.effects(self.kind, self.key, self.authorization)

    def authorized(self, amount: Money = PRICE, **more: Any) -> str:
        outcome: Found = self.authorize(amount, **more)
        if isinstance(outcome, RequiresAction):
            self.desk.pay(outcome.redirect_url)
            outcome = self.find(amount)
        assert isinstance(outcome, Approved), outcome
        self.authorization = outcome.reference
        return self.authorization

    def approved(self, amount: Money = PRICE, **more: Any) -> None:
        """Have the payer agree, where the provider asks for it, and nothing done about it yet."""
        outcome = self.authorize(amount, **more)
        assert isinstance(outcome, RequiresAction), outcome
        self.desk.pay(outcome.redirect_url)

    def captured(self, amount: Money = PRICE, **more: Any) -> str:
        self.authorized(amount, **more)
        outcome = self.capture(amount)
        found = self.find(amount) if isinstance(outcome, Pending) else outcome
        assert isinstance(found, Approved), found
        return self.authorization

    def disputed(self) -> str:
        """Capture a payment that is disputed then."""
        self.captured(scenario=self.desk.disputed)
        self.dispute = self.desk.dispute(self.authorization)
        return self.dispute

    def _key(self, kind: str, key: str) -> str:
        self.kind = kind
        self.key = key or f"op_{uuid.uuid4()}"
        return self.key


def against(told: Found, expected: Money, kind: str) -> Found:
    """What is told of an operation, held where it is about other money, as the house holds it."""
    if isinstance(told, Approved) and kind != "void" and told.amount != expected:
        return Mismatch(expected.display(), told.amount.display(), told.reference)
    return told
