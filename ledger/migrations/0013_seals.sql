-- The records of sealed rows and the verifications are written once, like what they tell of.
DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['ledger_seal_records', 'ledger_seal_check'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
                        FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()', name || '_immutable', name);
        EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', name, name || '_immutable');
    END LOOP;
END $$;
-- Hashes do not compress.
ALTER TABLE ledger_seal_records ALTER COLUMN records SET STORAGE EXTERNAL;
