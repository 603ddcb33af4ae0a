"""The invariants of money out: numbered sentences, each with a query that must find nothing."""

from collections.abc import Iterable

from ledger.invariants import archived, has_archived, invariant, rows


@invariant("I-51", "A batch that moved money is the sum of its lines, and names their number.")
def batches_are_their_lines() -> Iterable[str]:
    return rows(
        """SELECT b.number, b.net_minor + b.recovered_minor, coalesce(sum(l.amount_minor), 0), b.items,
                  count(l.id)
           FROM settlements_settlementbatch b LEFT JOIN settlements_batchline l ON l.batch_id = b.id
           WHERE b.state <> 'carried' GROUP BY b.id
           HAVING b.net_minor + b.recovered_minor <> coalesce(sum(l.amount_minor), 0)
               OR b.items <> count(l.id)""",
        "batch {0} says {1} in {3} items, its lines {2} in {4}",
    )


@invariant("I-52", "A batch line is a posting of its vendor's pending account, with the same amount.")
def lines_are_postings() -> Iterable[str]:
    return rows(
        f"""SELECT l.id, b.number FROM settlements_batchline l
           JOIN settlements_settlementbatch b ON b.id = l.batch_id
           LEFT JOIN ledger_posting p ON p.entry_id = l.entry_id AND p.line = l.line
           LEFT JOIN ledger_account a ON a.id = p.account_id
           WHERE (a.code, a.owner, a.merchant_id, a.currency, -p.amount, p.purpose)
             IS DISTINCT FROM ('vendor_pending', b.vendor_id::text, b.merchant_id, b.currency, l.amount_minor,
                               l.purpose) AND NOT (p.entry_id IS NULL AND {archived("l.entry_id")})""",  # noqa: S608
        "line {0} of batch {1} is not the posting it names",
    )


# What archived postings leave pending on the account `a`, debit positive: what was carried forward, without
# what batches took of it and what their closing moved on.
_OF_BATCH = "(b.merchant_id, b.vendor_id::text, b.currency) = (a.merchant_id, a.owner, a.currency)"
_CARRIED = f"""
    SELECT CASE WHEN EXISTS (SELECT FROM ledger_carried k WHERE k.account_id = a.id) THEN
           (SELECT sum(k.amount) FROM ledger_carried k WHERE k.account_id = a.id)
         + coalesce((SELECT sum(l.amount_minor) FROM settlements_batchline l
                     JOIN settlements_settlementbatch b ON b.id = l.batch_id
                     WHERE {_OF_BATCH} AND {archived("l.entry_id")}), 0)
         - coalesce((SELECT sum(b.net_minor + b.recovered_minor) FROM settlements_settlementbatch b
                     WHERE {_OF_BATCH} AND {has_archived("b.id", "'settlement'")}), 0)
         ELSE 0 END AS amount"""  # noqa: S608 - our own text


@invariant("I-53", "What is pending for a vendor is what is in no batch: each posting is in at most one.")
def pending_is_unbatched() -> Iterable[str]:
    return rows(
        f"""SELECT a.owner, a.currency, -a.balance, -coalesce(sum(p.amount), 0) - c.amount
            FROM ledger_account a
            LEFT JOIN ledger_posting p ON p.account_id = a.id AND p.purpose <> 'settled'
              AND NOT EXISTS (SELECT 1 FROM settlements_batchline l
                              WHERE l.entry_id = p.entry_id AND l.line = p.line)
            CROSS JOIN LATERAL ({_CARRIED}) c
            WHERE a.code = 'vendor_pending' GROUP BY a.id, a.merchant_id, c.amount
            HAVING a.balance <> coalesce(sum(p.amount), 0) + c.amount""",  # noqa: S608 - our own text
        "vendor {0} has {2} {1} pending, the items in no batch come to {3}",
    )


@invariant("I-54", "The entry of a closed batch moved exactly its figures.")
def batches_are_the_ledger() -> Iterable[str]:
    return rows(
        f"""SELECT b.number, m.pending, m.recovered, m.available FROM settlements_settlementbatch b
           LEFT JOIN LATERAL (
               SELECT sum(p.amount) FILTER (WHERE a.code = 'vendor_pending') AS pending,
                      coalesce(-sum(p.amount) FILTER (WHERE a.code = 'vendor_receivable'), 0) AS recovered,
                      -sum(p.amount) FILTER (WHERE a.code = 'vendor_available') AS available
               FROM ledger_fact f JOIN ledger_posting p ON p.entry_id = f.entry_id
               JOIN ledger_account a ON a.id = p.account_id AND a.owner = b.vendor_id::text
               WHERE f.source_type = 'settlement' AND f.source_id = b.id) m ON true
           WHERE b.state <> 'carried' AND (m.pending, m.recovered, m.available)
             IS DISTINCT FROM (b.net_minor + b.recovered_minor, b.recovered_minor, b.net_minor)
             AND NOT {has_archived("b.id", "'settlement'")}""",  # noqa: S608 - our own text
        "batch {0} moved {1}, recovered {2}, made available {3}",
    )


@invariant("I-55", "A payout is its batch: same amount and currency, and states that belong together.")
def payouts_are_batches() -> Iterable[str]:
    return rows(
        """SELECT b.number, b.state, b.net_minor, p.amount_minor, coalesce(p.state, 'none')
           FROM settlements_settlementbatch b
           LEFT JOIN settlements_payout p ON p.batch_id = b.id AND p.state <> 'failed'
           WHERE CASE b.state
                   WHEN 'closed' THEN p.id IS NOT NULL
                   WHEN 'carried' THEN p.id IS NOT NULL
                   WHEN 'paying' THEN coalesce(p.state NOT IN ('created', 'sent'), true)
                   WHEN 'paid' THEN p.state IS DISTINCT FROM 'paid'
                   ELSE p.state IS DISTINCT FROM 'reconciled' END
              OR (p.id IS NOT NULL AND (p.amount_minor, p.currency, p.merchant_id)
                                       IS DISTINCT FROM (b.net_minor, b.currency, b.merchant_id))""",
        "batch {0} ({1}) of {2} has a payout of {3} ({4})",
    )


@invariant(
    "I-56",
    "Available money is that of closed batches, money in transit that of payouts and deposits under way.",
)
def money_is_where_the_states_say() -> Iterable[str]:
    return rows(
        """SELECT x.code, x.owner, x.currency, coalesce(x.books, 0), coalesce(y.states, 0) FROM
             (SELECT code, merchant_id, owner, currency, -balance AS books FROM ledger_balance
              WHERE code IN ('vendor_available', 'payout_in_transit')) x
           FULL JOIN
             (SELECT 'vendor_available' AS code, merchant_id, vendor_id::text AS owner, currency,
                     sum(net_minor) AS states
              FROM settlements_settlementbatch WHERE state = 'closed' GROUP BY 2, 3, 4
              UNION ALL
              SELECT 'payout_in_transit', merchant_id, '', currency, sum(amount_minor)
              FROM (SELECT merchant_id, currency, amount_minor FROM settlements_payout
                    WHERE state IN ('created', 'sent', 'paid')
                    UNION ALL
                    SELECT o.merchant_id, o.currency, o.amount_minor FROM payments_provideroperation o
                    WHERE o.kind = 'deposit' AND o.outcome = 'approved'
                      AND NOT EXISTS (SELECT 1 FROM settlements_fundedoperation f
                                      WHERE f.operation_id = o.id)) sent
              GROUP BY 2, 4) y
             USING (code, merchant_id, owner, currency)
           WHERE coalesce(x.books, 0) <> coalesce(y.states, 0)
             AND merchant_id IN (SELECT id FROM vendors_merchant)""",
        "{0} {1} {2} holds {3}, the states say {4}",
    )


@invariant("I-57", "A matched bank line is its payout, or the operations of its report, to the minor unit.")
def bank_lines_are_explained() -> Iterable[str]:
    return rows(
        """SELECT m.id, m.kind, l.amount_minor, m.amount_minor, e.explained
           FROM settlements_match m JOIN settlements_statementline l ON l.id = m.line_id
           LEFT JOIN settlements_payout p ON p.id = m.payout_id
           LEFT JOIN LATERAL (
               SELECT CASE WHEN m.kind = 'payout' THEN -p.amount_minor
                      ELSE (SELECT sum(f.amount_minor - f.fee_minor) FROM settlements_fundedoperation f
                            WHERE f.match_id = m.id) END AS explained) e ON true
           WHERE (l.amount_minor, l.currency) <> (m.amount_minor, m.currency)
              OR e.explained IS DISTINCT FROM m.amount_minor
              OR (m.kind = 'payout' AND (p.state, p.currency) IS DISTINCT FROM ('reconciled', m.currency))""",
        "match {0} ({1}): the line says {2}, the match {3}, what explains it {4}",
    )


@invariant("I-58", "The books' bank balance is the last statement's, less what is not explained on it.")
def bank_is_the_statement() -> Iterable[str]:
    return rows(
        """WITH ordered AS (
               SELECT s.*, coalesce(lag(closing_minor) OVER w, 0) AS closed_before,
                      row_number() OVER (w ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
                        = count(*) OVER (PARTITION BY merchant_id, account, currency) AS is_last
               FROM settlements_bankstatement s WHERE state = 'accepted'
               WINDOW w AS (PARTITION BY merchant_id, account, currency ORDER BY closed_on, sequence, id)
           ), said AS (
               SELECT merchant_id, account, currency, sum(opening_minor - closed_before) AS gaps,
                      sum(closing_minor) FILTER (WHERE is_last) AS closing
               FROM ordered GROUP BY 1, 2, 3
           ), unexplained AS (
               SELECT s.merchant_id, s.account, s.currency, sum(l.amount_minor) AS amount
               FROM settlements_statementline l JOIN settlements_bankstatement s ON s.id = l.statement_id
               WHERE NOT EXISTS (SELECT 1 FROM settlements_match m WHERE m.line_id = l.id) GROUP BY 1, 2, 3)
           SELECT owner, currency, coalesce(b.balance, 0), coalesce(said.closing, 0), coalesce(said.gaps, 0),
                  coalesce(u.amount, 0)
           FROM (SELECT merchant_id, owner, currency, balance FROM ledger_balance WHERE code = 'bank') b
           FULL JOIN (SELECT merchant_id, account AS owner, currency, gaps, closing FROM said) said
             USING (merchant_id, owner, currency)
           LEFT JOIN (SELECT merchant_id, account AS owner, currency, amount FROM unexplained) u
             USING (merchant_id, owner, currency)
           WHERE merchant_id IN (SELECT id FROM vendors_merchant)
             AND coalesce(b.balance, 0)
                 <> coalesce(said.closing, 0) - coalesce(said.gaps, 0) - coalesce(u.amount, 0)""",
        "bank account {0} {1}: books {2}, statement {3} (gaps {4}, unexplained lines {5})",
    )


@invariant("I-59", "Every bank line that nothing explains, and every gap between statements, has a break.")
def what_is_unexplained_is_said() -> Iterable[str]:
    return rows(
        """SELECT l.id, l.amount_minor, l.currency, s.reference FROM settlements_statementline l
           JOIN settlements_bankstatement s ON s.id = l.statement_id
           WHERE NOT EXISTS (SELECT 1 FROM settlements_match m WHERE m.line_id = l.id)
             AND NOT EXISTS (SELECT 1 FROM settlements_break k WHERE k.line_id = l.id)
             AND EXISTS (SELECT 1 FROM settlements_reconciliationrun r
                         WHERE (r.merchant_id, r.account, r.currency) = (s.merchant_id, s.account, s.currency)
                           AND r.finished_at IS NOT NULL AND r.id > s.id)
           UNION ALL
           SELECT 0, g.gap, g.currency, g.reference FROM (
               SELECT s.*, opening_minor - coalesce(lag(closing_minor) OVER w, 0) AS gap
               FROM settlements_bankstatement s WHERE state = 'accepted'
               WINDOW w AS (PARTITION BY merchant_id, account, currency ORDER BY closed_on, sequence, id)) g
           WHERE g.gap <> 0 AND NOT EXISTS (
               SELECT 1 FROM settlements_break k
               WHERE k.statement_id = g.id AND k.reason = 'opening_differs')""",
        "line {0} ({1} {2}) of statement {3} has neither match nor break (line 0: its opening)",
    )
