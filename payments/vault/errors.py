"""What the vault refuses, and how it fails: always closed, never with a value in the message."""

from ledger.errors import Conflict, Invalid, Unavailable


class KeyStoreAway(Unavailable):
    """The vault's key store cannot be used now."""

    code = "vault_unavailable"
    advice = "Send the same request again; nothing was changed."


class KeyGone(Conflict):
    """The key that a record was sealed under is not in the key store any more."""

    code = "vault_key_gone"
    advice = "Ask the customer to add the payment method again."


class SealBroken(Conflict):
    """A record of the vault does not open: it was changed, or belongs to another row."""

    code = "vault_record_unreadable"
    advice = "Ask the customer to add the payment method again; tell the platform."


class RecordErased(Conflict):
    """The record's content was erased."""

    code = "vault_record_erased"
    advice = "Ask the customer to add the payment method again."


class NotSealed(Invalid):
    """The encrypted details cannot be opened: made for another merchant or key, cut or changed."""

    code = "encrypted_details_invalid"
    advice = "Fetch the encryption key again and encrypt the details anew, for this merchant."


class ExchangeKeyOver(Invalid):
    """The details were encrypted under a key whose time is over."""

    code = "encryption_key_expired"
    advice = "Fetch the encryption key again and encrypt the details anew."


class BadDetail(Invalid):
    """A detail of the payment method is missing, unknown or of a wrong form."""

    code = "payment_method_detail_invalid"


class CardNumberInvalid(BadDetail):
    """The card number's length or check digit is wrong."""

    code = "card_number_invalid"
    advice = "Ask the customer to type the number again."


class CardBrandUnknown(BadDetail):
    """The number belongs to no card network that we know."""

    code = "card_brand_unknown"


class CardExpired(BadDetail):
    """The card's date is over."""

    code = "card_expired"
    advice = "Ask the customer for another card."


class CardExpiryInvalid(BadDetail):
    """The card's date is not a date that a card can have."""

    code = "card_expiry_invalid"


class SecurityCodeInvalid(BadDetail):
    """The security code has not the length that the card's network prints."""

    code = "card_security_code_invalid"


class TestCardInLiveMode(BadDetail):
    """A published test number, sent by a live merchant."""

    code = "live_mode_test_card"


class IbanInvalid(BadDetail):
    """The IBAN's country, length or check digits are wrong."""

    code = "iban_invalid"


class NotSepa(BadDetail):
    """The IBAN's country takes no part in SEPA."""

    code = "iban_not_sepa"


class RoutingNumberInvalid(BadDetail):
    """The routing number's length or check digit is wrong (ABA)."""

    code = "routing_number_invalid"


class AccountNumberInvalid(BadDetail):
    """The account number has a form that no bank uses."""

    code = "account_number_invalid"


class BicInvalid(BadDetail):
    """The BIC has a wrong form or country."""

    code = "bic_invalid"


class CryptoAddressInvalid(BadDetail):
    """The address' check sum or form is wrong."""

    code = "crypto_address_invalid"
