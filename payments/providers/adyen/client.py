"""The Adyen adapter: Checkout API v71 over our transport; what its answers mean is mapping.py.

Captures, cancels and refunds are only received; their outcome comes by webhook. Nothing can be looked up by a
key, so a lost answer is had again by repeating the request under its key, which Adyen keeps for a week at
least, and what was received is known when a webhook says it.
"""

import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from django.views.decorators.debug import sensitive_variables

from ledger.money import Money
from payments.providers import plans
from payments.providers.adyen import mapping, methods, reports, webhooks
from payments.providers.adyen.amounts import NotCarried
from payments.providers.adyen.defending import Disputes
from payments.providers.adyen.mapping import Expected
from payments.providers.base import Capability
from payments.providers.errors import NotDelivered, ProviderRefused, ProviderUnavailable, Unanswered
from payments.providers.notices import DisputeNotice, ProviderNotice, ProviderReport
from payments.providers.outcomes import Found, NotSent, Outcome, Rejected, Unknown
from payments.providers.reach import Reach
from payments.providers.requests import (
    AcceptRequest,
    AuthorizeRequest,
    CaptureRequest,
    ChallengeRequest,
    FinishRequest,
    IncrementRequest,
    RefundRequest,
    Sought,
    TransferRequest,
    VerifyRequest,
    VoidRequest,
)
from payments.providers.transport import Reply, Transport

RESULT_MAX: Final = 8_000
_REPORTED: Final = {
    "authorize": "Settled",
    "capture": "Settled",
    "refund": "Refunded (RefundedReversed: the money came back)",
}


class Adyen:
    """Adyen over HTTP, for one merchant account with several partial captures on."""

    name = "adyen"
    token_prefixes: tuple[str, ...] = (methods.PREFIX,)
    report_in_remittance: re.Pattern[str] | None = re.compile(r"\bADYEN BATCH ([0-9]{1,9})\b")
    fees_come_by_report = True
    reach = Reach(plans=frozenset({plans.KLARNA}))
    capabilities = frozenset(
        {
            Capability.CARD,
            Capability.BNPL,
            Capability.AUTHORIZE,
            Capability.SALE,
            Capability.CHALLENGE,
            Capability.INCREMENT,
            Capability.CAPTURE,
            Capability.PARTIAL_CAPTURE,
            Capability.SEVERAL_CAPTURES,
            Capability.VOID,
            Capability.REFUND,
            Capability.PARTIAL_REFUND,
            Capability.CALLBACKS,
            Capability.SETTLEMENT_REPORTS,
            Capability.DISPUTES,
            Capability.TOKENIZE,
            Capability.VERIFY,
        }
    )

    def __init__(
        self,
        transport: Transport,
        *,
        api_key: str,
        account: str,
        hmac_keys: Sequence[str],
        return_url: str = "",
        ca_url: str = "",
        is_live: bool = False,
    ) -> None:
        self._transport = transport
        self._headers = {"x-api-key": api_key}
        self._account = account
        self._hmac_keys = tuple(hmac_keys)
        self._is_live = is_live
        self._return_url = return_url.rstrip("/")
        self._ca_url = ca_url.rstrip("/")
        self._disputes = Disputes(transport, self._ca_url, account, self._headers)

    def authorize(self, request: AuthorizeRequest) -> Outcome:
        """Reserve money on the payer's method, and take it when it is a sale."""
        is_plan = plans.named(request.token) is not None
        if is_plan and not self._return_url:
            return Rejected("no_way_back", "ADYEN_RETURN_URL is not set: the payer cannot come back")
        comes_back = self._return_url and (is_plan or request.return_url)
        back = f"{self._return_url}/{request.idempotency_key}/" if comes_back else ""
        return self._pay("sale" if request.capture else "authorize", request, back)

    def verify(self, request: VerifyRequest) -> Outcome:
        """Ask the issuer whether a method is good: an authorization of nothing."""
        return self._pay("verify", request, "")

    def finish(self, request: FinishRequest) -> Outcome:
        """Go on with an authorization whose payer has come back from the page; safe to repeat."""
        result = request.answer.get("redirectResult") or request.answer.get("payload", "")
        name = "redirectResult" if request.answer.get("redirectResult") else "payload"
        if not result or len(result) > RESULT_MAX:
            return Rejected("not_come_back", "The payer brought no result back")
        expected = Expected("finish", request.idempotency_key, request.amount)
        # The answer of the page makes it a request of its own.
        key = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{request.idempotency_key}|{result}"))
        return self._ask(expected, "/payments/details", {"details": {name: result}}, key)

    @sensitive_variables()
    def tokenize(self, secret: Mapping[str, str], code: str) -> str:
        """Give a card to Adyen for a token, stored under a shopper of its own.

        :raises ProviderUnavailable: it could not be asked. :raises ProviderRefused: it takes no such method.
        """
        shopper = uuid.uuid4().hex
        body = methods.storing_body(secret, code, self._account, shopper)
        reply = self._transport.send(
            "tokenize", "POST", "/storedPaymentMethods", body=body, headers=self._headers
        )
        return methods.stored(_readable(reply), shopper)

    def increment(self, request: IncrementRequest) -> Outcome:
        """Raise an authorization of which nothing is captured: Adyen is told the new total."""
        if request.before is None:
            return Rejected("total_unknown", "Adyen is told the new total, and what stands is not known")
        return self._modify("increment", request, request.before)

    def capture(self, request: CaptureRequest) -> Outcome:
        """Take all or part of an authorization; the rest stays reserved until it is voided."""
        return self._modify("capture", request)

    def void(self, request: VoidRequest) -> Outcome:
        """Give back what is not captured, or give up what waits for its payer."""
        if not mapping.is_psp_reference(request.authorization) and mapping.is_key(request.authorization):
            expected = Expected("void", request.idempotency_key, request.amount, request.authorization)
            body = mapping.modification_body(expected, self._account)
            body["paymentReference"] = request.authorization
            return self._ask(expected, "/cancels", body, request.idempotency_key)
        return self._modify("void", request)

    def refund(self, request: RefundRequest) -> Outcome:
        """Give back captured money."""
        return self._modify("refund", request)

    def transfer(self, request: TransferRequest) -> Outcome:
        """Not offered: payouts go by another provider."""
        return Rejected("not_offered", "Adyen is not asked for transfers")

    def challenge(self, request: ChallengeRequest) -> Outcome:
        """Answer a dispute with evidence."""
        return self._disputes.defend(request)

    def accept_dispute(self, request: AcceptRequest) -> Outcome:
        """Give in to a dispute."""
        return self._disputes.accept(request)

    def find(self, idempotency_key: str, expected: Money, sought: Sought | None = None) -> Found:
        """Not offered (no Capability.FIND_BY_KEY): Checkout has no question by key."""
        return Unknown("not_offered")

    def where_to_look(self, kind: str, key: str) -> str:
        """Where a person sees what nobody can ask: Adyen knows it by our key, with words before it."""
        asked = (
            "Adyen answers no question about it; its webhooks and reports are its word. In its Customer Area "
        )
        if kind in ("challenge", "accept"):
            return f"{asked}open the dispute by its PSP reference and see how it stands."
        asked += f"open the payment by its PSP reference and look for a reference that ends in {key}."
        if kind not in _REPORTED:
            return asked
        said = f"That money moved is said by a settlement detail report that has it as {_REPORTED[kind]}."
        return f"{asked} {said}"

    def notice(
        self, headers: Mapping[str, str], raw_body: bytes, now: datetime
    ) -> ProviderNotice | DisputeNotice:
        """Verify and read a webhook.

        :raises BadSignature: not provably from Adyen.
        """
        return webhooks.parse(raw_body, self._hmac_keys, self._account, is_live=self._is_live)

    def settlement_report(self, report_id: str) -> ProviderReport:
        """The operations behind a funding line: the settlement detail report of a batch.

        :raises ProviderUnavailable: could not be asked, or it does not add up. :raises ProviderRefused: none.
        """
        folder = f"{self._ca_url}/reports/download/MerchantAccount/{self._account}"
        path = f"{folder}/{reports.file_name(report_id)}"
        reply = self._transport.send(
            "settlement_report", "GET", path, headers=self._headers, body_max_bytes=reports.SIZE_MAX
        )
        if reply.status == 404:
            raise ProviderRefused("Adyen has no such report", provider_code="report_not_found")
        if reply.status != 200:
            raise Unanswered(f"http_{reply.status}")
        return reports.report(report_id, reply.raw)

    def health(self) -> bool:
        """Say whether Adyen answers."""
        body = {"merchantAccount": self._account}
        try:
            reply = self._transport.send(
                "health", "POST", "/paymentMethods", body=body, headers=self._headers
            )
        except ProviderUnavailable:
            return False
        return reply.status == 200

    def _pay(self, kind: str, request: AuthorizeRequest | VerifyRequest, back: str) -> Outcome:
        try:
            body = methods.payment_body(request, self._account, back)
        except NotCarried as error:
            return Rejected(error.code, error.message)
        if body is None:
            return Rejected("bad_token", "The token is not one of Adyen's")
        expected = Expected(kind, request.idempotency_key, request.amount)
        return self._ask(expected, "/payments", body, request.idempotency_key)

    def _modify(
        self,
        kind: str,
        request: CaptureRequest | VoidRequest | RefundRequest | IncrementRequest,
        before: Money | None = None,
    ) -> Outcome:
        if not mapping.is_psp_reference(request.authorization):
            return Rejected("bad_reference", "The authorization's reference is not one of Adyen's")
        expected = Expected(kind, request.idempotency_key, request.amount, request.authorization, before)
        try:
            body = mapping.modification_body(expected, self._account)
        except NotCarried as error:
            return Rejected(error.code, error.message)
        path = f"/payments/{request.authorization}/{mapping.ENDPOINTS[kind]}"
        return self._ask(expected, path, body, request.idempotency_key)

    def _ask(self, expected: Expected, path: str, body: Mapping[str, object], key: str) -> Outcome:
        operation = "authorize" if expected.kind in ("verify", "sale") else expected.kind
        try:
            reply = self._transport.send(
                operation, "POST", path, body=body, headers=self._headers, idempotency_key=key
            )
        except NotDelivered as error:
            return NotSent(error.reason, error.retry_after_seconds)
        except Unanswered as error:
            return Unknown(error.reason)
        return mapping.outcome(
            reply.status, reply.body, expected, retry_after_seconds=reply.retry_after_seconds
        )


def _readable(reply: Reply) -> Mapping[str, object]:
    """The body of an answer that only tells.

    :raises ProviderRefused: Adyen says no. :raises Unanswered: anything else.
    """
    if reply.status in mapping.SUCCESSES and reply.body is not None:
        return reply.body
    code = reply.body.get("errorCode") if reply.body else None
    if reply.status in mapping.REJECTED_STATUSES and isinstance(code, str):
        message = str(reply.body.get("message", "") if reply.body else "")[:200]
        raise ProviderRefused(message or "Adyen refuses", provider_code=code[:64])
    raise Unanswered(f"http_{reply.status}")
