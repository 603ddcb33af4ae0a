"""Controller 11: what providers said about the merchant's payments, and what was made of it.

A merchant sees a message once it is known to be about his money; before that only staff does. He can record
a message that reached him instead of us, but never lend it his own word: it is applied only when the provider
signed it, and only to his own payments.
"""

from functools import partial
from typing import Any, Final

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request

from ledger import clock, ids
from ledger.states import StateConflict
from payments import selectors, webhook_selectors
from payments.api import webhook_shapes as shapes
from payments.api.payment_shapes import Nothing
from payments.models import ProviderWebhook
from payments.models.payments import PaymentNotFound
from payments.models.webhooks import ProviderWebhookNotFound
from payments.services.webhooks import webhook_applying, webhook_intake
from payments.states import FAILED, PROVIDER_WEBHOOK_STATUSES, RECEIVED, REFUSED
from vendors.api.base import MerchantViewSet
from vendors.api.books.shapes import asked_for
from vendors.api.fields import InstantField, TextField, WordField
from vendors.api.idempotency import ACCEPTED, Reply
from vendors.api.openapi import (
    PAGE_PARAMETERS,
    Answer,
    Body,
    documented,
    page_example,
    path_id,
    query_text,
)

TAG: Final = "payment webhooks"
ID: Final = path_id("id", "whk", "The message")
FILTERS: Final = ("provider", "type", "received_from", "received_to", "status")
FILTER_PARAMETERS: Final = (
    query_text("provider", "Only messages of one provider."),
    query_text("type", "Only messages of one type, as the provider names it."),
    query_text("received_from", "Received at this moment or later (RFC 3339)."),
    query_text("received_to", "Received before this moment (RFC 3339)."),
    query_text("status", "Only messages with one status.", PROVIDER_WEBHOOK_STATUSES),
)
COLUMNS: Final = dict(
    zip(FILTERS, ("provider", "event_type", "received_at__gte", "received_at__lt", "state"), strict=True)
)
ASKED: Final = "asked for by the merchant"


def _pages(example: dict[str, Any]) -> dict[int, Answer]:
    return {200: Answer(shapes.WebhookPage, page_example(example), "One page, newest first.")}


class PaymentWebhookViewSet(MerchantViewSet):
    """Providers' messages about the calling merchant's payments."""

    scopes = {
        "create": "webhooks:write",
        "retrieve": "webhooks:read",
        "of_payment": "webhooks:read",
        "unprocessed": "webhooks:read",
        "errors": "webhooks:read",
        "process": "webhooks:write",
        "retry": "webhooks:write",
        "verify_signature": "webhooks:write",
        "auto_retry": "webhooks:write",
    }
    idempotency = {
        "create": ACCEPTED,
        "process": ACCEPTED,
        "retry": ACCEPTED,
        "auto_retry": ACCEPTED,
        "verify_signature": ACCEPTED,
    }

    @documented(
        operation_id="payment_webhooks_create",
        tag=TAG,
        summary="Record a provider's message",
        description="Keeps a message that reached you instead of us. Its signature is checked as if the "
        "provider had called us: 201 with status `received` when it is genuine and about a payment of yours "
        "(it is applied in the background, once per provider's event id), 200 when it was kept before. One "
        "whose signature is not right is kept with status `refused` and is never applied.",
        body=Body(shapes.IncomingMessage, shapes.MESSAGE_EXAMPLE),
        answers={
            200: Answer(shapes.WebhookShape, shapes.WEBHOOK_EXAMPLE, "Kept before; as it stands now."),
            201: Answer(shapes.WebhookShape, shapes.WAITING, "Kept; look at `status`."),
        },
        errors=(webhook_intake.WebhookSubjectNotFound, webhook_intake.WebhookNotKept),
        key="accepted",
    )
    def create(self, request: Request) -> HttpResponse:
        """Record a message."""
        asked = self.read(shapes.IncomingMessage)
        at = clock.now()

        def render(row: ProviderWebhook) -> Reply:
            return Reply(shapes.webhook(row), 201 if row.received_at == at else 200)

        row = webhook_intake.record(
            merchant_id=self.merchant.pk,
            provider=asked["provider"],
            headers=asked["headers"],
            raw_body=asked["payload"],
            at=at,
            answer=self.answer(render),
        )
        return self.finish(row)

    @documented(
        operation_id="payment_webhooks_retrieve",
        tag=TAG,
        summary="Show a message with its body",
        description="One message with its headers and its body as they came, but masked: what signs it, card "
        "and account numbers and secrets are not shown. `payload` is for people to read and cannot be "
        "verified; it is empty once the body is erased.",
        parameters=[ID],
        answers={200: Answer(shapes.WholeWebhookShape, shapes.WHOLE_EXAMPLE, "The message.")},
        errors=(ProviderWebhookNotFound,),
    )
    def retrieve(self, request: Request, id: str) -> HttpResponse:
        """Show a message."""
        row = webhook_selectors.webhook(self.merchant.pk, ids.parse(ProviderWebhook.PREFIX, id))
        return self.reply(shapes.whole_webhook(row))

    @documented(
        operation_id="payment_webhooks_of_payment",
        tag=TAG,
        summary="List a payment's messages",
        description="Everything that providers said about one payment and its refunds.",
        parameters=[path_id("payment_id", "pay", "The payment"), *FILTER_PARAMETERS, *PAGE_PARAMETERS],
        answers=_pages(shapes.WEBHOOK_EXAMPLE),
        errors=(PaymentNotFound,),
    )
    def of_payment(self, request: Request, payment_id: str) -> HttpResponse:
        """List what was said about a payment."""
        payment = selectors.bare_payment(self.merchant.pk, ids.parse("pay", payment_id))
        return self._page(webhook_selectors.webhooks_of_payment(self.merchant.pk, payment.pk))

    @documented(
        operation_id="payment_webhooks_unprocessed",
        tag=TAG,
        summary="List messages that wait",
        description="Genuine messages that are not applied yet: they came just now, or wait for their next "
        "try.",
        parameters=[*FILTER_PARAMETERS[:-1], *PAGE_PARAMETERS],
        answers=_pages(shapes.WAITING),
    )
    def unprocessed(self, request: Request) -> HttpResponse:
        """List what waits."""
        rows = webhook_selectors.webhooks(self.merchant.pk).filter(state=RECEIVED)
        return self._page(rows, FILTERS[:-1])

    @documented(
        operation_id="payment_webhooks_errors",
        tag=TAG,
        summary="List messages that failed",
        description="Messages that were given up after all their tries (`failed`), and those that you "
        "recorded and that could not be verified (`refused`).",
        parameters=[*FILTER_PARAMETERS, *PAGE_PARAMETERS],
        answers=_pages(shapes.GIVEN_UP),
    )
    def errors(self, request: Request) -> HttpResponse:
        """List what failed."""
        return self._page(webhook_selectors.webhooks(self.merchant.pk).filter(state__in=[FAILED, REFUSED]))

    @documented(
        operation_id="payment_webhooks_process",
        tag=TAG,
        summary="Apply a message now",
        description="Applies a message that waits, after those before it about the same operation. One that "
        "is applied already stays as it is.",
        parameters=[ID],
        body=Body(Nothing, {}),
        answers={200: Answer(shapes.WebhookShape, shapes.WEBHOOK_EXAMPLE, "The message as it stands now.")},
        errors=(
            ProviderWebhookNotFound,
            webhook_applying.WebhookNotVerified,
            webhook_applying.WebhookBusy,
            StateConflict,
        ),
        key="accepted",
    )
    def process(self, request: Request, id: str) -> HttpResponse:
        """Apply a message."""
        self.read(Nothing)
        row = webhook_applying.process(
            merchant_id=self.merchant.pk,
            webhook_id=ids.parse(ProviderWebhook.PREFIX, id),
            at=clock.now(),
            answer=self.answer(shapes.webhook),
        )
        return self.finish(row)

    @documented(
        operation_id="payment_webhooks_retry",
        tag=TAG,
        summary="Retry a failed message",
        description="Gives a message that was given up all its tries again, and applies it now; one that "
        "waits is applied now.",
        parameters=[ID],
        body=Body(shapes.RetryOne, {"reason": "The payment exists now."}),
        answers={200: Answer(shapes.WebhookShape, shapes.WEBHOOK_EXAMPLE, "The message as it stands now.")},
        errors=(ProviderWebhookNotFound, webhook_applying.WebhookNotVerified, webhook_applying.WebhookBusy),
        key="accepted",
    )
    def retry(self, request: Request, id: str) -> HttpResponse:
        """Retry a message."""
        asked = self.read(shapes.RetryOne)
        row = webhook_applying.retry(
            merchant_id=self.merchant.pk,
            webhook_id=ids.parse(ProviderWebhook.PREFIX, id),
            actor=self.actor,
            reason=asked.get("reason", ASKED),
            at=clock.now(),
            answer=self.answer(shapes.webhook),
        )
        return self.finish(row)

    @documented(
        operation_id="payment_webhooks_verify_signature",
        tag=TAG,
        summary="Verify a message's signature",
        description="Says whether a message is provably the provider's, and if not, what is wrong with it. "
        "Nothing is kept and nothing is applied.",
        body=Body(shapes.IncomingMessage, shapes.MESSAGE_EXAMPLE),
        answers={200: Answer(shapes.SignatureShape, shapes.VALID, "What was found; look at `valid`.")},
        key="accepted",
    )
    def verify_signature(self, request: Request) -> HttpResponse:
        """Verify a message."""
        asked = self.read(shapes.IncomingMessage)
        self.answer(partial(shapes.signature, asked["provider"]))
        return self.finish(
            webhook_intake.check(asked["provider"], asked["headers"], asked["payload"], clock.now())
        )

    @documented(
        operation_id="payment_webhooks_auto_retry",
        tag=TAG,
        summary="Retry failed messages in bulk",
        description="Gives up to `limit` messages that were given up (the oldest first, 500 at most) their "
        "tries again; they are applied in the background. Call it again while `left` is above zero.",
        body=Body(shapes.RetryAll, {"provider": "velocitypay", "limit": 100}),
        answers={
            202: Answer(
                shapes.RetriesShape, {"object": "webhook_retries", "scheduled": 2, "left": 0}, "Scheduled."
            )
        },
        key="accepted",
    )
    def auto_retry(self, request: Request) -> HttpResponse:
        """Retry many messages."""
        asked = self.read(shapes.RetryAll)
        found = webhook_applying.retry_all(
            merchant_id=self.merchant.pk,
            provider=asked.get("provider", ""),
            limit=asked.get("limit", webhook_applying.RETRIED_AT_ONCE),
            actor=self.actor,
            reason=asked.get("reason", ASKED),
            at=clock.now(),
            answer=self.answer(shapes.retries, 202),
        )
        return self.finish(found)

    def _page(self, rows: QuerySet[ProviderWebhook], filters: tuple[str, ...] = FILTERS) -> HttpResponse:
        fields = {
            "provider": TextField(100), "type": TextField(100), "received_from": InstantField(),
            "received_to": InstantField(), "status": WordField(PROVIDER_WEBHOOK_STATUSES),
        }  # fmt: skip
        asked = asked_for(self.request, **{name: fields[name] for name in filters})
        conditions = {COLUMNS[name]: value for name, value in asked.items()}
        return self.page(
            rows.filter(**conditions).defer("body", "headers"),
            prefix=ProviderWebhook.PREFIX,
            render=shapes.webhook,
            filters=filters,
        )
