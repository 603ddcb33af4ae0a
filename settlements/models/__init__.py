"""The tables of money out, named for Django."""

from settlements.models.batches import BatchLine, SettlementBatch
from settlements.models.payouts import Payout
from settlements.models.reconciliation import Break, FundedOperation, Match, ReconciliationRun
from settlements.models.statements import BankStatement, StatementLine

__all__ = [
    "BankStatement",
    "BatchLine",
    "Break",
    "FundedOperation",
    "Match",
    "Payout",
    "ReconciliationRun",
    "SettlementBatch",
    "StatementLine",
]
