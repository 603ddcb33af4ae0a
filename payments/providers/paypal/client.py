"""The PayPal adapter: orders that the payer approves on PayPal's page, then Payments v2 on what they made.

PayPal finds nothing by a key, but everything of a payment hangs on its order, whose id is the authorization's
reference: what became of a capture, a void or a refund is read there. An order moves no money by itself: once
the payer has approved it, asking what became of the authorization (`find`) is what completes it, under a key
of its own. So an order whose answer was lost is made again, and one that is given up is turned (its intent),
so that no completion that is under way can succeed.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from ledger import clock
from ledger.money import Money
from payments.providers.base import Capability
from payments.providers.errors import NotDelivered, ProviderUnavailable, Unanswered
from payments.providers.notices import DisputeNotice, ProviderNotice, ProviderReport
from payments.providers.outcomes import (
    Approved,
    Found,
    NotFound,
    NotSent,
    Outcome,
    Pending,
    Rejected,
    RequiresAction,
    Unknown,
)
from payments.providers.paypal import declines, disputes, mapping, orders, refunds, reporting, webhooks
from payments.providers.paypal.amounts import CARRIED, NotCarried
from payments.providers.paypal.certificates import Certificates
from payments.providers.paypal.mapping import Expected
from payments.providers.paypal.orders import Body, Order
from payments.providers.paypal.wire import Wire
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
    VoidRequest,
)
from payments.providers.transport import Reply

TOKEN: Final = "paypal"  # noqa: S105 - the word for the payer's wallet, which only PayPal's page knows
GOOD: Final = (200, 201)
GONE_AFTER: Final = timedelta(hours=3)  # PayPal forgets an order that nobody completed
ORDERS: Final = "/v2/checkout/orders"
PAYMENTS: Final = "/v2/payments"


class PayPal:
    """PayPal's wallet by Orders v2 and Payments v2. A key is good for 6 hours (orders) or 45 days."""

    name = "paypal"
    token_prefixes: tuple[str, ...] = (TOKEN,)
    reach = Reach(currencies=CARRIED)
    report_in_remittance: re.Pattern[str] | None = re.compile(r"\bPAYPAL TRANSFER ([A-Z0-9]{17})\b")
    capabilities = frozenset(
        {
            Capability.DIGITAL_WALLET,
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

    def __init__(
        self, wire: Wire, certificates: Certificates, webhook_ids: Sequence[str], return_url: str = ""
    ) -> None:
        self._wire = wire
        self._certificates = certificates
        self._webhook_ids = tuple(webhook_ids)
        self._return_url = return_url.rstrip("/")

    def authorize(self, request: AuthorizeRequest) -> Outcome:
        """Make an order; the payer must approve it on PayPal's page before anything is reserved or taken."""
        expected = Expected(request.idempotency_key, request.amount, request.reference)
        if request.token != TOKEN:
            return Rejected("token_unknown", f"The only token of PayPal's is {TOKEN!r}")
        back = f"{self._return_url}/{request.idempotency_key}/" if self._return_url else ""
        try:
            body = mapping.order_body(request, back)
        except NotCarried as error:
            return Rejected(error.code, error.message)
        return self._ask(
            lambda: self._wire.send("authorize", "POST", ORDERS, body=body, key=request.idempotency_key),
            lambda answer: mapping.order_outcome(answer, expected),
        )

    def finish(self, request: FinishRequest) -> Outcome:
        """Complete the order with which a payer comes back, when it is this one and he has approved it."""
        order = self._order(request.answer.get("token", ""))
        if not isinstance(order, Order):
            return order
        if order.key != request.idempotency_key:
            return Rejected("another_order", "The payer came back with another order")
        outcome = self._completed(order, Expected(order.key, request.amount, request.reference))
        if isinstance(outcome, RequiresAction):
            return Rejected("not_approved", "The payer has not approved the order")
        return outcome

    def increment(self, request: IncrementRequest) -> Outcome:
        """Not offered: PayPal raises no authorization."""
        return Rejected("not_offered", "PayPal raises no authorizations")

    def capture(self, request: CaptureRequest) -> Outcome:
        """Take all or part of an authorization; the outcome names PayPal's fee."""
        expected = Expected(request.idempotency_key, request.amount)
        try:
            body = mapping.capture_body(request)
        except NotCarried as error:
            return Rejected(error.code, error.message)

        def go_on(order: Order) -> Outcome:
            if not order.authorizations:
                return Rejected("not_authorized", "The order has no authorization to capture")
            path = f"{PAYMENTS}/authorizations/{order.authorizations[0].id}/capture"
            return self._ask(
                lambda: self._wire.send("capture", "POST", path, body=body, key=request.idempotency_key),
                lambda answer: mapping.capture_outcome(answer, expected),
            )

        return self._on_order(request.authorization, go_on)

    def void(self, request: VoidRequest) -> Outcome:
        """Give back what is not captured, or give the order up while nothing was reserved."""
        return self._on_order(request.authorization, self._void)

    def refund(self, request: RefundRequest) -> Outcome:
        """Give back captured money, out of one capture or, when none has enough left, of several."""
        key, amount = request.idempotency_key, request.amount

        def go_on(order: Order) -> Outcome:
            if order.amount.currency != amount.currency:
                return Rejected("currency_mismatch", f"The order is in {order.amount.currency}")
            made = refunds.found(order, key, amount)
            if not isinstance(made, NotFound):
                return made
            pieces = refunds.plan(order, key, amount)
            if not pieces:
                return Rejected("refund_too_large", "The captures have less left than is to be refunded")
            standing = [mapping.refund_outcome(one) for one in order.refunds_of(key)]
            return self._refund_pieces(pieces, standing, key, amount)

        return self._on_order(request.authorization, go_on)

    def transfer(self, request: TransferRequest) -> Outcome:
        """Not offered: payouts go by another provider."""
        return Rejected("not_offered", "PayPal is not asked for transfers")

    def challenge(self, request: ChallengeRequest) -> Outcome:
        """Answer a dispute with evidence, or its inquiry with a message; files go along."""
        return self._answer_dispute(
            "challenge", request, lambda dispute: disputes.evidence_request(dispute, request)
        )

    def accept_dispute(self, request: AcceptRequest) -> Outcome:
        """Give in to a dispute."""
        return self._answer_dispute(
            "accept", request, lambda dispute: disputes.accept_request(dispute, request)
        )

    def find(self, idempotency_key: str, expected: Money, sought: Sought | None = None) -> Found:
        """Ask what became of an operation; completes an order that its payer has approved.

        NotSent and Unknown mean: not answered, ask again.
        """
        wanted = Expected(idempotency_key, expected, sought.reference if sought else "")
        if sought is None:
            return Unknown("nothing_to_look_by")
        if sought.kind in ("challenge", "accept"):
            return self._found_answer(idempotency_key, expected, sought)
        if sought.kind == "authorize" and not sought.known:
            return NotFound()  # no money moves by an order alone: it is made again, or anew
        return self._found(wanted, sought)

    def notice(
        self, headers: Mapping[str, str], raw_body: bytes, now: datetime
    ) -> ProviderNotice | DisputeNotice:
        """Verify and read a webhook event.

        :raises BadSignature: not provably from PayPal. :raises ProviderUnavailable: its certificate could
            not be had now.
        """
        return webhooks.parse(headers, raw_body, self._webhook_ids, self._certificates, now)

    def settlement_report(self, report_id: str) -> ProviderReport:
        """What moved on our balance at PayPal and went with a transfer to the bank.

        :raises ProviderUnavailable: could not be asked. :raises ProviderRefused: no such transfer.
        """
        return reporting.Reporting(self._wire).report(report_id, clock.now())

    def health(self) -> bool:
        """Say whether PayPal gives us a token."""
        try:
            self._wire.valid_token()
        except ProviderUnavailable:
            return False
        return True

    def _ask(self, send: Callable[[], Reply], read: Callable[[Body | None], Outcome]) -> Outcome:
        """Make a call that may move money; return what it means."""
        try:
            reply = send()
        except NotDelivered as error:
            return NotSent(error.reason, error.retry_after_seconds)
        except Unanswered as error:
            return Unknown(error.reason)
        if reply.status in GOOD:
            return read(reply.body)
        return mapping.refused(reply.status, reply.body, retry_after_seconds=reply.retry_after_seconds)

    def _order(self, order_id: str) -> Order | Outcome:
        """Read an order; what goes wrong here moved nothing."""
        if not orders.is_reference(order_id):
            return Rejected("bad_reference", "The authorization's reference is not one of PayPal's")
        try:
            reply = self._wire.send("find", "GET", f"{ORDERS}/{order_id}")
        except ProviderUnavailable as error:
            return NotSent(error.reason, error.retry_after_seconds)
        if reply.status in GOOD:
            order = orders.read(reply.body)
            is_good = order is not None and order.id == order_id and not order.is_mixed
            return order if order is not None and is_good else NotSent("bad_body")
        answer = mapping.refused(reply.status, reply.body, retry_after_seconds=reply.retry_after_seconds)
        return answer if isinstance(answer, Rejected) else NotSent(f"order_http_{reply.status}")

    def _on_order(self, order_id: str, go_on: Callable[[Order], Outcome]) -> Outcome:
        order = self._order(order_id)
        return go_on(order) if isinstance(order, Order) else order

    def _void(self, order: Order) -> Outcome:
        made = mapping.found_void(order)
        if not isinstance(made, NotFound):
            return made
        if order.captures and not order.authorizations:
            return Rejected("already_captured", "The order is paid; it can be refunded")
        if not order.authorizations:
            return self._give_up(order)
        path = f"{PAYMENTS}/authorizations/{order.authorizations[0].id}/void"
        return self._ask(
            lambda: self._wire.send("void", "POST", path, body={}),
            lambda answer: mapping.void_outcome(answer, order),
        )

    def _give_up(self, order: Order) -> Outcome:
        """Turn the intent of an order that is not completed, so that it cannot be completed any more."""
        zero = Money.zero(order.amount.currency)
        try:
            reply = self._wire.send(
                "void", "PATCH", f"{ORDERS}/{order.id}", body=mapping.turned_intent(order)
            )
        except NotDelivered as error:
            return NotSent(error.reason, error.retry_after_seconds)
        except Unanswered as error:
            return Unknown(error.reason)
        if reply.status in (*GOOD, 204):
            return Approved(order.id, zero, zero)
        return mapping.refused(reply.status, reply.body, retry_after_seconds=reply.retry_after_seconds)

    def _refund_pieces(
        self, pieces: list[refunds.Piece], standing: list[Outcome], key: str, amount: Money
    ) -> Outcome:
        """Make what is missing of a refund, beside the parts that an earlier try has made."""
        made = list(standing)
        given = amount - sum((one.amount for one in pieces), Money.zero(amount.currency))
        for piece in pieces:
            outcome = self._refund_piece(piece, key)
            if not isinstance(outcome, Approved | Pending):
                if not made:
                    return outcome
                return refunds.broken(outcome, amount, given, key)
            made.append(outcome)
            given = given + piece.amount
        return refunds.together(made, amount)

    def _refund_piece(self, piece: refunds.Piece, key: str) -> Outcome:
        try:
            body = mapping.refund_body(piece.amount, key, piece.number)
        except NotCarried as error:
            return Rejected(error.code, error.message)
        path = f"{PAYMENTS}/captures/{piece.capture}/refund"
        return self._ask(
            lambda: self._wire.send("refund", "POST", path, body=body, key=f"{key}-{piece.capture}"),
            lambda answer: mapping.refund_part_outcome(answer, piece.amount, body["custom_id"]),
        )

    def _answer_dispute(
        self,
        kind: str,
        request: ChallengeRequest | AcceptRequest,
        build: Callable[[Body], disputes.Answer | Outcome],
    ) -> Outcome:
        """Answer a dispute that PayPal does not know our answer to yet."""
        dispute = self._dispute(request.dispute)
        if not isinstance(dispute, Mapping):
            return dispute
        made = disputes.found(dispute, request.idempotency_key, kind, request.amount)
        if not isinstance(made, NotFound):
            return made
        answer = build(dispute)
        if not isinstance(answer, disputes.Answer):
            return answer
        path = f"{disputes.PATH}/{request.dispute}/{answer.action}"

        def read(body: Body | None) -> Outcome:
            if body is None or not isinstance(body.get("links"), list):
                return Unknown("bad_body")
            return disputes.answered(request.dispute, request.idempotency_key, request.amount)

        return self._ask(
            lambda: self._wire.send(
                kind, "POST", path, content=answer.content, content_type=answer.content_type,
                key=request.idempotency_key,
            ),
            read,
        )  # fmt: skip

    def _dispute(self, reference: str) -> Body | Outcome:
        """Read a dispute; what goes wrong here answered nothing."""
        if not orders.is_reference(reference):
            return Rejected("bad_reference", "The dispute's reference is not one of PayPal's")
        try:
            reply = self._wire.send("find", "GET", f"{disputes.PATH}/{reference}")
        except ProviderUnavailable as error:
            return NotSent(error.reason, error.retry_after_seconds)
        if reply.status in GOOD:
            is_it = reply.body is not None and reply.body.get("dispute_id") == reference
            return reply.body if reply.body is not None and is_it else NotSent("bad_body")
        answer = mapping.refused(reply.status, reply.body, retry_after_seconds=reply.retry_after_seconds)
        return answer if isinstance(answer, Rejected) else NotSent(f"dispute_http_{reply.status}")

    def _found_answer(self, key: str, amount: Money, sought: Sought) -> Found:
        dispute = self._dispute(sought.authorization)
        if isinstance(dispute, Mapping):
            return disputes.found(dispute, key, sought.kind, amount)
        return Unknown(f"find_{dispute.code}") if isinstance(dispute, Rejected) else dispute

    def _found(self, wanted: Expected, sought: Sought) -> Found:
        order = self._order(sought.known if sought.kind == "authorize" else sought.authorization)
        if not isinstance(order, Order):
            if isinstance(order, Rejected):
                is_old = clock.now() - sought.since > GONE_AFTER
                is_gone = sought.kind == "authorize" and order.code == "INVALID_RESOURCE_ID" and is_old
                return mapping.no("ORDER_GONE", None) if is_gone else Unknown(f"find_{order.code}")
            return order
        match sought.kind:
            case "authorize":
                return self._completed(order, wanted)
            case "capture":
                return mapping.found_capture(order, wanted)
            case "void":
                return mapping.found_void(order)
            case "refund" if wanted.amount is not None and wanted.amount.currency == order.amount.currency:
                return refunds.found(order, wanted.idempotency_key, wanted.amount)
        return Unknown(f"find_{sought.kind}")

    def _completed(self, order: Order, wanted: Expected) -> Outcome:
        """Return what an order came to; one that its payer has approved is completed now, once."""
        outcome = mapping.order_outcome(order.body, wanted)
        is_approved = order.status == mapping.APPROVED and not order.authorizations and not order.captures
        if not isinstance(outcome, Pending) or not is_approved:
            return outcome
        step = "capture" if order.is_sale else "authorize"
        try:
            reply = self._wire.send(
                "complete", "POST", f"{ORDERS}/{order.id}/{step}", body={},
                key=f"{wanted.idempotency_key}-{step}",
            )  # fmt: skip
        except NotDelivered as error:
            return NotSent(error.reason, error.retry_after_seconds)
        except Unanswered as error:
            return Unknown(error.reason)
        if reply.status in GOOD:
            return mapping.order_outcome(reply.body, wanted)
        if mapping.problem(reply.body).issue in declines.ASK_PAYER:
            return mapping.action(reply.body or {}, order.id)
        return mapping.refused(reply.status, reply.body, retry_after_seconds=reply.retry_after_seconds)
