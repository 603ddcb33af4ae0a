"""What an event says of its subject's row: the fields that the step changed, as they stood after it, without
loss.

The first event of a row tells every column, each later one what it changed; folded in sequence they are the
row (`ledger.history`). Values that JSON has are written as they are; all others are an object with one name
that says what they are, so that a reader needs no model to read them.

Not told: the key, `state`, `version` and `event_hash` (the event says them itself) and columns that the
database fills (`db_default`). A model names in `UNTOLD` what must not stand in a history that is kept for
ever (an account number): of such a field a keyed fingerprint is told, so that a change of it is still found,
but it cannot be rebuilt.
"""

import functools
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import models

# Names that may never stand in an event: card data and secrets (PCI DSS 3.3.1, 3.4.1).
FORBIDDEN_FIELDS: Final = frozenset(
    {"pan", "card_number", "number_full", "cvc", "cvv", "track", "pin", "secret", "password", "api_key"}
)
SAID_BY_THE_EVENT: Final = frozenset({"id", "state", "version", "event_hash"})

Changes = dict[str, Any]

# Of which type a value is that its kind of column gives back unchanged; others are made to fit first.
_KINDS: Final[Mapping[str, type]] = MappingProxyType(
    {
        "CharField": str, "TextField": str, "BigIntegerField": int, "IntegerField": int, "UUIDField": UUID,
        "PositiveIntegerField": int, "PositiveBigIntegerField": int, "PositiveSmallIntegerField": int,
        "SmallIntegerField": int, "BooleanField": bool,
    }
)  # fmt: skip
_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
_AS_IT_IS: Final = frozenset({str, int, bool})


class Untellable(RuntimeError):
    """A row holds what an event may not or cannot hold: a defect of its model."""


class Told:
    """How the columns of one model are told; worked out once for each model."""

    def __init__(
        self,
        plain: Mapping[str, bool],
        hidden: frozenset[str],
        fit: Mapping[str, Callable[[Any], Any]],
        kinds: Mapping[str, type],
    ) -> None:
        self.plain = plain  # column -> whether it is JSON
        self.kinds = kinds  # column -> the type of which a value fits as it is
        self.hidden = hidden
        self.fit = fit  # column -> its value as the column gives it back (a text for a UUID, and the like)


@functools.cache
def told(model: type[models.Model]) -> Told:
    """Return how a model's columns are told.

    :raises Untellable: a column has a forbidden name and is not in `UNTOLD`, or `UNTOLD` names no column.
    """
    columns = {
        field.attname: isinstance(field, models.JSONField)
        for field in model._meta.concrete_fields
        if field.attname not in SAID_BY_THE_EVENT and not field.has_db_default()
    }
    hidden = frozenset(getattr(model, "UNTOLD", ()))
    if hidden - columns.keys():
        raise Untellable(f"{model.__name__}.UNTOLD names no column: {sorted(hidden - columns.keys())}")
    forbidden = (FORBIDDEN_FIELDS & columns.keys()) - hidden
    if forbidden:
        raise Untellable(f"{model.__name__} may not tell {sorted(forbidden)}; name them in UNTOLD")
    plain = {name: is_json for name, is_json in columns.items() if name not in hidden}
    fit = {
        field.attname: field.to_python
        for field in model._meta.concrete_fields
        if not plain.get(field.attname)
    }
    kinds = {
        field.attname: kind
        for field in model._meta.concrete_fields
        if field.attname in fit and (kind := _kind_of(field)) is not None
    }
    return Told(MappingProxyType(plain), hidden, MappingProxyType(fit), MappingProxyType(kinds))


def _kind_of(field: Any) -> type | None:
    column = field.target_field if field.is_relation else field
    return _KINDS.get(column.get_internal_type())


def all_of(row: models.Model) -> Changes:
    """Return every told column of a row, encoded: what the first event of it says."""
    how = told(type(row))
    return _encoded(row, how, how.plain, how.hidden)


def since(row: models.Model, before: Mapping[str, Any]) -> Changes:
    """Return the told columns in which a row differs from what it was, encoded."""
    values, how = row.__dict__, told(type(row))
    changed = [name for name in how.plain if before.get(name) != values.get(name)]
    return _encoded(row, how, changed, [name for name in how.hidden if before.get(name) != values.get(name)])


def encode(value: Any, *, is_json: bool = False) -> Any:
    """Return a value as JSON that `decode` turns back into the same value.

    JSON columns are told as text: as numbers of JSONB they would come back in another form than was signed.

    :raises Untellable: the value is of a kind that no column has (a float, an expression).
    """
    if is_json:
        return {"json": _text(value)}
    if value is None or isinstance(value, bool | int | str):
        return _plain(value)
    if isinstance(value, UUID):
        return {"uuid": str(value)}
    if isinstance(value, datetime):
        return {"at": _instant(value)}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, bytes | bytearray | memoryview):
        return {"bytes": bytes(value).hex()}
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    raise Untellable(f"an event cannot tell a {type(value).__name__}")


def decode(told_value: Any) -> Any:
    """Return the value that was encoded.

    :raises Untellable: it was told only as a fingerprint, or is not of this code's making.
    """
    if not isinstance(told_value, dict):
        return told_value
    ((kind, text),) = told_value.items()
    reader = _READERS.get(kind)
    if reader is None:
        raise Untellable(f"a value told as {kind!r} cannot be read back")
    return reader(text)


def is_fingerprint(told_value: Any) -> bool:
    """Say whether an event tells only a fingerprint of the value."""
    return isinstance(told_value, dict) and "fingerprint" in told_value


def agree(told_value: Any, value: Any) -> bool:
    """Say whether a value is the one that was told; for a hidden field, whether the fingerprint fits.

    :raises KeyError: the key of the fingerprint is not configured.
    """
    kind = type(value)
    if kind is type(told_value) and kind in _AS_IT_IS:
        return bool(told_value == value)
    if type(told_value) is dict and (kind is UUID or kind is datetime) and told_value == encode(value):
        return True
    if is_fingerprint(told_value):
        key_id = told_value["fingerprint"].partition(":")[0]
        return hmac.compare_digest(_fingerprint(value, key_id)["fingerprint"], told_value["fingerprint"])
    if isinstance(told_value, dict) and "json" in told_value:
        text = _text(value)
        return text == told_value["json"] or _numbers_exact(told_value["json"]) == _numbers_exact(text)
    if isinstance(told_value, dict) and "decimal" in told_value:  # a column adds zeros at its end
        return isinstance(value, Decimal) and decode(told_value) == value
    return type(decode(told_value)) is type(_plain(value)) and told_value == encode(value)


def _encoded(row: models.Model, how: Told, plain: Iterable[str], hidden: Iterable[str]) -> Changes:
    values, said = row.__dict__, {}
    for name in plain:
        value = values[name]
        kind = type(value)
        if how.plain[name]:
            said[name] = encode(value, is_json=True)
        elif value is None or (kind is how.kinds.get(name) and kind in _AS_IT_IS):
            said[name] = value
        elif kind is UUID and how.kinds.get(name) is UUID:
            said[name] = {"uuid": str(value)}
        else:
            said[name] = encode(how.fit[name](value))
    for name in hidden:
        said[name] = _fingerprint(values[name], settings.EVENT_SIGNING_KEY_ID)
    return said


def _fingerprint(value: Any, key_id: str) -> dict[str, str]:
    """Return the HMAC of a value under a signing key: without the key, guessing an account number is vain."""
    is_json = value is not None and isinstance(value, dict | list)
    text = json.dumps(encode(value, is_json=is_json), sort_keys=True)
    key = settings.EVENT_SIGNING_KEYS[key_id].encode()
    return {"fingerprint": f"{key_id}:{hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}"}


def _text(value: Any) -> str:
    return _CANONICAL.encode(value)


def _numbers_exact(text: str) -> Any:
    """Read JSON so that 1, 1.0 and 1e0 are the same and none of them is true."""
    return json.loads(text, parse_int=_exact, parse_float=_exact)


def _exact(text: str) -> tuple[str, Decimal]:
    return "number", Decimal(text)


def _plain(value: Any) -> Any:
    """Return what `decode(encode(value))` returns, for kinds of which Django gives a variant."""
    if isinstance(value, memoryview | bytearray):
        return bytes(value)
    if isinstance(value, str):
        return str.__str__(value)  # an enumeration's member is its value
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _instant(value: datetime) -> str:
    if value.tzinfo is None:
        raise Untellable("an instant has a time zone")
    return value.astimezone(UTC).isoformat(timespec="microseconds")


_READERS: Final[Mapping[str, Callable[[str], Any]]] = MappingProxyType(
    {
        "json": json.loads,
        "uuid": UUID,
        "at": datetime.fromisoformat,
        "date": date.fromisoformat,
        "bytes": bytes.fromhex,
        "decimal": Decimal,
    }
)
