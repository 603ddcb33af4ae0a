"""Stripe's way of writing parameters: form pairs with brackets (`metadata[order]=7`, `expand[]=charge`)."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from payments.simulator.stripe.errors import StripeRefused

PAIRS_MAX = 500
TEXT_MAX = 20_000
Params = dict[str, Any]


def decode(text: str) -> Params:
    """Read form pairs into nested dicts and lists.

    :raises StripeRefused: not UTF-8, too many pairs, or a name used in two ways.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=PAIRS_MAX, errors="strict")
    except ValueError:
        raise StripeRefused(400, "", "The parameters could not be read") from None
    found: Params = {}
    for name, value in pairs:
        if "\0" in name or "\0" in value or len(value) > TEXT_MAX:
            raise StripeRefused(400, "", f"Invalid value for {name[:40]}", param=name[:40])
        _put(found, _path(name), value)
    return {name: _with_lists(value) for name, value in found.items()}


def known(params: Params, names: Iterable[str]) -> None:
    """Refuse what the endpoint does not know, as Stripe does.

    :raises StripeRefused: an unknown parameter.
    """
    for name in params:
        if name not in names:
            raise StripeRefused(400, "parameter_unknown", f"Received unknown parameter: {name}", param=name)


def text(params: Params, name: str, default: str | None = None) -> str:
    """A text parameter.

    :raises StripeRefused: missing without a default, or not a text.
    """
    value = params.get(name, default)
    if value is None or value == "":
        if default is not None:
            return default
        raise StripeRefused(400, "parameter_missing", f"Missing required param: {name}.", param=name)
    if not isinstance(value, str):
        raise StripeRefused(400, "", f"Invalid string: {name}", param=name)
    return value


def integer(params: Params, name: str, default: int | None = None) -> int:
    """A whole-number parameter.

    :raises StripeRefused: missing without a default, or not a whole number.
    """
    value = text(params, name, None if default is None else str(default))
    if not re.fullmatch(r"-?[0-9]{1,15}", value):
        raise StripeRefused(400, "parameter_invalid_integer", f"Invalid integer: {value[:40]}", param=name)
    return int(value)


def boolean(params: Params, name: str, default: bool) -> bool:
    """A yes-or-no parameter.

    :raises StripeRefused: neither.
    """
    value = text(params, name, "true" if default else "false")
    if value not in ("true", "false"):
        raise StripeRefused(400, "", f"Invalid boolean: {value[:40]}", param=name)
    return value == "true"


def mapping(params: Params, name: str) -> Params:
    """A parameter with parts; empty when it is not there.

    :raises StripeRefused: it is a text.
    """
    value = params.get(name) or {}
    if not isinstance(value, dict):
        raise StripeRefused(400, "", f"Invalid object: {name}", param=name)
    return value


def metadata(params: Params, before: Params) -> dict[str, str]:
    """The metadata that stands after a request: what is sent is merged in, an empty value takes away.

    :raises StripeRefused: more than 50 keys, a key above 40 or a value above 500 characters.
    """
    sent = mapping(params, "metadata")
    if any(not isinstance(value, str) or len(name) > 40 or len(value) > 500 for name, value in sent.items()):
        raise StripeRefused(400, "", "Metadata has keys of 40 and values of 500 characters", param="metadata")
    merged = {name: value for name, value in {**before, **sent}.items() if value != ""}
    if len(merged) > 50:
        raise StripeRefused(400, "", "Metadata has at most 50 keys", param="metadata")
    return merged


def _path(name: str) -> list[str]:
    if not re.fullmatch(r"[^\[\]]+(\[[^\[\]]*\])*", name):
        raise StripeRefused(400, "", f"Invalid parameter name: {name[:40]}")
    return [part.rstrip("]") for part in name.split("[")]


def _put(found: Params, path: list[str], value: str) -> None:
    place = found
    for part in path[:-1]:
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            raise StripeRefused(400, "", f"Invalid parameter: {path[0]}", param=path[0])
    name = path[-1] or str(len(place))
    if isinstance(place.get(name), dict):
        raise StripeRefused(400, "", f"Invalid parameter: {path[0]}", param=path[0])
    place[name] = value


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    made = {name: _with_lists(part) for name, part in value.items()}
    return list(made.values()) if made and all(name.isdigit() for name in made) else made
