"""What the strict fields, strict serializers and API keys are in the words of OpenAPI.

drf-spectacular finds these extensions when this module is imported; `vendors.api.openapi` does so.
"""

from typing import Any, Final

from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
    OpenApiSerializerFieldExtension,
)

from ledger.money import AMOUNT_MAX
from vendors.api.fields import METADATA_KEYS_MAX, METADATA_VALUE_LENGTH_MAX

Schema = dict[str, Any]

_AMOUNT: Final = {"type": "integer", "minimum": 1, "maximum": AMOUNT_MAX}
_CURRENCY: Final = {"type": "string", "pattern": "^[A-Z]{3}$"}


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """An API key as a bearer token."""

    target_class = "vendors.api.auth.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> Schema:
        """Return the security scheme."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "sk_test_…"}


class StrictSerializerSchema(OpenApiSerializerExtension):
    """An object without further fields."""

    target_class = "vendors.api.fields.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> Schema:
        """Return the schema of the serializer, closed."""
        schema: Schema = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return {**schema, "additionalProperties": False}


class _FieldSchema(OpenApiSerializerFieldExtension):
    match_subclasses = True

    def schema(self) -> Schema:
        """Return the field's schema without its description."""
        raise NotImplementedError

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> Schema:
        """Return the field's schema with what its author says of it."""
        text = getattr(self.target, "help_text", None)
        return {**self.schema(), **({"description": str(text)} if text else {})}


class AmountSchema(_FieldSchema):
    """A whole number of minor units."""

    target_class = "vendors.api.fields.AmountField"
    priority = 1

    def schema(self) -> Schema:
        return dict(_AMOUNT)


class WholeNumberSchema(_FieldSchema):
    """A whole number within bounds."""

    target_class = "vendors.api.fields.WholeNumberField"

    def schema(self) -> Schema:
        return {"type": "integer", "minimum": self.target.minimum, "maximum": self.target.maximum}


class CurrencySchema(_FieldSchema):
    """An ISO 4217 code."""

    target_class = "vendors.api.fields.CurrencyField"

    def schema(self) -> Schema:
        return dict(_CURRENCY)


class MoneySchema(_FieldSchema):
    """An amount with its currency."""

    target_class = "vendors.api.fields.MoneyField"

    def schema(self) -> Schema:
        return {
            "type": "object",
            "properties": {"amount": dict(_AMOUNT), "currency": dict(_CURRENCY)},
            "required": ["amount", "currency"],
            "additionalProperties": False,
        }


class PublicIdSchema(_FieldSchema):
    """A prefixed id."""

    target_class = "vendors.api.fields.PublicIdField"

    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^{self.target.prefix}_[0-9a-hjkmnp-tv-z]{{26}}$"}


class TextSchema(_FieldSchema):
    """A bounded text."""

    target_class = "vendors.api.fields.TextField"

    def schema(self) -> Schema:
        least = 0 if self.target.allow_blank else 1
        schema: Schema = {"type": "string", "minLength": least, "maxLength": self.target.max_length}
        if self.target.pattern:
            schema["pattern"] = f"^{self.target.pattern.pattern}$"
        return schema


class FlagSchema(_FieldSchema):
    """true or false."""

    target_class = "vendors.api.fields.FlagField"

    def schema(self) -> Schema:
        return {"type": "boolean"}


class DaySchema(_FieldSchema):
    """A date."""

    target_class = "vendors.api.fields.DayField"

    def schema(self) -> Schema:
        return {"type": "string", "format": "date"}


class MetadataSchema(_FieldSchema):
    """Pairs of text."""

    target_class = "vendors.api.fields.MetadataField"

    def schema(self) -> Schema:
        return {
            "type": "object",
            "maxProperties": METADATA_KEYS_MAX,
            "additionalProperties": {"type": "string", "maxLength": METADATA_VALUE_LENGTH_MAX},
        }


class IbanSchema(_FieldSchema):
    """An IBAN."""

    target_class = "vendors.api.fields.IbanField"

    def schema(self) -> Schema:
        return {"type": "string", "minLength": 15, "maxLength": 42}


class InstantSchema(_FieldSchema):
    """A moment with its zone."""

    target_class = "vendors.api.fields.InstantField"

    def schema(self) -> Schema:
        """Return the field's schema."""
        return {"type": "string", "format": "date-time"}
