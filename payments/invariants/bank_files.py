"""What must hold of files to and from banks (I-150 to I-154) and of refunds that go by them (I-130)."""

from collections.abc import Iterable

from ledger.invariants import invariant, rows


@invariant("I-150", "An operation is in one file, of its own rail and merchant, in its own direction.")
def operations_are_in_one_file() -> Iterable[str]:
    return rows(
        """SELECT e.operation_id, f.id FROM payments_bankfileentry e
           JOIN payments_bankfile f ON f.id = e.file_id
           JOIN payments_provideroperation o ON o.id = e.operation_id
           WHERE o.provider <> f.rail OR o.merchant_id <> f.merchant_id OR o.currency <> f.currency
              OR (o.kind = 'refund') <> (f.direction = 'credit')""",
        "operation {0} does not belong into file {1}",
    )


@invariant("I-151", "A file is the sum of its entries.")
def files_are_their_entries() -> Iterable[str]:
    return rows(
        """SELECT f.id, f.entry_count, f.total_minor, s.entries, s.total FROM payments_bankfile f
           CROSS JOIN LATERAL (
               SELECT count(*) AS entries, coalesce(sum(o.amount_minor), 0) AS total
               FROM payments_bankfileentry e JOIN payments_provideroperation o ON o.id = e.operation_id
               WHERE e.file_id = f.id) s
           WHERE (f.entry_count, f.total_minor) <> (s.entries, s.total)""",
        "file {0} says {1} entries of {2}, it has {3} of {4}",
    )


@invariant("I-152", "What a bank said of an entry is applied once, in the order of the bank's files.")
def words_are_applied_in_order() -> Iterable[str]:
    return rows(
        """SELECT later.rail, later.seq FROM payments_banknotice later
           JOIN payments_banknotice earlier ON earlier.rail = later.rail AND earlier.seq < later.seq
           WHERE later.applied_at IS NOT NULL AND earlier.applied_at IS NULL""",
        "{0}: file {1} was applied before an earlier one",
    )


@invariant("I-153", "A file that the bank has, or refused, holds no account number any more.")
def no_number_outlives_its_file() -> Iterable[str]:
    return rows(
        """SELECT f.id, f.state FROM payments_bankfilecontent c JOIN payments_bankfile f ON f.id = c.file_id
           WHERE f.state <> 'gathered' AND c.erased_at IS NULL""",
        "file {0} is {1}, and its content is still there",
    )


@invariant("I-154", "A fee of a return has one entry in the books, and that entry its operation.")
def fees_and_entries_agree() -> Iterable[str]:
    return rows(
        """SELECT o.id, e.id FROM
               (SELECT id, subject_id, leg FROM payments_provideroperation WHERE kind = 'return_fee') o
           FULL JOIN (SELECT id, source_id, step FROM ledger_entry WHERE source_type = 'bank_file') e
             ON (e.source_id, e.step) = (o.subject_id, o.leg)
           WHERE o.id IS NULL OR e.id IS NULL""",
        "fee {0} and journal entry {1} do not agree",
    )


@invariant(
    "I-130", "What payers sent by themselves goes back by a rail to a named account, and nothing else does."
)
def accounts_are_named_where_they_must_be() -> Iterable[str]:
    return rows(
        """SELECT r.id, r.provider FROM payments_refund r JOIN payments_payment p ON p.id = r.payment_id
           WHERE (p.provider IN ('wire', 'check')) <> (r.account_token <> '')
              OR (r.provider <> p.provider) <> (r.account_token <> '')""",
        "refund {0} by {1} has no account where it needs one, or one where it has no part",
    )
