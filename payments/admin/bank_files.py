"""Files to and from banks as staff see them: what was handed over, and what the banks' files said of it.

No account number can be seen here: the written file is sealed, and erased when its bank has it.
"""

from collections.abc import Iterable

from django.contrib import admin

from ledger.admin import filters, formats
from ledger.admin.base import (
    Panel,
    ViewOnlyAdmin,
    badge_column,
    code_column,
    link_column,
    moment_column,
    money_column,
)
from payments import bank_selectors
from payments.models import BankFile, BankFileContent, BankFileEntry, BankNotice, BankWord
from payments.providers import registry
from payments.providers.base import Capability

ROWS_MOST = 100


def _rails() -> list[str]:
    return registry.able(Capability.BY_FILE)


@admin.register(BankFile)
class BankFileAdmin(ViewOnlyAdmin):
    """Files for banks, of all merchants."""

    list_display = ["shown", "merchant_shown", "direction", "entry_count", "total", "state_shown", "due"]
    list_select_related = ["merchant"]
    list_filter = [filters.state_of(BankFile), filters.one_of("rail", _rails), "direction", filters.currency]
    search_fields = ["=id", "=bank_reference"]
    hidden_fields = ["event_hash"]
    merchant_shown = link_column("merchant")
    total = money_column("total_minor", "total")
    state_shown = badge_column("state")

    @admin.display(description="file", ordering="number")
    def shown(self, row: BankFile) -> str:
        return str(row)

    @admin.display(description="due", ordering="due_date")
    def due(self, row: BankFile) -> str:
        return row.due_date.isoformat()

    def panels(self, row: BankFile) -> Iterable[Panel]:
        entries = bank_selectors.entries_of(row.pk)[:ROWS_MOST]
        yield Panel(
            "Entries",
            ["position", "operation", "amount", "end to end", "trace", "outcome"],
            [
                [
                    entry.position,
                    formats.link(entry.operation, entry.operation.public_id),
                    formats.money(entry.operation.amount_minor, entry.operation.currency),
                    formats.code(entry.end_to_end),
                    formats.code(entry.trace),
                    "left out" if entry.is_left_out else formats.badge(entry.operation.outcome),
                ]
                for entry in entries
            ],
            note=f"the first {ROWS_MOST}" if row.entry_count > ROWS_MOST else "",
        )
        words = bank_selectors.words_about(row.pk)[:ROWS_MOST]
        yield Panel(
            "What the bank said",
            ["word", "code", "end to end", "verdict", "applied"],
            [
                [
                    word.get_kind_display(),
                    word.code or formats.NOTHING,
                    formats.code(word.end_to_end),
                    word.verdict or formats.NOTHING,
                    formats.moment(word.applied_at),
                ]
                for word in words
            ],
            empty="nothing yet",
        )


@admin.register(BankFileEntry)
class BankFileEntryAdmin(ViewOnlyAdmin):
    """Operations in files; the token that stands for the account is masked."""

    list_display = ["shown", "file_shown", "operation_shown", "position", "trace_shown", "is_left_out"]
    list_select_related = ["file", "operation"]
    list_filter = ["is_left_out"]
    search_fields = ["=end_to_end", "=trace"]
    masked_fields = ["vault_token"]
    file_shown = link_column("file")
    operation_shown = link_column("operation")
    trace_shown = code_column("trace")

    @admin.display(description="entry")
    def shown(self, row: BankFileEntry) -> str:
        return row.end_to_end


@admin.register(BankFileContent)
class BankFileContentAdmin(ViewOnlyAdmin):
    """That a written file is held for its bank, since when and under which key."""

    list_display = ["public", "file_shown", "key_id", "kept", "erased"]
    list_select_related = ["file"]
    search_fields = ["=id"]
    hidden_fields = ["wrapped_key", "nonce", "ciphertext"]
    file_shown = link_column("file")
    kept = moment_column("created_at", "kept")
    erased = moment_column("erased_at", "erased")

    @admin.display(description="content")
    def public(self, row: BankFileContent) -> str:
        return row.public_id


@admin.register(BankNotice)
class BankNoticeAdmin(ViewOnlyAdmin):
    """Files that banks gave us."""

    list_display = ["shown", "format", "seq", "received", "applied"]
    list_filter = [filters.one_of("rail", _rails)]
    search_fields = ["=reference"]
    received = moment_column("received_at", "received")
    applied = moment_column("applied_at", "applied")

    @admin.display(description="file")
    def shown(self, row: BankNotice) -> str:
        return str(row)


@admin.register(BankWord)
class BankWordAdmin(ViewOnlyAdmin):
    """What banks said of single entries."""

    list_display = ["shown", "code", "verdict", "entry_shown", "notice_shown", "applied"]
    list_select_related = ["notice", "entry"]
    list_filter = ["kind"]
    search_fields = ["=end_to_end", "=trace", "=code"]
    notice_shown = link_column("notice")
    entry_shown = link_column("entry")
    applied = moment_column("applied_at", "applied")

    @admin.display(description="word", ordering="kind")
    def shown(self, row: BankWord) -> str:
        return row.get_kind_display()
