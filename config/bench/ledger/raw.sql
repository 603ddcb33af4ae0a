-- The reference: the least that writes the same rows durably. No law, no hash, no watermark but the column's default.

CREATE FUNCTION bench_raw.post(
    entry uuid, merchant uuid, source uuid, debited bigint, credited bigint, amount bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    debited_after bigint;
    credited_after bigint;
BEGIN
    INSERT INTO bench_raw.ledger_entry
        (id, merchant_id, kind, source_type, source_id, step, occurred_at, content_hash)
    VALUES (entry, merchant, 'transfer', 'bench', source, 'transfer', now(), '');
    INSERT INTO bench_raw.ledger_fact (source_id, source_type, step, merchant_id, entry_id)
    VALUES (source, 'bench', 'transfer', merchant, entry);
    -- In id order, as the journal does, or two calls could wait for each other in a circle.
    IF debited < credited THEN
        UPDATE bench_raw.ledger_account a SET balance = balance + amount, version = version + 1
        WHERE a.id = debited RETURNING balance INTO debited_after;
    END IF;
    UPDATE bench_raw.ledger_account a SET balance = balance - amount, version = version + 1
    WHERE a.id = credited RETURNING balance INTO credited_after;
    IF debited > credited THEN
        UPDATE bench_raw.ledger_account a SET balance = balance + amount, version = version + 1
        WHERE a.id = debited RETURNING balance INTO debited_after;
    END IF;
    INSERT INTO bench_raw.ledger_posting
        (entry_id, line, merchant_id, account_id, currency, amount, balance_after, purpose)
    VALUES (entry, 1, merchant, debited, 'USD', amount, debited_after, 'transfer'),
           (entry, 2, merchant, credited, 'USD', -amount, credited_after, 'transfer');
END $$;

-- The same for a batch, set by set: entry n moves amounts[n] from credited[n] to debited[n].
CREATE FUNCTION bench_raw.post_batch(
    entries uuid[], merchant uuid, sources uuid[], debited bigint[], credited bigint[], amounts bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM bench_raw.ledger_account a WHERE a.id = ANY (debited || credited) ORDER BY a.id FOR NO KEY UPDATE;
    INSERT INTO bench_raw.ledger_entry
        (id, merchant_id, kind, source_type, source_id, step, occurred_at, content_hash)
    SELECT e.id, merchant, 'transfer', 'bench', e.source, 'transfer', now(), '' FROM unnest(entries, sources) e (id, source);
    INSERT INTO bench_raw.ledger_fact (source_id, source_type, step, merchant_id, entry_id)
    SELECT e.source, 'bench', 'transfer', merchant, e.id FROM unnest(entries, sources) e (id, source);
    WITH leg AS MATERIALIZED (
        SELECT e.id, l.line, l.account, l.amount
        FROM unnest(entries, debited, credited, amounts) e (id, debited, credited, amount)
        CROSS JOIN LATERAL (VALUES (1, e.debited, e.amount), (2, e.credited, -e.amount)) l (line, account, amount)
    ), moved AS (
        UPDATE bench_raw.ledger_account a SET balance = a.balance + m.amount, version = a.version + 1
        FROM (SELECT account, sum(amount)::bigint AS amount FROM leg GROUP BY account) m WHERE a.id = m.account
        RETURNING a.id, a.balance - m.amount AS before
    )
    INSERT INTO bench_raw.ledger_posting
        (entry_id, line, merchant_id, account_id, currency, amount, balance_after, purpose)
    SELECT leg.id, leg.line, merchant, leg.account, 'USD', leg.amount,
           moved.before + sum(leg.amount) OVER (PARTITION BY leg.account ORDER BY leg.id, leg.line), 'transfer'
    FROM leg JOIN moved ON moved.id = leg.account;
END $$;
