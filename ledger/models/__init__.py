"""The tables of this app, named for Django."""

from ledger.models.accounts import Account
from ledger.models.audit import AuditRecord
from ledger.models.events import Event
from ledger.models.fx import FxConversion, FxExposure, FxQuote, FxUnwind
from ledger.models.fx_rates import ExchangeRate, FxSpread, FxTableRate
from ledger.models.jobs import Job
from ledger.models.journal import JournalEntry, PostedFact, Posting
from ledger.models.outbox import OutboxMessage
from ledger.models.restorations import Restoration
from ledger.models.retention import (
    ArchivedHour,
    ArchivedStream,
    ArchiveFile,
    CarriedBalance,
    LegalHold,
    RetentionPolicy,
)
from ledger.models.seals import SealBlock, SealCheck, SealRecords
from ledger.models.transfers import AmlAlert, Hold, Transfer
from ledger.models.violations import InvariantRun, InvariantViolation

__all__ = [
    "Account",
    "AmlAlert",
    "ArchiveFile",
    "ArchivedHour",
    "ArchivedStream",
    "AuditRecord",
    "CarriedBalance",
    "Event",
    "ExchangeRate",
    "FxConversion",
    "FxExposure",
    "FxQuote",
    "FxSpread",
    "FxTableRate",
    "FxUnwind",
    "Hold",
    "InvariantRun",
    "InvariantViolation",
    "Job",
    "JournalEntry",
    "LegalHold",
    "OutboxMessage",
    "PostedFact",
    "Posting",
    "Restoration",
    "RetentionPolicy",
    "SealBlock",
    "SealCheck",
    "SealRecords",
    "Transfer",
]
