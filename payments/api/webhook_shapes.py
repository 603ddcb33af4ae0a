"""What controller 11 reads and writes: input serializers, shapes for the document, renderings, examples."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from payments.api.renderings import instant
from payments.models import ProviderWebhook
from payments.providers import registry
from payments.rules import shown_messages
from payments.services.webhooks.webhook_intake import Check
from payments.states import PROVIDER_WEBHOOK_STATUSES
from vendors.api.fields import StrictSerializer, TextField, WholeNumberField
from vendors.api.openapi import page_of

PAYLOAD_BYTES_MAX: Final = 64 * 1024
HEADERS_MAX: Final = 60
HEADER_LENGTH_MAX: Final = 8_000
RETRIED_MAX: Final = 500
FAULTS: Final = (
    "header_missing", "timestamp_malformed", "too_old", "too_new", "signature_wrong", "unreadable",
    "wrong_mode",
)  # fmt: skip


@extend_schema_field(
    {"type": "object", "maxProperties": HEADERS_MAX, "additionalProperties": {"type": "string"}}
)
class HeadersField(serializers.Field):
    """A message's headers: an object of texts; names in any case, each once."""

    default_error_messages = {
        "type": "must be an object whose values are texts",
        "size": f"must have at most {HEADERS_MAX} headers of at most {HEADER_LENGTH_MAX} characters",
        "twice": "names a header twice",
    }

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if not isinstance(data, Mapping) or not all(isinstance(value, str) for value in data.values()):
            self.fail("type")
        if len(data) > HEADERS_MAX or any(
            len(name + value) > HEADER_LENGTH_MAX for name, value in data.items()
        ):
            self.fail("size")
        given = {str(name).lower(): str(value) for name, value in data.items()}
        if len(given) < len(data):
            self.fail("twice")
        return given

    def to_representation(self, value: dict[str, str]) -> dict[str, str]:
        return value


@extend_schema_field({"type": "string", "maxLength": 32})
class ProviderField(serializers.Field):
    """The name of a provider that is set up here."""

    default_error_messages = {"unknown": "must be one of: {names}"}

    def to_internal_value(self, data: Any) -> str:
        if data not in registry.names():
            self.fail("unknown", names=", ".join(registry.names()))
        return str(data)

    def to_representation(self, value: str) -> str:
        return value


@extend_schema_field({"type": "string", "maxLength": PAYLOAD_BYTES_MAX})
class PayloadField(serializers.Field):
    """A message's raw body as a text, exactly as it came; the value is its bytes in UTF-8."""

    default_error_messages = {
        "type": "must be a text",
        "size": f"must be at most {PAYLOAD_BYTES_MAX} bytes in UTF-8",
        "form": "must be text that UTF-8 can carry",
    }

    def to_internal_value(self, data: Any) -> bytes:
        if not isinstance(data, str):
            self.fail("type")
        try:
            raw = data.encode()
        except UnicodeEncodeError:
            self.fail("form")
            raise
        if len(raw) > PAYLOAD_BYTES_MAX:
            self.fail("size")
        return raw

    def to_representation(self, value: bytes) -> str:
        return value.decode("utf-8", "replace")


class IncomingMessage(StrictSerializer):
    """A provider's message as it came: its headers and its raw body."""

    provider = ProviderField()
    headers = HeadersField(help_text="The message's HTTP headers; those that carry the signature suffice.")
    payload = PayloadField(help_text="The raw body as it came, byte for byte.")


class RetryOne(StrictSerializer):
    """Why it is tried again."""

    reason = TextField(max_length=300, required=False)


class RetryAll(StrictSerializer):
    """Which messages are tried again, and at most how many."""

    provider = ProviderField(required=False)
    limit = WholeNumberField(minimum=1, maximum=RETRIED_MAX, required=False)
    reason = TextField(max_length=300, required=False)


class AttemptShape(serializers.Serializer):
    """One try to apply the message, and what came of it."""

    at = serializers.DateTimeField()
    result = serializers.CharField()


class WebhookShape(serializers.Serializer):
    """One message of a provider's about the merchant's money."""

    id = serializers.CharField()
    object = serializers.ChoiceField(["payment_webhook"])
    provider = serializers.CharField()
    event_id = serializers.CharField(help_text="The provider's own id of the message.")
    type = serializers.CharField()
    status = serializers.ChoiceField(PROVIDER_WEBHOOK_STATUSES)
    is_verified = serializers.BooleanField(help_text="Only a verified message is ever applied.")
    verdict = serializers.CharField(allow_null=True, help_text="What it concluded, or why it was refused.")
    last_error = serializers.CharField(allow_null=True)
    tries = serializers.IntegerField()
    attempts = AttemptShape(many=True)
    payment_id = serializers.CharField(allow_null=True)
    operation_id = serializers.CharField(allow_null=True)
    received_at = serializers.DateTimeField()
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    processed_at = serializers.DateTimeField(allow_null=True)


class WholeWebhookShape(WebhookShape):
    """One message with what came, masked."""

    headers = serializers.DictField(child=serializers.CharField())
    payload = serializers.CharField(allow_blank=True, help_text="The body, masked; for people to read.")


class SignatureShape(serializers.Serializer):
    """Whether a message is provably the provider's."""

    object = serializers.ChoiceField(["webhook_signature"])
    provider = serializers.CharField()
    valid = serializers.BooleanField()
    fault = serializers.ChoiceField(FAULTS, allow_null=True, help_text="What was wrong, in one word.")
    detail = serializers.CharField(allow_null=True, help_text="What was wrong, in a sentence.")
    event_id = serializers.CharField(allow_null=True)
    type = serializers.CharField(allow_null=True)


class RetriesShape(serializers.Serializer):
    """How many messages are tried again in the background, and how many are left."""

    object = serializers.ChoiceField(["webhook_retries"])
    scheduled = serializers.IntegerField()
    left = serializers.IntegerField()


WebhookPage = page_of(WebhookShape, "WebhookPage")


def webhook(row: ProviderWebhook) -> dict[str, Any]:
    """Return a message as the merchant sees it; its operation is loaded with its payment."""
    operation = row.operation
    payment = operation.payment if operation is not None else None
    return {
        "id": row.public_id,
        "object": "payment_webhook",
        "provider": row.provider,
        "event_id": row.event_id,
        "type": row.event_type,
        "status": row.state,
        "is_verified": row.is_verified,
        "verdict": row.verdict or None,
        "last_error": row.last_error or None,
        "tries": row.tries,
        "attempts": [{**tried, "at": instant(datetime.fromisoformat(tried["at"]))} for tried in row.attempts],
        "payment_id": payment.public_id if payment is not None else None,
        "operation_id": operation.public_id if operation is not None else None,
        "received_at": instant(row.received_at),
        "next_attempt_at": instant(row.apply_at),
        "processed_at": instant(row.processed_at),
    }


def whole_webhook(row: ProviderWebhook) -> dict[str, Any]:
    """Return a message with its headers and body as the merchant's people may see them."""
    return {
        **webhook(row),
        "headers": shown_messages.headers(row.headers),
        "payload": shown_messages.payload(row.body),
    }


def signature(provider: str, found: Check) -> dict[str, Any]:
    """Return what verifying a message found."""
    return {
        "object": "webhook_signature",
        "provider": provider,
        "valid": found.is_genuine,
        "fault": found.fault or None,
        "detail": found.detail or None,
        "event_id": found.notice.event_id if found.notice else None,
        "type": found.notice.type if found.notice else None,
    }


def retries(found: tuple[int, int]) -> dict[str, Any]:
    """Return how many are tried again, and how many are left."""
    return {"object": "webhook_retries", "scheduled": found[0], "left": found[1]}


MESSAGE_EXAMPLE: Final = {
    "provider": "velocitypay",
    "headers": {
        "webhook-id": "evt_5f1c2a9be04d4f7f8f6a1d2c",
        "webhook-timestamp": "1795251600",
        "webhook-signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    },
    "payload": '{"id":"evt_5f1c2a9be04d4f7f8f6a1d2c","type":"capture.succeeded","data":{}}',
}

WEBHOOK_EXAMPLE: Final = {
    "id": "whk_01kagm3c8qf3p8w0t5y5r4d2nh",
    "object": "payment_webhook",
    "provider": "velocitypay",
    "event_id": "evt_5f1c2a9be04d4f7f8f6a1d2c",
    "type": "capture.succeeded",
    "status": "applied",
    "is_verified": True,
    "verdict": "concluded the operation",
    "last_error": None,
    "tries": 1,
    "attempts": [{"at": "2026-11-21T09:00:01.250Z", "result": "concluded the operation"}],
    "payment_id": "pay_01kagm3c8qf3p8w0t5y5r4d2ne",
    "operation_id": "op_01kagm3c8qf3p8w0t5y5r4d2nk",
    "received_at": "2026-11-21T09:00:01.000Z",
    "next_attempt_at": None,
    "processed_at": "2026-11-21T09:00:01.250Z",
}

WHOLE_EXAMPLE: Final = {
    **WEBHOOK_EXAMPLE,
    "headers": {"webhook-id": "evt_5f1c2a9be04d4f7f8f6a1d2c", "webhook-signature": "•••"},
    "payload": '{\n  "id": "evt_5f1c2a9be04d4f7f8f6a1d2c",\n  "type": "capture.succeeded"\n}',
}
WAITING: Final = {
    **WEBHOOK_EXAMPLE, "status": "received", "verdict": None, "tries": 0, "attempts": [],
    "next_attempt_at": "2026-11-21T09:00:01.000Z", "processed_at": None,
}  # fmt: skip
GIVEN_UP: Final = {
    **WEBHOOK_EXAMPLE, "status": "failed", "verdict": None, "tries": 20,
    "last_error": "no operation of ours has this key",
}  # fmt: skip
REFUSED: Final = {
    **WEBHOOK_EXAMPLE, "type": "", "status": "refused", "is_verified": False, "tries": 0, "attempts": [],
    "verdict": "no signature of the callback is right", "payment_id": None, "operation_id": None,
}  # fmt: skip
VALID: Final = {
    "object": "webhook_signature", "provider": "velocitypay", "valid": True, "fault": None, "detail": None,
    "event_id": "evt_5f1c2a9be04d4f7f8f6a1d2c", "type": "capture.succeeded",
}  # fmt: skip
