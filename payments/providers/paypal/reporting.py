"""The questions behind a report: the transfer, the one before it, what moved between, its disputes."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from payments.providers.errors import ProviderRefused, Unanswered
from payments.providers.notices import ProviderReport
from payments.providers.paypal import disputes, orders, reports
from payments.providers.paypal.orders import Body
from payments.providers.paypal.reports import Moved
from payments.providers.paypal.wire import Wire

CLOCKS_APART: Final = timedelta(minutes=5)
CASES_MAX: Final = 50  # of one capture


class Reporting:
    """PayPal's transaction search, asked for one transfer."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def report(self, transfer_id: str, now: datetime) -> ProviderReport:
        """The movements behind a transfer.

        :raises ProviderUnavailable: could not be asked. :raises ProviderRefused: no such transfer.
        """
        if not orders.is_reference(transfer_id):
            raise ProviderRefused("this is not an id of PayPal's", provider_code="bad_reference")
        transfer = self._transfer(transfer_id, now + CLOCKS_APART)
        since = transfer.at - reports.RANGE
        currency = transfer.amount.currency
        found = list(self._search(since, transfer.at, transaction_currency=currency))
        earlier = [one for one in found if reports.is_transfer(one) and one.at < transfer.at]
        before = max(earlier, key=lambda one: one.at, default=None)
        moved = reports.between(found, before, transfer)
        cases = {capture: self._cases(capture) for capture in reports.disputed(moved)}
        return reports.report(transfer, moved, cases, before)

    def _transfer(self, transfer_id: str, until: datetime) -> Moved:
        """Look for a transfer, range by range back from now.

        :raises ProviderRefused: there is none.
        """
        for _ in range(reports.LOOKED_BACK):
            since = until - reports.RANGE
            for row in self._search(since, until, transaction_id=transfer_id):
                if reports.is_transfer(row) and row.id == transfer_id:
                    return row
            until = since
        raise ProviderRefused("PayPal knows of no such transfer", provider_code="transfer_not_found")

    def _search(self, since: datetime, until: datetime, **more: str) -> Iterator[Moved]:
        page, last = 1, 1
        while page <= last:
            body = self._read(reports.PATH, reports.query(since, until, page, **more))
            yield from reports.rows(body)
            page, last = page + 1, reports.pages(body)

    def _cases(self, capture: str) -> list[Body]:
        """The disputes of a capture, whole."""
        listed = self._read(disputes.PATH, {"disputed_transaction_id": capture}).get("items")
        if not isinstance(listed, list) or len(listed) > CASES_MAX:
            raise Unanswered("bad_body")
        names = [orders.text(row, "dispute_id") for row in listed if isinstance(row, dict)]
        return [self._read(f"{disputes.PATH}/{name}", {}) for name in names if orders.is_reference(name)]

    def _read(self, path: str, query: dict[str, str]) -> Body:
        reply = self._wire.send("settlement_report", "GET", path, query=query or None)
        return reports.readable(reply.status, reply.body)
