"""The read queries of this app; each takes the merchant whose rows it may show."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from ledger import array_literals, balances, reading
from ledger.chart import Code
from ledger.known_rows import KnownRows
from ledger.models import AuditRecord
from ledger.money import Money
from vendors.commission import RuleTerms
from vendors.models import ApiKey, CommissionRule, Merchant, Vendor
from vendors.models.access import ApiKeyNotFound
from vendors.models.merchants import MerchantNotFound
from vendors.models.vendors import VendorNotFound


@dataclass(frozen=True, slots=True)
class VendorBalance:
    """What a vendor is owed in one currency, and what he owes; all three are not negative."""

    currency: str
    pending: Money
    available: Money
    receivable: Money


@dataclass(slots=True)
class Along:
    """What a request reads of its merchant, so that the statement which looks at its key can read it, too.

    `columns` and `joins` are SQL in which `m` is the merchant, `values` those of the joins in their order.
    `rows` is what was found; None while nobody has looked: then the request reads for itself.
    """

    columns: str
    joins: str
    values: list[Any]
    rows: list[tuple[Any, ...]] | None = None


def merchant(merchant_id: UUID) -> Merchant:
    """Return a merchant.

    :raises MerchantNotFound: there is none.
    """
    found = Merchant.objects.filter(pk=merchant_id).first()
    if found is None:
        raise MerchantNotFound(f"there is no merchant {merchant_id}")
    return found


def suspensions(merchant: Merchant) -> QuerySet[AuditRecord]:
    """Return the records of how a merchant was suspended and reinstated, the newest first."""
    acts = ("merchant.suspended", "merchant.reinstated")
    return AuditRecord.objects.filter(object_id=merchant.public_id, action__in=acts).order_by("-at", "-id")


def vendor(merchant_id: UUID, vendor_id: UUID) -> Vendor:
    """Return a merchant's vendor.

    :raises VendorNotFound: the merchant has no such vendor.
    """
    found = Vendor.objects.filter(merchant_id=merchant_id, pk=vendor_id).first()
    if found is None:
        raise VendorNotFound("the merchant has no such vendor", param="vendor_id")
    return found


def vendors_by_id(merchant_id: UUID, vendor_ids: Iterable[UUID]) -> dict[UUID, Vendor]:
    """Return those of the vendors that belong to the merchant, by id, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(_VENDORS, [merchant_id, array_literals.uuids(vendor_ids)])
        return {row[0]: reading.row(Vendor, row) for row in cursor.fetchall()}


def vendors(merchant_id: UUID) -> QuerySet[Vendor]:
    """Return all vendors of a merchant, unordered."""
    return Vendor.objects.filter(merchant_id=merchant_id)


def sellers(merchant_id: UUID, vendor_ids: Iterable[UUID]) -> tuple[dict[UUID, Vendor], list[RuleTerms]]:
    """Return those of the vendors that belong to the merchant, by id, and the active commission rules that
    can concern them, whenever they hold, unordered; rows that this process knows are not read again.

    The vendors are for reading: other requests have the same objects.
    """
    listed = array_literals.uuids(vendor_ids)
    vendors_era, rules_era = _vendors.era, _rules.era
    with connection.cursor() as cursor:
        cursor.execute(_SELLERS, [merchant_id, listed, merchant_id, listed])
        found = cursor.fetchall()
    vendors = _vendors.recall(
        {row[1]: row[2:] for row in found if row[0]}, lambda ids: vendors_by_id(merchant_id, ids), vendors_era
    )
    rules = _rules.recall(
        {row[1]: row[2:] for row in found if not row[0]}, lambda ids: _terms(merchant_id, ids), rules_era
    )
    return vendors, list(rules.values())


def _terms(merchant_id: UUID, rule_ids: list[UUID]) -> dict[UUID, RuleTerms]:
    rows = CommissionRule.objects.filter(merchant_id=merchant_id, is_active=True, pk__in=rule_ids)
    return {row.pk: row.as_terms() for row in rows}


def all_commission_rules(merchant_id: UUID) -> QuerySet[CommissionRule]:
    """Return the active rules of a merchant, whomever they concern, unordered."""
    return CommissionRule.objects.filter(merchant_id=merchant_id, is_active=True)


def api_keys(merchant_id: UUID) -> QuerySet[ApiKey]:
    """Return all API keys of a merchant, also those that no longer hold, unordered."""
    return ApiKey.objects.filter(merchant_id=merchant_id)


def api_key(merchant_id: UUID, api_key_id: UUID) -> ApiKey:
    """Return a merchant's API key with its merchant.

    :raises ApiKeyNotFound: the merchant has no such key.
    """
    found = ApiKey.objects.select_related("merchant").filter(merchant_id=merchant_id, pk=api_key_id).first()
    if found is None:
        raise ApiKeyNotFound("the merchant has no such API key")
    return found


def vendor_balances(merchant_id: UUID, vendor_id: UUID) -> list[VendorBalance]:
    """Return a vendor's balances by currency, as people count them (what he is owed is positive)."""
    found: dict[str, dict[Code, Money]] = {}
    for account in balances.balances(merchant_id, owner=str(vendor_id)):
        found.setdefault(account.ref.currency, {})[account.ref.code] = account.balance
    return [
        VendorBalance(
            currency=currency,
            pending=-by_code.get(Code.VENDOR_PENDING, Money.zero(currency)),
            available=-by_code.get(Code.VENDOR_AVAILABLE, Money.zero(currency)),
            receivable=by_code.get(Code.VENDOR_RECEIVABLE, Money.zero(currency)),
        )
        for currency, by_code in sorted(found.items())
    ]


def api_key_by_lookup(lookup: str, along: Along | None = None) -> ApiKey | None:
    """Return the key with this public part and its merchant, in one query, whether it holds or not.

    Every request of the API begins with it: it goes round the ORM's compiler, and of rows that this process
    knows it only asks whether they are still the same, and reads what goes along. Both are for reading: other
    requests have the same objects.
    """
    era = _keys.era
    if lookup in _keys:
        version = _one(_VERSION_OF_KEY, lookup) if along is None else _version(lookup, along)
        known = _keys.get(lookup, version, era)
        if known is not None:
            return known
    found = _one(_KEY_WITH_MERCHANT, lookup)
    if found is None:
        return None
    split = _VERSION_COLUMNS + len(ApiKey._meta.concrete_fields)
    key = reading.row(ApiKey, found[_VERSION_COLUMNS:split])
    key.merchant = reading.row(Merchant, found[split:])
    _keys.keep(lookup, found[:_VERSION_COLUMNS], key, era)
    return key


def _one(statement: str, name: str) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(statement, [name])
        row: tuple[Any, ...] | None = cursor.fetchone()
    return row


def _version(lookup: str, along: Along) -> tuple[Any, ...] | None:
    """Return the version of a key, and read what goes along with it; the joins keep the key's own line."""
    statement = f"SELECT {_VERSIONS}, {along.columns} {_KEYS} {along.joins} {_WHERE}"
    with connection.cursor() as cursor:
        cursor.execute(statement, [*along.values, lookup])
        found = cursor.fetchall()
    along.rows = [row[_VERSION_COLUMNS:] for row in found]
    return found[0][:_VERSION_COLUMNS] if found else None


_vendors: Final[KnownRows[UUID, Vendor]] = KnownRows(10_000)
_rules: Final[KnownRows[UUID, RuleTerms]] = KnownRows(10_000)
_keys: Final[KnownRows[str, ApiKey]] = KnownRows(1_000)

# The names are those of our models.
_KEYS: Final = "FROM vendors_apikey k JOIN vendors_merchant m ON m.id = k.merchant_id"
_WHERE: Final = "WHERE k.lookup = %s"
_OF_KEY: Final = f"{_KEYS} {_WHERE}"
_VERSIONS: Final = "k.xmin, k.ctid, m.xmin, m.ctid"
_VERSION_COLUMNS: Final = 4
_VERSION_OF_KEY: Final = f"SELECT {_VERSIONS} {_OF_KEY}"
_KEY_WITH_MERCHANT: Final = (
    f"SELECT {_VERSIONS}, {reading.columns(ApiKey, 'k')}, {reading.columns(Merchant, 'm')} {_OF_KEY}"
)
_VENDORS: Final = (
    f"SELECT {reading.columns(Vendor, 'v')} FROM vendors_vendor v "  # noqa: S608
    "WHERE v.merchant_id = %s AND v.id = ANY(%s::uuid[])"
)
_SELLERS: Final = """
    SELECT true, v.id, v.xmin, v.ctid FROM vendors_vendor v
    WHERE v.merchant_id = %s AND v.id = ANY(%s::uuid[])
    UNION ALL
    SELECT false, r.id, r.xmin, r.ctid FROM vendors_commissionrule r
    WHERE r.merchant_id = %s AND r.is_active AND (r.vendor_id IS NULL OR r.vendor_id = ANY(%s::uuid[]))"""
