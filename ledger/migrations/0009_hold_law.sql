-- Holds: how much of an account is set aside is changed by these two functions and nothing else. They run as the
-- owner of the tables: the application's role may call them and may not write the column (issue 3, law in the database).
-- Whether there is enough is the account's own check (ledger_account_within_bounds): balance and held bound each other,
-- whoever changes which first. Callers hold the row's lock already; accounts are locked in the order of their ids.

CREATE FUNCTION ledger_hold(held_account bigint, of_merchant uuid, amount bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF amount <= 0 THEN
        RAISE EXCEPTION 'a hold is of a positive amount, not %', amount
            USING ERRCODE = '23514', CONSTRAINT = 'ledger_hold_positive';
    END IF;
    -- A new version: who read the balance before must see that less of it is available.
    UPDATE ledger_account a SET held = a.held + amount, version = a.version + 1
    WHERE a.id = held_account AND a.merchant_id = of_merchant AND NOT a.is_deferred AND a.closed_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'nothing can be held on account %', held_account
            USING ERRCODE = '23514', CONSTRAINT = 'ledger_hold_account_fits';
    END IF;
END $$;

CREATE FUNCTION ledger_release(held_account bigint, of_merchant uuid, amount bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF amount <= 0 THEN
        RAISE EXCEPTION 'a release is of a positive amount, not %', amount
            USING ERRCODE = '23514', CONSTRAINT = 'ledger_hold_positive';
    END IF;
    UPDATE ledger_account a SET held = a.held - amount, version = a.version + 1
    WHERE a.id = held_account AND a.merchant_id = of_merchant;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'nothing is held on account %', held_account
            USING ERRCODE = '23514', CONSTRAINT = 'ledger_hold_account_fits';
    END IF;
END $$;
