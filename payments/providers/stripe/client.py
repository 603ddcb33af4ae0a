"""The Stripe adapter: the official library over our transport.

What its answers mean is mapping.py, what is only read is lookup.py.
"""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import stripe
from django.views.decorators.debug import sensitive_variables

from ledger.money import Money
from payments.providers import plans
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
    EvidenceItem,
    IncrementRequest,
    RefundRequest,
    Sought,
    TransferRequest,
    VerifyRequest,
    VoidRequest,
)
from payments.providers.stripe import disputes, mapping, methods, webhooks
from payments.providers.stripe.amounts import NotCarried
from payments.providers.stripe.lookup import Lookup, plain
from payments.providers.stripe.mapping import Body, Expected
from payments.providers.stripe.wire import Wire
from payments.providers.transport import Transport

LIVE_KEYS: Final = ("sk_live_", "rk_live_")


class Stripe:
    """Stripe's payment intents with separate capture. Asking again with the same key is safe for a day."""

    name = "stripe"
    token_prefixes: tuple[str, ...] = ("pm_", "tok_")
    capabilities = frozenset(
        {
            Capability.CARD,
            Capability.ACH,
            Capability.SEPA,
            Capability.BNPL,
            Capability.AUTHORIZE,
            Capability.SALE,
            Capability.CHALLENGE,
            Capability.CAPTURE,
            Capability.PARTIAL_CAPTURE,
            Capability.SEVERAL_CAPTURES,
            Capability.VOID,
            Capability.REFUND,
            Capability.PARTIAL_REFUND,
            Capability.FIND_BY_KEY,
            Capability.CALLBACKS,
            Capability.DISPUTES,
            Capability.SETTLEMENT_REPORTS,
            Capability.TOKENIZE,
            Capability.VERIFY,
        }
    )
    reach_of_methods = {
        "ach": Reach(currencies=frozenset({"USD"}), is_sale_only=True, is_own_token_only=True),
        "sepa": Reach(currencies=frozenset({"EUR"}), is_sale_only=True, is_own_token_only=True),
        "bnpl": Reach(plans=frozenset({plans.KLARNA})),
    }
    tokenizes = frozenset({"card"})  # accounts are brought as tokens of Stripe's own form, with their mandate
    report_in_remittance: re.Pattern[str] | None = re.compile(r"\bSTRIPE PAYOUT (po_[A-Za-z0-9]{1,60})\b")

    def __init__(
        self, transport: Transport, base_url: str, api_key: str, webhook_secrets: Sequence[str]
    ) -> None:
        self._webhook_secrets = tuple(webhook_secrets)
        self._is_live = api_key.startswith(LIVE_KEYS)
        api = base_url.rstrip("/")
        # Uploads go to a host of their own, at Stripe but not in the sandbox.
        files = stripe.DEFAULT_UPLOAD_API_BASE if api == stripe.DEFAULT_API_BASE else api
        self._api = stripe.StripeClient(
            api_key,
            base_addresses={"api": api, "files": files},
            max_network_retries=0,
            http_client=Wire(transport),
        ).v1
        self._lookup = Lookup(self._api)

    def authorize(self, request: AuthorizeRequest) -> Outcome:
        """Reserve money on the payer's method, and take it at once when asked to."""
        if plans.named(request.token) is not None and not request.return_url:
            return Rejected("no_way_back", "Klarna sends the payer back: return_url is needed")
        return self._operate(
            "authorize",
            request,
            lambda options: self._api.payment_intents.create(
                _params(mapping.authorize_params(request)), options
            ),
        )

    def verify(self, request: VerifyRequest) -> Outcome:
        """Ask the issuer whether a method is good: a SetupIntent, which reserves nothing."""
        expected = _expected("verify", request)
        body = self._call(
            expected,
            lambda options: self._api.setup_intents.create(_params(methods.verify_params(request)), options),
        )
        return methods.verified(body, expected) if isinstance(body, Mapping) else body

    @sensitive_variables()
    def tokenize(self, secret: Mapping[str, str], code: str) -> str:
        """Give a card to Stripe for a token of its own.

        :raises ProviderUnavailable: it could not be asked. :raises ProviderRefused: it takes no such method.
        """
        params = _params(methods.card_params(secret, code))
        try:
            method = plain(self._api.payment_methods.create(params))
            holder = _params({"payment_method": method.get("id"), "description": "one stored method"})
            customer = plain(self._api.customers.create(holder))
        except stripe.StripeError as error:
            raise methods.refusal(error) from error
        return methods.token(method, customer)

    def increment(self, request: IncrementRequest) -> Outcome:
        """Not offered: Stripe raises authorizations only for some merchants and cards."""
        return Rejected("not_offered", "Stripe is not asked to raise authorizations")

    def capture(self, request: CaptureRequest) -> Outcome:
        """Take all or part of an authorization; the outcome names Stripe's fee when it is told."""
        expected = _expected("capture", request)
        outcome, body = self._ask(
            expected,
            request.authorization,
            lambda options: self._api.payment_intents.capture(
                request.authorization, _params(mapping.capture_params(request)), options
            ),
        )
        learned: Outcome = self._lookup.with_fee(outcome, body, expected)
        return learned

    def void(self, request: VoidRequest) -> Outcome:
        """Give back what is not captured; the outcome names how much."""
        return self._operate(
            "void",
            request,
            lambda options: self._api.payment_intents.cancel(request.authorization, {}, options),
        )

    def refund(self, request: RefundRequest) -> Outcome:
        """Give back captured money."""
        return self._operate(
            "refund",
            request,
            lambda options: self._api.refunds.create(_params(mapping.refund_params(request)), options),
        )

    def transfer(self, request: TransferRequest) -> Outcome:
        """Not offered: payouts go by another provider."""
        return Rejected("not_offered", "Stripe is not asked for transfers")

    def challenge(self, request: ChallengeRequest) -> Outcome:
        """Answer a dispute: its files are uploaded first, then everything is submitted in one request."""
        files = disputes.files(request.evidence)
        if files is None:
            return disputes.too_many_files()
        uploaded: dict[str, str] = {}
        for number, (field, item) in enumerate(files.items()):
            answer = self._upload(item, f"{request.idempotency_key}:{number}")
            if not isinstance(answer, str):
                return answer
            uploaded[field] = answer
        return self._answer_dispute(
            "challenge",
            request,
            lambda options: self._api.disputes.update(
                request.dispute, _params(disputes.challenge_params(request, uploaded)), options
            ),
        )

    def accept_dispute(self, request: AcceptRequest) -> Outcome:
        """Give in to a dispute."""
        return self._answer_dispute(
            "accept", request, lambda options: self._api.disputes.close(request.dispute, {}, options)
        )

    def find(self, idempotency_key: str, expected: Money, sought: Sought | None = None) -> Found:
        """Ask what became of an operation. NotSent and Unknown mean: not answered, ask again."""
        kind = sought.kind if sought else "authorize"
        wanted = Expected(idempotency_key, expected, kind, sought.reference if sought else "")
        try:
            return self._lookup.operation(wanted, sought)
        except NotDelivered as error:
            return NotSent(error.reason, error.retry_after_seconds)
        except Unanswered as error:
            return Unknown(error.reason)
        except stripe.StripeError as error:
            answer = _refused(error, wanted)
            return Unknown(f"find_{answer.code}") if isinstance(answer, Rejected) else answer

    def notice(
        self, headers: Mapping[str, str], raw_body: bytes, now: datetime
    ) -> ProviderNotice | DisputeNotice:
        """Verify and read an event.

        :raises BadSignature: not provably from Stripe.
        """
        return webhooks.parse(headers, raw_body, self._webhook_secrets, now, is_live=self._is_live)

    def settlement_report(self, report_id: str) -> ProviderReport:
        """What Stripe paid out and for what: a payout and its balance transactions.

        :raises ProviderUnavailable: could not be asked. :raises ProviderRefused: no such payout.
        """
        if not mapping.is_reference(report_id):
            raise ProviderRefused("this is not an id of Stripe's", provider_code="bad_reference")
        try:
            return self._lookup.report(report_id)
        except stripe.StripeError as error:
            raise methods.refusal(error) from error

    def health(self) -> bool:
        """Say whether Stripe answers."""
        try:
            self._api.balance.retrieve()
        except (ProviderUnavailable, stripe.StripeError):
            return False
        return True

    def _operate(self, kind: str, request: "Request", send: "Send") -> Outcome:
        authorization = getattr(request, "authorization", "")
        return self._ask(_expected(kind, request), authorization, send)[0]

    def _ask(self, expected: Expected, authorization: str, send: "Send") -> tuple[Outcome, Body]:
        """Make a call that may move money; return what it means, and the answer's body."""
        if expected.kind != "authorize" and not mapping.is_reference(authorization):
            return Rejected("bad_reference", "The authorization's reference is not one of Stripe's"), {}
        body = self._call(expected, send)
        if not isinstance(body, Mapping):
            return body, {}
        return mapping.outcome(200, body, expected), body

    def _call(self, expected: Expected, send: "Send") -> Body | Outcome:
        """Make one call under its key; return the answer's body, or what it means that there is none."""
        try:
            return plain(send({"idempotency_key": expected.idempotency_key}))
        except NotDelivered as error:
            return NotSent(error.reason, error.retry_after_seconds)
        except Unanswered as error:
            return Unknown(error.reason)
        except NotCarried as error:
            return Rejected(error.code, error.message)
        except stripe.StripeError as error:
            return _refused(error, expected)

    def _answer_dispute(self, kind: str, request: ChallengeRequest | AcceptRequest, send: "Send") -> Outcome:
        if not mapping.is_reference(request.dispute):
            return Rejected("bad_reference", "The dispute's reference is not one of Stripe's")
        key, expected = request.idempotency_key, _expected(kind, request)
        body = self._call(expected, send)
        if not isinstance(body, Mapping):
            return body
        return disputes.outcome(body, key, kind, request.amount)

    def _upload(self, item: EvidenceItem, key: str) -> str | Outcome:
        """Upload one file and return its id; what goes wrong here was certainly not submitted."""
        content = io.BytesIO(item.content)
        content.name = item.filename
        params = _params({"purpose": "dispute_evidence", "file": content})
        body = self._call(
            Expected(key, None, "upload"), lambda options: self._api.files.create(params, options)
        )
        if isinstance(body, Unknown):
            return NotSent(body.reason)
        if not isinstance(body, Mapping):
            return body
        return str(body["id"]) if mapping.is_reference(str(body.get("id"))) else NotSent("bad_body")


Request = (
    AuthorizeRequest
    | VerifyRequest
    | CaptureRequest
    | VoidRequest
    | RefundRequest
    | ChallengeRequest
    | AcceptRequest
)
Options = Any
Send = Callable[[Options], Any]


def _expected(kind: str, request: Request) -> Expected:
    return Expected(request.idempotency_key, request.amount, kind, request.reference)


def _params(params: Mapping[str, Any]) -> Any:
    return params


def _refused(error: stripe.StripeError, expected: Expected) -> Outcome:
    body = error.json_body if isinstance(error.json_body, dict) else None
    retry_after = (error.headers or {}).get("Retry-After")
    seconds = float(retry_after) if retry_after else None
    return mapping.outcome(error.http_status or 0, body, expected, retry_after_seconds=seconds)
