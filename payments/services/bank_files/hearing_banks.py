"""Fetch what banks give us, keep what it says once, and apply it word by word in the bank's order.

1. A file is kept once (its place in the bank's list and its name are unique), its words in the same phase.
2. Words are applied in order; who was killed goes on with the first word of which nothing was made yet. The
   effect of a word and the note that it was applied may be a crash apart: the effect is found again (an
   operation is concluded once, a movement is booked once by its reference).
3. A file that cannot be had now holds up its rail's later ones, for they may be about the same entries.
"""

import logging
from datetime import datetime
from typing import Final

from ledger import audit
from ledger.actors import SYSTEM
from ledger.crashpoints import crashpoint, register
from ledger.ids import uuid7
from ledger.locks import phased
from payments import bank_locks, bank_selectors
from payments.models import BankNotice, BankWord
from payments.providers import bank_files, registry
from payments.providers.bank_files import WaitingFile
from payments.providers.errors import ProviderRefused, ProviderUnavailable
from payments.services.bank_files import returning_debits

APPLIED: Final = "applied"
KNOWN: Final = "told before"
UNKNOWN: Final = "about no entry of ours"
register("bank_notice.after_keep", "bank_word.after_effect")
log = logging.getLogger(__name__)


def hear(at: datetime) -> int:
    """Take in and apply what the banks of all rails have for us; return how many words were applied."""
    total = 0
    for name in registry.rails():
        try:
            _fetch(name, at)
        except (ProviderUnavailable, ProviderRefused) as error:
            # Told, and tried again at the next run; what was fetched before is applied all the same.
            log.warning("a bank's files cannot be had", extra={"rail": name, "error": error.message})
        total += _apply_all(name, at)
    return total


def _fetch(name: str, at: datetime) -> None:
    rail = registry.rail(name)
    for waiting in rail.waiting(bank_selectors.last_heard(name)):
        digest, words = rail.words(waiting)
        _keep(name, waiting, digest, words, at)
        crashpoint("bank_notice.after_keep")


@phased
def _keep(
    name: str, waiting: WaitingFile, digest: bytes, words: list[bank_files.BankWord], at: datetime
) -> None:
    bank_locks.gathering(name)
    if BankNotice.objects.filter(rail=name, seq=waiting.seq).exists():
        return
    notice = BankNotice.objects.create(
        id=uuid7(), rail=name, seq=waiting.seq, reference=waiting.id, format=waiting.format, digest=digest,
        received_at=at, applied_at=None if words else at,
    )  # fmt: skip
    BankWord.objects.bulk_create(
        BankWord(
            notice=notice,
            position=position,
            kind=word.kind.value,
            end_to_end=word.end_to_end[:35],
            trace=word.trace[:15],
            code=word.code[:16],
            reference=word.reference[:40],
            amount_minor=None if word.amount is None else word.amount.minor,
        )
        for position, word in enumerate(words, 1)
    )


def _apply_all(name: str, at: datetime) -> int:
    applied = 0
    for notice in bank_selectors.unapplied(name):
        for word in bank_selectors.words_left(notice):
            _apply(name, word, at)
            applied += 1
        _close(notice, at)
    return applied


def _apply(name: str, word: BankWord, at: datetime) -> None:
    entry = bank_selectors.entry_named(name, word.end_to_end, word.trace)
    if entry is None:
        _mark(word, UNKNOWN, at)
        return
    word.entry = entry
    if bank_selectors.has_applied(entry, word.kind, word.reference):
        _mark(word, KNOWN, at)
        return
    returning_debits.apply(entry, word, at)
    crashpoint("bank_word.after_effect")
    _mark(word, APPLIED, at)


@phased
def _mark(word: BankWord, verdict: str, at: datetime) -> None:
    word.verdict, word.applied_at = verdict, at
    word.save(update_fields=["verdict", "applied_at", "entry"])
    if verdict == UNKNOWN:
        why = f"{word.notice.rail} file {word.notice.reference} tells of an entry that is not ours"
        audit.record(actor=SYSTEM, action="bank_word.unknown", subject=word.notice, reason=why, at=at)


@phased
def _close(notice: BankNotice, at: datetime) -> None:
    BankNotice.objects.filter(pk=notice.pk, applied_at=None).update(applied_at=at)
