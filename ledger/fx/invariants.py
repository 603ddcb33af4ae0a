"""What is always true of exchange: each conversion in the books is its quote, each position its exposures."""

from collections.abc import Iterable

from ledger.invariants import archived, invariant, rows


@invariant("I-60", "Every conversion's entry moves exactly what its quote promised, in each currency.")
def conversions_are_their_quotes() -> Iterable[str]:
    return rows(
        """SELECT c.id, q.id, q.state FROM ledger_fx_conversion c JOIN ledger_fx_quote q ON q.id = c.quote_id
           WHERE (c.merchant_id, c.sell_currency, c.buy_currency, c.sell_minor, c.buy_minor, c.house_minor,
                  c.spread_minor, c.house_rate, c.customer_rate, 'used')
             IS DISTINCT FROM
                 (q.merchant_id, q.sell_currency, q.buy_currency, q.sell_minor, q.buy_minor, q.house_minor,
                  q.spread_minor, q.house_rate, q.customer_rate, q.state::text)""",
        "conversion {0} is not what its quote {1} ({2}) says",
    )


@invariant("I-61", "Every conversion's postings are its figures, account by account.")
def conversions_are_posted() -> Iterable[str]:
    return rows(
        f"""WITH expected AS (
             SELECT c.id, c.entry_id, x.code, x.currency, x.amount FROM ledger_fx_conversion c
             CROSS JOIN LATERAL (VALUES
               ('merchant_balance', c.sell_currency, c.sell_minor),
               ('fx_position', c.sell_currency, -c.sell_minor),
               ('fx_position', c.buy_currency, c.house_minor),
               ('merchant_balance', c.buy_currency, -c.buy_minor),
               ('fx_spread', c.buy_currency, -c.spread_minor)) AS x (code, currency, amount)
             WHERE x.amount <> 0 AND NOT {archived("c.entry_id")}
           ), posted AS (
             SELECT c.id, p.entry_id, a.code::text, p.currency::text, sum(p.amount)::bigint AS amount
             FROM ledger_fx_conversion c
             JOIN ledger_posting p ON p.entry_id = c.entry_id AND p.merchant_id = c.merchant_id
             JOIN ledger_account a ON a.id = p.account_id
             WHERE NOT {archived("c.entry_id")} GROUP BY 1, 2, 3, 4
           )
           SELECT id, code, currency FROM (
             (SELECT * FROM expected EXCEPT SELECT * FROM posted)
             UNION ALL (SELECT * FROM posted EXCEPT SELECT * FROM expected)) AS d""",  # noqa: S608 - our own text
        "conversion {0}: {1} {2} is not posted as it should be",
    )


@invariant("I-62", "Every position account is the sum of the exposures of its pair.")
def positions_are_exposures() -> Iterable[str]:
    return rows(
        """WITH noted AS (
             SELECT merchant_id, pair::text, currency, sum(amount) AS amount FROM ledger_fx_exposure
             CROSS JOIN LATERAL (VALUES (left(pair, 3), base_minor), (right(pair, 3), quote_minor))
               AS x (currency, amount)
             GROUP BY 1, 2, 3
           ), held AS (
             SELECT merchant_id, owner::text AS pair, currency::text, -balance AS amount FROM ledger_balance
             WHERE code = 'fx_position'
           )
           SELECT merchant_id, pair, currency, coalesce(h.amount, 0), coalesce(n.amount, 0)
           FROM held h FULL JOIN noted n USING (merchant_id, pair, currency)
           WHERE coalesce(h.amount, 0) <> coalesce(n.amount, 0)""",
        "position {1} {2} of {0} holds {3}, its exposures {4}",
    )


@invariant("I-63", "Every conversion's unwinds sum to what it says was unwound, at most the whole.")
def unwinds_add_up() -> Iterable[str]:
    return rows(
        """SELECT c.id FROM ledger_fx_conversion c LEFT JOIN (
             SELECT conversion_id, count(*) AS n, sum(sell_minor) AS sell, sum(buy_minor) AS buy,
                    sum(spread_minor) AS spread, sum(gain_minor) AS gain
             FROM ledger_fx_unwind GROUP BY 1) u ON u.conversion_id = c.id
           WHERE (c.unwinds_made, c.unwound_minor, c.returned_minor, c.spread_returned_minor, c.gain_minor)
             IS DISTINCT FROM (coalesce(u.n, 0), coalesce(u.sell, 0), coalesce(u.buy, 0),
                               coalesce(u.spread, 0), coalesce(u.gain, 0))
              OR (c.state = 'unwound') <> (c.unwound_minor = c.sell_minor)
              OR (c.state = 'unwound'
                  AND (c.returned_minor, c.spread_returned_minor) <> (c.buy_minor, c.spread_minor))""",
        "conversion {0} and its unwinds do not agree",
    )


@invariant("I-64", "Every gain and loss in the books is explained by unwinds.")
def gains_are_explained() -> Iterable[str]:
    return rows(
        """WITH told AS (
             SELECT c.merchant_id, c.buy_currency::text AS currency, sum(c.gain_minor) AS amount
             FROM ledger_fx_conversion c GROUP BY 1, 2
           ), held AS (
             SELECT merchant_id, currency::text, -balance AS amount FROM ledger_balance
             WHERE code = 'fx_gain_loss'
           )
           SELECT merchant_id, currency, coalesce(h.amount, 0), coalesce(t.amount, 0)
           FROM held h FULL JOIN told t USING (merchant_id, currency)
           WHERE coalesce(h.amount, 0) <> coalesce(t.amount, 0)""",
        "gains of {0} in {1}: the books say {2}, the unwinds {3}",
    )
