-- A posting locks and plans for its own month, however many months there are.

-- 1. Where the law finds the entry of a posting: in the month that is now, through a view on that one partition. To ask
-- the whole table is to lock every month's partition in each posting, and, once several months are full, to have the
-- statement planned anew for each: the plan that serves all months seems dearer then. The view is where to look first
-- and decides nothing: an entry that is not there is looked for in the whole table.
CREATE FUNCTION ledger_see_this_month() RETURNS void LANGUAGE plpgsql SET lock_timeout = '200ms' AS $$
DECLARE
    month regclass := to_regclass('ledger_entry' || to_char(now() AT TIME ZONE 'UTC', '_YYYY_MM'));
BEGIN
    -- No such month, or months that are no partitions by time (docs/scaling.md): the whole table.
    IF NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = month AND i.inhparent = 'ledger_entry'::regclass) THEN
        month := 'ledger_entry';
    END IF;
    IF EXISTS (SELECT FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
               WHERE r.ev_class = to_regclass('ledger_entry_this_month') AND d.refobjid = month) THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE OR REPLACE VIEW ledger_entry_this_month AS SELECT e.id, e.merchant_id, e.xid FROM %s e', month);
EXCEPTION WHEN lock_not_available THEN
    NULL;  -- postings are on their way and go before: the next run of the job turns the page
END $$;
SELECT ledger_see_this_month();

CREATE OR REPLACE FUNCTION ledger_make_partitions(ahead int, since timestamptz DEFAULT now()) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
    kept record;
    wanted date;
    made int := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ledger_make_partitions'));
    FOR kept IN SELECT * FROM ledger_partitioned ORDER BY name LOOP
        FOR wanted IN
            SELECT (date_trunc('month', since AT TIME ZONE 'UTC') + make_interval(months => m))::date
            FROM generate_series(0, ahead) m
            UNION SELECT ledger_months_waiting(kept.name, kept.by_uuid) ORDER BY 1
        LOOP
            made := made + ledger_make_partition(kept.name, kept.by_uuid, wanted)::int;
        END LOOP;
    END LOOP;
    PERFORM ledger_see_this_month();
    RETURN made;
END $$;

-- 2. The law of postings as in 0016_speed.sql, by that view; what makes a row plain is one condition of its statement.
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
                      (SELECT a.currency FROM ledger_account a
                       WHERE a.id = i.account_id AND a.merchant_id = i.merchant_id) = i.currency
                      AND i.amount <> 0 AND i.amount <= 1000000000000000 AND i.amount >= -1000000000000000 AS fits
               FROM inserted i LOOP
        IF one_entry IS NULL THEN
            one_entry := leg.entry_id;
            one_merchant := leg.merchant_id;
            one_currency := leg.currency;
        END IF;
        is_plain := leg.fits AND leg.entry_id = one_entry AND leg.merchant_id = one_merchant
                    AND leg.currency = one_currency;
        EXIT WHEN is_plain IS NOT TRUE;
        off := off + leg.amount;
    END LOOP;
    IF is_plain AND off = 0 THEN
        SELECT e.xid INTO written FROM ledger_entry_this_month e WHERE e.id = one_entry AND e.merchant_id = one_merchant;
        IF NOT FOUND THEN
            SELECT e.xid INTO written FROM ledger_entry e WHERE e.id = one_entry AND e.merchant_id = one_merchant;
        END IF;
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
    WHERE coalesce(
              (SELECT e.xid FROM ledger_entry_this_month e WHERE e.id = i.entry_id AND e.merchant_id = i.merchant_id),
              (SELECT e.xid FROM ledger_entry e WHERE e.id = i.entry_id AND e.merchant_id = i.merchant_id))
          IS DISTINCT FROM pg_current_xact_id() LIMIT 1;
    IF FOUND THEN
        PERFORM ledger_refuse_postings('a posting joins an entry of another transaction or merchant, or none',
                                       'ledger_posting_entry_is_new');
    END IF;
    RETURN NULL;
END $$;
