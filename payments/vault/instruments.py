"""What a customer pays with, read and checked: the parts that are secret, and the parts that may be shown.

`read` takes the details of a kind as a mapping, whether they came encrypted or in clear (a card's never come
in clear), refuses unknown, missing and wrong ones by their names, and returns an `Instrument` whose secret
parts show in no repr. The security code is never part of what is sealed.
"""

from calendar import monthrange
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from django.views.decorators.debug import sensitive_variables
from schwifty import BIC, IBAN
from schwifty.exceptions import SchwiftyException
from stdnum import bitcoin
from stdnum.us import rtn

from ledger.card_numbers import is_luhn_valid
from payments.models.methods import ACCOUNT_TYPES, CRYPTO_NETWORKS
from payments.models.payment_choices import MethodType
from payments.vault.brands import TEST_NUMBERS, brand_of
from payments.vault.errors import (
    AccountNumberInvalid,
    BadDetail,
    BicInvalid,
    CardBrandUnknown,
    CardExpired,
    CardExpiryInvalid,
    CardNumberInvalid,
    CryptoAddressInvalid,
    IbanInvalid,
    NotSepa,
    RoutingNumberInvalid,
    SecurityCodeInvalid,
    TestCardInLiveMode,
)

TEXT_MAX: Final = 150
YEARS_AHEAD_MAX: Final = 20
# Who takes part in SEPA: European Payments Council, EPC409-09 (the list of scheme countries).
SEPA_COUNTRIES: Final = frozenset(
    {
        "AD", "AL", "AT", "BE", "BG", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GB", "GI", "GR",
        "HR", "HU", "IE", "IS", "IT", "LI", "LT", "LU", "LV", "MC", "MD", "ME", "MK", "MT", "NL", "NO", "PL",
        "PT", "RO", "RS", "SE", "SI", "SK", "SM", "VA",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shown:
    """What may be shown of an instrument, and is kept in clear."""

    brand: str = ""
    last4: str = ""
    bin: str = ""
    exp_month: int | None = None
    exp_year: int | None = None
    holder: str = ""
    country: str = ""
    institution: str = ""
    details: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, repr=False)
class Instrument:
    """An instrument in clear, for the moment of its use; nothing of it shows in a repr or a traceback."""

    kind: str
    shown: Shown
    secret: dict[str, str]  # what is sealed
    identity: str  # what makes two of them the same, for the fingerprint
    code: str = ""  # the security code: used once, never sealed
    expires_at: datetime | None = None

    def __repr__(self) -> str:
        return f"<{self.kind} ···{self.shown.last4}>"

    @property
    def kind_of_identity(self) -> str:
        """What the identity is a number of: the same IBAN is one instrument, by transfer and by debit."""
        for name, what in (("iban", "iban"), ("routing_number", "us_account")):
            if name in self.secret:
                return what
        return self.kind


class Details:
    """The details of one instrument, taken out one by one so that what is left over is known."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self._left = dict(values)
        self._where = where

    def __repr__(self) -> str:
        return "<details>"

    def place(self, name: str) -> str:
        """Return the name that an error gives."""
        return f"{self._where}.{name}"

    def text(self, name: str, *, most: int = TEXT_MAX, optional: bool = False) -> str:
        """Take a text out. :raises BadDetail: it is missing, no text, too long, or has hidden characters."""
        value = self._left.pop(name, "")
        if value == "" and optional:
            return ""
        if not isinstance(value, str) or not value.strip():
            raise BadDetail(f"{name} must be a text", param=self.place(name))
        if len(value) > most or not value.isprintable():
            raise BadDetail(f"{name} must have at most {most} printable characters", param=self.place(name))
        return value.strip()

    def number(self, name: str) -> int:
        """Take a whole number out, written as one or as digits. :raises BadDetail: it is none."""
        value = self._left.pop(name, None)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 4:
            value = int(value)
        if type(value) is not int:
            raise BadDetail(f"{name} must be a whole number", param=self.place(name))
        return value

    def word(self, name: str, allowed: tuple[str, ...], default: str = "") -> str:
        """Take one word of a list out. :raises BadDetail: it is another."""
        value = self._left.pop(name, default)
        if value not in allowed:
            raise BadDetail(f"{name} must be one of: {', '.join(allowed)}", param=self.place(name))
        return str(value)

    def end(self) -> None:
        """:raises BadDetail: something was given that no instrument of this kind has."""
        if self._left:
            # The name is not repeated: it may be what should have been a value.
            raise BadDetail("there is a detail that this kind of method does not have", param=self._where)


@sensitive_variables()
def read(kind: str, values: Mapping[str, Any], *, at: datetime, where: str, is_live: bool) -> Instrument:
    """Return the instrument that the details describe; `where` is the field that errors name.

    :raises BadDetail: (or a subclass that says what) a detail is missing, unknown or wrong.
    """
    details = Details(values, where)
    instrument = _READERS[MethodType(kind)](details, at, is_live)
    details.end()
    return instrument


@sensitive_variables()
def restored(kind: str, shown: Shown, secret: dict[str, str]) -> Instrument:
    """Return an instrument out of what was sealed; it has no security code any more."""
    return Instrument(kind, shown, secret, identity="")


# --- cards ----------------------------------------------------------------------------------------------
@sensitive_variables()
def _card(details: Details, at: datetime, is_live: bool) -> Instrument:
    where = details.place("number")
    number = details.text("number", most=40).replace(" ", "").replace("-", "")
    if not (number.isascii() and number.isdigit()):
        raise CardNumberInvalid("the number must be digits", param=where)
    brand = brand_of(number)
    if brand is None:
        raise CardBrandUnknown("the number is of no network that we know", param=where)
    if len(number) not in brand.lengths or not is_luhn_valid(number):
        raise CardNumberInvalid(f"this is not a number of {brand.name}", param=where)
    if is_live and number in TEST_NUMBERS:
        raise TestCardInLiveMode("this is a published test number", param=where)
    month, year = details.number("exp_month"), details.number("exp_year")
    expires_at = _card_expiry(month, year, at, details)
    code = details.text("cvc", most=4, optional=True)
    if code and not (code.isascii() and code.isdigit() and len(code) == brand.code_length):
        raise SecurityCodeInvalid(
            f"the code of {brand.name} has {brand.code_length} digits", param=details.place("cvc")
        )
    holder = details.text("holder", optional=True)
    # PCI DSS 3.4.1: at most the BIN and the last four may be shown; of numbers under 16 digits six.
    shown = Shown(brand.name, number[-4:], number[: 8 if len(number) >= 16 else 6], month, year, holder)
    secret = {"number": number, "exp_month": str(month), "exp_year": str(year), "holder": holder}
    return Instrument(MethodType.CARD, shown, secret, number, code, expires_at)


def _card_expiry(month: int, year: int, at: datetime, details: Details) -> datetime:
    """Return the end of the card's last month (UTC)."""
    if not 1 <= month <= 12:
        raise CardExpiryInvalid("exp_month must be 1 to 12", param=details.place("exp_month"))
    if not 2000 <= year <= at.year + YEARS_AHEAD_MAX:
        raise CardExpiryInvalid("exp_year must be a year of four digits", param=details.place("exp_year"))
    if (year, month) < (at.year, at.month):
        raise CardExpired("the card's date is over", param=details.place("exp_month"))
    return datetime(year, month, monthrange(year, month)[1], 23, 59, 59, tzinfo=UTC)


# --- bank accounts --------------------------------------------------------------------------------------
@sensitive_variables()
def _bank_transfer(details: Details, at: datetime, is_live: bool) -> Instrument:
    return _iban_account(details, MethodType.BANK_TRANSFER)


@sensitive_variables()
def _sepa(details: Details, at: datetime, is_live: bool) -> Instrument:
    mandate = details.text("mandate_reference", most=35, optional=True)  # AT-01 of the scheme: 35 characters
    found = _iban_account(details, MethodType.SEPA, {"mandate_reference": mandate} if mandate else {})
    if found.shown.country not in SEPA_COUNTRIES:
        raise NotSepa("the account's country takes no part in SEPA", param=details.place("iban"))
    return found


@sensitive_variables()
def _iban_account(details: Details, kind: str, more: dict[str, str] | None = None) -> Instrument:
    holder = details.text("holder", most=70)
    try:
        iban = IBAN(details.text("iban", most=42))
    except SchwiftyException as error:
        raise IbanInvalid("this is not an IBAN", param=details.place("iban")) from error
    number = str(iban.compact)
    shown = Shown(
        last4=number[-4:],
        holder=holder,
        country=number[:2],
        institution=str(iban.bank_short_name or "")[:100],
        details=more or {},
    )
    return Instrument(kind, shown, {"iban": number, "holder": holder}, number)


@sensitive_variables()
def _ach(details: Details, at: datetime, is_live: bool) -> Instrument:
    holder = details.text("holder", most=70)
    routing, account = _routing_number(details), _account_number(details)
    account_type = details.word("account_type", ACCOUNT_TYPES, "checking")
    shown = Shown(
        last4=account[-4:],
        holder=holder,
        country="US",
        institution=routing,
        details={"account_type": account_type},
    )
    secret = {"routing_number": routing, "account_number": account, "holder": holder}
    return Instrument(MethodType.ACH, shown, {**secret, "account_type": account_type}, f"{routing}/{account}")


@sensitive_variables()
def _wire(details: Details, at: datetime, is_live: bool) -> Instrument:
    holder, account = details.text("holder", most=70), _account_number(details)
    try:
        bic = BIC(details.text("bic", most=11))
    except SchwiftyException as error:
        raise BicInvalid("this is not a BIC", param=details.place("bic")) from error
    code = str(bic.compact)
    shown = Shown(last4=account[-4:], holder=holder, country=code[4:6], institution=code)
    secret = {"account_number": account, "bic": code, "holder": holder}
    return Instrument(MethodType.WIRE, shown, secret, f"{code}/{account}")


@sensitive_variables()
def _check(details: Details, at: datetime, is_live: bool) -> Instrument:
    holder = details.text("holder", most=70)
    routing, account = _routing_number(details), _account_number(details)
    shown = Shown(last4=account[-4:], holder=holder, country="US", institution=routing)
    secret = {"routing_number": routing, "account_number": account, "holder": holder}
    return Instrument(MethodType.CHECK, shown, secret, f"{routing}/{account}")


@sensitive_variables()
def _routing_number(details: Details) -> str:
    text = details.text("routing_number", most=9)
    if not (text.isascii() and rtn.is_valid(text)):
        raise RoutingNumberInvalid("this is not a routing number", param=details.place("routing_number"))
    return str(rtn.compact(text))


@sensitive_variables()
def _account_number(details: Details) -> str:
    """Take an account number out: up to 17 letters and digits by NACHA, up to 34 by SWIFT."""
    text = details.text("account_number", most=42).replace(" ", "").replace("-", "").upper()
    if not (text.isascii() and text.isalnum() and 4 <= len(text) <= 34):
        raise AccountNumberInvalid(
            "an account number has 4 to 34 letters and digits", param=details.place("account_number")
        )
    return text


# --- others ---------------------------------------------------------------------------------------------
@sensitive_variables()
def _crypto(details: Details, at: datetime, is_live: bool) -> Instrument:
    network = details.word("network", CRYPTO_NETWORKS)
    address = details.text("address", most=100)
    if not bitcoin.is_valid(address):
        raise CryptoAddressInvalid(f"this is no address of {network}", param=details.place("address"))
    shown = Shown(last4=address[-4:], institution=network)
    return Instrument(MethodType.CRYPTO, shown, {"network": network, "address": address}, address)


def _by_token_only(details: Details, at: datetime, is_live: bool) -> Instrument:
    raise BadDetail("this kind of method is given as a provider's token", param="provider_token")


_READERS: Final[Mapping[MethodType, Callable[[Details, datetime, bool], Instrument]]] = {
    MethodType.CARD: _card,
    MethodType.BANK_TRANSFER: _bank_transfer,
    MethodType.SEPA: _sepa,
    MethodType.ACH: _ach,
    MethodType.WIRE: _wire,
    MethodType.CHECK: _check,
    MethodType.CRYPTO: _crypto,
    MethodType.DIGITAL_WALLET: _by_token_only,
    MethodType.BNPL: _by_token_only,
}
