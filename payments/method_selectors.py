"""Reads about payment methods. Each takes the merchant whose rows it may show; staff pass `ALL`."""

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Q, QuerySet

from payments import states
from payments.models import PaymentMethod, ProviderOperation, ProviderToken
from payments.models.methods import PaymentMethodNotFound
from payments.models.operations import Kind
from payments.models.payment_choices import MethodType
from payments.selectors import Whose, of_merchant

# Words of the contract for several kinds together, besides the kinds themselves.
GROUPS: Final = {
    "bank": (MethodType.BANK_TRANSFER, MethodType.ACH, MethodType.SEPA, MethodType.WIRE, MethodType.CHECK),
    "wallet": (MethodType.DIGITAL_WALLET,),
}
TYPES: Final = (*MethodType.values, *GROUPS)


class NoDefaultMethod(PaymentMethodNotFound):
    """The customer has no default payment method."""

    code = "payment_method_no_default"


def methods(merchant_id: Whose) -> QuerySet[PaymentMethod]:
    """Return a merchant's payment methods, unordered, also those that were removed."""
    return of_merchant(merchant_id, PaymentMethod.objects.all())


def method(merchant_id: Whose, method_id: UUID) -> PaymentMethod:
    """Return one payment method.

    :raises PaymentMethodNotFound: the merchant has none with this id.
    """
    found = methods(merchant_id).filter(pk=method_id).first()
    if found is None:
        raise PaymentMethodNotFound("there is no such payment method")
    return found


def of_customer(merchant_id: Whose, customer_ref: str) -> QuerySet[PaymentMethod]:
    """Return a customer's payment methods that were not removed, unordered."""
    return methods(merchant_id).filter(customer_ref=customer_ref).exclude(state=states.REMOVED)


def active(merchant_id: Whose, customer_ref: str, at: datetime) -> QuerySet[PaymentMethod]:
    """Return those of a customer's methods that are verified and not past their date, unordered."""
    good = Q(exp_year=None) | Q(exp_year__gt=at.year) | Q(exp_year=at.year, exp_month__gte=at.month)
    return of_customer(merchant_id, customer_ref).filter(good, state=states.VERIFIED)


def of_type(merchant_id: Whose, customer_ref: str, word: str) -> QuerySet[PaymentMethod]:
    """Return a customer's methods of a kind or a group of kinds (`TYPES`), unordered."""
    return of_customer(merchant_id, customer_ref).filter(kind__in=kinds_of(word))


def kinds_of(word: str) -> tuple[MethodType, ...]:
    """Return the kinds that a word of the contract stands for."""
    return GROUPS.get(word) or (MethodType(word),)


def default(merchant_id: Whose, customer_ref: str) -> PaymentMethod:
    """Return what a customer pays with unless something else is said.

    :raises NoDefaultMethod: the customer has none.
    """
    found = of_customer(merchant_id, customer_ref).filter(is_default=True).first()
    if found is None:
        raise NoDefaultMethod("the customer has no default payment method")
    return found


def next_default(merchant_id: UUID, customer_ref: str, other_than: UUID) -> UUID | None:
    """Return the method that takes the place of a customer's default: the newest that can be one."""
    rows = of_customer(merchant_id, customer_ref).exclude(pk=other_than).exclude(state=states.FAILED)
    return rows.order_by("-pk").values_list("pk", flat=True).first()


def provider_token(method_id: UUID, provider: str) -> str:
    """Return what a provider calls a method, or nothing."""
    rows = ProviderToken.objects.filter(method_id=method_id, provider=provider)
    return rows.values_list("token", flat=True).first() or ""


def with_fingerprint(row: PaymentMethod) -> QuerySet[PaymentMethod]:
    """Return the merchant's other methods that are the same card or account, the newest first."""
    if not row.fingerprint:
        return PaymentMethod.objects.none()
    same = PaymentMethod.objects.filter(merchant_id=row.merchant_id, fingerprint=row.fingerprint)
    return same.exclude(pk=row.pk).order_by("-pk")


def deposits(row: PaymentMethod) -> list[ProviderOperation]:
    """Return the small deposits of a method's present verification, the first first."""
    rows = ProviderOperation.objects.filter(
        subject_type=PaymentMethod.SUBJECT, subject_id=row.pk, kind=Kind.DEPOSIT,
        leg__startswith=f"deposit:{row.verification_count}:",
    )  # fmt: skip
    return list(rows.order_by("leg"))
