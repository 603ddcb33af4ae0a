-- The same laws at less cost. A check constraint's text is parsed for every statement that writes the row: two short
-- checks and one condition on the account, two on the posting, were a third of a posting's CPU. A trigger's function is
-- parsed once a session. The laws keep their names, and hold for whoever writes, the owner and replication too.

-- 1. An account stays within its bounds; what is held bounds it from both sides; a deferred account has none.
CREATE FUNCTION ledger_account_law() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
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
-- The last of the triggers by name, so that it judges what is written.
CREATE TRIGGER ledger_account_within BEFORE INSERT OR UPDATE ON ledger_account
    FOR EACH ROW EXECUTE FUNCTION ledger_account_law();
ALTER TABLE ledger_account ENABLE ALWAYS TRIGGER ledger_account_within;

-- An account's identity, its public id too, is looked at only by a statement that names one of its columns.
DROP TRIGGER ledger_account_keeps_name ON ledger_account;
CREATE TRIGGER ledger_account_keeps_name BEFORE UPDATE OF public_uuid ON ledger_account
    FOR EACH ROW EXECUTE FUNCTION ledger_account_keeps_name();
CREATE OR REPLACE FUNCTION ledger_account_keeps_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.public_uuid IS DISTINCT FROM OLD.public_uuid THEN
        RAISE EXCEPTION 'an account keeps its public id' USING ERRCODE = '23001';
    END IF;
    RETURN NEW;
END $$;

-- 2. Every statement that inserts postings inserts whole, balanced entries of amounts that the books can hold, on
-- accounts that fit. Row by row while the rows are of one entry and currency, which nearly all statements are; set by set
-- when one is not. Scalar subqueries, not joins: a join with a transition table was planned as a scan of the growing
-- tables. The one entry is looked up by a variable, so that other months' partitions are left out before the plan starts.
CREATE FUNCTION ledger_refuse_postings(why text, named text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', why USING ERRCODE = '23514', CONSTRAINT = named;
END $$;
CREATE OR REPLACE FUNCTION ledger_check_postings() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    largest CONSTANT bigint := 1000000000000000;
    leg record;
    one_entry uuid;
    one_merchant uuid;
    one_currency text;
    is_plain boolean := true;
    off numeric := 0;
    whole record;
    found_entry uuid;
    written xid8;
BEGIN
    FOR leg IN SELECT i.entry_id, i.merchant_id, i.currency, i.amount,
                      (SELECT a.currency = i.currency FROM ledger_account a
                       WHERE a.id = i.account_id AND a.merchant_id = i.merchant_id) AS fits
               FROM inserted i LOOP
        IF one_entry IS NULL THEN
            one_entry := leg.entry_id;
            one_merchant := leg.merchant_id;
            one_currency := leg.currency;
        ELSIF leg.entry_id <> one_entry OR leg.merchant_id <> one_merchant OR leg.currency <> one_currency THEN
            is_plain := false;
        END IF;
        IF leg.fits IS NOT TRUE OR leg.amount = 0 OR leg.amount > largest OR leg.amount < -largest THEN
            is_plain := false;
        END IF;
        EXIT WHEN NOT is_plain;
        off := off + leg.amount;
    END LOOP;
    IF is_plain AND off = 0 THEN
        SELECT e.xid INTO written FROM ledger_entry e WHERE e.id = one_entry AND e.merchant_id = one_merchant;
        IF written = pg_current_xact_id() THEN RETURN NULL; END IF;
    END IF;
    SELECT bool_and(coalesce((SELECT a.currency = i.currency FROM ledger_account a
                              WHERE a.id = i.account_id AND a.merchant_id = i.merchant_id), false)) AS fit,
           bool_or(i.amount = 0) AS any_is_zero,
           bool_or(i.amount NOT BETWEEN -largest AND largest) AS any_is_large
    INTO whole FROM inserted i;
    IF NOT whole.fit THEN
        PERFORM ledger_refuse_postings('a posting names an account of another currency or merchant, or none',
                                       'ledger_posting_account_fits');
    ELSIF whole.any_is_zero THEN
        PERFORM ledger_refuse_postings('a posting moves nothing', 'ledger_posting_not_zero');
    ELSIF whole.any_is_large THEN
        PERFORM ledger_refuse_postings('a posting moves more than 10^15', 'ledger_posting_amount_bounded');
    END IF;
    SELECT i.entry_id INTO found_entry FROM inserted i
    GROUP BY i.entry_id, i.merchant_id, i.currency HAVING sum(i.amount) <> 0 LIMIT 1;
    IF FOUND THEN
        PERFORM ledger_refuse_postings(format('entry %s does not balance in each currency', found_entry),
                                       'ledger_entry_balances');
    END IF;
    SELECT i.entry_id INTO found_entry FROM (SELECT DISTINCT entry_id, merchant_id FROM inserted) i
    WHERE (SELECT e.xid FROM ledger_entry e WHERE e.id = i.entry_id AND e.merchant_id = i.merchant_id)
          IS DISTINCT FROM pg_current_xact_id() LIMIT 1;
    IF FOUND THEN
        PERFORM ledger_refuse_postings('a posting joins an entry of another transaction or merchant, or none',
                                       'ledger_posting_entry_is_new');
    END IF;
    RETURN NULL;
END $$;

-- 3. Balances of the past: sums of periods and checkpoints in one pass over what was written; a checkpoint at about every
-- hundredth posting of an account, however many came in one pass, so that a read of the past adds up as few.
ALTER TABLE ledger_period SET (fillfactor = 60);  -- its rows are rewritten in place
CREATE OR REPLACE FUNCTION ledger_settle_balances(every_postings int DEFAULT 100) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    mark ledger_mark;
    written bigint := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('ledger_settle_balances')) THEN RETURN 0; END IF;
    SELECT * INTO mark FROM ledger_mark WHERE name = 'balances' FOR UPDATE;
    IF pg_snapshot_xmin(pg_current_snapshot()) < mark.next_upto THEN RETURN 0; END IF;
    WITH period AS (
        INSERT INTO ledger_period AS period
            (account_id, merchant_id, width, begins, amount, recorded_from, recorded_to)
        SELECT p.account_id, p.merchant_id, w.width, date_trunc(w.width, e.occurred_at, 'UTC'), sum(p.amount)::bigint,
               min(p.recorded_at), max(p.recorded_at)
        FROM ledger_entry e JOIN ledger_posting p ON p.entry_id = e.id AND p.merchant_id = e.merchant_id
        JOIN (VALUES ('day'), ('hour')) AS w (width) ON w.width = 'day' OR p.balance_after IS NULL
        WHERE e.xid >= mark.settled_upto AND e.xid < mark.next_upto
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 3, 4
        ON CONFLICT (account_id, width, begins, merchant_id) DO UPDATE SET
            amount = period.amount + excluded.amount,
            recorded_from = least(period.recorded_from, excluded.recorded_from),
            recorded_to = greatest(period.recorded_to, excluded.recorded_to)
        RETURNING account_id, merchant_id, width
    ), checkpoint AS (
        INSERT INTO ledger_checkpoint (account_id, merchant_id, at, balance)
        SELECT m.account_id, m.merchant_id, s.recorded_at, coalesce(c.balance, 0) + s.moved
        FROM (SELECT DISTINCT account_id, merchant_id FROM period WHERE width = 'hour') m
        LEFT JOIN LATERAL (SELECT k.at, k.balance FROM ledger_checkpoint k
                           WHERE k.account_id = m.account_id AND k.merchant_id = m.merchant_id
                           ORDER BY k.at DESC LIMIT 1) c ON true
        -- Postings of one moment are before or after a checkpoint together.
        CROSS JOIN LATERAL (
            SELECT g.recorded_at, g.postings, (sum(g.amount) OVER so_far)::bigint AS moved,
                   sum(g.postings) OVER so_far AS passed
            FROM (SELECT p.recorded_at, sum(p.amount) AS amount, count(*) AS postings FROM ledger_posting p
                  WHERE p.account_id = m.account_id AND p.merchant_id = m.merchant_id
                    AND p.recorded_at <= mark.next_at AND p.recorded_at > coalesce(c.at, '-infinity')
                  GROUP BY p.recorded_at) g
            WINDOW so_far AS (ORDER BY g.recorded_at)
        ) s
        WHERE div(s.passed, every_postings) > div(s.passed - s.postings, every_postings)
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM period) + (SELECT count(*) FROM checkpoint) INTO written;
    -- The moment first, then the snapshot: whoever gets a number at or past it is later.
    mark.settled_at := mark.next_at;
    mark.settled_upto := mark.next_upto;
    mark.next_at := clock_timestamp();
    UPDATE ledger_mark SET settled_at = mark.settled_at, settled_upto = mark.settled_upto, next_at = mark.next_at
    WHERE name = 'balances';
    UPDATE ledger_mark SET next_upto = pg_snapshot_xmax(pg_current_snapshot()) WHERE name = 'balances';
    RETURN written;
END $$;
