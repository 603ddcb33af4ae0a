"""The vault's refusals that reach a caller, by occasion: the API names them without knowing the vault."""

from typing import Final

from ledger.errors import DomainError
from payments.models.methods import PaymentMethodNotFound
from payments.services.routes import method_tokens
from payments.vault import errors
from payments.vault.revealing import PublicKeyInvalid
from payments.vault.tokens import VaultRecordNotFound

DETAILS: Final[tuple[type[DomainError], ...]] = (
    errors.BadDetail,
    errors.CardNumberInvalid,
    errors.CardBrandUnknown,
    errors.CardExpired,
    errors.CardExpiryInvalid,
    errors.SecurityCodeInvalid,
    errors.TestCardInLiveMode,
    errors.IbanInvalid,
    errors.NotSepa,
    errors.RoutingNumberInvalid,
    errors.AccountNumberInvalid,
    errors.BicInvalid,
    errors.CryptoAddressInvalid,
)
ACCOUNT: Final[tuple[type[DomainError], ...]] = (
    errors.BadDetail,
    errors.IbanInvalid,
    errors.NotSepa,
    errors.RoutingNumberInvalid,
    errors.AccountNumberInvalid,
)
ENCRYPTION: Final[tuple[type[DomainError], ...]] = (errors.NotSealed, errors.ExchangeKeyOver)
REVEALING: Final[tuple[type[DomainError], ...]] = (
    PublicKeyInvalid,
    VaultRecordNotFound,
    errors.RecordErased,
    errors.SealBroken,
    errors.KeyGone,
    errors.KeyStoreAway,
)
PAYING: Final[tuple[type[DomainError], ...]] = (
    PaymentMethodNotFound,
    method_tokens.MethodOfAnother,
    method_tokens.MethodNotUsable,
    method_tokens.MethodNotPayable,
    method_tokens.MethodRefused,
)
KEY_STORE_AWAY: Final = errors.KeyStoreAway
