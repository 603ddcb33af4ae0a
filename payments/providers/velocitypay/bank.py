"""The sandbox bank that comes with VelocityPay: statements to fetch, and the end of its day.

Reached as `registry.provider("velocitypay").bank`. In production the bank is another institution; then only
this file changes.
"""

from datetime import date

from payments.providers.errors import Unanswered
from payments.providers.notices import StatementSummary
from payments.providers.transport import Transport
from payments.providers.velocitypay import reports

STATEMENT_MAX_BYTES = 64_000_000


class SandboxBank:
    """The bank's three doors."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def statements(self, business_date: date) -> list[StatementSummary]:
        """The statements of a day, oldest first.

        :raises ProviderUnavailable: the bank could not be asked.
        """
        reply = self._transport.send(
            "statements", "GET", "/bank/v1/statements", query={"date": business_date.isoformat()}
        )
        return reports.statement_summaries(reports.readable(reply.status, reply.body))

    def statement(self, statement_id: str) -> bytes:
        """A statement as camt.053.001.08.

        :raises ProviderUnavailable: the bank could not be asked. :raises ProviderRefused: no such statement.
        """
        path = f"/bank/v1/statements/{reports.path_part(statement_id)}"
        reply = self._transport.send("statement", "GET", path, body_max_bytes=STATEMENT_MAX_BYTES)
        if reply.status != 200:
            reports.readable(reply.status, reply.body)
            raise Unanswered(f"http_{reply.status}")
        return reply.raw

    def close_day(self, business_date: date) -> list[StatementSummary]:
        """End the sandbox bank's day; what is new since the last call becomes the next statement.

        :raises ProviderUnavailable: the bank could not be asked.
        """
        reply = self._transport.send(
            "close_day", "POST", "/bank/v1/close-day", body={"date": business_date.isoformat()}
        )
        return reports.statement_summaries(reports.readable(reply.status, reply.body))
