"""The books for staff: accounts with their exact balances, entries with their postings."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import BigIntegerField, QuerySet
from django.db.models.expressions import RawSQL
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ledger import ids, past_balances
from ledger.accounts import opening, selectors
from ledger.admin import filters, formats
from ledger.admin.as_of import AsOf
from ledger.admin.base import (
    ROWS_IN_A_PANEL,
    Facts,
    Panel,
    ReasonedAction,
    ViewOnlyAdmin,
    by,
    moment_column,
)
from ledger.admin.story import account_name
from ledger.chart import CHART, Code, Side
from ledger.models import Account, Event, JournalEntry, Posting
from ledger.owners import names_of
from ledger.past_balances import Basis
from ledger.states import Machine

_BALANCE = "(SELECT b.balance FROM ledger_balance b WHERE b.id = ledger_account.id)"


def _may_close(row: Account) -> bool:
    return row.closed_at is None and selectors.kind_of(row).is_closed_by_merchants


def _is_closed(row: Account) -> bool:
    return row.closed_at is not None


def _available(row: Any) -> SafeString:
    available = selectors.funds(row).available
    return formats.NOTHING if available is None else formats.money(available.minor, row.currency)


@admin.register(Account)
class AccountAdmin(ViewOnlyAdmin):
    """Accounts with the balance of this instant, on the side on which each grows."""

    list_display = ["name", "owner_shown", "merchant", "balance_now", "held_now", "kind", "opened"]
    list_filter = [filters.one_of("code", list(Code)), filters.currency, "is_deferred"]
    search_fields = ["=owner", "=merchant_id", "=public_uuid"]
    reasoned_actions = [
        ReasonedAction(
            name="close",
            label="Close",
            permission="ledger.close_account",
            perform=by(opening.close, "account_id", "public_uuid"),
            done="The account is closed.",
            is_offered=_may_close,
            explains="Only when nothing is on it and nothing is held. It can be opened again.",
            is_dangerous=True,
        ),
        ReasonedAction(
            name="reopen",
            label="Open again",
            permission="ledger.close_account",
            perform=by(opening.reopen, "account_id", "public_uuid"),
            done="The account is open again.",
            is_offered=_is_closed,
        ),
    ]

    opened = moment_column("opened_at", "opened")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        exact = RawSQL(_BALANCE, [], output_field=BigIntegerField())  # noqa: S611  (a constant)
        return super().get_queryset(request).annotate(exact=exact)

    def prepare(self, rows: list[Any]) -> None:
        names = names_of(row.owner for row in rows)
        for row in rows:
            row.owner_name = names.get(row.owner, "")

    @admin.display(description="account", ordering="code")
    def name(self, row: Account) -> str:
        return account_name(row.code)

    @admin.display(description="owner")
    def owner_shown(self, row: Any) -> SafeString:
        return row.owner_name or formats.code(row.owner)

    @admin.display(description="merchant")
    def merchant(self, row: Account) -> SafeString:
        return formats.code(ids.show("mer", row.merchant_id))

    @admin.display(description="balance")
    def balance_now(self, row: Any) -> SafeString:
        return _on_its_side(row)

    @admin.display(description="held")
    def held_now(self, row: Any) -> SafeString:
        return formats.money(row.held or None, row.currency)

    @admin.display(description="kept")
    def kind(self, row: Account) -> str:
        return "rolled up" if row.is_deferred else "strict"

    def facts(self, row: Any) -> list[Facts]:
        return [
            Facts(
                "",
                [
                    ("account", account_name(row.code)),
                    ("code", formats.code(row.code)),
                    ("owner", formats.code(row.owner)),
                    ("owner's name", names_of([row.owner]).get(row.owner, formats.NOTHING)),
                    ("merchant", formats.code(ids.show("mer", row.merchant_id))),
                    ("public id", formats.code(row.public_id)),
                    ("balance now", _on_its_side(row)),
                    ("held of it", formats.money(row.held, row.currency)),
                    ("available", _available(row)),
                    ("kept", self.kind(row)),
                    ("may not fall below", formats.money(row.balance_min, row.currency)),
                    ("may not rise above", formats.money(row.balance_max, row.currency)),
                    ("opened", formats.moment(row.opened_at)),
                    ("closed", formats.moment(row.closed_at)),
                ],
            )
        ]

    def panels(self, row: Any) -> Iterable[Panel]:
        newest = list(
            Posting.objects.filter(account_id=row.pk)
            .select_related("entry")
            .order_by("-recorded_at", "-entry_id", "-line")[:ROWS_IN_A_PANEL]
        )
        yield Panel(
            "Latest postings",
            ["recorded", "entry", "purpose", "debit", "credit", "balance after"],
            [
                [
                    formats.moment(posting.recorded_at),
                    formats.link(posting.entry, posting.entry.kind),
                    posting.purpose.replace("_", " "),
                    formats.money(posting.amount if posting.amount > 0 else None, posting.currency),
                    formats.money(-posting.amount if posting.amount < 0 else None, posting.currency),
                    formats.money(after, posting.currency),
                ]
                for posting, after in _running(row, newest)
            ],
            note=f"The latest {ROWS_IN_A_PANEL}.",
        )

    def extras(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        as_of = AsOf.asked(request)
        if as_of.moment is None:
            return {"as_of": as_of}
        then = [
            (f"as {basis.value}", _on_side(row, past_balances.balance_at(row, as_of.moment, basis).minor))
            for basis in Basis
        ]
        return {"as_of": as_of, "facts": [Facts(f"On {as_of.text} UTC", then), *self.facts(row)]}


def _running(row: Any, newest: list[Posting]) -> Iterable[tuple[Posting, int]]:
    """Return the postings with the balance after each, reckoned back from the one after the newest."""
    if not newest:
        return
    after = past_balances.balance_at(row, newest[0].recorded_at).minor
    for posting in newest:
        yield posting, after
        after -= posting.amount


def _on_its_side(row: Any) -> SafeString:
    """Return a balance with the side it stands on; one on the wrong side is shown as below zero."""
    return _on_side(row, row.exact)


def _on_side(row: Any, balance: int) -> SafeString:
    side = CHART[Code(row.code)].side
    on_side = balance if side is Side.DEBIT else -balance
    return format_html("{} <small>{}</small>", formats.money(on_side, row.currency), side.value)


@admin.register(JournalEntry)
class JournalEntryAdmin(ViewOnlyAdmin):
    """Entries; each balances per currency, and none is ever changed."""

    list_display = ["kind_shown", "source", "step", "merchant", "happened", "written"]
    list_filter = [filters.one_of("source_type", sorted(Machine.registry))]
    search_fields = ["=id", "=source_id"]

    happened = moment_column("occurred_at", "happened")
    written = moment_column("recorded_at", "written")

    @admin.display(description="entry")
    def kind_shown(self, row: JournalEntry) -> str:
        return row.kind.replace("_", " ")

    @admin.display(description="source")
    def source(self, row: JournalEntry) -> SafeString:
        return formats.code(f"{row.source_type} {row.source_id}")

    @admin.display(description="merchant")
    def merchant(self, row: JournalEntry) -> SafeString:
        return formats.code(ids.show("mer", row.merchant_id))

    def panels(self, row: JournalEntry) -> Iterable[Panel]:
        postings = list(row.postings.select_related("account").order_by("line"))
        sums: dict[str, int] = {}
        for posting in postings:
            sums[posting.currency] = sums.get(posting.currency, 0) + posting.amount
        names = names_of(posting.account.owner for posting in postings)
        proof = ", ".join(f"{formats.money_text(total, name)}" for name, total in sorted(sums.items()))
        yield Panel(
            "Postings",
            ["line", "account", "owner", "purpose", "debit", "credit"],
            [
                [
                    posting.line,
                    formats.link(posting.account, account_name(posting.account.code)),
                    names.get(posting.account.owner) or formats.code(posting.account.owner),
                    posting.purpose.replace("_", " "),
                    formats.money(posting.amount if posting.amount > 0 else None, posting.currency),
                    formats.money(-posting.amount if posting.amount < 0 else None, posting.currency),
                ]
                for posting in postings
            ],
            note=f"Sum of debits less credits: {proof}.",
        )
        yield Panel(
            "Events that name this entry",
            ["when", "event", "subject", "by"],
            [
                [
                    formats.moment(event.occurred_at),
                    formats.link(event, event.type),
                    formats.code(f"{event.subject_type} {event.subject_id}"),
                    f"{event.actor_kind} {event.actor_id}",
                ]
                for event in Event.objects.filter(
                    subject_type=row.source_type, subject_id=row.source_id, entry_id=row.pk
                ).order_by("sequence")
            ],
        )
