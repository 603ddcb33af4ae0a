"""Strict serializer fields: a value is what it says it is, or the request is refused with its name.

Amounts are JSON integers and nothing that could be read as one; text is NFC without control characters;
an object with a field that we do not know is refused, so that a typing error never means "default".
"""

import re
import threading
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any, Final
from uuid import UUID

from rest_framework import serializers
from schwifty import IBAN
from schwifty.exceptions import SchwiftyException

from ledger import ids
from ledger.errors import NotFound
from ledger.money import AMOUNT_MAX, BadCurrency, Money, check_currency

METADATA_KEYS_MAX: Final = 50
METADATA_KEY_LENGTH_MAX: Final = 40
METADATA_VALUE_LENGTH_MAX: Final = 500
# Control characters, and the marks that turn or hide text on a reviewer's screen.
_UNSEEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INSTANT: Final = re.compile(r"2[01]\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)


class StrictSerializer(serializers.Serializer):
    """A serializer that refuses fields it does not know, each by its name."""

    @cached_property
    def _writable_fields(self) -> tuple[serializers.Field, ...]:  # type: ignore[override]
        """The fields that are read; the library goes through all fields for each body."""
        return tuple(field for field in self.fields.values() if not field.read_only)

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(str(field.field_name) for field in self._writable_fields)

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated values.

        :raises ValidationError: a field is unknown, missing or wrong.
        """
        if isinstance(data, Mapping):
            unknown = {
                str(name): [serializers.ErrorDetail("there is no such field", code="unknown_field")]
                for name in data
                if name not in self._known
            }
            if unknown:
                raise serializers.ValidationError(unknown)
        return super().to_internal_value(data)

    def run_validators(self, value: Any) -> None:
        """Run the validators of the whole form, of which most forms have none."""
        if self.validators:
            super().run_validators(value)


class WholeNumberField(serializers.Field):
    """A JSON integer within bounds; no boolean, no text, no decimal point."""

    default_error_messages = {
        "type": "must be a whole number, written as a JSON integer",
        "range": "must be between {minimum} and {maximum}",
    }

    def __init__(self, *, minimum: int, maximum: int, **options: Any) -> None:
        self.minimum, self.maximum = minimum, maximum
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("type")
        if not self.minimum <= data <= self.maximum:
            self.fail("range", minimum=self.minimum, maximum=self.maximum)
        return data

    def to_representation(self, value: int) -> int:
        return value


class AmountField(WholeNumberField):
    """An amount in minor units, from 1 to 10^12."""

    def __init__(self, **options: Any) -> None:
        super().__init__(minimum=1, maximum=AMOUNT_MAX, **options)


class CurrencyField(serializers.Field):
    """An ISO 4217 code that can be paid in, in capitals."""

    default_error_messages = {"unknown": "must be an ISO 4217 code in capitals, such as USD"}

    def to_internal_value(self, data: Any) -> str:
        try:
            return check_currency(data)
        except BadCurrency:
            self.fail("unknown")
            raise

    def to_representation(self, value: str) -> str:
        return value


class _MoneyParts(StrictSerializer):
    amount = AmountField()
    currency = CurrencyField()


class MoneyField(serializers.Field):
    """An object {"amount": minor units, "currency": code}; the value is `Money`, above zero."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._parts = _MoneyParts()

    def to_internal_value(self, data: Any) -> Money:
        parts = self._parts.run_validation(data)
        return Money(parts["amount"], parts["currency"])

    def to_representation(self, value: Money) -> dict[str, int | str]:
        return value.as_json()


class PublicIdField(serializers.Field):
    """One of our prefixed ids, such as pay_…; the value is its UUID."""

    default_error_messages = {"form": "must be an id that begins with {prefix}_"}

    def __init__(self, prefix: str, **options: Any) -> None:
        self.prefix = prefix
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> UUID:
        try:
            return ids.parse(self.prefix, data)
        except NotFound:
            self.fail("form", prefix=self.prefix)
            raise

    def to_representation(self, value: UUID) -> str:
        return ids.show(self.prefix, value)


class TextField(serializers.Field):
    """Text of bounded length, kept in Unicode's NFC, without control or hidden characters."""

    default_error_messages = {
        "type": "must be text",
        "blank": "must not be blank",
        "length": "must have at most {max_length} characters",
        "control": "must not hold control or hidden characters",
        "pattern": "has a form that is not allowed",
    }

    def __init__(
        self, max_length: int, *, allow_blank: bool = False, pattern: str | None = None, **options: Any
    ) -> None:
        self.max_length, self.allow_blank = max_length, allow_blank
        self.pattern = re.compile(pattern) if pattern else None
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> str:
        if type(data) is not str:
            self.fail("type")
        text = unicodedata.normalize("NFC", data)
        if not self.allow_blank and not text.strip():
            self.fail("blank")
        if len(text) > self.max_length:
            self.fail("length", max_length=self.max_length)
        if _UNSEEN.search(text):
            self.fail("control")
        if self.pattern and not self.pattern.fullmatch(text):
            self.fail("pattern")
        return text

    def to_representation(self, value: str) -> str:
        return value


class WordField(serializers.ChoiceField):
    """One word of a closed list; the refusal names the list."""

    def to_internal_value(self, data: Any) -> str:
        if type(data) is not str or data not in self.choices:
            allowed = ", ".join(str(word) for word in self.choices)
            raise serializers.ValidationError(f"must be one of: {allowed}", code="invalid_choice")
        return data


class FlagField(serializers.Field):
    """true or false, and nothing that could be read as one."""

    default_error_messages = {"type": "must be true or false"}

    def to_internal_value(self, data: Any) -> bool:
        if type(data) is not bool:
            self.fail("type")
        return data

    def to_representation(self, value: bool) -> bool:
        return value


class DayField(serializers.Field):
    """A calendar date, YYYY-MM-DD."""

    default_error_messages = {"form": "must be a date such as 2026-01-31"}

    def to_internal_value(self, data: Any) -> date:
        if type(data) is not str or not _DAY.fullmatch(data):
            self.fail("form")
        try:
            return date.fromisoformat(data)
        except ValueError:
            self.fail("form")
            raise

    def to_representation(self, value: date) -> str:
        return value.isoformat()


class InstantField(serializers.Field):
    """A moment with its zone (RFC 3339), such as 2026-01-31T09:30:00Z, of this century or the next."""

    default_error_messages = {"form": "must be a moment with its zone, such as 2026-01-31T09:30:00Z"}

    def to_internal_value(self, data: Any) -> datetime:
        if type(data) is not str or not _INSTANT.fullmatch(data):
            self.fail("form")
        try:
            return datetime.fromisoformat(data).astimezone(UTC)
        except ValueError:
            self.fail("form")
            raise

    def to_representation(self, value: datetime) -> str:
        return value.isoformat()


class MetadataField(serializers.Field):
    """Up to 50 pairs of text kept with an object: names of 40, values of 500 characters."""

    default_error_messages = {
        "type": "must be an object",
        "count": f"must have at most {METADATA_KEYS_MAX} keys",
    }

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._name = TextField(METADATA_KEY_LENGTH_MAX)
        self._value = TextField(METADATA_VALUE_LENGTH_MAX, allow_blank=True)

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if type(data) is not dict:
            self.fail("type")
        if len(data) > METADATA_KEYS_MAX:
            self.fail("count")
        return {self._name.to_internal_value(name): self._value.to_internal_value(value)
                for name, value in data.items()}  # fmt: skip

    def to_representation(self, value: dict[str, str]) -> dict[str, str]:
        return value


class IbanField(serializers.Field):
    """An IBAN whose country, length and check digits are right (ISO 13616); kept without spaces."""

    default_error_messages = {"form": "must be a valid IBAN"}

    def to_internal_value(self, data: Any) -> str:
        if type(data) is not str or len(data) > 42:
            self.fail("form")
        try:
            return str(IBAN(data).compact)
        except SchwiftyException:
            self.fail("form")
            raise

    def to_representation(self, value: str) -> str:
        return value


def form_of(serializer: type[serializers.Serializer]) -> serializers.Serializer:
    """Return this thread's form of a serializer: to copy its fields for each request takes longer than to
    check the values."""
    form = _forms.of.get(serializer)
    if form is None:
        form = _forms.of[serializer] = serializer()
    return form


class _Forms(threading.local):
    def __init__(self) -> None:
        self.of: dict[type[serializers.Serializer], serializers.Serializer] = {}


_forms: Final = _Forms()
