"""Controller (ours): exchange. Ask for a rate, lock it for an amount, convert at it, see what is open.

A conversion is not turned back through the API: at the old rate that would be a free option. It is unwound
by the refund that it was made for.
"""

from typing import Any, Final
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request

from ledger import clock
from ledger.fx import converting, exposure, quoting, rates, selectors
from ledger.fx.arithmetic import AmountTooLarge, AmountTooSmall, SameCurrency
from ledger.fx.converting import ConversionWish, QuoteDiffers, QuoteExpired, QuoteUsed
from ledger.fx.quoting import QuoteWish
from ledger.fx.rates import RateUnavailable
from ledger.journal import Overdraft
from ledger.models import FxConversion, FxQuote
from ledger.models.fx import FxConversionNotFound, FxQuoteNotFound
from ledger.models.fx_rates import FxKind
from ledger.money import BadCurrency, check_currency
from ledger.states import StateConflict
from vendors.api.base import MerchantViewSet
from vendors.api.books import fx_shapes as shapes
from vendors.api.books.shapes import key_of
from vendors.api.fields import CurrencyField, MoneyField, PublicIdField, StrictSerializer, TextField
from vendors.api.openapi import (
    PAGE_PARAMETERS,
    Answer,
    Body,
    documented,
    page_example,
    page_of,
    path_id,
)
from vendors.api.paging import check_parameters

TAG: Final = "exchange"
QUOTE_ID: Final = path_id("id", FxQuote.PREFIX, "The quote")
CONVERSION_ID: Final = path_id("id", FxConversion.PREFIX, "The conversion")
CONVERTIBLE: Final = "merchant_balance"
ConversionPage = page_of(shapes.ConversionShape, "FxConversionPage")


class KindField(serializers.ChoiceField):
    """What the conversion is for."""

    def __init__(self, **options: Any) -> None:
        super().__init__(FxKind.values, **options)


class QuoteIn(StrictSerializer):
    """An amount to sell, and the currency to buy for it."""

    sell = MoneyField()
    buy_currency = CurrencyField()
    kind = KindField(required=False, default=FxKind.OTHER.value)


class ConversionIn(StrictSerializer):
    """A quote to use. The amount, when given, must be the quote's; only the merchant's balance converts."""

    quote_id = PublicIdField(FxQuote.PREFIX)
    from_account = TextField(40, pattern=CONVERTIBLE, required=False, default=CONVERTIBLE)
    to_account = TextField(40, pattern=CONVERTIBLE, required=False, default=CONVERTIBLE)
    amount = MoneyField(required=False, default=None)


class FxViewSet(MerchantViewSet):
    """The calling merchant's quotes and conversions, and the rates of now."""

    scopes = {
        "quote": "books:write",
        "cancel_quote": "books:write",
        "convert": "books:write",
        "retrieve_quote": "books:read",
        "retrieve_conversion": "books:read",
        "conversions": "books:read",
        "rates": "books:read",
        "exposure": "books:read",
    }

    @documented(
        operation_id="fx_quotes_create",
        tag=TAG,
        summary="Lock a rate for an amount",
        description="The house rate is the median of fresh sources that agree, less the spread of the kind. "
        "The quote holds for a minute, for this amount, and is used once. Nothing is moved.",
        body=Body(
            QuoteIn, {"sell": {"amount": 10_000, "currency": "USD"}, "buy_currency": "EUR", "kind": "payout"}
        ),
        answers={201: Answer(shapes.QuoteShape, shapes.QUOTE_EXAMPLE, "The quote.")},
        errors=[SameCurrency, RateUnavailable, AmountTooSmall, AmountTooLarge],
        key="required",
    )
    def quote(self, request: Request) -> HttpResponse:
        values = self.read(QuoteIn)
        wish = QuoteWish(self.effect_id, values["sell"], values["buy_currency"], FxKind(str(values["kind"])))
        return self.do(quoting.quote, shapes.quote_shown, 201, wish=wish)

    @documented(
        operation_id="fx_quotes_retrieve",
        tag=TAG,
        summary="Get a quote",
        description="A quote of another merchant is not found.",
        answers={200: Answer(shapes.QuoteShape, shapes.QUOTE_EXAMPLE, "The quote.")},
        errors=[FxQuoteNotFound],
        parameters=[QUOTE_ID],
    )
    def retrieve_quote(self, request: Request, id: str) -> HttpResponse:
        return self.reply(shapes.quote_shown(selectors.quote(self.merchant.pk, _quote_key(id))))

    @documented(
        operation_id="fx_quotes_cancel",
        tag=TAG,
        summary="Give a quote back unused",
        description="A quote that is used, expired or cancelled cannot be cancelled.",
        answers={
            200: Answer(shapes.QuoteShape, {**shapes.QUOTE_EXAMPLE, "status": "cancelled"}, "Cancelled.")
        },
        errors=[FxQuoteNotFound, StateConflict],
        parameters=[QUOTE_ID],
        key="required",
    )
    def cancel_quote(self, request: Request, id: str) -> HttpResponse:
        return self.do(quoting.cancel, shapes.quote_shown, quote_id=_quote_key(id))

    @documented(
        operation_id="fx_conversions_create",
        tag=TAG,
        summary="Convert at a quote's rate",
        description="Turns the quote's amount of the merchant's balance in one currency into its balance in "
        "the other, once, at the rate on the quote.",
        body=Body(
            ConversionIn,
            {
                "quote_id": shapes.QUOTE_EXAMPLE["id"],
                "from_account": CONVERTIBLE,
                "to_account": CONVERTIBLE,
                "amount": {"amount": 10_000, "currency": "USD"},
            },
        ),
        answers={201: Answer(shapes.ConversionShape, shapes.CONVERSION_EXAMPLE, "The conversion.")},
        errors=[FxQuoteNotFound, QuoteUsed, QuoteExpired, QuoteDiffers, Overdraft],
        key="required",
    )
    def convert(self, request: Request) -> HttpResponse:
        values = self.read(ConversionIn)
        return self.do(
            converting.convert,
            shapes.conversion_shown,
            201,
            wish=ConversionWish(self.effect_id, values["quote_id"], values["amount"]),
        )

    @documented(
        operation_id="fx_conversions_list",
        tag=TAG,
        summary="List conversions, newest first",
        description="All conversions of the merchant, by cursor.",
        answers={
            200: Answer(ConversionPage, page_example(shapes.CONVERSION_EXAMPLE), "One page."),
        },
        parameters=PAGE_PARAMETERS,
    )
    def conversions(self, request: Request) -> HttpResponse:
        found = selectors.conversions(self.merchant.pk)
        return self.page(found, prefix=FxConversion.PREFIX, render=shapes.conversion_shown)

    @documented(
        operation_id="fx_conversions_retrieve",
        tag=TAG,
        summary="Get a conversion",
        description="With its explanation, and what of it was turned back. That of another is not found.",
        answers={200: Answer(shapes.ConversionShape, shapes.CONVERSION_EXAMPLE, "The conversion.")},
        errors=[FxConversionNotFound],
        parameters=[CONVERSION_ID],
    )
    def retrieve_conversion(self, request: Request, id: str) -> HttpResponse:
        key = key_of(FxConversion.PREFIX, id, FxConversionNotFound)
        return self.reply(shapes.conversion_shown(selectors.conversion(self.merchant.pk, key)))

    @documented(
        operation_id="fx_rates",
        tag=TAG,
        summary="Get house rates",
        description="For one currency to buy, or for all that have a rate. They are at most a minute old and "
        "say which sources they are the median of. Nothing is locked.",
        answers={200: Answer(shapes.RatesShape, shapes.RATES_EXAMPLE, "The rates.")},
        errors=[RateUnavailable, SameCurrency],
        parameters=[
            OpenApiParameter(
                "sell",
                {"type": "string", "pattern": "^[A-Z]{3}$"},
                OpenApiParameter.QUERY,
                required=True,
                description="The currency that is sold.",
            ),
            OpenApiParameter(
                "buy",
                {"type": "string", "pattern": "^[A-Z]{3}$"},
                OpenApiParameter.QUERY,
                description="The currency that is bought; without it: all.",
            ),
        ],
    )
    def rates(self, request: Request) -> HttpResponse:
        check_parameters(request, "sell", "buy")
        sell, buy = _currency(request, "sell"), _currency(request, "buy", is_needed=False)
        at = clock.now()
        found = [rates.shown(sell, buy, at)] if buy else rates.board(sell, at)
        return self.reply(
            {
                "object": "fx_rates",
                "sell": sell,
                "data": [shapes.rate_shown(one) for one in found if isinstance(one, rates.HouseRate)],
                "unavailable": [shapes.no_rate_shown(one) for one in found if isinstance(one, rates.NoRate)],
            }
        )

    @documented(
        operation_id="fx_exposure",
        tag=TAG,
        summary="Get the open position of each pair",
        description="What the platform holds by the merchant's conversions, at what average rate, what it is "
        "worth at the rates of now, and what spread and unwinding have brought.",
        answers={200: Answer(shapes.ExposureShape, shapes.EXPOSURE_EXAMPLE, "The report.")},
    )
    def exposure(self, request: Request) -> HttpResponse:
        check_parameters(request)
        merchant_id = self.merchant.pk
        return self.reply(
            {
                "object": "fx_exposure",
                "positions": [
                    shapes.position_shown(one) for one in exposure.report(clock.now(), merchant_id)
                ],
                "earned": [shapes.earned_shown(one) for one in exposure.earned(merchant_id)],
            }
        )


def _quote_key(text: str) -> UUID:
    return key_of(FxQuote.PREFIX, text, FxQuoteNotFound)


def _currency(request: Request, name: str, *, is_needed: bool = True) -> str:
    text = request.query_params.get(name)
    if text is None and not is_needed:
        return ""
    try:
        return check_currency(text)
    except BadCurrency as error:
        detail = ErrorDetail("must be an ISO 4217 code in capitals, such as USD", code="invalid_parameter")
        raise ValidationError({name: [detail]}) from error
