"""The VelocityPay adapter: one method per operation, each one HTTP request and its meaning (mapping.py)."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.views.decorators.debug import sensitive_variables

from ledger.money import Money
from payments.providers.base import Capability
from payments.providers.errors import NotDelivered, ProviderUnavailable, Unanswered
from payments.providers.notices import DisputeNotice, ProviderNotice, ProviderReport
from payments.providers.outcomes import Found, NotSent, Outcome, Rejected, Unknown
from payments.providers.requests import (
    AcceptRequest,
    AuthorizeRequest,
    CaptureRequest,
    ChallengeRequest,
    IncrementRequest,
    RefundRequest,
    Sought,
    TransferRequest,
    VerifyRequest,
    VoidRequest,
)
from payments.providers.transport import Transport
from payments.providers.velocitypay import disputes, mapping, methods, reports, webhooks
from payments.providers.velocitypay.bank import SandboxBank

REPORT_PAGES_MAX = 10_000

Request = (
    AuthorizeRequest
    | VerifyRequest
    | IncrementRequest
    | CaptureRequest
    | VoidRequest
    | RefundRequest
    | TransferRequest
    | ChallengeRequest
    | AcceptRequest
)


class VelocityPay:
    """VelocityPay over HTTP. It keeps keys for ever: asking again with the same one is always safe."""

    name = "velocitypay"
    token_prefixes: tuple[str, ...] = ("vpt_",)
    capabilities = frozenset(Capability) - {
        Capability.ACH,
        Capability.SEPA,
        Capability.WIRE,
        Capability.CHECK,
        Capability.DIGITAL_WALLET,
        Capability.BNPL,
        Capability.BY_FILE,
    }
    report_in_remittance: re.Pattern[str] | None = re.compile(
        r"\bVELOCITYPAY SETTLEMENT (sr_[a-z0-9_]{1,90})\b"
    )

    def __init__(self, transport: Transport, webhook_secrets: Sequence[str]) -> None:
        self._transport = transport
        self._webhook_secrets = tuple(webhook_secrets)
        self.bank = SandboxBank(transport)

    def authorize(self, request: AuthorizeRequest) -> Outcome:
        """Reserve money on the payer's method, and take it at once when asked to."""
        return self._operate("authorize", "/v1/authorizations", mapping.authorize_body(request), request)

    def verify(self, request: VerifyRequest) -> Outcome:
        """Ask the issuer whether a method is good: an authorization of nothing."""
        return self._operate("authorize", "/v1/authorizations", methods.verify_body(request), request)

    @sensitive_variables()
    def tokenize(self, secret: Mapping[str, str], code: str) -> str:
        """Give a card or an IBAN to the network for a token of its own.

        :raises ProviderUnavailable: it could not be asked. :raises ProviderRefused: it takes no such method.
        """
        body = methods.token_body(secret, code)
        reply = self._transport.send("tokenize", "POST", "/v1/tokens", body=body)
        return methods.token(reports.readable(reply.status, reply.body))

    def increment(self, request: IncrementRequest) -> Outcome:
        """Reserve more."""
        return self._operate_on(
            request.authorization, "increment", "increments", mapping.part_body(request), request
        )

    def capture(self, request: CaptureRequest) -> Outcome:
        """Take all or part of an authorization; the outcome names the network's fee."""
        return self._operate_on(
            request.authorization, "capture", "captures", mapping.part_body(request), request
        )

    def void(self, request: VoidRequest) -> Outcome:
        """Give back what is not captured; the outcome names how much."""
        return self._operate_on(request.authorization, "void", "void", mapping.void_body(request), request)

    def refund(self, request: RefundRequest) -> Outcome:
        """Give back captured money."""
        return self._operate_on(
            request.authorization, "refund", "refunds", mapping.part_body(request), request
        )

    def transfer(self, request: TransferRequest) -> Outcome:
        """Send money to a bank account."""
        return self._operate("transfer", "/v1/transfers", mapping.transfer_body(request), request)

    def challenge(self, request: ChallengeRequest) -> Outcome:
        """Answer a dispute; files go along in the request."""
        return self._operate_on_dispute("challenge", disputes.challenge_body(request), request)

    def accept_dispute(self, request: AcceptRequest) -> Outcome:
        """Give in to a dispute."""
        return self._operate_on_dispute("accept", {"reference": request.reference}, request)

    def find(self, idempotency_key: str, expected: Money, sought: Sought | None = None) -> Found:
        """Ask what stands under a key now. NotSent and Unknown mean: not answered, ask again."""
        wanted = mapping.Expected(idempotency_key, expected)
        try:
            reply = self._transport.send(
                "find", "GET", "/v1/operations", query={"idempotency_key": idempotency_key}
            )
        except NotDelivered as error:
            return NotSent(error.reason, error.retry_after_seconds)
        except Unanswered as error:
            return Unknown(error.reason)
        return mapping.found(reply.status, reply.body, wanted, retry_after_seconds=reply.retry_after_seconds)

    def notice(
        self, headers: Mapping[str, str], raw_body: bytes, now: datetime
    ) -> ProviderNotice | DisputeNotice:
        """Verify and read a callback.

        :raises BadSignature: not provably from VelocityPay.
        """
        return webhooks.parse(headers, raw_body, self._webhook_secrets, now)

    def settlement_report(self, report_id: str) -> ProviderReport:
        """The operations behind a funding line, all pages.

        :raises ProviderUnavailable: could not be asked. :raises ProviderRefused: no such report.
        """
        path = f"/v1/settlement-reports/{reports.path_part(report_id)}"
        pages: list[Mapping[str, object]] = []
        after = 0
        for _ in range(REPORT_PAGES_MAX):
            reply = self._transport.send("settlement_report", "GET", path, query={"after": str(after)})
            page = reports.readable(reply.status, reply.body)
            pages.append(page)
            if page.get("has_more") is not True:
                return reports.report(pages)
            after = reports.last_seq(page)
        raise Unanswered("report_too_long")

    def health(self) -> bool:
        """Say whether the network answers."""
        try:
            return self._transport.send("health", "GET", "/v1/health").status == 200
        except ProviderUnavailable:
            return False

    def _operate_on(
        self, authorization: str, kind: str, part: str, body: Mapping[str, object], request: Request
    ) -> Outcome:
        if not mapping.is_reference(authorization):
            return Rejected("bad_reference", "The authorization's reference is not one of VelocityPay's")
        return self._operate(kind, f"/v1/authorizations/{authorization}/{part}", body, request)

    def _operate_on_dispute(
        self, kind: str, body: Mapping[str, object], request: ChallengeRequest | AcceptRequest
    ) -> Outcome:
        if not mapping.is_reference(request.dispute):
            return Rejected("bad_reference", "The dispute's reference is not one of VelocityPay's")
        return self._operate(kind, f"/v1/disputes/{request.dispute}/{kind}", body, request)

    def _operate(self, kind: str, path: str, body: Mapping[str, object], request: Request) -> Outcome:
        expected = mapping.Expected(request.idempotency_key, request.amount, kind, request.reference)
        try:
            reply = self._transport.send(
                kind, "POST", path, body=body, idempotency_key=request.idempotency_key
            )
        except NotDelivered as error:
            return NotSent(error.reason, error.retry_after_seconds)
        except Unanswered as error:
            return Unknown(error.reason)
        return mapping.outcome(
            reply.status, reply.body, expected, retry_after_seconds=reply.retry_after_seconds
        )
