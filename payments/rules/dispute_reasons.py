"""Pure data: why payers' banks dispute, until when an answer is taken, and what the answer must prove.

Codes and categories: features.md 5.3 (Visa's dispute conditions, Mastercard's message reason codes, those of
American Express and Discover). Days: features.md 5.3 "Deadlines"; a provider's own date is earlier and wins.
Evidence: what a category needs, as alternatives; one kind of each group is enough.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from payments.providers.rails import returns


class Category(StrEnum):
    """What a dispute is about, whatever the scheme calls it."""

    FRAUDULENT = "fraudulent"
    UNRECOGNISED = "unrecognised"
    PRODUCT_NOT_RECEIVED = "product_not_received"
    PRODUCT_UNACCEPTABLE = "product_unacceptable"
    DUPLICATE = "duplicate"
    CREDIT_NOT_PROCESSED = "credit_not_processed"
    SUBSCRIPTION_CANCELLED = "subscription_cancelled"
    GENERAL = "general"


class EvidenceKind(StrEnum):
    """What a piece of evidence shows."""

    ACCESS_LOG = "access_log"
    CANCELLATION_POLICY = "cancellation_policy"
    CANCELLATION_REBUTTAL = "cancellation_rebuttal"
    CUSTOMER_COMMUNICATION = "customer_communication"
    CUSTOMER_IDENTITY = "customer_identity"
    CUSTOMER_SIGNATURE = "customer_signature"
    DELIVERY_PROOF = "delivery_proof"
    DUPLICATE_DOCUMENTATION = "duplicate_documentation"
    DUPLICATE_EXPLANATION = "duplicate_explanation"
    EXPLANATION = "explanation"
    PRIOR_PAYMENTS = "prior_payments"
    PRODUCT_DESCRIPTION = "product_description"
    RECEIPT = "receipt"
    REFUND_POLICY = "refund_policy"
    REFUND_PROOF = "refund_proof"
    REFUND_REFUSAL = "refund_refusal"
    SERVICE_DOCUMENTATION = "service_documentation"
    SHIPPING_DOCUMENTATION = "shipping_documentation"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that must be shown: any one of `kinds` shows it."""

    code: str
    says: str
    kinds: tuple[EvidenceKind, ...]
    is_required: bool = True


_E = EvidenceKind
_EXPLAINED: Final = Need("explanation", "Why the payer's claim is wrong.", (_E.EXPLANATION,), False)
_HANDED_OVER: Final = Need(
    "handed_over",
    "That the goods or services reached the payer.",
    (_E.DELIVERY_PROOF, _E.SHIPPING_DOCUMENTATION, _E.SERVICE_DOCUMENTATION, _E.ACCESS_LOG),
)
_IDENTIFIED: Final = Need(
    "payer_identified",
    "That the card's holder took part: who, from where, or earlier payments.",
    (_E.CUSTOMER_IDENTITY, _E.CUSTOMER_SIGNATURE, _E.PRIOR_PAYMENTS, _E.CUSTOMER_COMMUNICATION),
)
_SOLD: Final = Need(
    "sold", "What was sold, and that it was as described.", (_E.PRODUCT_DESCRIPTION, _E.RECEIPT)
)
_TOLD: Final = Need("told", "What the payer and you wrote.", (_E.CUSTOMER_COMMUNICATION,), False)
_REFUND_TERMS: Final = Need(
    "refund_terms",
    "That the money went back, or why by your terms it did not have to.",
    (_E.REFUND_PROOF, _E.REFUND_POLICY, _E.REFUND_REFUSAL),
)
_CANCEL_TERMS: Final = Need("cancel_terms", "Your terms of cancelling.", (_E.CANCELLATION_POLICY,))
_NOT_CANCELLED: Final = Need(
    "not_cancelled",
    "That it was used after, or never cancelled.",
    (_E.CANCELLATION_REBUTTAL, _E.ACCESS_LOG, _E.CUSTOMER_COMMUNICATION),
)
_NOT_SAME: Final = Need(
    "not_the_same",
    "That both payments were for different things.",
    (_E.DUPLICATE_DOCUMENTATION, _E.DUPLICATE_EXPLANATION, _E.RECEIPT),
)

NEEDS: Final[Mapping[Category, tuple[Need, ...]]] = MappingProxyType(
    {
        Category.FRAUDULENT: (_IDENTIFIED, _HANDED_OVER, _EXPLAINED),
        Category.UNRECOGNISED: (_SOLD, _IDENTIFIED, _EXPLAINED),
        Category.PRODUCT_NOT_RECEIVED: (_HANDED_OVER, _TOLD, _EXPLAINED),
        Category.PRODUCT_UNACCEPTABLE: (_SOLD, _REFUND_TERMS, _TOLD, _EXPLAINED),
        Category.DUPLICATE: (_NOT_SAME, _EXPLAINED),
        Category.CREDIT_NOT_PROCESSED: (_REFUND_TERMS, _TOLD, _EXPLAINED),
        Category.SUBSCRIPTION_CANCELLED: (_CANCEL_TERMS, _NOT_CANCELLED, _EXPLAINED),
        Category.GENERAL: (Need("explanation", "Why the payer's claim is wrong.", (_E.EXPLANATION,)),),
    }
)

_C = Category
# Returns of bank rails: lost from the beginning, so that the category only says what to tell the customer.
_BY_DECLINE: Final = {
    "authorization_revoked": _C.FRAUDULENT,
    "stop_payment": _C.SUBSCRIPTION_CANCELLED,
    "duplicate": _C.DUPLICATE,
}


def _returned(table: Mapping[str, tuple[str, str]]) -> Mapping[str, tuple[str, Category]]:
    return {code: (says, _BY_DECLINE.get(name, _C.GENERAL)) for code, (name, says) in table.items()}


REASONS: Final[Mapping[str, Mapping[str, tuple[str, Category]]]] = MappingProxyType(
    {
        "visa": {
            "10.1": ("EMV liability shift, counterfeit", _C.FRAUDULENT),
            "10.2": ("EMV liability shift, non-counterfeit", _C.FRAUDULENT),
            "10.3": ("Other fraud, card present", _C.FRAUDULENT),
            "10.4": ("Other fraud, card absent", _C.FRAUDULENT),
            "10.5": ("Visa fraud monitoring programme", _C.FRAUDULENT),
            "11.1": ("Card recovery bulletin", _C.GENERAL),
            "11.2": ("Declined authorization", _C.GENERAL),
            "11.3": ("No authorization", _C.GENERAL),
            "12.1": ("Late presentment", _C.GENERAL),
            "12.2": ("Incorrect transaction code", _C.GENERAL),
            "12.3": ("Incorrect currency", _C.GENERAL),
            "12.4": ("Incorrect account number", _C.GENERAL),
            "12.5": ("Incorrect amount", _C.GENERAL),
            "12.6.1": ("Duplicate processing", _C.DUPLICATE),
            "12.6.2": ("Paid by other means", _C.DUPLICATE),
            "12.7": ("Invalid data", _C.GENERAL),
            "13.1": ("Goods or services not received", _C.PRODUCT_NOT_RECEIVED),
            "13.2": ("Cancelled recurring", _C.SUBSCRIPTION_CANCELLED),
            "13.3": ("Not as described or defective", _C.PRODUCT_UNACCEPTABLE),
            "13.4": ("Counterfeit goods", _C.PRODUCT_UNACCEPTABLE),
            "13.5": ("Misrepresentation", _C.PRODUCT_UNACCEPTABLE),
            "13.6": ("Credit not processed", _C.CREDIT_NOT_PROCESSED),
            "13.7": ("Cancelled goods or services", _C.CREDIT_NOT_PROCESSED),
            "13.8": ("Original credit not accepted", _C.GENERAL),
            "13.9": ("Cash or load not received", _C.PRODUCT_NOT_RECEIVED),
        },
        "mastercard": {
            "4807": ("Warning bulletin", _C.GENERAL),
            "4808": ("Authorization-related", _C.GENERAL),
            "4812": ("Account number not on file", _C.GENERAL),
            "4831": ("Amount differs", _C.GENERAL),
            "4834": ("Point-of-interaction error", _C.DUPLICATE),
            "4837": ("No cardholder authorization", _C.FRAUDULENT),
            "4841": ("Cancelled recurring or digital goods", _C.SUBSCRIPTION_CANCELLED),
            "4842": ("Late presentment", _C.GENERAL),
            "4846": ("Currency not provided", _C.GENERAL),
            "4849": ("Questionable merchant activity", _C.FRAUDULENT),
            "4853": ("Cardholder dispute", _C.PRODUCT_UNACCEPTABLE),
            "4854": ("Cardholder dispute, not elsewhere classified", _C.GENERAL),
            "4855": ("Goods or services not provided", _C.PRODUCT_NOT_RECEIVED),
            "4859": ("Services not rendered", _C.PRODUCT_NOT_RECEIVED),
            "4860": ("Credit not processed", _C.CREDIT_NOT_PROCESSED),
            "4863": ("Cardholder does not recognise", _C.UNRECOGNISED),
            "4870": ("Chip liability shift", _C.FRAUDULENT),
            "4871": ("Chip and PIN liability shift", _C.FRAUDULENT),
            "4999": ("Domestic dispute", _C.GENERAL),
        },
        "amex": {
            "A01": ("Amount above the authorization", _C.GENERAL),
            "A02": ("No valid authorization", _C.GENERAL),
            "A08": ("Authorization expired", _C.GENERAL),
            "C02": ("Credit not processed", _C.CREDIT_NOT_PROCESSED),
            "C04": ("Goods returned or refused", _C.CREDIT_NOT_PROCESSED),
            "C05": ("Goods or services cancelled", _C.CREDIT_NOT_PROCESSED),
            "C08": ("Goods or services not received", _C.PRODUCT_NOT_RECEIVED),
            "C14": ("Paid by other means", _C.DUPLICATE),
            "C18": ("No show or cancelled lodging", _C.CREDIT_NOT_PROCESSED),
            "C28": ("Cancelled recurring", _C.SUBSCRIPTION_CANCELLED),
            "C31": ("Not as described", _C.PRODUCT_UNACCEPTABLE),
            "C32": ("Damaged or defective", _C.PRODUCT_UNACCEPTABLE),
            "F10": ("Missing imprint", _C.FRAUDULENT),
            "F24": ("No authorization of the card member", _C.FRAUDULENT),
            "F29": ("Fraud, card not present", _C.FRAUDULENT),
            "F30": ("EMV counterfeit", _C.FRAUDULENT),
            "F31": ("EMV lost, stolen or not received", _C.FRAUDULENT),
            "M01": ("Chargeback authorized", _C.GENERAL),
            "P08": ("Duplicate charge", _C.DUPLICATE),
            "R03": ("Insufficient reply", _C.GENERAL),
            "R13": ("No reply", _C.GENERAL),
        },
        "discover": {
            "AA": ("Does not recognise", _C.UNRECOGNISED),
            "AP": ("Cancelled recurring", _C.SUBSCRIPTION_CANCELLED),
            "AW": ("Altered amount", _C.GENERAL),
            "CD": ("Credit posted as debit", _C.CREDIT_NOT_PROCESSED),
            "DP": ("Duplicate processing", _C.DUPLICATE),
            "EX": ("Expired card", _C.GENERAL),
            "NF": ("Cash not received", _C.PRODUCT_NOT_RECEIVED),
            "RG": ("Goods or services not received", _C.PRODUCT_NOT_RECEIVED),
            "RM": ("Quality of goods or services", _C.PRODUCT_UNACCEPTABLE),
            "UA01": ("Fraud, card present", _C.FRAUDULENT),
            "UA02": ("Fraud, card not present", _C.FRAUDULENT),
        },
        "ach": _returned(returns.ACH),
        "sepa": _returned(returns.SEPA),
    }
)

# Days to answer, from the beginning of the stage. A question is answered sooner than a chargeback.
_INQUIRY_DAYS: Final = 14
DAYS_DEFAULT: Final = 20
DAYS: Final[Mapping[tuple[str, str], int]] = MappingProxyType(
    {
        ("visa", "chargeback"): 30,
        ("visa", "pre_arbitration"): 30,
        ("mastercard", "chargeback"): 45,
        ("mastercard", "pre_arbitration"): 45,
        ("amex", "chargeback"): 20,
        ("amex", "pre_arbitration"): 20,
        ("discover", "chargeback"): 30,
        ("discover", "pre_arbitration"): 30,
    }
)


def title(scheme: str, reason_code: str) -> str:
    """Return what a scheme's code means; the code itself when it is not in the table."""
    return REASONS.get(scheme, {}).get(reason_code, (reason_code, Category.GENERAL))[0]


def category(scheme: str, reason_code: str) -> Category:
    """Return what a dispute is about; general when the code is not in the table."""
    return REASONS.get(scheme, {}).get(reason_code, (reason_code, Category.GENERAL))[1]


def due(scheme: str, stage: str, begins_at: datetime) -> datetime:
    """Return until when the scheme takes an answer, where the provider names no date."""
    days = _INQUIRY_DAYS if stage == "inquiry" else DAYS.get((scheme, stage), DAYS_DEFAULT)
    return begins_at + timedelta(days=days)


def missing(about: str, kinds: Collection[str]) -> list[Need]:
    """Return the needs of a category for which none of the evidence that is there (`kinds`) will do."""
    needs = NEEDS.get(Category(about), ())
    return [need for need in needs if not any(kind.value in kinds for kind in need.kinds)]
