"""What the database's own law says of a claim (payments 0020): who may take money, and with what, now.

It is judged in the transaction of the claim, so what was taken away a moment before is not used any more;
what was claimed before is carried out.
"""

from datetime import timedelta
from typing import Any, Final

from django.db import DataError, IntegrityError

from ledger.errors import Conflict, DomainError
from vendors.models.merchants import MerchantInactive

STORED_METHOD: Final = (
    "stored_method"  # in an authorization's request: the method's id, where it is a stored one
)
ASKED_AGAIN_AFTER: Final = timedelta(hours=1)  # a job whose merchant may not act


class PaymentMethodRemoved(Conflict):
    """The stored method that the payment was made with was removed since."""

    code = "payment_method_removed"
    advice = "Create a payment with another method of the customer."


def refused(error: IntegrityError | DataError) -> DomainError | None:
    """Return the refusal that the law means, when it is that one."""
    diag: Any = getattr(error.__cause__, "diag", None)
    match getattr(diag, "constraint_name", ""):
        case "payments_merchant_may_act":
            return MerchantInactive("the merchant may not act")
        case "payments_method_is_there":
            return PaymentMethodRemoved("the payment's stored method was removed", param="payment_method")
    return None
