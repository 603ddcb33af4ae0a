-- Posting at less cost again, under the same laws.

-- 1. The law of an account: one look in the common case, where nothing is held and no bound is near.
CREATE OR REPLACE FUNCTION ledger_account_law() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.balance < NEW.balance_min + NEW.held OR NEW.balance > NEW.balance_max - NEW.held
        OR NEW.held <> 0 OR NEW.is_deferred) IS NOT TRUE THEN
        RETURN NEW;
    END IF;
    IF NEW.balance < NEW.balance_min + NEW.held OR NEW.balance > NEW.balance_max - NEW.held THEN
        RAISE EXCEPTION 'account % would pass a bound', NEW.id
            USING ERRCODE = '23514', CONSTRAINT = 'ledger_account_within_bounds';
    END IF;
    IF NEW.held <> 0 AND (NEW.held < 0 OR NEW.balance_min IS NULL AND NEW.balance_max IS NULL) THEN
        RAISE EXCEPTION 'nothing is held on account %, which has no bound, and never less than nothing', NEW.id
            USING ERRCODE = '23514', CONSTRAINT = 'ledger_account_held_within_bounds';
    END IF;
    IF NEW.is_deferred AND (NEW.balance_min IS NOT NULL OR NEW.balance_max IS NOT NULL) THEN
        RAISE EXCEPTION 'account % is deferred and cannot have a bound', NEW.id
            USING ERRCODE = '23514', CONSTRAINT = 'ledger_account_deferred_is_unbounded';
    END IF;
    RETURN NEW;
END $$;

-- 2. An entry of two legs on two accounts, which most are, without arrays and loops; all others as before, under the
-- name `ledger_post_legs`. What both write is the same to the byte (tests/services/ledger/test_two_legs.py).
ALTER FUNCTION ledger_post_one(uuid, uuid, text, text, uuid, text, timestamptz, uuid, int[], bigint[], bigint[], text[])
    RENAME TO ledger_post_legs;
ALTER FUNCTION ledger_post_legs RESET ALL;  -- it runs within its caller's settings and rights
CREATE FUNCTION ledger_post_one(
    e_id uuid, e_merchant uuid, e_kind text, e_source_type text, e_source_id uuid, e_step text,
    e_occurred_at timestamptz, e_reverses uuid,
    p_line int[], p_account bigint[], p_amount bigint[], p_purpose text[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    low_account bigint := p_account[1];
    high_account bigint := p_account[2];
    low_amount bigint := p_amount[1];
    high_amount bigint := p_amount[2];
    low_currency text;
    high_currency text;
    low_after bigint;
    high_after bigint;
    low_text text;
    high_text text;
    moment timestamptz;
BEGIN
    IF (cardinality(p_account) = 2 AND low_account < high_account AND e_reverses IS NULL) IS NOT TRUE THEN
        PERFORM ledger_post_legs(e_id, e_merchant, e_kind, e_source_type, e_source_id, e_step, e_occurred_at,
                                 e_reverses, p_line, p_account, p_amount, p_purpose);
        RETURN;
    END IF;
    -- In the order of their ids, as everywhere: a strict account is moved, a deferred one is only looked at.
    UPDATE ledger_account a SET balance = a.balance + low_amount, version = a.version + 1
    WHERE a.id = low_account AND a.merchant_id = e_merchant AND NOT a.is_deferred AND a.closed_at IS NULL
    RETURNING a.currency, a.balance INTO low_currency, low_after;
    IF NOT FOUND THEN
        SELECT a.currency INTO low_currency FROM ledger_account a
        WHERE a.id = low_account AND a.merchant_id = e_merchant AND a.is_deferred AND a.closed_at IS NULL;
        IF NOT FOUND THEN
            PERFORM ledger_refuse_accounts(ARRAY[e_merchant], ARRAY[1, 1], p_account);
        END IF;
    END IF;
    UPDATE ledger_account a SET balance = a.balance + high_amount, version = a.version + 1
    WHERE a.id = high_account AND a.merchant_id = e_merchant AND NOT a.is_deferred AND a.closed_at IS NULL
    RETURNING a.currency, a.balance INTO high_currency, high_after;
    IF NOT FOUND THEN
        SELECT a.currency INTO high_currency FROM ledger_account a
        WHERE a.id = high_account AND a.merchant_id = e_merchant AND a.is_deferred AND a.closed_at IS NULL;
        IF NOT FOUND THEN
            PERFORM ledger_refuse_accounts(ARRAY[e_merchant], ARRAY[1, 1], p_account);
        END IF;
    END IF;
    low_text := p_line[1] || ':' || low_account || ':' || low_currency || ':' || low_amount
                || ':' || p_purpose[1] || ':' || coalesce(low_after::text, '');
    high_text := p_line[2] || ':' || high_account || ':' || high_currency || ':' || high_amount
                 || ':' || p_purpose[2] || ':' || coalesce(high_after::text, '');
    INSERT INTO ledger_fact (source_id, source_type, step, merchant_id, entry_id)
    VALUES (e_source_id, e_source_type, e_step, e_merchant, e_id);
    moment := clock_timestamp();  -- after the locks and the transaction's number, as in ledger_post_legs
    INSERT INTO ledger_entry (id, merchant_id, kind, source_type, source_id, step, occurred_at, recorded_at,
                              content_hash)
    VALUES (e_id, e_merchant, e_kind, e_source_type, e_source_id, e_step, e_occurred_at, moment,
            ledger_content_hash(e_id, e_merchant, e_kind, e_source_type, e_source_id, e_step, e_occurred_at, NULL,
                                CASE WHEN p_line[1] < p_line[2] THEN low_text || ',' || high_text
                                     ELSE high_text || ',' || low_text END));
    INSERT INTO ledger_posting (entry_id, line, merchant_id, account_id, currency, amount, balance_after, purpose,
                                recorded_at)
    VALUES (e_id, p_line[1], e_merchant, low_account, low_currency, low_amount, low_after, p_purpose[1], moment),
           (e_id, p_line[2], e_merchant, high_account, high_currency, high_amount, high_after, p_purpose[2], moment);
END $$;
