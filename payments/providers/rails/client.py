"""The adapters of bank rails: an operation is accepted at once as pending, and goes out with the next file.

The bank of a rail answers no question about a single entry: it takes files and gives files. So `find` only
repeats that the operation waits, and the services that gather and hear files conclude it. What reserves
nothing (an authorization, a void) is approved here: a mandate is a permission, no money is held by it.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Final

from ledger import ids
from ledger.money import Money
from payments.providers.bank_files import BankWord, OutgoingFile, Receipt, WaitingFile, WordKind
from payments.providers.base import VAULT_TOKEN, Capability
from payments.providers.errors import ProviderRefused, ProviderUnavailable, Unanswered
from payments.providers.notices import ProviderReport, ReportLine
from payments.providers.outcomes import Approved, Declined, Found, Outcome, Pending
from payments.providers.rails import bank_days, iso20022, iso20022_reader, nacha, nacha_reader, names, returns
from payments.providers.rails.iso20022 import Creditor
from payments.providers.rails.nacha import Originator
from payments.providers.rails.silent import SilentBank
from payments.providers.reach import Reach
from payments.providers.requests import (
    AuthorizeRequest,
    CaptureRequest,
    RefundRequest,
    Sought,
    VoidRequest,
    returned_key,
)
from payments.providers.transport import Reply, Transport

FILE_MAX_BYTES: Final = 16_000_000
TRACES: Final = 10_000_000  # seven digits; after so many entries a trace comes again
RETURN_FEE: Final = "return_fee"
REFUND_RETURNED: Final = "refund_returned"


class FileRail(SilentBank):
    """What all rails share; a rail says how its files are written. It keeps its currency's bank days."""

    name: str
    capabilities: frozenset[Capability]
    reach: Reach
    currency: str
    account_kind: str
    amount_max: int
    codes: Mapping[str, tuple[str, str]]
    report_in_remittance: re.Pattern[str] | None
    token_prefixes: tuple[str, ...] = ()

    def __init__(self, transport: Transport, return_fee_minor: int) -> None:
        self._transport = transport
        self.return_fee = Money(return_fee_minor, self.currency)

    # --- what the house asks of any provider ------------------------------------------------------------
    def authorize(self, request: AuthorizeRequest) -> Outcome:
        """Take the order to draw (a sale: pending), or note that the payer permits it (nothing is held)."""
        refused = self._refused(request.amount, request.token)
        if refused is not None:
            return refused
        if request.capture:
            return Pending(request.idempotency_key)
        return Approved(request.idempotency_key, request.amount, Money.zero(request.amount.currency))

    def capture(self, request: CaptureRequest) -> Outcome:
        """Take the order to draw what the payer permits."""
        return self._refused(request.amount, None) or Pending(request.idempotency_key)

    def void(self, request: VoidRequest) -> Outcome:
        """Nothing is held, so nothing has to be given back."""
        return Approved(request.idempotency_key, request.amount, Money.zero(request.amount.currency))

    def refund(self, request: RefundRequest) -> Outcome:
        """Take the order to send money back to the account from which it was drawn."""
        return self._refused(request.amount, None) or Pending(request.idempotency_key)

    def find(self, idempotency_key: str, expected: Money, sought: Sought | None = None) -> Found:
        """Say that it waits: the bank's files alone say what became of it."""
        return Pending(idempotency_key)

    def where_to_look(self, kind: str, key: str) -> str:
        """Where a person sees what nobody can ask: the bank names entries as our files did."""
        named = names.end_to_end(ids.parse(names.OPERATION, key), is_sale=kind == "authorize")
        return (
            "The bank answers no question about an entry; its files and statements are its word. Look for "
            f"the end-to-end id {named} in what it sent us (bank notices) and on its statement."
        )

    def settlement_report(self, report_id: str) -> ProviderReport:
        """The bookings behind a line of the bank's statement: the camt.054 of that day.

        :raises ProviderUnavailable: could not be asked. :raises ProviderRefused: no such report.
        """
        content = self._fetch(report_id)
        lines = (line for word in iso20022_reader.words(content) for line in self._report_lines(word))
        return ProviderReport.of(report_id, _day_in(report_id), lines, self.currency)

    def health(self) -> bool:
        """Say whether the bank's file desk answers."""
        try:
            return self._transport.send("health", "GET", "/v1/health").status == 200
        except ProviderUnavailable:
            return False

    # --- files ------------------------------------------------------------------------------------------
    def write(self, file: OutgoingFile) -> bytes:
        """The file as the bank takes it. :raises ValueError: an entry does not fit the format."""
        raise NotImplementedError

    def trace(self, number: int) -> str:
        """The trace of the entry with a running number."""
        raise NotImplementedError

    def due_date(self, made_at: datetime) -> date:
        """The first bank day after the one on which the file is made."""
        return bank_days.next_bank_day(self.currency, made_at.date())

    def decline_of(self, code: str) -> tuple[str, str]:
        """The canonical decline and the words for a return's code."""
        return returns.meaning(self.codes, code)

    def hand_over(self, file_id: str, content: bytes) -> Receipt:
        """Give a file to the bank, which takes each id once: safe to repeat with the same content.

        :raises ProviderUnavailable: it did not answer, or could not be asked.
        """
        headers = {"content-type": "application/octet-stream"}
        reply = self._transport.send(
            "hand_over",
            "POST",
            f"/v1/{self.name}/files",
            content=content,
            headers=headers,
            idempotency_key=file_id,
        )
        body = reply.body or {}
        if reply.status in (200, 201) and isinstance(body.get("id"), str):
            return Receipt(str(body["id"])[:64])
        error = body.get("error")
        if reply.status in (400, 409, 422) and isinstance(error, dict) and error.get("code"):
            return Receipt("", str(error["code"])[:64], str(error.get("message", ""))[:300])
        raise Unanswered(f"http_{reply.status}")

    def waiting(self, after: int) -> list[WaitingFile]:
        """The bank's files for us after a place in its list. :raises ProviderUnavailable: not now."""
        reply = self._transport.send("files", "GET", f"/v1/{self.name}/files", query={"after": str(after)})
        rows = (reply.body or {}).get("data")
        if reply.status != 200 or not isinstance(rows, list):
            raise Unanswered(f"http_{reply.status}")
        return [_waiting(row) for row in rows]

    def words(self, file: WaitingFile) -> tuple[bytes, list[BankWord]]:
        """The digest of a file and what it says.

        :raises ProviderUnavailable: not now. :raises Unanswered: it is not readable.
        """
        content = self._fetch(file.id)
        reader = nacha_reader.words if file.format == "nacha" else iso20022_reader.words
        return hashlib.sha256(content).digest(), reader(content)

    # --- inside -----------------------------------------------------------------------------------------
    def _refused(self, amount: Money, token: str | None) -> Declined | None:
        """Say no to what no file can hold."""
        if amount.currency != self.currency or not 0 < amount.minor <= self.amount_max:
            what = f"{self.name.upper()} moves {self.currency} up to {Money(self.amount_max, self.currency)}"
            return Declined("amount_invalid", what, None, is_hard=True)
        if token is not None and not VAULT_TOKEN.fullmatch(token):
            return Declined("no_such_account", "A debit needs a stored bank account", None, is_hard=True)
        return None

    def _fetch(self, file_id: str) -> bytes:
        if not re.fullmatch(r"[a-z0-9_]{1,64}", file_id):
            raise ProviderRefused("the bank has no such file")
        path = f"/v1/{self.name}/files/{file_id}"
        reply: Reply = self._transport.send("file", "GET", path, body_max_bytes=FILE_MAX_BYTES)
        if reply.status == 404:
            raise ProviderRefused("the bank has no such file")
        if reply.status != 200:
            raise Unanswered(f"http_{reply.status}")
        return reply.raw

    def _report_lines(self, word: BankWord) -> Iterator[ReportLine]:
        zero = Money.zero(self.currency)
        amount, fee = word.amount or zero, word.fee or zero
        key = names.movement(self.name, word.reference)
        if word.kind is WordKind.SETTLED:
            kind = "capture" if word.is_credit else "refund"
            yield ReportLine(kind, names.booked_key(word.end_to_end), word.reference, amount, fee)
        elif amount.is_positive and word.is_credit:
            # A credit of ours came back; what the bank takes for it is booked by itself.
            back = returned_key(names.booked_key(word.end_to_end))
            yield ReportLine(REFUND_RETURNED, back, key, amount, zero)
            if fee.is_positive:
                yield ReportLine(RETURN_FEE, key, key, zero, fee)
        else:
            yield ReportLine("withdrawal" if amount.is_positive else RETURN_FEE, key, key, amount, fee)


class Ach(FileRail):
    """ACH in the United States, by NACHA files."""

    name = account_kind = "ach"
    currency = "USD"
    reach = Reach(currencies=frozenset({"USD"}))
    amount_max = nacha.AMOUNT_MAX
    codes = returns.ACH
    report_in_remittance: re.Pattern[str] | None = re.compile(r"\bACH SETTLEMENT (rs_[a-z0-9_]{1,32})\b")
    capabilities = frozenset(
        {
            Capability.ACH,
            Capability.AUTHORIZE,
            Capability.SALE,
            Capability.CAPTURE,
            Capability.PARTIAL_CAPTURE,
            Capability.SEVERAL_CAPTURES,
            Capability.VOID,
            Capability.REFUND,
            Capability.PARTIAL_REFUND,
            Capability.SETTLEMENT_REPORTS,
            Capability.BY_FILE,
        }
    )

    def __init__(self, transport: Transport, return_fee_minor: int, originator: Originator) -> None:
        super().__init__(transport, return_fee_minor)
        self._originator = originator

    def trace(self, number: int) -> str:
        """Our bank's routing number without its check digit, and seven digits (Nacha, field "trace")."""
        return f"{self._originator.bank_routing[:8]}{number % TRACES:07}"

    def write(self, file: OutgoingFile) -> bytes:
        """The NACHA file. :raises ValueError: an entry does not fit the format."""
        return nacha.write(file, self._originator)


class Sepa(FileRail):
    """SEPA Core debits and credit transfers, by pain.008 and pain.001 files."""

    name = account_kind = "sepa"
    currency = "EUR"
    reach = Reach(currencies=frozenset({"EUR"}))
    amount_max = iso20022.AMOUNT_MAX
    codes = returns.SEPA
    report_in_remittance: re.Pattern[str] | None = re.compile(r"\bSEPA SETTLEMENT (rs_[a-z0-9_]{1,32})\b")
    capabilities = frozenset({Capability.SEPA, *(Ach.capabilities - {Capability.ACH})})

    def __init__(self, transport: Transport, return_fee_minor: int, creditor: Creditor) -> None:
        super().__init__(transport, return_fee_minor)
        self._creditor = creditor

    def trace(self, number: int) -> str:
        """A running number of 15 digits."""
        return f"{number:015}"

    def write(self, file: OutgoingFile) -> bytes:
        """The pain.008 or pain.001 file. :raises ValueError: an entry does not fit the scheme."""
        return iso20022.write(file, self._creditor)


class Credits(FileRail):
    """Credit transfers in one other currency, out of our account in it, by pain.001 files.

    Nothing is drawn this way: it sends back what payers sent to that account by themselves. What its
    correspondents charge for a return they take out of what comes back.
    """

    account_kind = "wire"
    amount_max = iso20022.AMOUNT_MAX
    codes = returns.SEPA  # the codes of ISO 20022 (ExternalReturnReason1Code)
    capabilities = frozenset(
        {
            Capability.REFUND,
            Capability.PARTIAL_REFUND,
            Capability.SETTLEMENT_REPORTS,
            Capability.BY_FILE,
        }
    )

    def __init__(self, transport: Transport, currency: str, debtor: Creditor) -> None:
        self.name, self.currency = credits_name(currency), currency
        self.reach = Reach(currencies=frozenset({currency}))
        self.report_in_remittance = re.compile(rf"\b{self.name.upper()} SETTLEMENT (rs_[a-z0-9_]{{1,32}})\b")
        super().__init__(transport, return_fee_minor=0)
        self._debtor = debtor

    def trace(self, number: int) -> str:
        """A running number of 15 digits."""
        return f"{number:015}"

    def write(self, file: OutgoingFile) -> bytes:
        """The pain.001 file. :raises ValueError: an entry does not fit the format."""
        return iso20022.write(file, self._debtor)


def credits_name(currency: str) -> str:
    """Return how the rail of credit transfers in a currency is named."""
    return f"credit_{currency.lower()}"


def _waiting(row: object) -> WaitingFile:
    if isinstance(row, dict):
        seq, name, kind = row.get("seq"), row.get("id"), row.get("format")
        if isinstance(seq, int) and isinstance(name, str) and isinstance(kind, str):
            return WaitingFile(seq, name, kind)
    raise Unanswered("bad_body")


def _day_in(report_id: str) -> date:
    """The bank day in a report's name: rs_<rail>_<YYYYMMDD>_<number>."""
    found = re.search(r"_(\d{8})_", report_id)
    try:
        return date.fromisoformat(found[1]) if found else date.min
    except ValueError:
        return date.min
