"""Onboarding: take in merchants and their vendors, and stop and restart vendors.

A vendor of a sandbox merchant is opened and activated in one phase. A vendor made by a request carries the
id that the request was given beforehand, so that a second run of it finds the first one's vendor.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError

from ledger import audit
from ledger.actors import Actor
from ledger.errors import Conflict, Invalid
from ledger.ids import uuid7
from ledger.locks import phased
from ledger.masking import MASK
from ledger.money import BPS_WHOLE, check_currency
from ledger.recording import no_answer, record
from vendors import locks
from vendors.models import CommissionRule, Merchant, Mode, Vendor
from vendors.models.merchants import MerchantInactive
from vendors.services import commissions


class VendorExists(Conflict):
    """The merchant has a vendor with this external id."""

    code = "vendor_exists"
    advice = "Use the vendor that exists, or another external_id."


class BadCommission(Invalid):
    """Commission terms that cannot be."""

    code = "commission_invalid"


@dataclass(frozen=True, slots=True)
class CommissionTerms:
    """What the platform keeps of a vendor's sales: a rate, and a fixed part in minor units of `currency`."""

    rate_bps: int
    fixed_minor: int = 0
    currency: str = ""


@dataclass(frozen=True, slots=True)
class NewVendor:
    """What is told of a vendor when he is taken in; `payout_destination` is {"holder", "iban", "country"}."""

    external_id: str
    name: str
    category: str
    payout_destination: dict[str, str]
    commission: CommissionTerms | None = None
    metadata: dict[str, str] | None = None


@phased
def create_merchant(
    *, name: str, actor: Actor, at: datetime, mode: str = Mode.SANDBOX, merchant_id: UUID | None = None
) -> Merchant:
    """Take in a merchant."""
    merchant = Merchant.objects.create(id=merchant_id or uuid7(), name=name, mode=mode)
    audit.record(
        actor=actor,
        action="merchant.created",
        subject=merchant,
        after={"name": name, "mode": str(mode)},
        at=at,
    )
    return merchant


@phased
def suspend_merchant(*, merchant_id: UUID, reason: str, actor: Actor, at: datetime) -> Merchant:
    """Let a merchant not act any more: his keys are refused, and none of his payments takes money.

    Waits for claims of money that have begun; what was claimed before is carried out. Refunds, voids,
    disputes and settlements go on. Suspending him again changes nothing.

    :raises MerchantNotFound: there is none.
    """
    return _let_act(merchant_id, False, "merchant.suspended", reason, actor, at)


@phased
def reinstate_merchant(*, merchant_id: UUID, reason: str, actor: Actor, at: datetime) -> Merchant:
    """End a merchant's suspension; what waited for it goes on within the hour.

    :raises MerchantNotFound: there is none.
    """
    return _let_act(merchant_id, True, "merchant.reinstated", reason, actor, at)


def _let_act(
    merchant_id: UUID, is_active: bool, action: str, reason: str, actor: Actor, at: datetime
) -> Merchant:
    merchant = locks.merchant(merchant_id)
    if merchant.is_active != is_active:
        locks.alone(merchant_id)
        merchant.is_active = is_active
        merchant.save(update_fields=["is_active"])
        audit.record(actor=actor, action=action, subject=merchant, reason=reason, at=at)
    return merchant


def create_vendor(
    *,
    merchant_id: UUID,
    new: NewVendor,
    actor: Actor,
    at: datetime,
    vendor_id: UUID | None = None,
    answer: Callable[[Vendor], Any] = no_answer,
) -> Vendor:
    """Take in a vendor, with a commission rule of his own when terms are given.

    :raises VendorExists: the external id is taken. :raises BadCommission: terms that cannot be.
    :raises MerchantInactive: the merchant may not act.
    """
    if new.commission is not None:
        _check_terms(new.commission)
    try:
        return _create_vendor(merchant_id, new, vendor_id or uuid7(), actor, at, answer)
    except IntegrityError as error:
        if "vendors_vendor_external_id_once" not in str(error):
            raise
        raise _exists(new) from error


@phased
def suspend_vendor(*, merchant_id: UUID, vendor_id: UUID, reason: str, actor: Actor, at: datetime) -> Vendor:
    """Stop a vendor's new sales and payouts.

    :raises VendorNotFound: no such vendor. :raises StateConflict: he is not active.
    """
    vendor = locks.vendor(merchant_id, vendor_id)
    with record(vendor, actor=actor, at=at) as entry:
        vendor.suspend()
        entry.announce({**vendor.as_event(), "reason": reason})
    audit.record(actor=actor, action="vendor.suspended", subject=vendor, reason=reason, at=at)
    return vendor


@phased
def reinstate_vendor(
    *, merchant_id: UUID, vendor_id: UUID, reason: str, actor: Actor, at: datetime
) -> Vendor:
    """End a vendor's suspension.

    :raises VendorNotFound: no such vendor. :raises StateConflict: he is not suspended.
    """
    vendor = locks.vendor(merchant_id, vendor_id)
    with record(vendor, actor=actor, at=at) as entry:
        vendor.reinstate()
        entry.announce({**vendor.as_event(), "reason": reason})
    audit.record(actor=actor, action="vendor.reinstated", subject=vendor, reason=reason, at=at)
    return vendor


@phased
def _create_vendor(
    merchant_id: UUID,
    new: NewVendor,
    vendor_id: UUID,
    actor: Actor,
    at: datetime,
    answer: Callable[[Vendor], Any],
) -> Vendor:
    merchant = locks.merchant(merchant_id)
    if not merchant.is_active:
        raise MerchantInactive("the merchant is not active")
    done = Vendor.objects.filter(merchant=merchant, pk=vendor_id).first()
    if done is not None:
        answer(done)
        return done
    if Vendor.objects.filter(merchant=merchant, external_id=new.external_id).exists():
        raise _exists(new)
    vendor = Vendor(
        id=vendor_id,
        merchant=merchant,
        external_id=new.external_id,
        name=new.name,
        category=new.category,
        payout_destination=new.payout_destination,
        metadata=new.metadata or {},
        occurred_at=at,
    )
    with record(vendor, actor=actor, at=at) as entry:
        vendor.open()
        entry.announce(vendor.as_event())
    if merchant.mode == Mode.SANDBOX:
        with record(vendor, actor=actor, at=at) as entry:
            vendor.activate()
            entry.announce(vendor.as_event())
    audit.record(
        actor=actor, action="vendor.created", subject=vendor, at=at,
        after={"external_id": new.external_id, "name": new.name, "category": new.category,
               "state": vendor.state,
               "payout_destination": {"country": new.payout_destination.get("country", ""), "iban": MASK}},
    )  # fmt: skip
    if new.commission is not None:
        rule = CommissionRule.objects.create(
            merchant=merchant,
            vendor=vendor,
            currency=new.commission.currency,
            rate_bps=new.commission.rate_bps,
            fixed_minor=new.commission.fixed_minor,
            valid_from=at,
        )
        commissions.forget(merchant.pk)
        audit.record(
            actor=actor, action="commission_rule.created", subject=rule, at=at,
            after={"vendor": vendor.public_id, "rate_bps": rule.rate_bps, "fixed_minor": rule.fixed_minor,
                   "currency": rule.currency, "valid_from": at},
        )  # fmt: skip
    answer(vendor)
    return vendor


def _check_terms(terms: CommissionTerms) -> None:
    if not 0 <= terms.rate_bps <= BPS_WHOLE:
        raise BadCommission(f"a rate is between 0 and {BPS_WHOLE} bps", param="commission.rate_bps")
    if terms.fixed_minor < 0:
        raise BadCommission("a fixed part is not negative", param="commission.fixed_minor")
    if terms.fixed_minor and not terms.currency:
        raise BadCommission("a fixed part needs a currency", param="commission.currency")
    if terms.currency:
        check_currency(terms.currency)


def _exists(new: NewVendor) -> VendorExists:
    return VendorExists(f"a vendor {new.external_id!r} exists", param="external_id")
