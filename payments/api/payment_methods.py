"""Controller 2: payment methods. Add, verify, make default, remove, and read; and hand out, encrypted."""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID, uuid5

from django.http import HttpResponse
from rest_framework.request import Request

from ledger import clock, ids
from ledger.states import StateConflict
from payments import method_memory, method_selectors
from payments.api import method_shapes as shapes
from payments.api.paths import public_word, text
from payments.api.payment_shapes import Nothing
from payments.models import PaymentMethod
from payments.models.methods import PaymentMethodNotFound
from payments.providers.errors import ProviderUnavailable
from payments.services.calls.operations import OperationOpen
from payments.services.methods import (
    adding_methods,
    keeping_methods,
    method_errors,
    method_wishes,
    revealing_methods,
    verifying_methods,
)
from payments.services.routes import method_tokens
from payments.services.routes.routing import NoProvider
from payments.states import PENDING, VERIFIED
from vendors.api import throttle
from vendors.api.base import MerchantViewSet
from vendors.api.idempotency import ACCEPTED
from vendors.api.openapi import (
    PAGE_PARAMETERS,
    Answer,
    Body,
    Refusal,
    documented,
    page_example,
    path_id,
    path_text,
)
from vendors.api.paging import CURSOR, first_page
from vendors.api.preconditions import tagged

TAG: Final = "payment-methods"
ID: Final = path_id("id", "pm", "The payment method")
CUSTOMER: Final = path_text("customer_id", "The merchant's own customer id.")
TYPE: Final = path_text("method_type", "The type.", method_selectors.TYPES)
BAD_TYPE: Final = Refusal(400, "invalid_parameter", "There is no such type.", param="method_type")
ADDED: Final = shapes.method_example(status="unverified")
REMOVED: Final = shapes.method_example(
    status="removed", default=False, token=None, holder=None, removed_at="2026-11-21T10:00:00.000Z"
)
ONE: Final = {200: Answer(shapes.MethodShape, shapes.METHOD_EXAMPLE, "The payment method.")}
PAGE: Final = {200: Answer(shapes.MethodPage, page_example(shapes.METHOD_EXAMPLE), "One page, newest first.")}
VERIFY: Final = "verify"


class PaymentMethodViewSet(MerchantViewSet):
    """Payment methods of the calling merchant's customers."""

    scopes = {
        "create": "payment-methods:write",
        "set_default": "payment-methods:write",
        "change_verification": "payment-methods:write",
        "remove": "payment-methods:write",
        "retrieve": "payment-methods:read",
        "of_customer": "payment-methods:read",
        "active": "payment-methods:read",
        "default": "payment-methods:read",
        "of_type": "payment-methods:read",
        "detokenize": "vault:detokenize",
    }
    idempotency = {"detokenize": ACCEPTED}
    # What a customer gave is not kept with the key, not even encrypted: it may hold a security code.
    unkept = frozenset({"create"})
    conditional = frozenset({"set_default", "change_verification", "remove"})

    @documented(
        operation_id="payment_methods_create",
        tag=TAG,
        summary="Add a payment method",
        description="Takes a card as its customer's browser encrypted it, a bank account in clear or "
        "encrypted, or a provider's own token. With `verify` the customer's bank is asked at once; see "
        "`status` for what it said. A customer's first method is the default.",
        body=Body(shapes.AddMethod, shapes.ADD_EXAMPLE),
        answers={201: Answer(shapes.MethodShape, ADDED, "Added.")},
        errors=(
            *method_errors.DETAILS,
            *method_errors.ENCRYPTION,
            method_wishes.OneOfThree,
            method_wishes.MustBeEncrypted,
            method_tokens.MethodRefused,
            method_errors.KEY_STORE_AWAY,
        ),
        key="required",
        has_etag=True,
    )
    def create(self, request: Request) -> HttpResponse:
        """Add a payment method, and verify it when asked to."""
        asked = self.read(shapes.AddMethod)
        wanted = method_wishes.read(asked, merchant_id=self.merchant.pk, mode=self.merchant.mode)
        is_verified = asked.get("verify", False)
        if is_verified:
            self._admit_verification(wanted.customer_ref)
        answer, at = self.answer(tagged(shapes.rendered, shapes.tag, 201)), clock.now()

        def answer_first(method: PaymentMethod) -> None:
            """A method that goes on to be verified is answered then."""
            if not is_verified:
                answer(method)

        method = adding_methods.add(
            merchant_id=self.merchant.pk,
            method_id=self.effect_id,
            wanted=wanted,
            actor=self.actor,
            at=at,
            answer=answer_first,
        )
        if is_verified:
            method = verifying_methods.ask_bank_if_possible(
                merchant_id=self.merchant.pk,
                method_id=method.pk,
                operation_id=uuid5(method.pk, VERIFY),
                actor=self.actor,
                at=at,
                answer=answer,
                may_ask=self._may_ask_about(method),
            )
        return self.finish(method)

    @documented(
        operation_id="payment_methods_retrieve",
        tag=TAG,
        summary="Get a payment method",
        description="One payment method by its id, as far as it may be shown; also one that was removed.",
        parameters=[ID],
        answers=ONE,
        errors=(PaymentMethodNotFound,),
        has_etag=True,
    )
    def retrieve(self, request: Request, id: str) -> HttpResponse:
        """Show a payment method."""
        return self._shown(method_selectors.method(self.merchant.pk, _method_id(id)))

    @documented(
        operation_id="payment_methods_of_customer",
        tag=TAG,
        summary="List a customer's payment methods",
        description="All that were not removed; empty when the customer has none.",
        parameters=[CUSTOMER, *PAGE_PARAMETERS],
        answers=PAGE,
    )
    def of_customer(self, request: Request, customer_id: str) -> HttpResponse:
        """List a customer's methods."""
        customer = text("customer_id", customer_id)
        return self._page(customer, method_selectors.of_customer(self.merchant.pk, customer))

    @documented(
        operation_id="payment_methods_active",
        tag=TAG,
        summary="List a customer's active payment methods",
        description="Those that are verified and not past their date.",
        parameters=[CUSTOMER, *PAGE_PARAMETERS],
        answers=PAGE,
    )
    def active(self, request: Request, customer_id: str) -> HttpResponse:
        """List a customer's methods that can be paid with."""
        customer = text("customer_id", customer_id)
        at = clock.now()
        rows = method_selectors.active(self.merchant.pk, customer, at)
        return self._page(customer, rows, lambda row: row.state == VERIFIED and not row.is_expired(at))

    @documented(
        operation_id="payment_methods_default",
        tag=TAG,
        summary="Get a customer's default payment method",
        description="What the customer pays with unless something else is said.",
        parameters=[CUSTOMER],
        answers=ONE,
        errors=(method_selectors.NoDefaultMethod,),
        has_etag=True,
    )
    def default(self, request: Request, customer_id: str) -> HttpResponse:
        """Show a customer's default method."""
        customer = text("customer_id", customer_id)
        known = method_memory.of_customer(self.merchant.pk, customer) or ()
        found = next((row for row in known if row.is_default), None)
        return self._shown(found or method_selectors.default(self.merchant.pk, customer))

    @documented(
        operation_id="payment_methods_of_type",
        tag=TAG,
        summary="List a customer's payment methods of a type",
        description="Of one type, or of `bank` or `wallet`, which are several.",
        parameters=[
            CUSTOMER,
            path_text("method_type", "The type.", method_selectors.TYPES),
            *PAGE_PARAMETERS,
        ],
        answers=PAGE,
        errors=(BAD_TYPE,),
    )
    def of_type(self, request: Request, customer_id: str, method_type: str) -> HttpResponse:
        """List a customer's methods of a type."""
        customer = text("customer_id", customer_id)
        word = public_word("method_type", method_type, method_selectors.TYPES)
        kinds = method_selectors.kinds_of(word)
        rows = method_selectors.of_type(self.merchant.pk, customer, word)
        return self._page(customer, rows, lambda row: row.kind in kinds)

    @documented(
        operation_id="payment_methods_set_default",
        tag=TAG,
        summary="Make a payment method the default",
        description="The one before gives way at the same moment: a customer has one default.",
        parameters=[ID],
        body=Body(Nothing, {}),
        answers=ONE,
        errors=(PaymentMethodNotFound, StateConflict),
        key="accepted",
        if_match=True,
    )
    def set_default(self, request: Request, id: str) -> HttpResponse:
        """Make a method its customer's default."""
        self.read(Nothing)
        method = keeping_methods.set_default(
            merchant_id=self.merchant.pk,
            method_id=self._known(id),
            actor=self.actor,
            at=clock.now(),
            condition=self.condition(shapes.tag),
            answer=self.answer(shapes.shown),
        )
        return self.finish(method)

    @documented(
        operation_id="payment_methods_change_verification",
        tag=TAG,
        summary="Verify a payment method",
        description="`pending` starts a verification: by an authorization of nothing (`zero_amount`, cards), "
        "or by two small deposits (`micro_deposits`, bank accounts). `verified` with `amounts` tells what "
        "was deposited, in minor units. `verified` or `failed` with a `reason` tells the outcome of your own "
        "checks; a card's bank alone can say that it is good.",
        parameters=[ID],
        body=Body(shapes.ChangeVerification, {"status": "pending", "verification": "zero_amount"}),
        answers={200: Answer(shapes.MethodShape, shapes.METHOD_EXAMPLE, "As it stands now.")},
        errors=(
            PaymentMethodNotFound,
            StateConflict,
            OperationOpen,
            keeping_methods.VerificationNeedsProvider,
            verifying_methods.NotVerifiable,
            verifying_methods.DepositsUnderWay,
            verifying_methods.AmountsWrong,
            method_tokens.MethodNotPayable,
            method_tokens.MethodRefused,
            method_wishes.ReasonMissing,
            NoProvider,
            ProviderUnavailable,
        ),
        key="accepted",
        if_match=True,
    )
    def change_verification(self, request: Request, id: str) -> HttpResponse:
        """Start a verification, or tell its outcome."""
        asked = self.read(shapes.ChangeVerification)
        method = method_selectors.method(self.merchant.pk, _method_id(id))
        if asked["status"] == PENDING:
            self._admit_verification(method.customer_ref, method)
        whose: dict[str, Any] = {"merchant_id": self.merchant.pk, "method_id": method.pk}
        step = method_wishes.step(asked)
        method = step(
            **whose,
            effect_id=self.effect_id,
            actor=self.actor,
            at=clock.now(),
            condition=self.condition(shapes.tag),
            answer=self.answer(shapes.shown),
        )
        return self.finish(method)

    @documented(
        operation_id="payment_methods_remove",
        tag=TAG,
        summary="Remove a payment method",
        description="Erases its number from the vault for ever and forgets its providers' tokens; what may "
        "be shown of it stays. Removing the default makes the customer's newest other method the default.",
        parameters=[ID],
        answers={200: Answer(shapes.MethodShape, REMOVED, "Removed.")},
        errors=(PaymentMethodNotFound,),
        if_match=True,
    )
    def remove(self, request: Request, id: str) -> HttpResponse:
        """Remove a method."""
        method = keeping_methods.remove(
            merchant_id=self.merchant.pk,
            method_id=self._known(id),
            reason="removed by the merchant",
            actor=self.actor,
            at=clock.now(),
            condition=self.condition(shapes.tag),
            answer=self.answer(shapes.shown),
        )
        return self.finish(method)

    @documented(
        operation_id="vault_detokenize",
        tag=TAG,
        summary="Hand out what a method stands for, encrypted",
        description="For moving to another provider, or forwarding. Needs the scope `vault:detokenize`, "
        "which no key has unless it was issued with it by name. The number is encrypted for the public key "
        "that you send; each request is in the audit log with its reason, and only a few are served an hour.",
        body=Body(
            shapes.Detokenize,
            {
                "payment_method": shapes.METHOD_EXAMPLE["id"],
                "public_key": "BG3x…",
                "reason": "moving to another provider",
            },
        ),
        answers={200: Answer(shapes.RevealedShape, shapes.REVEALED_EXAMPLE, "Encrypted for you.")},
        errors=(
            PaymentMethodNotFound,
            method_tokens.MethodNotUsable,
            throttle.LimiterAway,
            *method_errors.REVEALING,
        ),
    )
    def detokenize(self, request: Request) -> HttpResponse:
        """Hand out a method's content for a key of the caller's."""
        asked = self.read(shapes.Detokenize)
        self.headers.update(throttle.admit_strictly(str(self.principal.key.pk), "detokenize").headers())
        found = revealing_methods.reveal(
            merchant_id=self.merchant.pk,
            method_id=asked["payment_method"],
            public_key=asked["public_key"],
            reason=asked["reason"],
            actor=self.actor,
            at=clock.now(),
        )
        return self.reply(shapes.revealed(found))

    def _admit_verification(self, customer: str, method: PaymentMethod | None = None) -> None:
        """Let a verification be begun, unless there were too many: whoever tests stolen cards needs many.

        :raises TooManyRequests: of the merchant, of the customer, or of the card.
        """
        throttle.admit(str(self.merchant.pk), "verify")
        throttle.admit(f"{self.merchant.pk}:{customer}", "verify_customer")
        if method is not None and method.fingerprint:
            throttle.admit(f"{self.merchant.pk}:{method.fingerprint}", "verify_card")

    def _may_ask_about(self, method: PaymentMethod) -> bool:
        """Say whether the bank may be asked about a card that was just added, by how often it was."""
        try:
            throttle.admit(f"{self.merchant.pk}:{method.fingerprint}", "verify_card")
        except throttle.TooManyRequests:
            return False
        return True

    def _shown(self, method: PaymentMethod) -> HttpResponse:
        """Show one method, with the tag by which a change may name this version."""
        return self.reply(shapes.rendered(method), tag=shapes.tag(method))

    def _known(self, text_form: str) -> UUID:
        """Return the id of a method that is this merchant's, before a key is claimed for it."""
        return method_selectors.method(self.merchant.pk, _method_id(text_form)).pk

    def _page(
        self, customer: str, rows: Any, is_shown: Callable[[PaymentMethod], bool] = lambda row: True
    ) -> HttpResponse:
        """Show the first page from memory, later ones (and those of customers with very many) by `rows`."""
        known = None
        if CURSOR not in self.request.query_params:
            known = method_memory.of_customer(self.merchant.pk, customer)
        if known is None:
            return self.page(rows, prefix=PaymentMethod.PREFIX, render=shapes.rendered)
        shown = [row for row in known if is_shown(row)]
        return self.reply(
            first_page(self.request, shown, prefix=PaymentMethod.PREFIX, render=shapes.rendered)
        )


def _method_id(text_form: str) -> UUID:
    return ids.parse(PaymentMethod.PREFIX, text_form)
