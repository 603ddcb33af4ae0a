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
CREATE FUNCTION ledger_hold_identity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.lifted_at IS NOT NULL
       OR (to_jsonb(NEW) - ARRAY['lifted_at', 'lifted_by', 'lift_reason'])
          IS DISTINCT FROM (to_jsonb(OLD) - ARRAY['lifted_at', 'lifted_by', 'lift_reason']) THEN
        RAISE EXCEPTION 'a legal hold is lifted once and never changed' USING ERRCODE = '23001';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_hold_identity BEFORE UPDATE ON ledger_hold
    FOR EACH ROW EXECUTE FUNCTION ledger_hold_identity();
CREATE TRIGGER ledger_hold_stays BEFORE DELETE OR TRUNCATE ON ledger_hold
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
ALTER TABLE ledger_hold ENABLE ALWAYS TRIGGER ledger_hold_identity;
ALTER TABLE ledger_hold ENABLE ALWAYS TRIGGER ledger_hold_stays;
