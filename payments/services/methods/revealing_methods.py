"""Hand a card or an account out to whom it belongs: only encrypted for a key of theirs, only with the scope
for it, in the audit log before it is opened. Not even here is it in clear: the vault encrypts it itself."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger import audit
from ledger.actors import Actor
from ledger.locks import phased
from payments import method_selectors, states
from payments.models import PaymentMethod
from payments.services.routes.method_tokens import MethodNotUsable
from payments.vault import revealing


@dataclass(frozen=True, slots=True)
class Revealed:
    """A method's content, encrypted for the key that was given."""

    method: PaymentMethod
    encrypted: str


def reveal(
    *, merchant_id: UUID, method_id: UUID, public_key: str, reason: str, actor: Actor, at: datetime
) -> Revealed:
    """Return what a method stands for, encrypted for the holder of a P-256 key.

    :raises PaymentMethodNotFound: no such method. :raises MethodNotUsable: the vault holds nothing of it.
    :raises PublicKeyInvalid: no point of P-256. :raises SealBroken: :raises KeyGone: it does not open.
    """
    method = method_selectors.method(merchant_id, method_id)
    if method.state == states.REMOVED or not method.vault_token:
        raise MethodNotUsable("the vault holds nothing of this method", param="payment_method")
    revealing.check_public_key(public_key)
    _note(method, reason, actor, at)
    encrypted = revealing.encrypted_for(
        method.vault_token, public_key, merchant_id=merchant_id, purpose=f"handed out: {reason}",
        actor=actor, at=at,
    )  # fmt: skip
    return Revealed(method, encrypted)


@phased
def _note(method: PaymentMethod, reason: str, actor: Actor, at: datetime) -> None:
    audit.record(
        actor=actor, action="payment_method.detokenized", subject=method, reason=reason, at=at, before={},
        after={},
    )  # fmt: skip
