"""How the admin shows things: money, states, times, identifiers, JSON. Escaped, and without a query.

Money is formatted by moneyed (the library under django-money) with the currency's own decimals by ISO 4217;
the locale's list is not used, because it rounds dinars to whole ones.
"""

import json
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import moneyed
from django.db import models
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from moneyed.l10n import format_money

from ledger.ids import show
from ledger.masking import mask
from ledger.models.fx import plain
from ledger.money import Money, exponent

LOCALE: Final = "en"
NOTHING: Final = mark_safe('<span class="house-none">&mdash;</span>')
TEXT_MAX: Final = 4_000
ACTOR: Final = {"kind", "id", "label"}

# Which words are good news, which are to be watched, which are bad; any other is shown plainly.
TONES: Final = {
    "good": "LOW accepted active applied approve approved booked captured closed completed confirmed "
    "delivered done finished fresh holds matched over paid reconciled resolved sealed sent "
    "succeeded won yes",
    "watch": "MEDIUM asked authorized carried chargeback compensating created draft held in_review "
    "mismatch missing not_sent onboarding open partly_unwound paying partly_captured past_due paused pending "
    "processing received requested requires_action review running started trialing under_review unknown "
    "unpaid waiting",
    "bad": "CRITICAL HIGH bad block blocked broken dead decline declined expired failed lost outlier refused "
    "rejected contradicted returned reversed revoked stale suspended uncollectible",
}
_TONE_OF: Final = {word: tone for tone, words in TONES.items() for word in words.split()}


def money_text(minor: int, currency: str) -> str:
    """Return an amount as people read it, for example `1,234.50 USD`."""
    amount = moneyed.Money(Money(minor, currency).major(), currency)
    return format_money(amount, locale=LOCALE, format=_pattern(currency), currency_digits=False)


def money(minor: int | None, currency: str) -> SafeString:
    """Return an amount for a column of figures."""
    if minor is None or not currency:
        return NOTHING
    sign = " house-minus" if minor < 0 else ""
    return format_html('<span class="house-money{}">{}</span>', sign, money_text(minor, currency))


def badge(state: str | None, label: str = "") -> SafeString:
    """Return a state as a coloured word; the colour never says more than the word."""
    if not state:
        return NOTHING
    return format_html(
        '<span class="house-badge house-badge-{}">{}</span>', tone_of(state), label or state.replace("_", " ")
    )


def tone_of(state: str) -> str:
    """Return good, watch, bad or plain."""
    return _TONE_OF.get(state, "plain")


def moment(at: datetime | None) -> SafeString:
    """Return an instant, in UTC, to the second."""
    if at is None:
        return NOTHING
    return format_html(
        '<time class="house-time" datetime="{}" title="{}">{}</time>',
        at.isoformat(),
        at.isoformat(timespec="milliseconds"),
        f"{at:%Y-%m-%d %H:%M:%S}",
    )


def code(text: Any) -> SafeString:
    """Return an identifier in a fixed-width face."""
    return format_html('<code class="house-code">{}</code>', text) if text else NOTHING


def rate(value: Decimal | None) -> SafeString:
    """Return an exact decimal without the zeros at its end."""
    return NOTHING if value is None else format_html('<span class="house-rate">{}</span>', plain(value))


def actor(value: dict[str, Any]) -> SafeString:
    """Return who acted, as rows keep it."""
    return format_html("{} ({})", value["label"] or value["id"], value["kind"].replace("_", " "))


def link(row: models.Model | None, text: str = "") -> SafeString:
    """Return a link to a row's page, or its name where it has none."""
    if row is None:
        return NOTHING
    url = page_of(row)
    if not url:
        return format_html("{}", text or str(row))
    return format_html('<a class="house-link" href="{}">{}</a>', url, text or str(row))


def link_by_id(page: str, key: Any, text: str) -> SafeString:
    """Return a link to a page of a floor that the caller does not know, or the text where there is none.

    `page` is app and model, for example `payments_payment`.
    """
    try:
        url = reverse(f"admin:{page}_change", args=[key])
    except NoReverseMatch:
        return code(text)
    return format_html('<a class="house-link house-code" href="{}">{}</a>', url, text)


def page_of(row: models.Model) -> str:
    """Return the address of a row's page, or an empty string."""
    meta = row._meta
    try:
        return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk])
    except NoReverseMatch:
        return ""


def block(value: Any) -> SafeString:
    """Return JSON laid out, with the fields of the audit's list masked at any depth."""
    if value in ({}, [], None, ""):
        return NOTHING
    shown = mask(value)
    text = json.dumps(shown, indent=2, ensure_ascii=False, default=str)
    return format_html('<pre class="house-block">{}</pre>', text[:TEXT_MAX])


def text_block(text: str) -> SafeString:
    """Return a body as it came: JSON laid out and masked, anything else as text."""
    try:
        return block(json.loads(text))
    except ValueError:
        return format_html('<pre class="house-block">{}</pre>', text[:TEXT_MAX])


def wrapped(text: str) -> SafeString:
    """Return a sentence that may take several lines in a table."""
    return format_html('<span class="house-wrap">{}</span>', text) if text else NOTHING


def sentence(text: str) -> SafeString:
    """Return what is to be read among facts: it has the width of a page, not of a column."""
    return format_html('<span class="house-sentence">{}</span>', text) if text else NOTHING


def duration(seconds: float) -> str:
    """Return a length of time as people say it."""
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def digest(value: Any) -> SafeString:
    """Return bytes as hexadecimal digits."""
    raw = bytes(value or b"")
    return code(raw.hex() if len(raw) <= 32 else f"{len(raw)} bytes")


def field_value(row: models.Model, field: "models.Field[Any, Any]") -> SafeString:
    """Return a column of a row as it is shown on its page."""
    value = getattr(row, field.attname)
    if isinstance(field, models.ForeignKey):
        return link(getattr(row, field.name)) if value is not None else NOTHING
    if isinstance(field, models.JSONField):
        return actor(value) if isinstance(value, dict) and value.keys() == ACTOR else block(value)
    if isinstance(field, models.DateTimeField):
        return moment(value)
    if isinstance(field, models.BinaryField):
        return digest(value)
    if isinstance(field, models.BooleanField):
        return badge("yes" if value else "no") if value is not None else NOTHING
    if isinstance(field, models.UUIDField):
        return code(show("mer", value) if value and field.name == "merchant_id" else value)
    if isinstance(field, models.DecimalField):
        return rate(value)
    if field.name in {"state", "outcome", "decision", "level"}:
        return badge(value)
    if field.attname.endswith("_minor") and hasattr(row, "currency"):
        return money(value, row.currency)
    if value in (None, ""):
        return NOTHING
    return format_html("{}", getattr(row, f"get_{field.name}_display", lambda: value)())


@lru_cache(maxsize=256)
def _pattern(currency: str) -> str:
    decimals = exponent(currency)
    return f"#,##0{'.' + '0' * decimals if decimals else ''} ¤¤"
