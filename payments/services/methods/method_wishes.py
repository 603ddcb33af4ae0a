"""From what a request says to what a service does: which way a method is given, which step is asked."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.views.decorators.debug import sensitive_variables

from ledger.errors import Invalid
from payments import states
from payments.models import PaymentMethod
from payments.models.methods import Verification
from payments.models.payment_choices import MethodType
from payments.services.methods import keeping_methods, verifying_methods
from payments.services.methods.adding_methods import NewMethod, ProvidersOwn
from payments.vault.errors import BadDetail
from payments.vault.instruments import Shown
from payments.vault.tokens import Given
from vendors.models import Mode

WAYS: Final = ("encrypted", "details", "provider_token")
# What a token of a provider must say besides, by kind; other kinds than these are not given as tokens.
TOKEN_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    MethodType.CARD: (),
    MethodType.BANK_TRANSFER: (),
    MethodType.SEPA: (),
    MethodType.ACH: (),
    MethodType.CRYPTO: (),
    MethodType.DIGITAL_WALLET: ("wallet",),
    MethodType.BNPL: ("plan", "instalments"),
}

Step = Callable[..., PaymentMethod]


class OneOfThree(Invalid):
    """Not exactly one of encrypted, details and provider_token is given."""

    code = "payment_method_given_twice_or_not"


class MustBeEncrypted(Invalid):
    """A card comes encrypted, or as a provider's token; never in clear."""

    code = "card_details_must_be_encrypted"
    advice = "Encrypt the card in the customer's browser: docs/encrypting-cards.md."


class ReasonMissing(Invalid):
    """The outcome of the merchant's own checks needs a reason."""

    code = "reason_missing"


@sensitive_variables()
def read(asked: Mapping[str, Any], *, merchant_id: UUID, mode: str) -> NewMethod:
    """Return the method that a request wants.

    :raises OneOfThree: not exactly one way. :raises MustBeEncrypted: a card in clear.
    :raises BadDetail: a provider's token without what its kind needs, or of another kind.
    """
    if sum(way in asked for way in WAYS) != 1:
        raise OneOfThree(f"give exactly one of {', '.join(WAYS)}", param="encrypted")
    kind = asked["type"]
    given = held = None
    if "provider_token" in asked:
        held = _held(kind, asked["provider_token"])
    elif kind == MethodType.CARD and "details" in asked:
        raise MustBeEncrypted("a card's details must be encrypted", param="details")
    else:
        given = Given(kind, merchant_id, mode == Mode.LIVE, asked.get("encrypted", ""), asked.get("details"))
    return NewMethod(
        customer_ref=asked["customer_id"],
        kind=kind,
        given=given,
        held=held,
        is_default=asked.get("default", False),
        metadata=asked.get("metadata", {}),
    )


def step(asked: Mapping[str, Any]) -> Step:
    """Return what a change of the verification status means.

    :raises ReasonMissing: the merchant's own verdict has no reason. :raises BadDetail: what does not fit.
    """
    status, amounts = asked["status"], asked.get("amounts")
    if status == states.PENDING:
        return _start(asked.get("verification"))
    if amounts is not None and status == states.VERIFIED:
        return partial(_told, amounts=amounts)
    if not asked.get("reason"):
        raise ReasonMissing("tell the reason, or the deposits' amounts", param="reason")
    return partial(_judged, is_good=status == states.VERIFIED, reason=asked["reason"])


def _start(how: str | None) -> Step:
    return _deposited if how == Verification.MICRO_DEPOSITS else _asked


def _asked(*, effect_id: UUID, **more: Any) -> PaymentMethod:
    return verifying_methods.ask_bank(operation_id=effect_id, **more)


def _deposited(*, effect_id: UUID, **more: Any) -> PaymentMethod:
    return verifying_methods.deposit(effect_id=effect_id, **more)


def _told(*, effect_id: UUID, **more: Any) -> PaymentMethod:
    return verifying_methods.tell_amounts(**more)


def _judged(*, effect_id: UUID, **more: Any) -> PaymentMethod:
    return keeping_methods.judge(**more)


def _held(kind: str, told: Mapping[str, Any]) -> ProvidersOwn:
    needs = TOKEN_NEEDS.get(kind)
    if needs is None:
        raise BadDetail(f"a {kind} is not given as a provider's token", param="provider_token")
    for name in needs:
        if name not in told:
            raise BadDetail(f"a {kind} needs {name}", param=f"provider_token.{name}")
    for name in ("wallet", "plan", "instalments"):
        if name in told and name not in needs:
            raise BadDetail(f"a {kind} has no {name}", param=f"provider_token.{name}")
    details = {name: str(told[name]) for name in ("plan", "instalments") if name in told}
    shown = Shown(
        brand=told.get("brand", ""),
        last4=told.get("last4", ""),
        exp_month=told.get("exp_month"),
        exp_year=told.get("exp_year"),
        institution=told.get("wallet") or told.get("plan") or "",
        details=details,
    )
    return ProvidersOwn(told["provider"], told["token"], shown)
