-- Retention: what is decided stays written; a hold is lifted once and otherwise never changes.
DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['ledger_retention', 'ledger_archive', 'ledger_carried'] LOOP
        EXECUTE format('CREATE TRIGGER books_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
                        FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()', name);
        EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER books_immutable', name);
    END LOOP;
END $$;
CREATE FUNCTION ledger_legal_hold_identity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.lifted_at IS NOT NULL
       OR (to_jsonb(NEW) - ARRAY['lifted_at', 'lifted_by', 'lift_reason'])
          IS DISTINCT FROM (to_jsonb(OLD) - ARRAY['lifted_at', 'lifted_by', 'lift_reason']) THEN
        RAISE EXCEPTION 'a legal hold is lifted once and never changed' USING ERRCODE = '23001';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_legal_hold_identity BEFORE UPDATE ON ledger_legal_hold
    FOR EACH ROW EXECUTE FUNCTION ledger_legal_hold_identity();
CREATE TRIGGER ledger_legal_hold_stays BEFORE DELETE OR TRUNCATE ON ledger_legal_hold
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
ALTER TABLE ledger_legal_hold ENABLE ALWAYS TRIGGER ledger_legal_hold_identity;
ALTER TABLE ledger_legal_hold ENABLE ALWAYS TRIGGER ledger_legal_hold_stays;

-- A balance of the past counts what archived months carried forward, as of the month's end. A checkpoint that lies
-- before the end of an archived month is passed over: the postings between it and that end are gone.
CREATE OR REPLACE FUNCTION ledger_balance_recorded(account bigint, merchant uuid, deferred boolean, moment timestamptz)
RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    found bigint;
    carried record;
    base record;
BEGIN
    IF NOT deferred THEN
        SELECT p.balance_after INTO found FROM ledger_posting p
        WHERE p.account_id = account AND p.merchant_id = merchant AND p.recorded_at <= moment
        ORDER BY p.recorded_at DESC, p.entry_id DESC, p.line DESC LIMIT 1;
        IF found IS NOT NULL THEN RETURN found; END IF;
    END IF;
    SELECT max(c.range_to) AS upto, coalesce(sum(c.amount), 0)::bigint AS amount INTO carried FROM ledger_carried c
    WHERE c.account_id = account AND c.merchant_id = merchant AND c.range_to <= moment;
    IF NOT deferred THEN RETURN carried.amount; END IF;
    SELECT c.at, c.balance INTO base FROM ledger_checkpoint c
    WHERE c.account_id = account AND c.merchant_id = merchant AND c.at <= moment
      AND c.at >= coalesce(carried.upto, '-infinity') ORDER BY c.at DESC LIMIT 1;
    SELECT coalesce(sum(p.amount), 0)::bigint INTO found FROM ledger_posting p
    WHERE p.account_id = account AND p.merchant_id = merchant AND p.recorded_at <= moment
      AND p.recorded_at > coalesce(base.at, '-infinity');
    RETURN coalesce(base.balance, carried.amount) + found;
END $$;
