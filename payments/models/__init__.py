"""Names the tables of the payments floor for Django."""

from payments.models.bank_files import BankFile, BankFileContent, BankFileEntry, BankNotice, BankWord
from payments.models.contradictions import Contradiction
from payments.models.disputes import Dispute, DisputeEvidence, DisputeShare
from payments.models.methods import PaymentMethod, ProviderToken
from payments.models.numbers import NumberCounter
from payments.models.operations import ProviderOperation
from payments.models.payments import Payment
from payments.models.refunds import Refund, RefundShare
from payments.models.refusals import RefusedCallbacks
from payments.models.retries import RetryStanding
from payments.models.routing import RoutedMerchant, RoutingPolicy
from payments.models.sagas import Saga, SagaStep
from payments.models.transactions import PaymentTransaction
from payments.models.vault import ExchangeKey, VaultRecord
from payments.models.webhooks import ProviderWebhook

__all__ = [
    "BankFile",
    "BankFileContent",
    "BankFileEntry",
    "BankNotice",
    "BankWord",
    "Contradiction",
    "Dispute",
    "DisputeEvidence",
    "DisputeShare",
    "ExchangeKey",
    "NumberCounter",
    "Payment",
    "PaymentMethod",
    "PaymentTransaction",
    "ProviderOperation",
    "ProviderToken",
    "ProviderWebhook",
    "Refund",
    "RefundShare",
    "RefusedCallbacks",
    "RetryStanding",
    "RoutedMerchant",
    "RoutingPolicy",
    "Saga",
    "SagaStep",
    "VaultRecord",
]
