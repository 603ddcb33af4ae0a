"""The Stripe adapter: the official library over our transport; what its answers mean is mapping.py.

Stripe keeps an idempotency key for a day and finds nothing by it, so a lost answer is looked for in what
Stripe has: a capture, void or refund in its intent, an authorization by our key in its metadata.
"""

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import stripe

from ledger.money import Money
from payments.providers.base import Capability
from payments.providers.errors import NotDelivered, ProviderRefused, ProviderUnavailable, Unanswered
from payments.providers.notices import DisputeNotice, ProviderNotice, ProviderReport
from payments.providers.outcomes import Approved, Found, NotFound, NotSent, Outcome, Rejected, Unknown
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
    VoidRequest,
)
from payments.providers.stripe import disputes, mapping, reports, webhooks
from payments.providers.stripe.amounts import NotCarried
from payments.providers.stripe.mapping import Body, Expected
from payments.providers.stripe.wire import Wire
from payments.providers.transport import Transport

CLOCKS_APART: Final = timedelta(minutes=5)
PAGE: Final = 100
PAGES_MAX: Final = 20
SEARCHABLE: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-:")


class Stripe:
    """Stripe's payment intents with separate capture. Asking again with the same key is safe for a day."""

    name = "stripe"
    token_prefixes: tuple[str, ...] = ("pm_", "tok_")
    capabilities = frozenset(
        {
            Capability.CARD,
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
        }
    )
    report_in_remittance: re.Pattern[str] | None = re.compile(r"\bSTRIPE PAYOUT (po_[A-Za-z0-9]{1,60})\b")

    def __init__(
        self, transport: Transport, base_url: str, api_key: str, webhook_secrets: Sequence[str]
    ) -> None:
        self._webhook_secrets = tuple(webhook_secrets)
        api = base_url.rstrip("/")
        # Uploads go to a host of their own, at Stripe but not in the sandbox.
        files = stripe.DEFAULT_UPLOAD_API_BASE if api == stripe.DEFAULT_API_BASE else api
        self._api = stripe.StripeClient(
            api_key,
            base_addresses={"api": api, "files": files},
            max_network_retries=0,
            http_client=Wire(transport),
        ).v1

    def authorize(self, request: AuthorizeRequest) -> Outcome:
        """Reserve money on the payer's method, and take it at once when asked to."""
        return self._operate(
            "authorize",
            request,
            lambda options: self._api.payment_intents.create(
                _params(mapping.authorize_params(request)), options
            ),
        )

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
        learned: Outcome = self._with_fee(outcome, body, expected)
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
            return self._found(wanted, sought)
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
        return webhooks.parse(headers, raw_body, self._webhook_secrets, now)

    def settlement_report(self, report_id: str) -> ProviderReport:
        """What Stripe paid out and for what: a payout and its balance transactions.

        :raises ProviderUnavailable: could not be asked. :raises ProviderRefused: no such payout.
        """
        if not mapping.is_reference(report_id):
            raise ProviderRefused("this is not an id of Stripe's", provider_code="bad_reference")
        try:
            payout = _plain(self._api.payouts.retrieve(report_id))
            rows = list(self._movements({"payout": report_id, "expand": reports.EXPAND}))
            charges = {
                charge: list(self._movements({"source": charge, "type": "charge"}))
                for charge in reports.captured_in_parts(rows)
            }
        except stripe.StripeError as error:
            raise reports.refusal(error) from error
        return reports.report(payout, rows, charges)

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
            return _plain(send({"idempotency_key": expected.idempotency_key}))
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

    def _found(self, wanted: Expected, sought: Sought | None) -> Found:
        """Read what Stripe has of an operation.

        :raises ProviderUnavailable: not answered. :raises StripeError: refused.
        """
        if wanted.kind in ("challenge", "accept") and sought and wanted.amount:
            dispute = _plain(self._api.disputes.retrieve(sought.authorization))
            return disputes.found(dispute, wanted.idempotency_key, wanted.kind, wanted.amount)
        if wanted.kind == "refund" and sought:
            return self._found_refund(wanted, sought)
        if wanted.kind in ("capture", "void") and sought:
            intent = self._intent(sought.authorization)
            return self._with_fee(mapping.found(intent, wanted), intent, wanted)
        intent_id = self._intent_of_key(wanted.idempotency_key, sought)
        return mapping.found(self._intent(intent_id), wanted) if intent_id else NotFound()

    def _found_refund(self, wanted: Expected, sought: Sought) -> Found:
        params: dict[str, Any] = {"payment_intent": sought.authorization}
        for refund in self._pages(self._api.refunds.list, params):
            if _metadata(refund).get("operation") == wanted.idempotency_key:
                return mapping.found(refund, wanted)
        return NotFound()

    def _intent_of_key(self, key: str, sought: Sought | None) -> str:
        """The intent that an authorization made; empty when there certainly is none.

        The search is quick but late by a minute or more, so what it does not know is looked for among the
        intents made at the time, which are listed at once.

        :raises ProviderUnavailable: too many to look through, or not answered.
        """
        if not SEARCHABLE.issuperset(key):
            return ""
        query = f'metadata["operation"]:"{key}"'
        hits = _rows(_plain(self._api.payment_intents.search({"query": query, "limit": 2})))
        if hits:
            return str(hits[0].get("id", ""))
        if sought is None:
            raise Unanswered("search_lags")
        since, until = sought.since - CLOCKS_APART, sought.until + CLOCKS_APART
        created = {"gte": int(since.timestamp()), "lte": int(until.timestamp())}
        for intent in self._pages(self._api.payment_intents.list, {"created": created}):
            if _metadata(intent).get("operation") == key:
                return str(intent.get("id", ""))
        return ""

    def _movements(self, params: Mapping[str, Any]) -> Iterator[Body]:
        return self._pages(self._api.balance_transactions.list, params, reports.PAGE, reports.PAGES_MAX)

    def _pages(
        self,
        read: Callable[[Any], Any],
        params: Mapping[str, Any],
        page_size: int = PAGE,
        pages_max: int = PAGES_MAX,
    ) -> Iterator[Body]:
        """The rows of a list, newest first, over its pages.

        :raises Unanswered: not shaped like one, or too long.
        """
        after: dict[str, str] = {}
        for _ in range(pages_max):
            page = _plain(read({**params, **after, "limit": page_size}))
            rows = _rows(page)
            yield from rows
            if page.get("has_more") is not True or not rows:
                return
            after = {"starting_after": str(rows[-1].get("id", ""))}
        raise Unanswered("too_many_to_look_through")

    def _intent(self, intent_id: str) -> Body:
        if not mapping.is_reference(intent_id):
            raise Unanswered("bad_body")
        return _plain(self._api.payment_intents.retrieve(intent_id, {"expand": mapping.EXPAND}))

    def _with_fee(self, outcome: Found, body: Body, expected: Expected) -> Any:
        """Look for the fee of a capture whose charge does not tell it (any more); without it, it is zero."""
        if not isinstance(outcome, Approved) or outcome.details.get("fee") != mapping.NOT_TOLD:
            return outcome
        params = {"source": mapping.charge_id(body)}
        try:
            for balance in self._pages(self._api.balance_transactions.list, params):
                fee = mapping.fee_in(balance, outcome.amount)
                if fee is not None:
                    return replace(outcome, fee=fee, details={})
        except (ProviderUnavailable, stripe.StripeError):
            return outcome  # the settlement report tells it again
        return outcome


Request = AuthorizeRequest | CaptureRequest | VoidRequest | RefundRequest | ChallengeRequest | AcceptRequest
Options = Any
Send = Callable[[Options], Any]


def _expected(kind: str, request: Request) -> Expected:
    return Expected(request.idempotency_key, request.amount, kind, request.reference)


def _params(params: Mapping[str, Any]) -> Any:
    return params


def _plain(answer: Any) -> Body:
    """The answer's JSON as plain dicts."""
    body: Body = answer.to_dict()
    return body


def _rows(page: Body) -> list[Body]:
    rows = page.get("data")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Unanswered("bad_body")
    return rows


def _metadata(body: Body) -> Body:
    metadata = body.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _refused(error: stripe.StripeError, expected: Expected) -> Outcome:
    body = error.json_body if isinstance(error.json_body, dict) else None
    retry_after = (error.headers or {}).get("Retry-After")
    seconds = float(retry_after) if retry_after else None
    return mapping.outcome(error.http_status or 0, body, expected, retry_after_seconds=seconds)
