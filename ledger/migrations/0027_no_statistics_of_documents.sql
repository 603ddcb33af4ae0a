-- No statistics of what an event tells: no query is planned by it, and sorting the samples of it was half of what ANALYZE of
-- the events costs, which a young house does every minute. A partition does not take this over from its table by itself.
CREATE OR REPLACE FUNCTION ledger_guard_partition(name text, parent text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    col record;
BEGIN
    EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
                    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()', parent || '_immutable', name);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', name, parent || '_immutable');
    IF parent = 'ledger_posting' THEN
        EXECUTE format('CREATE TRIGGER ledger_posting_law AFTER INSERT ON %I REFERENCING NEW TABLE AS inserted
                        FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_postings()', name);
        EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER ledger_posting_law', name);
    END IF;
    FOR col IN SELECT a.attname, a.attstattarget FROM pg_attribute a
               WHERE a.attrelid = parent::regclass AND a.attnum > 0 AND a.attstattarget >= 0 LOOP
        EXECUTE format('ALTER TABLE %I ALTER COLUMN %I SET STATISTICS %s', name, col.attname, col.attstattarget);
    END LOOP;
END $$;
