"""Choose the provider of a payment by what it must be able to do, and by whose token is given."""

from ledger.errors import Unavailable
from payments.models.payments import MethodType
from payments.providers import registry
from payments.providers.base import Capability


class NoProvider(Unavailable):
    """No configured provider can carry the payment."""

    code = "no_provider"
    advice = "Pay with another method, or ask the platform to connect a provider for it."


def choose(method_type: str, token: str = "") -> str:
    """Return the name of the provider for a payment method; a provider's own token is only good there.

    :raises NoProvider: none can.
    """
    able = registry.able(Capability(MethodType(method_type).value), Capability.AUTHORIZE, Capability.CAPTURE)
    if not able:
        raise NoProvider(f"no provider takes {method_type}", param="payment_method")
    owner = registry.owner_of(token)
    if owner in able:
        return owner
    return registry.DEFAULT if registry.DEFAULT in able else able[0]
