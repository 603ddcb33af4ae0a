import json
from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from rest_framework.exceptions import ValidationError

from ledger import ids
from ledger.money import Money
from tests.unit.vendors.test_strict_json import JSON, WIDE
from vendors.api.fields import (
    AmountField,
    CurrencyField,
    DayField,
    FlagField,
    IbanField,
    MetadataField,
    MoneyField,
    PublicIdField,
    StrictSerializer,
    TextField,
    WholeNumberField,
)

FIELDS = [
    AmountField(),
    CurrencyField(),
    DayField(),
    FlagField(),
    IbanField(),
    MetadataField(),
    MoneyField(),
    PublicIdField("pay"),
    TextField(20),
    WholeNumberField(minimum=0, maximum=9),
]


class Form(StrictSerializer):
    amount = AmountField()
    note = TextField(10, required=False)


class Outer(StrictSerializer):
    inner = Form()
    many = Form(many=True, required=False)


class TestAmountField:
    @pytest.mark.parametrize("value", [1, 1999, 10**12])
    def test_takes_whole_minor_units(self, value):
        assert AmountField().run_validation(value) == value

    @pytest.mark.parametrize(
        "value",
        [0, -1, 1.0, 1.5, 1e2, True, False, None, "1", "1_000", "١٢٣", "123".translate(WIDE), " 1 ", "+5",
         "1.0", [], [1], {},
         10**12 + 1, 2**63, 10**30, -0.0],
    )  # fmt: skip
    def test_refuses_everything_else(self, value):
        with pytest.raises(ValidationError):
            AmountField().run_validation(value)

    @given(JSON)
    def test_any_json_is_an_amount_or_a_refusal(self, value):
        try:
            found = AmountField().run_validation(value)
        except ValidationError:
            assert not (type(value) is int and 1 <= value <= 10**12)
        else:
            assert type(found) is int
            assert type(value) is int
            assert 1 <= found == value <= 10**12


class TestMoneyField:
    def test_makes_money(self):
        assert MoneyField().run_validation({"amount": 5, "currency": "JPY"}) == Money(5, "JPY")

    @pytest.mark.parametrize(
        "currency", ["usd", "USD ", "XXX", "ZZZ", "XAU", "XTS", "🙂", "", None, 840, "US", ["USD"]]
    )
    def test_refuses_a_currency_that_cannot_be_paid_in(self, currency):
        with pytest.raises(ValidationError) as caught:
            MoneyField().run_validation({"amount": 5, "currency": currency})
        assert list(caught.value.detail) == ["currency"]

    @pytest.mark.parametrize(
        "value",
        [5, "5 USD", [], {"amount": 5}, {"currency": "USD"}, {"amount": 5, "currency": "USD", "exponent": 2}],
    )
    def test_refuses_another_shape(self, value):
        with pytest.raises(ValidationError):
            MoneyField().run_validation(value)


class TestPublicIdField:
    def test_makes_the_key(self):
        assert PublicIdField("pay").run_validation(ids.show("pay", UUID(int=7))) == UUID(int=7)

    @pytest.mark.parametrize("value", [ids.show("vnd", UUID(int=7)), "pay_", "7", 7, None, "pay_" + "z" * 26])
    def test_refuses_what_is_none(self, value):
        with pytest.raises(ValidationError):
            PublicIdField("pay").run_validation(value)


class TestTextField:
    def test_keeps_text_in_nfc(self):
        assert TextField(10).run_validation("Zoe\u0308") == "Zo\u00eb"

    @pytest.mark.parametrize(
        "value",
        ["", " ", "x" * 11, 5, None, True, [], "a\nb", "a\r\nb", "\x1b[31m", "a\x00", "\u202egnp", "a\u200bb",
         "\ufeffa", "a\u2028b", "\x85"],
    )  # fmt: skip
    def test_refuses_what_a_reader_would_not_see(self, value):
        with pytest.raises(ValidationError):
            TextField(10).run_validation(value)

    def test_may_be_blank_when_told(self):
        assert TextField(10, allow_blank=True).run_validation("") == ""

    def test_has_the_form_that_is_asked(self):
        assert TextField(2, pattern="[A-Z]{2}").run_validation("DE") == "DE"
        with pytest.raises(ValidationError):
            TextField(2, pattern="[A-Z]{2}").run_validation("de")


class TestMetadataField:
    def test_takes_50_pairs_of_40_and_500(self):
        value = {f"{number:040}": "x" * 500 for number in range(50)}
        assert MetadataField().run_validation(value) == value

    @pytest.mark.parametrize(
        "value",
        [
            {str(number): "" for number in range(51)},
            {"x" * 41: ""},
            {"a": "x" * 501},
            {"": "x"},
            {"a": 1},
            {"a": None},
            {"a": {"b": "c"}},
            {"a\n": "b"},
            [],
            "a",
        ],
    )
    def test_refuses_more_or_other(self, value):
        with pytest.raises(ValidationError):
            MetadataField().run_validation(value)


class TestSmallFields:
    def test_take_what_they_name(self):
        assert DayField().run_validation("2028-02-29") == date(2028, 2, 29)
        assert FlagField().run_validation(False) is False
        assert IbanField().run_validation("DE89 3704 0044 0532 0130 00") == "DE89370400440532013000"

    @pytest.mark.parametrize(
        "value",
        [
            "0000-01-01",
            "2026-02-30",
            "2026-1-1",
            "20260101",
            "2026-01-01T00:00",
            "2026-01-01".translate(WIDE),
            20260101,
            None,
        ],
    )
    def test_a_day_is_a_date_of_the_calendar(self, value):
        with pytest.raises(ValidationError):
            DayField().run_validation(value)

    @pytest.mark.parametrize("value", [0, 1, "true", "false", None, [], "on"])
    def test_a_flag_is_true_or_false(self, value):
        with pytest.raises(ValidationError):
            FlagField().run_validation(value)

    @pytest.mark.parametrize(
        "value", ["DE88370400440532013000", "DE8937040044", "XX89370400440532013000", "", 5, None, "x" * 99]
    )
    def test_an_iban_has_its_check_digits(self, value):
        with pytest.raises(ValidationError):
            IbanField().run_validation(value)


class TestStrictSerializer:
    def errors(self, form, data):
        with pytest.raises(ValidationError) as caught:
            form(data=data).is_valid(raise_exception=True)
        return json.loads(json.dumps(caught.value.detail))

    def test_names_unknown_fields(self):
        assert list(self.errors(Form, {"amount": 1, "amonut": 2, "id": 3})) == ["amonut", "id"]

    def test_names_unknown_fields_inside(self):
        assert self.errors(Outer, {"inner": {"amount": 1, "x": 1}}) == {
            "inner": {"x": ["there is no such field"]}
        }
        assert list(
            self.errors(Outer, {"inner": {"amount": 1}, "many": [{"amount": 1}, {"amount": 1, "y": 1}]})
        ) == ["many"]

    @given(JSON)
    def test_any_json_is_values_or_a_refusal(self, value):
        for field in FIELDS:
            try:
                field.run_validation(value)
            except ValidationError:
                continue
        form = Outer(data=value)
        form.is_valid()
