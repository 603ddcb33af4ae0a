-- Any number of entries in one call, as in 0004_posting.sql and 0023_no_empty_entry.py: their accounts are looked at once to
-- judge them, where each account was looked up twice.
CREATE OR REPLACE FUNCTION ledger_post(
    e_id uuid[], e_merchant uuid[], e_kind text[], e_source_type text[], e_source_id uuid[], e_step text[],
    e_occurred_at timestamptz[], e_reverses uuid[],
    p_entry int[], p_line int[], p_account bigint[], p_amount bigint[], p_purpose text[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz;
    taken_back record;
    any_unfit boolean;
    any_beyond boolean;
BEGIN
    IF cardinality(e_id) = 1 THEN
        PERFORM ledger_post_one(e_id[1], e_merchant[1], e_kind[1], e_source_type[1], e_source_id[1], e_step[1],
                                e_occurred_at[1], e_reverses[1], p_line, p_account, p_amount, p_purpose);
        RETURN;
    END IF;
    IF (SELECT count(DISTINCT n) FROM unnest(p_entry) AS n) <> cardinality(e_id) THEN
        PERFORM ledger_refuse_postings('an entry has no postings', 'ledger_entry_balances');
    END IF;
    PERFORM 1 FROM ledger_account a WHERE a.id = ANY (p_account) AND NOT a.is_deferred
        ORDER BY a.id FOR NO KEY UPDATE;
    -- A bound holds after every entry, not only after the last one (of several lines of an entry, after all of them). In the
    -- same pass: whether an account is none or closed, which is named first, as in a call of one entry.
    SELECT bool_or(a.id IS NULL OR a.closed_at IS NOT NULL),
           bool_or(NOT a.is_deferred
                   AND (a.balance + r.moved < a.balance_min + a.held OR a.balance + r.moved > a.balance_max - a.held))
    INTO any_unfit, any_beyond
    FROM (
        SELECT l.account, l.entry, sum(sum(l.amount)) OVER (PARTITION BY l.account ORDER BY e_id[l.entry]) AS moved
        FROM unnest(p_entry, p_account, p_amount) AS l (entry, account, amount) GROUP BY l.account, l.entry
    ) r LEFT JOIN ledger_account a ON a.id = r.account AND a.merchant_id = e_merchant[r.entry];
    IF any_unfit THEN
        PERFORM ledger_refuse_accounts(e_merchant, p_entry, p_account);
    END IF;
    FOR taken_back IN SELECT r.id, r.entry FROM unnest(e_reverses) WITH ORDINALITY AS r (id, entry)
                      WHERE r.id IS NOT NULL LOOP
        PERFORM ledger_refuse_reversal(taken_back.id, e_merchant[taken_back.entry],
            array_agg(l.account), array_agg(l.amount))
        FROM unnest(p_entry, p_account, p_amount) AS l (entry, account, amount) WHERE l.entry = taken_back.entry;
    END LOOP;
    IF any_beyond THEN
        RAISE EXCEPTION 'an entry of the call passes a bound'
            USING ERRCODE = '23514', CONSTRAINT = 'ledger_account_within_bounds';
    END IF;
    PERFORM pg_current_xact_id();  -- before the moment, as in ledger_post_one
    moment := clock_timestamp();
    WITH head AS MATERIALIZED (
        SELECT * FROM unnest(e_id, e_merchant, e_kind, e_source_type, e_source_id, e_step, e_occurred_at, e_reverses)
             WITH ORDINALITY AS h (id, merchant, kind, source_type, source_id, step, occurred_at, reverses, entry)
    ), leg AS MATERIALIZED (
        SELECT l.entry, l.line, l.account, l.amount, l.purpose, a.currency, e_id[l.entry] AS entry_id,
               e_merchant[l.entry] AS merchant,
               CASE WHEN a.is_deferred THEN NULL
                    ELSE a.balance + sum(l.amount) OVER (PARTITION BY l.account ORDER BY e_id[l.entry], l.line) END
                   AS balance_after
        FROM unnest(p_entry, p_line, p_account, p_amount, p_purpose) AS l (entry, line, account, amount, purpose)
        LEFT JOIN ledger_account a ON a.id = l.account AND a.merchant_id = e_merchant[l.entry]
    ), text_of AS (
        SELECT entry, string_agg(line || ':' || account || ':' || currency || ':' || amount || ':' || purpose || ':'
                                 || coalesce(balance_after::text, ''), ',' ORDER BY line) AS lines
        FROM leg GROUP BY entry
    ), fact AS (
        INSERT INTO ledger_fact (source_id, source_type, step, merchant_id, entry_id)
        SELECT source_id, source_type, step, merchant, id FROM head
        UNION ALL SELECT reverses, 'reversal', '', merchant, id FROM head WHERE reverses IS NOT NULL
    ), entry AS (
        INSERT INTO ledger_entry (id, merchant_id, kind, source_type, source_id, step, occurred_at, recorded_at,
                                  reverses_id, content_hash)
        SELECT h.id, h.merchant, h.kind, h.source_type, h.source_id, h.step, h.occurred_at, moment, h.reverses,
               ledger_content_hash(h.id, h.merchant, h.kind, h.source_type, h.source_id, h.step, h.occurred_at,
                                   h.reverses, t.lines)
        FROM head h LEFT JOIN text_of t ON t.entry = h.entry
    ), moved AS (
        UPDATE ledger_account a SET balance = a.balance + m.amount, version = a.version + 1
        FROM (SELECT account, merchant, sum(amount)::bigint AS amount FROM leg WHERE balance_after IS NOT NULL
              GROUP BY 1, 2) m
        WHERE a.id = m.account AND a.merchant_id = m.merchant
    )
    INSERT INTO ledger_posting (entry_id, line, merchant_id, account_id, currency, amount, balance_after, purpose,
                                recorded_at)
    SELECT entry_id, line, merchant, account, currency, amount, balance_after, purpose, moment FROM leg;
END $$;
