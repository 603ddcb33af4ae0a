"""The closed lists of a payment's columns: the method, when it is captured, what became of the challenge."""

from typing import Final

from django.db import models


class MethodType(models.TextChoices):
    """What the customer pays with."""

    CARD = "card", "Card"
    BANK_TRANSFER = "bank_transfer", "Bank transfer"
    ACH = "ach", "ACH debit"
    SEPA = "sepa", "SEPA debit"
    WIRE = "wire", "Wire"
    CHECK = "check", "Check"
    DIGITAL_WALLET = "digital_wallet", "Digital wallet"
    BNPL = "bnpl", "Buy now, pay later"
    CRYPTO = "crypto", "Crypto currency"


class CaptureMethod(models.TextChoices):
    """When an authorized payment is captured."""

    AUTOMATIC = "automatic", "Automatic"
    MANUAL = "manual", "Manual"
    SCHEDULED = "scheduled", "On a date"
    MANAGED = "managed", "By the marketplace payment that it belongs to"


# How a merchant may have a payment captured that is not a part of something larger.
CAPTURE_METHODS_ASKED: Final = (CaptureMethod.AUTOMATIC, CaptureMethod.MANUAL, CaptureMethod.SCHEDULED)


class Authentication(models.TextChoices):
    """What became of the customer's authentication (3-D Secure), as the provider tells."""

    AUTHENTICATED = "authenticated", "Authenticated"
    ATTEMPTED = "attempted", "Attempted"
    EXEMPTED = "exempted", "Exempted"
    FAILED = "failed", "Failed"
    NOT_SUPPORTED = "not_supported", "Not supported"


class LiabilityShift(models.TextChoices):
    """Who bears a dispute for fraud."""

    ISSUER = "issuer", "The customer's bank"
    MERCHANT = "merchant", "The merchant"


class Exemption(models.TextChoices):
    """Why no challenge is asked for (PSD2: articles 10 to 18 of the standards on authentication)."""

    LOW_VALUE = "low_value", "Low value"
    LOW_RISK = "low_risk", "Low risk (transaction risk analysis)"
    RECURRING = "recurring", "Recurring, of the same amount"
    TRUSTED_BENEFICIARY = "trusted_beneficiary", "Trusted beneficiary"
    CORPORATE = "corporate", "Secure corporate payment"
    MERCHANT_INITIATED = "merchant_initiated", "Initiated by the merchant"
