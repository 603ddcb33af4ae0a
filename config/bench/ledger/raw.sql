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
    --register INSERT INTO bench_raw.ledger_fact (source_id, source_type, step, merchant_id, entry_id)
    --register VALUES (source, 'bench', 'transfer', merchant, entry);
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
