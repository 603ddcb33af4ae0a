"""Hold declined cards to the schemes' limits: counted at each decline, enforced when a try is claimed.

The card is known by a keyed hash of its fingerprint, of the stored method, or of the provider's token, in
this order; the claim writes it into the operation, where the database's own check finds it.
"""

import hashlib
import hmac
import json
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import DataError, IntegrityError, connection

from ledger import audit
from ledger.actors import Actor
from ledger.errors import Conflict
from ledger.ids import uuid7
from ledger.locks import phased, require_phase
from payments import locks
from payments.models import Payment, ProviderOperation, RetryStanding
from payments.models.payment_choices import MethodType
from payments.providers.outcomes import ADVICE_CODE, Declined
from payments.rules import retry_limits
from payments.rules.retry_limits import FREE, Limit

KEY: Final = "method_key"  # in an authorization's request
_BY_CARD: Final = (MethodType.CARD, MethodType.DIGITAL_WALLET)
CONSTRAINT: Final = "payments_retry_limit"


class RetryLimitReached(Conflict):
    """The card schemes forbid another try with this card, now or for ever."""

    code = "payment_retry_limit"
    advice = (
        "Ask the customer for another card; this one may be tried when the date named is past, if one is."
    )


class NotBound(Conflict):
    """No limit keeps the card from being tried."""

    code = "retry_limit_not_bound"


def key_of(payment: Payment) -> str:
    """Return by what a payment's card is known to the limits; empty where no card pays."""
    if payment.method_type not in _BY_CARD:
        return ""
    card = payment.method_fingerprint or str(payment.stored_method_id or "") or payment.method_token
    told = f"{payment.merchant_id}:{card}".encode()
    return hmac.new(_key(), told, hashlib.sha256).hexdigest()[:32] if card else ""


def refused(error: IntegrityError | DataError) -> RetryLimitReached | None:
    """Return the refusal that the database's check means, when it is that one."""
    diag: Any = getattr(error.__cause__, "diag", None)
    if getattr(diag, "constraint_name", "") != CONSTRAINT:
        return None
    told = json.loads(diag.message_detail)
    until = f" before {told['earliest_at']}" if told["earliest_at"] else ""
    return RetryLimitReached(
        f"this card may not be tried again{until}: {told['reason']}",
        param="payment_method",
        retry_at=told["earliest_at"],
    )


def note(payment: Payment, operation: ProviderOperation, outcome: Declined, at: datetime) -> Limit:
    """Count, in the caller's phase, a declined try of a locked payment; return what binds its card now."""
    require_phase()
    method_key = operation.request.get(KEY, "")
    if not method_key:
        return FREE
    brand = (outcome.details.get("brand") or payment.method_brand).lower()
    advice_code = outcome.details.get(ADVICE_CODE, "")[:8]
    told = {
        "id": uuid7(),
        "merchant": payment.merchant_id,
        "key": method_key,
        "brand": brand[:32],
        "last4": (outcome.details.get("last4") or payment.method_last4)[:4],
        "code": outcome.code[:64],
        "advice": advice_code,
        "at": at,
        "since": at - retry_limits.KEPT,
        "most": retry_limits.KEPT_MOST,
    }
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, told)
        row_id, declined = cursor.fetchone()
    bound = retry_limits.limit(brand, outcome.code, advice_code, declined, at)
    if bound.binds:
        # Never stays never: a later, softer word of another provider does not lift it.
        RetryStanding.objects.filter(pk=row_id, is_never=False).update(
            is_never=bound.is_never, earliest_at=bound.earliest, reason=bound.reason[:200]
        )
    return bound


_COUNT: Final = """
    INSERT INTO payments_retrystanding AS s (id, merchant_id, method_key, brand, last4, declined, code,
        advice_code, is_never, earliest_at, reason, updated_at)
    VALUES (%(id)s, %(merchant)s, %(key)s, %(brand)s, %(last4)s, ARRAY[%(at)s]::timestamptz[], %(code)s,
        %(advice)s, false, NULL, '', %(at)s)
    ON CONFLICT (merchant_id, method_key) DO UPDATE SET
        declined = ARRAY(
            SELECT one FROM unnest(s.declined || EXCLUDED.declined) AS one
            WHERE one > %(since)s ORDER BY one DESC LIMIT %(most)s),
        brand = EXCLUDED.brand, last4 = EXCLUDED.last4, code = EXCLUDED.code,
        advice_code = EXCLUDED.advice_code, updated_at = EXCLUDED.updated_at
    RETURNING id, declined"""


@lru_cache(maxsize=1)
def _key() -> bytes:
    return hashlib.sha256(f"retry limits:{settings.SECRET_KEY}".encode()).digest()


@phased
def lift(*, standing_id: UUID, actor: Actor, reason: str, at: datetime) -> RetryStanding:
    """Let a card be tried again, because its issuer or the scheme has said so; staff only, with a reason.

    :raises RetryStandingNotFound: there is none. :raises NotBound: nothing binds it.
    """
    standing = locks.retry_standing(standing_id)
    if not standing.is_never and standing.earliest_at is None:
        raise NotBound("nothing keeps this card from being tried")
    before = {"is_never": standing.is_never, "earliest_at": str(standing.earliest_at or "")}
    standing.is_never, standing.earliest_at, standing.declined, standing.reason = False, None, [], ""
    standing.save(update_fields=["is_never", "earliest_at", "declined", "reason"])
    audit.record(
        actor=actor, action="retry_limit.lifted", subject=standing, reason=reason, at=at, before=before,
        after={"is_never": False, "earliest_at": ""},
    )  # fmt: skip
    return standing
